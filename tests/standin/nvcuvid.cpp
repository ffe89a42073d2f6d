// A libnvcuvid.so.1 for tests: NVIDIA's parser and decoder as their headers describe them, with
// libavcodec doing the work behind the callbacks.
//
// The parser chooses surfaces and knows nothing of who holds a displayed picture, as the real one:
// who does not take care sees another picture's bytes. It holds a packet back until the next one
// unless told that it is a whole picture. What FRAMECACHE_STANDIN may say:
//   like_h100               no AV1
//   any_size                no smallest size
//   lowest                  the parser takes the lowest free surface, not the next one
//   surfaces=N              how many it asks for
//   create_fails=CODE, create_parser_fails=CODE, map_fails=CODE, reconfigure_fails=CODE
//   fails_at=N              the unit (from 0) at which parse_fails and decode_fails do
//   parse_fails=CODE, decode_fails=CODE
//   error_at=N, concealed_at=N, slow_status, never_decoded      what GetDecodeStatus says
//   interlaced, monochrome, grain, unequal    what the stream is said to be
//   change_at=N             a sequence of another size is announced at that unit
//   nonsense=N              see `nonsense` below
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

extern "C" CUresult cuMemAlloc_v2(CUdeviceptr *, size_t);
extern "C" CUresult cuMemFree_v2(CUdeviceptr);
extern "C" int framecache_standin_queue(CUstream, int (*)(void *), void *);
extern "C" bool framecache_standin_context();

namespace {

using standin::asked;
using standin::setting;

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
    NO_TIMESTAMP,
    NULL_USER,
    NO_PITCH,
    NO_ADDRESS,
    HUGE_SIZE,
    NULL_INFO,
};

long nonsense() { return setting("nonsense", NONE); }

std::recursive_mutex mutex;
#define LOCK std::lock_guard<std::recursive_mutex> lock(mutex)

long decoders = 0, parsers = 0, mappings = 0, created = 0, reconfigured = 0, faults = 0;
long decoded_ever = 0, mapped_ever = 0;
thread_local bool in_sequence = false;

// The caller did what no driver allows: told, and counted as something left over.
int fault(const char *what) {
    std::fprintf(stderr, "libnvcuvid stand-in: %s\n", what);
    faults++;
    return UNKNOWN;
}

struct AtExit {
    ~AtExit() {
        const char *path = std::getenv("FRAMECACHE_STANDIN_REPORT");
        FILE *file = path ? std::fopen(path, "a") : nullptr;
        if (!file)
            return;
        std::fprintf(file,
                     "cuvid decoders=%ld parsers=%ld mappings=%ld faults=%ld created=%ld "
                     "decoded=%ld mapped=%ld\n",
                     decoders, parsers, mappings, faults, created, decoded_ever, mapped_ever);
        std::fclose(file);
    }
} at_exit;

// A decoded picture; the frame comes when libavcodec gives it, at the latest before it is shown.
struct Picture {
    AVFrame *frame = nullptr;
    bool damaged = false;
    long number = 0;
    int asked = 0;
    ~Picture() { av_frame_free(&frame); }
};

struct Decoder {
    CUVIDDECODECREATEINFO info;
    std::vector<std::shared_ptr<Picture>> surfaces;
    std::map<CUdeviceptr, int> mapped;
};

std::map<void *, std::unique_ptr<Decoder>> all_decoders;

Decoder *decoder(CUvideodecoder handle) {
    auto at = all_decoders.find(handle);
    return at == all_decoders.end() ? nullptr : at->second.get();
}

struct Awaited {
    long serial;
    int index;
    long long timestamp;
    std::shared_ptr<Picture> picture;
};

