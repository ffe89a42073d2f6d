// A libcuda.so.1 for tests: device memory is host memory, kernels run on the CPU.
//
// Copies are put off until somebody waits for them, as on a GPU: whoever looks too early sees old
// bytes. Memory is checked: a copy outside live memory fails. What FRAMECACHE_STANDIN may say:
//   devices=N             how many there are (1)
//   card_fails=N          that device does not open
//   driver=N              the version that cuDriverGetVersion gives (12040)
//   init=N                what cuInit returns (0)
//   memory=BYTES          more than that cannot be allocated
//   fails_after=N         the N+1st allocation fails
//   never_ready           nothing queued is ever done
//   broken                everything queued fails (CUDA_ERROR_LAUNCH_FAILED)
// At exit, what is still alive is written to the file that FRAMECACHE_STANDIN_REPORT names.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <ffnvcodec/dynlink_cuda.h>

#include "standin.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

extern "C" __attribute__((weak)) int framecache_launch(const char *kernel, const unsigned grid[3],
                                                       const unsigned block[3], void **arguments);

namespace {

enum : int {
    OK = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_FAILED = 719,
    UNKNOWN = 999,
};

using Result = CUresult;
inline Result result(int code) { return static_cast<Result>(code); }

struct Stream {
    std::deque<std::function<int()>> queued;
    long queued_ever = 0, done = 0;
    int failed = OK;
    bool asked = false;
};

struct Event {
    Stream *stream = nullptr;
    long place = 0;
    bool timed = false;
    std::chrono::steady_clock::time_point reached;
};

struct Module {
    std::string ptx;
    std::set<std::string> *functions;
};

std::recursive_mutex mutex;
#define LOCK std::lock_guard<std::recursive_mutex> lock(mutex)

std::map<uintptr_t, size_t> device_memory, pinned_memory;
std::set<Stream *> streams;
std::set<Event *> events;
std::set<Module *> modules;
std::map<int, int> retained;
std::map<int, unsigned> waits;
std::set<int> opened;
long allocations = 0, launches = 0;
bool started = false;
thread_local uintptr_t current = 0;

int devices() { return static_cast<int>(standin::setting("devices", 1)); }

bool inside(const std::map<uintptr_t, size_t> &memory, uintptr_t address, size_t bytes) {
    auto next = memory.upper_bound(address);
    if (next == memory.begin())
        return false;
    auto at = std::prev(next);
    return address + bytes <= at->first + at->second;
}

bool context() { return current != 0 && retained[static_cast<int>(current) - 1] > 0; }

// Does what is queued, up to a place.
int run(Stream *stream, long place) {
    while (stream->done < place && !stream->queued.empty()) {
        auto work = std::move(stream->queued.front());
        stream->queued.pop_front();
        stream->done++;
        int code = work();
        if (code != OK)
            stream->failed = code;
    }
    return stream->failed;
}

void run_everything() {
    for (Stream *stream : streams)
        run(stream, stream->queued_ever);
}

Result queue(Stream *stream, std::function<int()> work) {
    if (!context())
        return result(INVALID_CONTEXT);
    if (!streams.count(stream))
        return result(INVALID_HANDLE);
    stream->queued.push_back(std::move(work));
    stream->queued_ever++;
    stream->asked = false;
    return result(OK);
}

// The first question finds work under way, the second finds it done.
Result ask(Stream *stream, long place) {
    if (standin::asked("broken"))
        return result(LAUNCH_FAILED);
    if (standin::asked("never_ready"))
        return result(stream->queued_ever > 0 ? NOT_READY : OK);
    if (stream->done < place && !stream->asked) {
        stream->asked = true;
        return result(NOT_READY);
    }
    return result(run(stream, place));
}

long live() {
    long contexts = 0;
    for (auto &entry : retained)
        contexts += entry.second;
    return contexts + device_memory.size() + pinned_memory.size() + streams.size() +
           events.size() + modules.size();
}

void report() {
    const char *path = std::getenv("FRAMECACHE_STANDIN_REPORT");
    FILE *file = path ? std::fopen(path, "a") : nullptr;
    if (!file)
        return;
    long contexts = 0;
    for (auto &entry : retained)
        contexts += entry.second;
    std::fprintf(file,
                 "cuda contexts=%ld device=%zu pinned=%zu streams=%zu events=%zu modules=%zu "
                 "launches=%ld opened=%zu\n",
                 contexts, device_memory.size(), pinned_memory.size(), streams.size(),
                 events.size(), modules.size(), launches, opened.size());
    std::fclose(file);
}

struct AtExit {
    ~AtExit() { report(); }
} at_exit;

Result allocate(std::map<uintptr_t, size_t> &memory, size_t bytes, void **out) {
    LOCK;
    if (!context())
        return result(INVALID_CONTEXT);
    size_t used = 0;
    for (auto &entry : device_memory)
        used += entry.second;
    long most = standin::setting("memory", 0), after = standin::setting("fails_after", -1);
    if ((most > 0 && used + bytes > static_cast<size_t>(most)) || (after >= 0 && allocations >= after))
        return result(OUT_OF_MEMORY);
    allocations++;
    void *address = nullptr;
    if (bytes == 0 || posix_memalign(&address, 256, bytes) != 0)
        return result(INVALID_VALUE);
    std::memset(address, 0xCD, bytes);
    memory[reinterpret_cast<uintptr_t>(address)] = bytes;
    *out = address;
    return result(OK);
}

Result release(std::map<uintptr_t, size_t> &memory, uintptr_t address) {
    LOCK;
    if (!context())
        return result(INVALID_CONTEXT);
    auto at = memory.find(address);
    if (at == memory.end())
        return result(INVALID_VALUE);
    run_everything();
    std::memset(reinterpret_cast<void *>(address), 0xDD, at->second);
    std::free(reinterpret_cast<void *>(address));
    memory.erase(at);
    return result(OK);
}

} // namespace

