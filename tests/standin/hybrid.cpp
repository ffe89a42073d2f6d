// NVIDIA's own parser in the stand-in: its libnvcuvid needs neither a GPU nor libcuda to parse. What it calls back goes
// through here to who made the parser; pictures are libavcodec's, of the access unit whose bytes the parser names.
//
// So labels are proven: a picture's pixels are found by its slices' bytes, whatever the caller believes it is.
// FRAMECACHE_NVCUVID is NVIDIA's library; without it no parser is made. FRAMECACHE_STANDIN as in decoder.cpp, and:
//   create_parser_fails=CODE, parse_fails=CODE, fails_at=N, interlaced, monochrome, grain, unequal, nonsense=N
#include <dlfcn.h>

#include "video.h"

using namespace standin;

namespace {

// Units that a picture may be of: no parser holds more back.
constexpr size_t REMEMBERED = 64;
// So much of a slice tells which unit it is of.
constexpr size_t ENOUGH = 512;

struct Real {
    tcuvidCreateVideoParser *create = nullptr;
    tcuvidParseVideoData *parse = nullptr;
    tcuvidDestroyVideoParser *destroy = nullptr;

    Real() {
        const char *path = std::getenv("FRAMECACHE_NVCUVID");
        void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
        if (!library) {
            std::fprintf(stderr, "hybrid: FRAMECACHE_NVCUVID does not load: %s\n", path ? dlerror() : "it is not set");
            return;
        }
        find(library, "cuvidCreateVideoParser", create);
        find(library, "cuvidParseVideoData", parse);
        find(library, "cuvidDestroyVideoParser", destroy);
    }
    template <class F> static void find(void *library, const char *name, F &function) {
        function = reinterpret_cast<F>(dlsym(library, name));
    }
};

const Real &real() {
    static const Real library;
    return library;
}

// A unit, decoded by libavcodec before the parser sees it.
struct Unit {
    long serial;
    std::vector<uint8_t> data;
    // What was decoded into, in order; empty where that is the decoder's secret (libdav1d).
    std::vector<AVFrame *> buffers;
    AVFrame *output = nullptr;
    std::shared_ptr<Picture> picture;
    bool failed = false;

    ~Unit() {
        for (AVFrame *buffer : buffers)
            av_frame_free(&buffer);
        av_frame_free(&output);
    }
};

struct Parser {
    Caller caller;
    CUvideoparser real_parser = nullptr;
    AVCodecContext *context = nullptr;
    // Decodes the same, and takes no error for less than one.
    AVCodecContext *judge = nullptr;
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    std::vector<uint8_t> header;
    std::deque<Unit> units;
    std::map<int, std::shared_ptr<Picture>> surfaces;
    long serial = 0;