struct Parser {
    CUVIDPARSERPARAMS params;
    AVCodecContext *context = nullptr;
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    std::vector<uint8_t> header, parameter_sets, held;
    bool holds = false;
    long long held_timestamp = 0;
    bool known = false;
    CUVIDEOFORMAT format;
    int surfaces = 1, next = 0;
    long serial = 0;
    std::deque<Awaited> awaited; // decoded, not yet output by libavcodec
    std::deque<Awaited> ready;   // output, not yet shown
    std::deque<int> references;

    ~Parser() {
        avcodec_free_context(&context);
        av_frame_free(&frame);
        av_packet_free(&packet);
    }
};

std::map<void *, std::unique_ptr<Parser>> all_parsers;

AVCodecID codec_id(cudaVideoCodec codec) {
    switch (codec) {
    case cudaVideoCodec_H264: return AV_CODEC_ID_H264;
    case cudaVideoCodec_HEVC: return AV_CODEC_ID_HEVC;
    case cudaVideoCodec_VP8: return AV_CODEC_ID_VP8;
    case cudaVideoCodec_VP9: return AV_CODEC_ID_VP9;
    case cudaVideoCodec_AV1: return AV_CODEC_ID_AV1;
    default: return AV_CODEC_ID_NONE;
    }
}

AVCodecContext *open_codec(cudaVideoCodec codec) {
    const AVCodec *found = avcodec_find_decoder(codec_id(codec));
    AVCodecContext *context = found ? avcodec_alloc_context3(found) : nullptr;
    if (!context)
        return nullptr;
    context->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_UNALIGNED;
    if (codec == cudaVideoCodec_H264)
        context->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
    context->apply_cropping = 0;
    context->thread_count = 1;
    if (avcodec_open2(context, found, nullptr) < 0)
        avcodec_free_context(&context);
    return context;
}

int send(AVCodecContext *context, AVPacket *packet, const std::vector<uint8_t> &data, long serial) {
    av_packet_unref(packet);
    if (av_new_packet(packet, static_cast<int>(data.size())) < 0)
        return -1;
    std::memcpy(packet->data, data.data(), data.size());
    packet->pts = packet->dts = serial;
    return avcodec_send_packet(context, packet);
}

// Calls f(type, begin, end) for each NAL unit of an Annex B stream, start code included.
template <class F> void each_nal(const std::vector<uint8_t> &data, bool hevc, F f) {
    auto starts = [&](size_t i) {
        return i + 3 < data.size() && !data[i] && !data[i + 1] && data[i + 2] == 1;
    };
    for (size_t i = 0; i + 3 < data.size();) {
        if (!starts(i)) {
            i++;
            continue;
        }
        size_t end = i + 3;
        while (end < data.size() && !starts(end))
            end++;
        f(hevc ? data[i + 3] >> 1 & 63 : data[i + 3] & 31, i, end);
        i = end;
    }
}

bool has_picture_obu(const std::vector<uint8_t> &data) {
    for (size_t i = 0; i < data.size();) {
        int type = data[i] >> 3 & 15;
        size_t at = i + 1 + (data[i] >> 2 & 1), size = 0;
        if (type == 3 || type == 6)
            return true;
        if (!(data[i] & 2))
            return false;
        for (int shift = 0; at < data.size() && shift < 56; shift += 7) {
            uint8_t byte = data[at++];
            size |= static_cast<size_t>(byte & 127) << shift;
            if (!(byte & 128))
                break;
        }
        i = at + size;
    }
    return false;
}

// Whether there is a picture in it; parameter sets are put aside.
bool has_picture(Parser &p, const std::vector<uint8_t> &data, std::vector<uint8_t> &sets) {
    cudaVideoCodec codec = p.params.CodecType;
    if (codec == cudaVideoCodec_AV1)
        return has_picture_obu(data);
    if (codec != cudaVideoCodec_H264 && codec != cudaVideoCodec_HEVC)
        return true;
    bool hevc = codec == cudaVideoCodec_HEVC, found = false;
    each_nal(data, hevc, [&](int type, size_t begin, size_t end) {
        found |= hevc ? type < 32 : type == 1 || type == 5;
        if (hevc ? type == 33 : type == 7)
            sets.insert(sets.end(), data.begin() + begin, data.begin() + end);
    });
    return found;
}