// Everything alive: contexts, memory, streams, events, modules.
EXPORT long framecache_standin_live() {
    LOCK;
    return live();
}

EXPORT long framecache_standin_launches() { return launches; }

// For libnvcuvid: work that is put off like a copy.
EXPORT int framecache_standin_queue(CUstream stream, int (*work)(void *), void *argument) {
    LOCK;
    return queue(reinterpret_cast<Stream *>(stream), [=] { return work(argument); });
}

EXPORT bool framecache_standin_context() {
    LOCK;
    return context();
}

EXPORT Result cuInit(unsigned) {
    started = true;
    return result(static_cast<int>(standin::setting("init", 0)));
}

EXPORT Result cuDriverGetVersion(int *version) {
    *version = static_cast<int>(standin::setting("driver", 12040));
    return result(OK);
}

EXPORT Result cuDeviceGetCount(int *count) {
    *count = devices();
    return result(OK);
}

EXPORT Result cuDeviceGet(CUdevice *device, int ordinal) {
    if (ordinal < 0 || ordinal >= devices())
        return result(INVALID_DEVICE);
    *device = ordinal;
    return result(OK);
}

EXPORT Result cuDeviceGetName(char *name, int room, CUdevice device) {
    std::snprintf(name, room, "stand-in %d", device);
    return result(OK);
}

EXPORT Result cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice) {
    switch (static_cast<int>(attribute)) {
    case 75: *value = 9; return result(OK);
    case 76: *value = 0; return result(OK);
    default: *value = 0; return result(INVALID_VALUE);
    }
}

EXPORT Result cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags) {
    LOCK;
    if (retained[device] == 0)
        waits[device] = flags;
    return result(OK);
}

// How the first device's threads wait: the flags of its context.
EXPORT long framecache_standin_waits() {
    LOCK;
    return waits[0];
}

EXPORT Result cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device) {
    LOCK;
    if (standin::setting("card_fails", -1) == device)
        return result(UNKNOWN);
    retained[device]++;
    opened.insert(device);
    *out = reinterpret_cast<CUcontext>(static_cast<uintptr_t>(device) + 1);
    return result(OK);
}

EXPORT Result cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    LOCK;
    if (retained[device] == 0)
        return result(INVALID_CONTEXT);
    retained[device]--;
    return result(OK);
}

EXPORT Result cuCtxSetCurrent(CUcontext context) {
    current = reinterpret_cast<uintptr_t>(context);
    return result(OK);
}

EXPORT Result cuMemGetInfo_v2(size_t *free, size_t *total) {
    LOCK;
    if (!context())
        return result(INVALID_CONTEXT);
    size_t used = 0;
    for (auto &entry : device_memory)
        used += entry.second;
    *total = static_cast<size_t>(standin::setting("memory", 1l << 30));
    *free = *total - std::min(*total, used);
    return result(OK);
}

EXPORT Result cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
    return allocate(device_memory, bytes, reinterpret_cast<void **>(address));
}

EXPORT Result cuMemFree_v2(CUdeviceptr address) { return release(device_memory, address); }

EXPORT Result cuMemHostAlloc(void **address, size_t bytes, unsigned) {
    return allocate(pinned_memory, bytes, address);
}

EXPORT Result cuMemFreeHost(void *address) {
    return release(pinned_memory, reinterpret_cast<uintptr_t>(address));
}

