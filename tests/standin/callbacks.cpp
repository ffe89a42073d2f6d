// What whoever made a parser is told.
#include "video.h"

using namespace standin;

namespace {

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
void *user(const Caller &caller) { return nonsense() == NULL_USER ? nullptr : caller.params.pUserData; }

} // namespace

int Caller::announce(CUVIDEOFORMAT format) {
    disguise(format);
    if (nonsense() == NO_SEQUENCE)
        return 1;
    in_sequence = true;
    int answer = params.pfnSequenceCallback(user(*this), nonsense() == NULL_SEQUENCE ? nullptr : &format);
    in_sequence = false;
    if (answer > 1)
        surfaces = answer;
    return answer;
}

int Caller::decode(CUVIDPICPARAMS *picture_params, std::shared_ptr<Picture> &picture) {
    CUVIDPICPARAMS told = *picture_params;
    told.pBitstreamData = reinterpret_cast<const unsigned char *>(&picture);
    told.nBitstreamDataLen = sizeof picture;
    if (asked("grain") && params.CodecType == cudaVideoCodec_AV1)
        told.CodecSpecific.av1.enable_fgs = 1;
    switch (nonsense()) {
    case INDEX_TOO_HIGH: told.CurrPicIdx = surfaces; break;
    case INDEX_BELOW_ZERO: told.CurrPicIdx = -1; break;
    default: break;
    }
    return params.pfnDecodePicture(user(*this), nonsense() == NULL_PICTURE ? nullptr : &told);
}

int Caller::display(CUVIDPARSERDISPINFO info) {
    switch (nonsense()) {
    case SHOWN_TOO_HIGH: info.picture_index = surfaces; break;
    case SHOWN_BELOW_ZERO: info.picture_index = -1; break;
    case NEVER_DECODED: info.picture_index = surfaces - 1; break;
    case NULL_INFO: params.pfnDisplayPicture(user(*this), nullptr); break;
    default: break;
    }
    return params.pfnDisplayPicture(user(*this), &info);
}