// What a sequence is, by decoding its first picture apart.
bool look(Parser &p, const std::vector<uint8_t> &data, CUVIDEOFORMAT &format) {
    AVCodecContext *context = open_codec(p.params.CodecType);
    if (!context)
        return false;
    send(context, p.packet, data, 0);
    avcodec_send_packet(context, nullptr);
    AVFrame *f = p.frame;
    bool got = avcodec_receive_frame(context, f) >= 0;
    int width = got ? f->width : context->coded_width, height = got ? f->height : context->coded_height;
    int pixels = got ? f->format : context->pix_fmt;
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(pixels));
    bool usable = d && width > 0 && height > 0;
    if (usable) {
        std::memset(&format, 0, sizeof format);
        format.codec = p.params.CodecType;
        format.progressive_sequence = !(got && f->interlaced_frame);
        format.bit_depth_luma_minus8 = format.bit_depth_chroma_minus8 = d->comp[0].depth - 8;
        bool deep = p.params.CodecType == cudaVideoCodec_H264 || p.params.CodecType == cudaVideoCodec_HEVC;
        format.min_num_decode_surfaces = setting("surfaces", deep ? 20 : 10);
        format.coded_width = width;
        format.coded_height = height;
        format.display_area.left = got ? f->crop_left : 0;
        format.display_area.top = got ? f->crop_top : 0;
        format.display_area.right = width - (got ? f->crop_right : 0);
        format.display_area.bottom = height - (got ? f->crop_bottom : 0);
        auto &signal = format.video_signal_description;
        signal.video_full_range_flag = f->color_range == AVCOL_RANGE_JPEG;
        signal.color_primaries = f->color_primaries;
        signal.transfer_characteristics = f->color_trc;
        signal.matrix_coefficients = f->colorspace;
        format.chroma_format = d->nb_components < 3   ? cudaVideoChromaFormat_Monochrome
                               : d->log2_chroma_h     ? cudaVideoChromaFormat_420
                               : d->log2_chroma_w     ? cudaVideoChromaFormat_422
                                                      : cudaVideoChromaFormat_444;
    }
    av_frame_unref(f);
    avcodec_free_context(&context);
    return usable;
}

void disguise(CUVIDEOFORMAT &format) {
    if (asked("interlaced"))
        format.progressive_sequence = 0;
    if (asked("monochrome"))
        format.chroma_format = cudaVideoChromaFormat_Monochrome;
    if (asked("unequal"))
        format.bit_depth_chroma_minus8++;
    switch (nonsense()) {
    case NO_SIZE: format.coded_width = 0; break;
    case HUGE_SIZE: format.coded_width = 1u << 30; break;
    case AREA_OUTSIDE: format.display_area.right = format.coded_width + 2; break;
    case NO_SURFACES: format.min_num_decode_surfaces = 0; break;
    case UNKNOWN_CHROMA: format.chroma_format = static_cast<cudaVideoChromaFormat>(77); break;
    case ANOTHER_CODEC: format.codec = cudaVideoCodec_MPEG2; break;
    case TOO_DEEP: format.bit_depth_luma_minus8 = format.bit_depth_chroma_minus8 = 100; break;
    default: break;
    }
}

void *user(Parser &p) { return nonsense() == NULL_USER ? nullptr : p.params.pUserData; }

bool announce(Parser &p) {
    CUVIDEOFORMAT told = p.format;
    disguise(told);
    if (nonsense() == NO_SEQUENCE)
        return true;
    in_sequence = true;
    int answer = p.params.pfnSequenceCallback(user(p), nonsense() == NULL_SEQUENCE ? nullptr : &told);
    in_sequence = false;
    if (answer > 1)
        p.surfaces = answer;
    return answer > 0;
}

