// Libavcodec's side.
#include "video.h"

using namespace standin;

AVCodecID standin::codec_id(cudaVideoCodec codec) {
    switch (codec) {
    case cudaVideoCodec_H264: return AV_CODEC_ID_H264;
    case cudaVideoCodec_HEVC: return AV_CODEC_ID_HEVC;
    case cudaVideoCodec_VP8: return AV_CODEC_ID_VP8;
    case cudaVideoCodec_VP9: return AV_CODEC_ID_VP9;
    case cudaVideoCodec_AV1: return AV_CODEC_ID_AV1;
    default: return AV_CODEC_ID_NONE;
    }
}

AVCodecContext *standin::open_codec(cudaVideoCodec codec) {
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

int standin::send(AVCodecContext *context, AVPacket *packet, const std::vector<uint8_t> &data, long serial) {
    av_packet_unref(packet);
    if (av_new_packet(packet, static_cast<int>(data.size())) < 0)
        return -1;
    std::memcpy(packet->data, data.data(), data.size());
    packet->pts = packet->dts = serial;
    return avcodec_send_packet(context, packet);
}

namespace {

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
} // namespace

bool standin::has_picture(cudaVideoCodec codec, const std::vector<uint8_t> &data, std::vector<uint8_t> &sets) {
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
