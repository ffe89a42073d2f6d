// The decoder's half: surfaces, their status, their planes.
#include "video.h"

extern "C" CUresult cuMemAlloc_v2(CUdeviceptr *, size_t);
extern "C" CUresult cuMemFree_v2(CUdeviceptr);
extern "C" int framecache_standin_queue(CUstream, int (*)(void *), void *);
extern "C" bool framecache_standin_context();

namespace standin {

std::recursive_mutex mutex;
long parsers = 0, parsers_ever = 0;
thread_local bool in_sequence = false;

} // namespace standin

namespace {

using namespace standin;

long decoders = 0, mappings = 0, created = 0, reconfigured = 0, faults = 0;
long decoded_ever = 0, mapped_ever = 0;

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

struct Copy {
    std::shared_ptr<Picture> picture;
    CUdeviceptr address;
    unsigned pitch, width, height;
    cudaVideoSurfaceFormat format;
};

// A component's samples as a surface has them: every `step`th place of a row from `first` on.
template <class T> struct Places {
    uint8_t *rows;
    unsigned pitch;
    int step, first;

    void fill(const AVFrame *f, int component, int width, int height) const {
        const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(f->format));
        const AVComponentDescriptor &c = d->comp[component];
        for (int y = 0; y < height; y++) {
            const uint8_t *from = f->data[c.plane] + y * f->linesize[c.plane] + c.offset;
            T *to = reinterpret_cast<T *>(rows + size_t(y) * pitch) + first;
            for (int x = 0; x < width; x++, from += c.step)
                to[x * step] = sizeof(T) == 1 ? *from : static_cast<T>((from[0] | from[1] << 8) << (16 - c.depth));
        }
    }
};

template <class T> void write_as(const Copy &copy, bool full) {
    const AVFrame *f = copy.picture->frame;
    // libavcodec's buffers may be larger.
    int width = std::min<int>(f->width, copy.width), height = std::min<int>(f->height, copy.height);
    auto *base = reinterpret_cast<uint8_t *>(copy.address);
    size_t plane = size_t((copy.height + 1) & ~1u) * copy.pitch;
    Places<T>{base, copy.pitch, 1, 0}.fill(f, 0, width, height);
    for (int c = 1; c < 3; c++) {
        if (full)
            Places<T>{base + plane * c, copy.pitch, 1, 0}.fill(f, c, width, height);
        else
            Places<T>{base + plane, copy.pitch, 2, c - 1}.fill(f, c, (width + 1) / 2, (height + 1) / 2);
    }
}

// The planes as NVDEC lays them out.
int write_planes(void *argument) {
    std::unique_ptr<Copy> copy(static_cast<Copy *>(argument));
    if (!copy->picture->frame)
        return OK;
    bool full = copy->format == cudaVideoSurfaceFormat_YUV444 || copy->format == cudaVideoSurfaceFormat_YUV444_16Bit;
    if (copy->format == cudaVideoSurfaceFormat_P016 || copy->format == cudaVideoSurfaceFormat_YUV444_16Bit)
        write_as<uint16_t>(*copy, full);
    else
        write_as<uint8_t>(*copy, full);
    return OK;
}

} // namespace

int standin::fault(const char *what) {
    std::fprintf(stderr, "libnvcuvid stand-in: %s\n", what);
    faults++;
    return UNKNOWN;
}

// Decoders, parsers and mappings alive, and faults.
EXPORT long framecache_standin_video_live() {
    LOCK;
    return decoders + parsers + mappings + faults;
}

EXPORT long framecache_standin_created() { return created; }
EXPORT long framecache_standin_parsers_created() { return parsers_ever; }
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
    caps->nNumNVDECs = static_cast<unsigned char>(setting("engines", 7));
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
    unsigned width = static_cast<unsigned>(d->info.ulWidth), height = static_cast<unsigned>(d->info.ulHeight);
    unsigned own_pitch = width * (wide ? 2 : 1) + 34;
    unsigned rows = ((height + 1) & ~1u) * (full ? 3 : 2);
    CUdeviceptr memory = 0;
    if (CUresult failed = cuMemAlloc_v2(&memory, size_t(own_pitch) * rows))
        return failed;
    auto *copy = new Copy{d->surfaces[index], memory, own_pitch, width, height, d->info.OutputFormat};
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