EXPORT Result cuStreamCreate(CUstream *out, unsigned) {
    LOCK;
    if (!context())
        return result(INVALID_CONTEXT);
    *out = reinterpret_cast<CUstream>(*streams.insert(new Stream).first);
    return result(OK);
}

EXPORT Result cuStreamDestroy_v2(CUstream stream) {
    LOCK;
    Stream *own = reinterpret_cast<Stream *>(stream);
    if (!streams.count(own))
        return result(INVALID_HANDLE);
    run(own, own->queued_ever);
    streams.erase(own);
    for (Event *event : events)
        if (event->stream == own)
            event->stream = nullptr;
    delete own;
    return result(OK);
}

EXPORT Result cuStreamQuery(CUstream stream) {
    LOCK;
    Stream *own = reinterpret_cast<Stream *>(stream);
    return streams.count(own) ? ask(own, own->queued_ever) : result(INVALID_HANDLE);
}

EXPORT Result cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
    LOCK;
    Event *own = reinterpret_cast<Event *>(event);
    if (!events.count(own))
        return result(INVALID_HANDLE);
    Stream *other = own->stream;
    long place = own->place;
    if (other == nullptr || other == reinterpret_cast<Stream *>(stream))
        return result(OK);
    return queue(reinterpret_cast<Stream *>(stream), [=]() -> int {
        return streams.count(other) ? run(other, place) : OK;
    });
}

EXPORT Result cuEventCreate(CUevent *out, unsigned flags) {
    LOCK;
    if (!context())
        return result(INVALID_CONTEXT);
    Event *own = *events.insert(new Event).first;
    own->timed = !(flags & CU_EVENT_DISABLE_TIMING);
    *out = reinterpret_cast<CUevent>(own);
    return result(OK);
}

EXPORT Result cuEventDestroy_v2(CUevent event) {
    LOCK;
    Event *own = reinterpret_cast<Event *>(event);
    if (!events.erase(own))
        return result(INVALID_HANDLE);
    delete own;
    return result(OK);
}

EXPORT Result cuEventRecord(CUevent event, CUstream stream) {
    LOCK;
    Event *own = reinterpret_cast<Event *>(event);
    Stream *on = reinterpret_cast<Stream *>(stream);
    if (!events.count(own) || !streams.count(on))
        return result(INVALID_HANDLE);
    // The mark is work, too: it can be asked for before it is reached.
    Result queued = queue(on, [=]() -> int {
        if (events.count(own))
            own->reached = std::chrono::steady_clock::now();
        return OK;
    });
    own->stream = on;
    own->place = on->queued_ever;
    return queued;
}

EXPORT Result cuEventQuery(CUevent event) {
    LOCK;
    Event *own = reinterpret_cast<Event *>(event);
    if (!events.count(own))
        return result(INVALID_HANDLE);
    return own->stream ? ask(own->stream, own->place) : result(OK);
}

// The time that the CPU took between two marks.
EXPORT Result cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
    LOCK;
    Event *begin = reinterpret_cast<Event *>(from), *end = reinterpret_cast<Event *>(to);
    for (Event *event : {begin, end}) {
        if (!events.count(event) || !event->timed || !event->stream)
            return result(INVALID_HANDLE);
        if (event->stream->done < event->place)
            return result(NOT_READY);
    }
    *milliseconds = std::chrono::duration<float, std::milli>(end->reached - begin->reached).count();
    return result(OK);
}

EXPORT Result cuMemsetD8Async(CUdeviceptr address, unsigned char value, size_t bytes, CUstream stream) {
    LOCK;
    if (!inside(device_memory, address, bytes))
        return result(INVALID_VALUE);
    return queue(reinterpret_cast<Stream *>(stream), [=]() -> int {
        if (!inside(device_memory, address, bytes))
            return ILLEGAL_ADDRESS;
        std::memset(reinterpret_cast<void *>(address), value, bytes);
        return OK;
    });
}

// Pageable memory: done when the call returns, after what is queued.
EXPORT Result cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
    LOCK;
    Stream *own = reinterpret_cast<Stream *>(stream);
    if (!inside(device_memory, to, bytes) || !streams.count(own))
        return result(INVALID_VALUE);
    std::vector<char> staged(static_cast<const char *>(from), static_cast<const char *>(from) + bytes);
    return queue(own, [=]() -> int {
        if (!inside(device_memory, to, bytes))
            return ILLEGAL_ADDRESS;
        std::memcpy(reinterpret_cast<void *>(to), staged.data(), bytes);
        return OK;
    });
}

EXPORT Result cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    LOCK;
    auto sound = [=] { return inside(device_memory, from, bytes) && inside(device_memory, to, bytes); };
    if (!sound())
        return result(INVALID_VALUE);
    return queue(reinterpret_cast<Stream *>(stream), [=]() -> int {
        if (!sound())
            return ILLEGAL_ADDRESS;
        std::memmove(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), bytes);
        return OK;
    });
}