    ~Parser() {
        avcodec_free_context(&context);
        avcodec_free_context(&judge);
        av_frame_free(&frame);
        av_packet_free(&packet);
    }
    cudaVideoCodec codec() const { return caller.params.CodecType; }
};

std::map<void *, std::unique_ptr<Parser>> all_parsers;

int keep_buffer(AVCodecContext *context, AVFrame *frame, int flags) {
    int failed = avcodec_default_get_buffer2(context, frame, flags);
    auto *p = static_cast<Parser *>(context->opaque);
    if (failed >= 0 && !p->units.empty())
        p->units.back().buffers.push_back(av_frame_clone(frame));
    return failed;
}

// What libavcodec shows by now.
void receive(Parser &p) {
    while (avcodec_receive_frame(p.context, p.frame) >= 0) {
        for (Unit &unit : p.units)
            if (unit.serial == p.frame->pts && !unit.output)
                unit.output = av_frame_clone(p.frame);
        av_frame_unref(p.frame);
    }
}

// Whether an engine would report an error. It says nothing of VP8, VP9 and AV1.
bool is_damaged(Parser &p, const std::vector<uint8_t> &data) {
    if (p.codec() != cudaVideoCodec_H264 && p.codec() != cudaVideoCodec_HEVC)
        return false;
    if (!p.judge && (p.judge = open_codec(p.codec())))
        p.judge->err_recognition = AV_EF_EXPLODE | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_CAREFUL;
    if (!p.judge)
        return false;
    bool damaged = send(p.judge, p.packet, data, 0) < 0;
    while (avcodec_receive_frame(p.judge, p.frame) >= 0) {
        damaged |= p.frame->decode_error_flags || p.frame->flags & AV_FRAME_FLAG_CORRUPT;
        av_frame_unref(p.frame);
    }
    return damaged;
}

bool feed(Parser &p, std::vector<uint8_t> data) {
    if (!p.context) {
        p.context = open_codec(p.codec());
        if (!p.context)
            return false;
        p.context->opaque = &p;
        p.context->get_buffer2 = keep_buffer;
    }
    p.units.emplace_back();
    Unit &unit = p.units.back();
    unit.serial = p.serial++;
    unit.data = data;
    if (!p.header.empty())
        data.insert(data.begin(), p.header.begin(), p.header.end());
    p.header.clear();
    unit.failed = is_damaged(p, data) | (send(p.context, p.packet, data, unit.serial) < 0);
    receive(p);
    while (p.units.size() > REMEMBERED)
        p.units.pop_front();
    return true;
}

void drain(Parser &p) {
    if (!p.context)
        return;
    avcodec_send_packet(p.context, nullptr);
    receive(p);
    avcodec_flush_buffers(p.context);
    if (p.judge)
        avcodec_flush_buffers(p.judge);
}

bool holds(const Unit &unit, const unsigned char *bytes, size_t size) {
    return memmem(unit.data.data(), unit.data.size(), bytes, std::min(size, ENOUGH)) != nullptr;
}

// The unit that the parser's picture is of: the first one with its slice that no picture was found for.
Unit *find(Parser &p, const CUVIDPICPARAMS &params) {
    bool sliced = p.codec() == cudaVideoCodec_H264 || p.codec() == cudaVideoCodec_HEVC;
    unsigned from = sliced && params.nNumSlices ? params.pSliceDataOffsets[0] : 0;
    if (from >= params.nBitstreamDataLen)
        return nullptr;
    const unsigned char *bytes = params.pBitstreamData + from;
    size_t size = params.nBitstreamDataLen - from;
    if (sliced && params.nNumSlices > 1 && params.pSliceDataOffsets[1] > from)
        size = params.pSliceDataOffsets[1] - from;
    bool many = p.codec() == cudaVideoCodec_AV1;
    for (Unit &unit : p.units)
        if ((many || !unit.picture || params.second_field) && holds(unit, bytes, size))
            return &unit;
    return nullptr;
}

AVFrame *pixels(Parser &p, Unit &unit, const CUVIDPICPARAMS &params) {
    // Missing pictures are made up before the unit's own in H.264, and after it in HEVC.
    if (!unit.buffers.empty())
        return av_frame_clone(p.codec() == cudaVideoCodec_HEVC ? unit.buffers.front() : unit.buffers.back());
    // Hidden ones are found when they are shown.
    if (p.codec() == cudaVideoCodec_AV1 && !params.CodecSpecific.av1.show_frame)
        return nullptr;
    return unit.output ? av_frame_clone(unit.output) : nullptr;
}

int CUDAAPI on_sequence(void *user, CUVIDEOFORMAT *format) {
    auto &p = *static_cast<Parser *>(user);
    return p.caller.announce(*format);
}

int CUDAAPI on_decode(void *user, CUVIDPICPARAMS *params) {
    auto &p = *static_cast<Parser *>(user);
    Unit *unit = find(p, *params);
    if (!unit)
        return fault("the parser decodes bytes that are of no unit"), 0;
    auto picture = params->second_field && unit->picture ? unit->picture : std::make_shared<Picture>();
    if (!picture->frame)
        picture->frame = pixels(p, *unit, *params);
    picture->damaged = unit->failed;
    unit->picture = picture;
    p.surfaces[params->CurrPicIdx] = picture;
    if (asked("trace"))
        std::fprintf(stderr, "hybrid: decode unit %ld (of %ld) into %d\n", unit->serial, p.serial - 1, params->CurrPicIdx);
    return p.caller.decode(params, picture);
}

int CUDAAPI on_display(void *user, CUVIDPARSERDISPINFO *info) {
    auto &p = *static_cast<Parser *>(user);
    if (!info)
        return p.caller.params.pfnDisplayPicture(p.caller.params.pUserData, nullptr);
    auto &picture = p.surfaces[info->picture_index];
    if (asked("trace"))
        std::fprintf(stderr, "hybrid: display %d at unit %ld, timestamp %lld\n", info->picture_index, p.serial - 1, info->timestamp);
    // A hidden picture of AV1: libdav1d gives it where it is shown.
    if (picture && !picture->frame && !p.units.empty() && p.units.back().output)
        picture->frame = av_frame_clone(p.units.back().output);
    return p.caller.display(*info);
}

Parser *parser(CUvideoparser handle) {
    LOCK;
    auto at = all_parsers.find(handle);
    return at == all_parsers.end() ? nullptr : at->second.get();
}

} // namespace