bool busy(Parser &p, int index) {
    for (auto *queue : {&p.awaited, &p.ready})
        for (auto &a : *queue)
            if (a.index == index)
                return true;
    for (int reference : p.references)
        if (reference == index)
            return true;
    return false;
}

int choose(Parser &p) {
    for (int i = 0; i < p.surfaces; i++) {
        int index = asked("lowest") ? i : (p.next + i) % p.surfaces;
        if (!busy(p, index)) {
            p.next = (index + 1) % p.surfaces;
            return index;
        }
    }
    return -1;
}

bool display(Parser &p, const Awaited &a) {
    CUVIDPARSERDISPINFO info;
    std::memset(&info, 0, sizeof info);
    info.picture_index = a.index;
    info.progressive_frame = !(a.picture->frame && a.picture->frame->interlaced_frame);
    info.timestamp = a.timestamp;
    switch (nonsense()) {
    case SHOWN_TOO_HIGH: info.picture_index = p.surfaces; break;
    case SHOWN_BELOW_ZERO: info.picture_index = -1; break;
    case NEVER_DECODED: info.picture_index = p.surfaces - 1; break;
    case NO_TIMESTAMP: info.timestamp = -5; break;
    case NULL_INFO: p.params.pfnDisplayPicture(user(p), nullptr); break;
    default: break;
    }
    return p.params.pfnDisplayPicture(user(p), &info) > 0;
}

bool show(Parser &p, size_t delay) {
    while (p.ready.size() > delay) {
        Awaited a = p.ready.front();
        p.ready.pop_front();
        if (!display(p, a))
            return false;
    }
    return true;
}

// Takes what libavcodec has ready.
bool take(Parser &p, size_t delay) {
    while (avcodec_receive_frame(p.context, p.frame) >= 0) {
        for (auto at = p.awaited.begin(); at != p.awaited.end(); ++at) {
            if (at->serial != p.frame->pts)
                continue;
            at->picture->damaged |= p.frame->decode_error_flags || p.frame->flags & AV_FRAME_FLAG_CORRUPT;
            at->picture->frame = av_frame_clone(p.frame);
            p.ready.push_back(*at);
            p.awaited.erase(at);
            break;
        }
        av_frame_unref(p.frame);
    }
    return show(p, delay);
}

bool drain(Parser &p) {
    if (!p.context)
        return true;
    avcodec_send_packet(p.context, nullptr);
    bool shown = take(p, 0);
    avcodec_flush_buffers(p.context);
    p.awaited.clear();
    p.references.clear();
    return shown;
}

bool decode(Parser &p, int index, std::shared_ptr<Picture> &picture) {
    CUVIDPICPARAMS params;
    std::memset(&params, 0, sizeof params);
    params.PicWidthInMbs = (p.format.coded_width + 15) / 16;
    params.FrameHeightInMbs = (p.format.coded_height + 15) / 16;
    params.CurrPicIdx = index;
    // The decoder takes the picture from here.
    params.pBitstreamData = reinterpret_cast<const unsigned char *>(&picture);
    params.nBitstreamDataLen = sizeof picture;
    params.CodecSpecific.av1.enable_fgs = asked("grain") && p.params.CodecType == cudaVideoCodec_AV1;
    switch (nonsense()) {
    case INDEX_TOO_HIGH: params.CurrPicIdx = p.surfaces; break;
    case INDEX_BELOW_ZERO: params.CurrPicIdx = -1; break;
    default: break;
    }
    return p.params.pfnDecodePicture(user(p), nonsense() == NULL_PICTURE ? nullptr : &params) > 0;
}