EXPORT Result cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
    LOCK;
    Stream *own = reinterpret_cast<Stream *>(stream);
    if (!inside(device_memory, from, bytes) || !streams.count(own))
        return result(INVALID_VALUE);
    if (standin::asked("never_ready"))
        return result(OK);
    int failed = run(own, own->queued_ever);
    std::memcpy(to, reinterpret_cast<const void *>(from), bytes);
    return result(failed);
}

EXPORT Result cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *copy, CUstream stream) {
    LOCK;
    CUDA_MEMCPY2D c = *copy;
    bool up = c.srcMemoryType == CU_MEMORYTYPE_HOST;
    uintptr_t from = up ? reinterpret_cast<uintptr_t>(c.srcHost) : c.srcDevice;
    uintptr_t to = up ? c.dstDevice : reinterpret_cast<uintptr_t>(c.dstHost);
    auto sound = [=] {
        size_t source = (c.Height - 1) * c.srcPitch + c.WidthInBytes;
        size_t target = (c.Height - 1) * c.dstPitch + c.WidthInBytes;
        return inside(up ? pinned_memory : device_memory, from, source) &&
               inside(up ? device_memory : pinned_memory, to, target);
    };
    if (c.Height == 0 || c.srcPitch < c.WidthInBytes || c.dstPitch < c.WidthInBytes || !sound())
        return result(INVALID_VALUE);
    return queue(reinterpret_cast<Stream *>(stream), [=]() -> int {
        if (!sound())
            return ILLEGAL_ADDRESS;
        for (size_t row = 0; row < c.Height; row++)
            std::memcpy(reinterpret_cast<void *>(to + row * c.dstPitch),
                        reinterpret_cast<const void *>(from + row * c.srcPitch), c.WidthInBytes);
        return OK;
    });
}

EXPORT Result cuModuleLoadData(CUmodule *out, const void *image) {
    LOCK;
    if (!context())
        return result(INVALID_CONTEXT);
    std::string text = static_cast<const char *>(image);
    if (text.find(".version") == std::string::npos)
        return result(INVALID_PTX);
    *out = reinterpret_cast<CUmodule>(
        *modules.insert(new Module{text, new std::set<std::string>}).first);
    return result(OK);
}

EXPORT Result cuModuleUnload(CUmodule module) {
    LOCK;
    Module *own = reinterpret_cast<Module *>(module);
    if (!modules.erase(own))
        return result(INVALID_HANDLE);
    delete own->functions;
    delete own;
    return result(OK);
}

// A function is its name.
EXPORT Result cuModuleGetFunction(CUfunction *out, CUmodule module, const char *name) {
    LOCK;
    Module *own = reinterpret_cast<Module *>(module);
    std::string entry = std::string(".entry ") + name + "(";
    if (!modules.count(own))
        return result(INVALID_HANDLE);
    if (own->ptx.find(entry) == std::string::npos)
        return result(NOT_FOUND);
    *out = (CUfunction)own->functions->insert(name).first->c_str();
    return result(OK);
}

#ifndef WITHOUT_LAUNCH
EXPORT Result cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                             unsigned by, unsigned bz, unsigned, CUstream stream, void **arguments,
                             void **) {
    LOCK;
    Stream *own = reinterpret_cast<Stream *>(stream);
    if (!context())
        return result(INVALID_CONTEXT);
    if (!streams.count(own))
        return result(INVALID_HANDLE);
    if (gx * gy * gz == 0 || bx * by * bz == 0 || bx * by * bz > 1024)
        return result(INVALID_VALUE);
    // The arguments live only until the return: what is queued runs first, then this, now.
    run(own, own->queued_ever);
    launches++;
    unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
    if (!framecache_launch || framecache_launch((const char *)function, grid, block, arguments) != 0)
        return result(NOT_FOUND);
    return queue(own, [] { return static_cast<int>(OK); });
}
#endif

EXPORT Result cuGetErrorName(CUresult error, const char **name) {
    static const std::map<int, const char *> names = {
        {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
        {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
        {NO_DEVICE, "CUDA_ERROR_NO_DEVICE"},
        {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE"},
        {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
        {INVALID_PTX, "CUDA_ERROR_INVALID_PTX"},
        {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"},
        {NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
        {NOT_READY, "CUDA_ERROR_NOT_READY"},
        {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"},
        {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"},
        {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"},
    };
    auto found = names.find(static_cast<int>(error));
    *name = found == names.end() ? nullptr : found->second;
    return result(found == names.end() ? INVALID_VALUE : OK);
}
