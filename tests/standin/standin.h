// What both stand-ins share: how a test tells them what to do, and how they tell it what is left.
//
// FRAMECACHE_STANDIN is a list of words, `devices=2,never_ready`; each library says which it knows.
#pragma once

#include <cstdlib>
#include <cstring>
#include <string>

namespace standin {

// The number behind `word=` in FRAMECACHE_STANDIN, 1 for a bare word, `otherwise` where it is not there.
inline long setting(const char *word, long otherwise) {
    const char *text = std::getenv("FRAMECACHE_STANDIN");
    std::string list = std::string(",") + (text ? text : "") + ",";
    std::string key = std::string(",") + word;
    for (size_t at = list.find(key); at != std::string::npos; at = list.find(key, at + 1)) {
        char next = list[at + key.size()];
        if (next == '=')
            return std::atol(list.c_str() + at + key.size() + 1);
        if (next == ',')
            return 1;
    }
    return otherwise;
}

inline bool asked(const char *word) { return setting(word, 0) != 0; }

} // namespace standin