// One unit with one picture.
int unit(Parser &p, std::vector<uint8_t> data, long long timestamp) {
    std::vector<uint8_t> sets;
    has_picture(p, data, sets);
    if (!p.header.empty()) {
        has_picture(p, p.header, sets);
        data.insert(data.begin(), p.header.begin(), p.header.end());
        p.header.clear();
    }
    long fails_at = setting("fails_at", 0);
    if (setting("parse_fails", 0) && p.serial >= fails_at)
        return static_cast<int>(setting("parse_fails", 0));
    bool change = setting("change_at", -1) == p.serial;
    if (!p.known || change || (!sets.empty() && sets != p.parameter_sets)) {
        CUVIDEOFORMAT format = p.format;
        if (look(p, data, format) || change) {
            if (change)
                format.coded_width += 16;
            p.parameter_sets = sets;
            if (!p.known || std::memcmp(&format, &p.format, sizeof format) != 0) {
                if (!drain(p))
                    return UNKNOWN;
                p.format = format;
                p.known = true;
                if (!announce(p))
                    return UNKNOWN;
            }
        } else if (!p.known) {
            return OK; // nothing can be decoded before a sequence
        }
    }
    if (!p.context && !(p.context = open_codec(p.params.CodecType)))
        return UNKNOWN;

    int index = choose(p);
    if (index < 0)
        return fault("the parser has no surface left");
    auto picture = std::make_shared<Picture>();
    if (!decode(p, index, picture))
        return UNKNOWN;
    p.awaited.push_back({p.serial, index, timestamp, picture});
    p.references.push_back(index);
    while (p.references.size() > 3)
        p.references.pop_front();
    if (send(p.context, p.packet, data, p.serial) < 0)
        picture->damaged = true;
    p.serial++;
    size_t delay = p.params.ulMaxDisplayDelay;
    bool shown = take(p, delay);
    // Hidden pictures are never shown; H.264 and HEVC reorder at most 16.
    bool reorders = p.params.CodecType == cudaVideoCodec_H264 || p.params.CodecType == cudaVideoCodec_HEVC;
    while (!p.awaited.empty() && p.awaited.front().serial + (reorders ? 17 : 1) <= p.serial)
        p.awaited.pop_front();
    return shown ? OK : UNKNOWN;
}

int release_held(Parser &p) {
    if (!p.holds)
        return OK;
    p.holds = false;
    return unit(p, std::move(p.held), p.held_timestamp);
}

// --- Mapping -----------------------------------------------------------------------------------

struct Copy {
    std::shared_ptr<Picture> picture;
    CUdeviceptr address;
    unsigned pitch, height;
    cudaVideoSurfaceFormat format;
};

uint16_t sample(const AVFrame *f, int component, int x, int y) {
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(f->format));
    const AVComponentDescriptor &c = d->comp[component];
    const uint8_t *at = f->data[c.plane] + y * f->linesize[c.plane] + x * c.step + c.offset;
    return c.depth > 8 ? static_cast<uint16_t>((at[0] | at[1] << 8) << (16 - c.depth)) : *at;
}

// The planes as NVDEC lays them out.
int write_planes(void *argument) {
    std::unique_ptr<Copy> copy(static_cast<Copy *>(argument));
    const AVFrame *f = copy->picture->frame;
    if (!f)
        return OK;
    bool wide = copy->format == cudaVideoSurfaceFormat_P016 || copy->format == cudaVideoSurfaceFormat_YUV444_16Bit;
    bool full = copy->format == cudaVideoSurfaceFormat_YUV444 || copy->format == cudaVideoSurfaceFormat_YUV444_16Bit;
    auto put = [&](unsigned plane_row, int x, uint16_t value) {
        uint8_t *row = reinterpret_cast<uint8_t *>(copy->address) + size_t(plane_row) * copy->pitch;
        if (wide)
            reinterpret_cast<uint16_t *>(row)[x] = value;
        else
            row[x] = static_cast<uint8_t>(value);
    };
    unsigned chroma = (copy->height + 1) & ~1u;
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++)
            put(y, x, sample(f, 0, x, y));
    for (int c = 1; c < 3; c++) {
        if (full)
            for (int y = 0; y < f->height; y++)
                for (int x = 0; x < f->width; x++)
                    put(chroma * c + y, x, sample(f, c, x, y));
        else
            for (int y = 0; y < (f->height + 1) / 2; y++)
                for (int x = 0; x < (f->width + 1) / 2; x++)
                    put(chroma + y, 2 * x + c - 1, sample(f, c, x, y));
    }
    return OK;
}

} // namespace

