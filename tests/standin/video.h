// What the parts of a libnvcuvid stand-in share: decoder.cpp keeps surfaces and maps them, codec.cpp has libavcodec's
// side of it, callbacks.cpp says to whoever uses the parser what the parser found. The parser itself is parser.cpp's,
// which makes everything up, or NVIDIA's own (hybrid.cpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>
}

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/dynlink_nvcuvid.h>

#include "standin.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace standin {

enum : int {
    OK = 0,
    INVALID_VALUE = 1,
    INVALID_CONTEXT = 201,
    MAP_FAILED = 205,
    INVALID_HANDLE = 400,
    NOT_SUPPORTED = 801,
    UNKNOWN = 999,
};

inline CUresult result(long code) { return static_cast<CUresult>(code); }

// What the parser may be made to say. All but NULL_INFO are wrong.
enum Nonsense : long {
    NONE,
    NULL_SEQUENCE,
    NO_SIZE,
    AREA_OUTSIDE,
    NO_SURFACES,
    UNKNOWN_CHROMA,
    ANOTHER_CODEC,
    TOO_DEEP,
    NO_SEQUENCE,
    NULL_PICTURE,
    INDEX_TOO_HIGH,
    INDEX_BELOW_ZERO,
    SHOWN_TOO_HIGH,
    SHOWN_BELOW_ZERO,
    NEVER_DECODED,
    NULL_USER,
    NO_PITCH,
    NO_ADDRESS,
    HUGE_SIZE,
    NULL_INFO,
};

inline long nonsense() { return setting("nonsense", NONE); }

extern std::recursive_mutex mutex;
#define LOCK std::lock_guard<std::recursive_mutex> lock(standin::mutex)

extern long parsers, parsers_ever;
extern thread_local bool in_sequence;

// The caller did what no driver allows: told, and counted as something left over.
int fault(const char *what);

// A decoded picture; the frame comes when libavcodec gives it, at the latest before it is shown.
struct Picture {
    AVFrame *frame = nullptr;
    bool damaged = false;
    long number = 0;
    int asked = 0;
    ~Picture() { av_frame_free(&frame); }
};

AVCodecID codec_id(cudaVideoCodec codec);
AVCodecContext *open_codec(cudaVideoCodec codec);
int send(AVCodecContext *context, AVPacket *packet, const std::vector<uint8_t> &data, long serial);
// Whether there is a picture in it; parameter sets are put aside.
bool has_picture(cudaVideoCodec codec, const std::vector<uint8_t> &data, std::vector<uint8_t> &sets);

// Who made a parser, and is called back; with the nonsense that FRAMECACHE_STANDIN asks for.
struct Caller {
    CUVIDPARSERPARAMS params;
    int surfaces = 1;

    int announce(CUVIDEOFORMAT format);
    // The decoder takes the picture from the parameters.
    int decode(CUVIDPICPARAMS *params, std::shared_ptr<Picture> &picture);
    int display(CUVIDPARSERDISPINFO info);
};

} // namespace standin
