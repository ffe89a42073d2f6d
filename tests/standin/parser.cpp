// A parser for tests: what NVIDIA's headers and its own one tell of theirs, with
// libavcodec doing the work behind the callbacks.
//
// The parser chooses surfaces and knows nothing of who holds a displayed picture, as the real one:
// who does not take care sees another picture's bytes. It holds a packet back until the next one
// unless told that it is a whole picture, but for AV1. It takes timestamps for decoding times, and gives the displayed pictures
// those of the decoded ones sorted. With a delay, pictures of an old sequence are displayed
// after the new one was announced. What FRAMECACHE_STANDIN may say:
//   like_h100               no AV1
//   any_size                no smallest size
//   engines=N               how many a GPU has (7)
//   lowest                  the parser takes the lowest free surface, not the next one
//   surfaces=N              how many it asks for
//   create_fails=CODE, create_parser_fails=CODE, map_fails=CODE, reconfigure_fails=CODE
//   fails_at=N              the unit (from 0) at which parse_fails and decode_fails do
//   parse_fails=CODE, decode_fails=CODE
//   error_at=N, concealed_at=N, slow_status, never_decoded      what GetDecodeStatus says
//   interlaced, monochrome, grain, unequal    what the stream is said to be
//   change_at=N             a sequence of another size is announced at that unit
//   nonsense=N              see `nonsense` below
#include <set>

#include "video.h"

using namespace standin;

namespace {

struct Awaited {
    long serial;
    int index;
    std::shared_ptr<Picture> picture;
};

struct Parser {
    Caller caller;
    AVCodecContext *context = nullptr;
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    std::vector<uint8_t> header, parameter_sets, held;
    bool holds = false;
    long long held_timestamp = 0;
    bool known = false;
    CUVIDEOFORMAT format;
    int next = 0;
    long serial = 0;
    std::multiset<long long> timestamps; // of what was decoded, not yet displayed
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

// What a sequence is, by decoding its first picture apart.
bool look(Parser &p, const std::vector<uint8_t> &data, CUVIDEOFORMAT &format) {
    AVCodecContext *context = open_codec(p.caller.params.CodecType);
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
        format.codec = p.caller.params.CodecType;
        format.progressive_sequence = !(got && f->interlaced_frame);
        format.bit_depth_luma_minus8 = format.bit_depth_chroma_minus8 = d->comp[0].depth - 8;
        bool deep = p.caller.params.CodecType == cudaVideoCodec_H264 || p.caller.params.CodecType == cudaVideoCodec_HEVC;
        format.min_num_decode_surfaces = setting("surfaces", deep ? 7 : 9);
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

bool announce(Parser &p) { return p.caller.announce(p.format) > 0; }

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
    for (int i = 0; i < p.caller.surfaces; i++) {
        int index = asked("lowest") ? i : (p.next + i) % p.caller.surfaces;
        if (!busy(p, index)) {
            p.next = (index + 1) % p.caller.surfaces;
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
    if (!p.timestamps.empty()) {
        info.timestamp = *p.timestamps.begin();
        p.timestamps.erase(p.timestamps.begin());
    }
    return p.caller.display(info) > 0;
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

// Decodes to the end of what it has, and shows all of it but the delay.
bool drain(Parser &p, size_t delay) {
    if (!p.context)
        return true;
    avcodec_send_packet(p.context, nullptr);
    bool shown = take(p, delay);
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
    return p.caller.decode(&params, picture) > 0;
}

// One unit with one picture.
int unit(Parser &p, std::vector<uint8_t> data, long long timestamp) {
    std::vector<uint8_t> sets;
    has_picture(p.caller.params.CodecType, data, sets);
    if (!p.header.empty()) {
        has_picture(p.caller.params.CodecType, p.header, sets);
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
                if (!drain(p, p.caller.params.ulMaxDisplayDelay))
                    return UNKNOWN;
                p.format = format;
                p.known = true;
                if (!announce(p) || !show(p, 0))
                    return UNKNOWN;
            }
        } else if (!p.known) {
            return OK; // nothing can be decoded before a sequence
        }
    }
    if (!p.context && !(p.context = open_codec(p.caller.params.CodecType)))
        return UNKNOWN;

    int index = choose(p);
    if (index < 0)
        return fault("the parser has no surface left");
    auto picture = std::make_shared<Picture>();
    if (!decode(p, index, picture))
        return UNKNOWN;
    p.timestamps.insert(timestamp);
    p.awaited.push_back({p.serial, index, picture});
    p.references.push_back(index);
    while (p.references.size() > 3)
        p.references.pop_front();
    if (send(p.context, p.packet, data, p.serial) < 0)
        picture->damaged = true;
    p.serial++;
    size_t delay = p.caller.params.ulMaxDisplayDelay;
    bool shown = take(p, delay);
    // Hidden pictures are never shown; H.264 and HEVC reorder at most 16.
    bool reorders = p.caller.params.CodecType == cudaVideoCodec_H264 || p.caller.params.CodecType == cudaVideoCodec_HEVC;
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
} // namespace

EXPORT CUresult cuvidCreateVideoParser(CUvideoparser *out, CUVIDPARSERPARAMS *params) {
    LOCK;
    if (setting("create_parser_fails", 0))
        return result(setting("create_parser_fails", 0));
    if (codec_id(params->CodecType) == AV_CODEC_ID_NONE)
        return result(NOT_SUPPORTED);
    if (params->pExtVideoInfo && params->pExtVideoInfo->format.seqhdr_data_length > 1024)
        return result(INVALID_VALUE);
    auto made = std::make_unique<Parser>();
    made->caller.params = *params;
    made->caller.params.pExtVideoInfo = nullptr;
    *out = made.get();
    all_parsers[*out] = std::move(made);
    parsers++;
    parsers_ever++;
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
    if (!data.empty() && !has_picture(p->caller.params.CodecType, data, sets)) {
        p->header.insert(p->header.end(), data.begin(), data.end());
    } else if (!data.empty()) {
        if (int failed = release_held(*p))
            return result(failed);
        long long timestamp = packet->flags & CUVID_PKT_TIMESTAMP ? packet->timestamp : 0;
        // Temporal units of AV1 end where they end.
        if (packet->flags & CUVID_PKT_ENDOFPICTURE || p->caller.params.CodecType == cudaVideoCodec_AV1) {
            if (int failed = unit(*p, std::move(data), timestamp))
                return result(failed);
        } else {
            p->held = std::move(data);
            p->held_timestamp = timestamp;
            p->holds = true;
        }
    }
    if (packet->flags & CUVID_PKT_ENDOFSTREAM) {
        if (int failed = release_held(*p))
            return result(failed);
        if (!drain(*p, 0))
            return result(UNKNOWN);
        p->known = false;
    }
    return result(OK);
}