// Decoders, parsers and mappings alive, and faults.
EXPORT long framecache_standin_video_live() {
    LOCK;
    return decoders + parsers + mappings + faults;
}

EXPORT long framecache_standin_created() { return created; }
EXPORT long framecache_standin_reconfigured() { return reconfigured; }
EXPORT long framecache_standin_mapped() { return mapped_ever; }

EXPORT CUresult cuvidGetDecoderCaps(CUVIDDECODECAPS *caps) {
    if (!framecache_standin_context())
        return result(INVALID_CONTEXT);
    unsigned depth = caps->nBitDepthMinus8 + 8;
    bool c420 = caps->eChromaFormat == cudaVideoChromaFormat_420;
    bool c444 = caps->eChromaFormat == cudaVideoChromaFormat_444;
    bool supported = false;
    unsigned least = 128;
    switch (caps->eCodecType) {
    case cudaVideoCodec_H264: supported = c420 && depth == 8; least = 48; break;
    case cudaVideoCodec_HEVC: supported = (c420 || c444) && depth <= 12; least = 144; break;
    case cudaVideoCodec_VP8: supported = c420 && depth == 8; least = 48; break;
    case cudaVideoCodec_VP9: supported = c420 && depth <= 12; break;
    case cudaVideoCodec_AV1: supported = c420 && depth <= 10 && !asked("like_h100"); break;
    default: break;
    }
    std::memset(&caps->bIsSupported, 0, sizeof *caps - offsetof(CUVIDDECODECAPS, bIsSupported));
    if (!supported || asked("no_decoder"))
        return result(OK);
    caps->bIsSupported = 1;
    caps->nNumNVDECs = 7;
    caps->nOutputFormatMask = c420 ? (depth > 8 ? 3 : 1) : (depth > 8 ? 15 : 5);
    caps->nMaxWidth = caps->nMaxHeight = 8192;
    caps->nMaxMBCount = 262144;
    caps->nMinWidth = caps->nMinHeight = asked("any_size") ? 2 : least;
    return result(OK);
}

EXPORT CUresult cuvidCreateDecoder(CUvideodecoder *out, CUVIDDECODECREATEINFO *info) {
    LOCK;
    if (!framecache_standin_context())
        return result(INVALID_CONTEXT);
    if (setting("create_fails", 0))
        return result(setting("create_fails", 0));
    if (info->ulTargetWidth != info->ulWidth || info->ulTargetHeight != info->ulHeight)
        return result(fault("pictures would be scaled"));
    CUdeviceptr probe = 0;
    size_t bytes = info->ulWidth * info->ulHeight * 3 / 2 * info->ulNumDecodeSurfaces;
    if (CUresult failed = cuMemAlloc_v2(&probe, bytes))
        return failed;
    cuMemFree_v2(probe);
    auto made = std::make_unique<Decoder>();
    made->info = *info;
    made->surfaces.resize(info->ulNumDecodeSurfaces);
    *out = made.get();
    all_decoders[*out] = std::move(made);
    decoders++;
    created++;
    return result(OK);
}

EXPORT CUresult cuvidDestroyDecoder(CUvideodecoder handle) {
    LOCK;
    Decoder *d = decoder(handle);
    if (!d)
        return result(INVALID_HANDLE);
    if (!d->mapped.empty())
        return result(fault("a decoder is destroyed with pictures mapped"));
    all_decoders.erase(handle);
    decoders--;
    return result(OK);
}