EXPORT CUresult cuvidCreateVideoParser(CUvideoparser *out, CUVIDPARSERPARAMS *params) {
    LOCK;
    if (setting("create_parser_fails", 0))
        return result(setting("create_parser_fails", 0));
    if (!real().create || !real().parse || !real().destroy)
        return result(UNKNOWN);
    auto made = std::make_unique<Parser>();
    made->caller.params = *params;
    CUVIDPARSERPARAMS own = *params;
    own.pUserData = made.get();
    own.pfnSequenceCallback = on_sequence;
    own.pfnDecodePicture = on_decode;
    own.pfnDisplayPicture = on_display;
    if (CUresult failed = real().create(&made->real_parser, &own))
        return failed;
    made->caller.params.pExtVideoInfo = nullptr;
    *out = made.get();
    all_parsers[*out] = std::move(made);
    parsers++;
    parsers_ever++;
    return result(OK);
}

EXPORT CUresult cuvidDestroyVideoParser(CUvideoparser handle) {
    LOCK;
    auto at = all_parsers.find(handle);
    if (at == all_parsers.end())
        return result(INVALID_HANDLE);
    CUresult destroyed = real().destroy(at->second->real_parser);
    all_parsers.erase(at);
    parsers--;
    return destroyed;
}

// The callbacks run without the lock: they may wait for threads that call in here.
EXPORT CUresult cuvidParseVideoData(CUvideoparser handle, CUVIDSOURCEDATAPACKET *packet) {
    Parser *p = parser(handle);
    if (!p)
        return result(INVALID_HANDLE);
    if (setting("parse_fails", 0) && p->serial >= setting("fails_at", 0))
        return result(setting("parse_fails", 0));
    if (packet->payload_size) {
        std::vector<uint8_t> data(packet->payload, packet->payload + packet->payload_size), sets;
        if (!has_picture(p->codec(), data, sets))
            p->header.insert(p->header.end(), data.begin(), data.end());
        else if (!feed(*p, std::move(data)))
            return result(UNKNOWN);
    }
    if (packet->flags & CUVID_PKT_ENDOFSTREAM)
        drain(*p);
    CUresult parsed = real().parse(p->real_parser, packet);
    if (asked("trace") && parsed)
        std::fprintf(stderr, "hybrid: parsing unit %ld gives %d\n", p->serial - 1, parsed);
    // What comes next may be the same bytes again.
    if (packet->flags & CUVID_PKT_ENDOFSTREAM)
        p->units.clear();
    return parsed;
}