EXPORT CUresult cuvidDecodePicture(CUvideodecoder handle, CUVIDPICPARAMS *params) {
    LOCK;
    Decoder *d = decoder(handle);
    if (!d || !framecache_standin_context())
        return result(d ? INVALID_CONTEXT : INVALID_HANDLE);
    if (params->CurrPicIdx < 0 || params->CurrPicIdx >= static_cast<int>(d->surfaces.size()))
        return result(fault("a surface that there is not"));
    for (auto &entry : d->mapped)
        if (entry.second == params->CurrPicIdx)
            return result(fault("decoding into a mapped surface"));
    long number = decoded_ever++;
    if (setting("decode_fails", 0) && number >= setting("fails_at", 0))
        return result(setting("decode_fails", 0));
    auto &picture = *reinterpret_cast<const std::shared_ptr<Picture> *>(params->pBitstreamData);
    picture->number = number;
    d->surfaces[params->CurrPicIdx] = picture;
    return result(OK);
}

EXPORT CUresult cuvidGetDecodeStatus(CUvideodecoder handle, int index, CUVIDGETDECODESTATUS *out) {
    LOCK;
    Decoder *d = decoder(handle);
    if (!d || index < 0 || index >= static_cast<int>(d->surfaces.size()) || !d->surfaces[index])
        return result(INVALID_VALUE);
    if (d->info.CodecType != cudaVideoCodec_H264 && d->info.CodecType != cudaVideoCodec_HEVC)
        return result(NOT_SUPPORTED);
    Picture &picture = *d->surfaces[index];
    out->decodeStatus = cuvidDecodeStatus_Success;
    if (picture.damaged || picture.number == setting("error_at", -1))
        out->decodeStatus = cuvidDecodeStatus_Error;
    if (picture.number == setting("concealed_at", -1))
        out->decodeStatus = cuvidDecodeStatus_Error_Concealed;
    if (asked("never_decoded") || (asked("slow_status") && picture.asked++ < 2))
        out->decodeStatus = cuvidDecodeStatus_InProgress;
    return result(OK);
}

#ifndef WITHOUT_RECONFIGURE
EXPORT CUresult cuvidReconfigureDecoder(CUvideodecoder handle, CUVIDRECONFIGUREDECODERINFO *info) {
    LOCK;
    Decoder *d = decoder(handle);
    if (!d)
        return result(INVALID_HANDLE);
    if (setting("reconfigure_fails", 0))
        return result(setting("reconfigure_fails", 0));
    if (!in_sequence || !d->mapped.empty())
        return result(fault("a decoder is reconfigured outside a sequence callback, or mapped"));
    if (info->ulWidth > d->info.ulMaxWidth || info->ulHeight > d->info.ulMaxHeight)
        return result(INVALID_VALUE);
    d->info.ulWidth = d->info.ulTargetWidth = info->ulWidth;
    d->info.ulHeight = d->info.ulTargetHeight = info->ulHeight;
    d->surfaces.assign(info->ulNumDecodeSurfaces, nullptr);
    reconfigured++;
    return result(OK);
}
#endif

EXPORT CUresult cuvidMapVideoFrame64(CUvideodecoder handle, int index, unsigned long long *address,
                                     unsigned *pitch, CUVIDPROCPARAMS *params) {
    LOCK;
    Decoder *d = decoder(handle);
    if (!d || !framecache_standin_context())
        return result(d ? INVALID_CONTEXT : INVALID_HANDLE);
    if (setting("map_fails", 0))
        return result(setting("map_fails", 0));
    if (index < 0 || index >= static_cast<int>(d->surfaces.size()) || !d->surfaces[index])
        return result(INVALID_VALUE);
    if (d->mapped.size() >= d->info.ulNumOutputSurfaces)
        return result(MAP_FAILED);
    bool wide = d->info.OutputFormat == cudaVideoSurfaceFormat_P016 || d->info.OutputFormat == cudaVideoSurfaceFormat_YUV444_16Bit;
    bool full = d->info.OutputFormat == cudaVideoSurfaceFormat_YUV444 || d->info.OutputFormat == cudaVideoSurfaceFormat_YUV444_16Bit;
    unsigned height = static_cast<unsigned>(d->info.ulHeight);
    unsigned own_pitch = static_cast<unsigned>(d->info.ulWidth) * (wide ? 2 : 1) + 34;
    unsigned rows = ((height + 1) & ~1u) * (full ? 3 : 2);
    CUdeviceptr memory = 0;
    if (CUresult failed = cuMemAlloc_v2(&memory, size_t(own_pitch) * rows))
        return failed;
    auto *copy = new Copy{d->surfaces[index], memory, own_pitch, height, d->info.OutputFormat};
    if (int failed = framecache_standin_queue(params->output_stream, write_planes, copy)) {
        delete copy;
        cuMemFree_v2(memory);
        return result(failed);
    }
    d->mapped[memory] = index;
    mappings++;
    mapped_ever++;
    *address = memory;
    *pitch = nonsense() == NO_PITCH ? 1 : own_pitch;
    if (nonsense() == NO_ADDRESS) {
        d->mapped.erase(memory);
        mappings--;
        cuMemFree_v2(memory);
        *address = 0;
    }
    return result(OK);
}

EXPORT CUresult cuvidUnmapVideoFrame64(CUvideodecoder handle, unsigned long long address) {
    LOCK;
    Decoder *d = decoder(handle);
    if (!d || !d->mapped.erase(address))
        return result(INVALID_VALUE);
    mappings--;
    return cuMemFree_v2(address);
}

EXPORT CUresult cuvidCreateVideoParser(CUvideoparser *out, CUVIDPARSERPARAMS *params) {
    LOCK;
    if (setting("create_parser_fails", 0))
        return result(setting("create_parser_fails", 0));
    if (codec_id(params->CodecType) == AV_CODEC_ID_NONE)
        return result(NOT_SUPPORTED);
    if (params->pExtVideoInfo && params->pExtVideoInfo->format.seqhdr_data_length > 1024)
        return result(INVALID_VALUE);
    auto made = std::make_unique<Parser>();
    made->params = *params;
    made->params.pExtVideoInfo = nullptr;
    *out = made.get();
    all_parsers[*out] = std::move(made);
    parsers++;
    return result(OK);
}

EXPORT CUresult cuvidDestroyVideoParser(CUvideoparser handle) {
    LOCK;
    if (!all_parsers.erase(handle))
        return result(INVALID_HANDLE);
    parsers--;
    return result(OK);
}

// The callbacks run without the lock: they may wait for threads that call in here.
EXPORT CUresult cuvidParseVideoData(CUvideoparser handle, CUVIDSOURCEDATAPACKET *packet) {
    Parser *p = nullptr;
    {
        LOCK;
        auto at = all_parsers.find(handle);
        if (at == all_parsers.end())
            return result(INVALID_HANDLE);
        p = at->second.get();
    }
    std::vector<uint8_t> data;
    if (packet->payload_size)
        data.assign(packet->payload, packet->payload + packet->payload_size);
    std::vector<uint8_t> sets;
    if (!data.empty() && !has_picture(*p, data, sets)) {
        p->header.insert(p->header.end(), data.begin(), data.end());
    } else if (!data.empty()) {
        if (int failed = release_held(*p))
            return result(failed);
        if (packet->flags & CUVID_PKT_ENDOFPICTURE) {
            if (int failed = unit(*p, std::move(data), packet->timestamp))
                return result(failed);
        } else {
            p->held = std::move(data);
            p->held_timestamp = packet->timestamp;
            p->holds = true;
        }
    }
    if (packet->flags & CUVID_PKT_ENDOFSTREAM) {
        if (int failed = release_held(*p))
            return result(failed);
        if (!drain(*p))
            return result(UNKNOWN);
        p->known = false;
    }
    return result(OK);
}
