/* Prints sizes, alignments and offsets of NVIDIA's structures, and constants, under the names that src/gpu/sys/cuvid.rs
 * gives them; a unit test there compares. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/dynlink_nvcuvid.h>

#define SIZE(name, type) printf(#name " size %zu align %zu\n", sizeof(type), _Alignof(type))
#define VALUE(ours, theirs) printf(#ours " %lu\n", (unsigned long)(theirs))
#define FIELD(name, ours, type, theirs) printf(#name " " #ours " %zu\n", offsetof(type, theirs))

static void film_grain(void) {
  CUVIDPICPARAMS params;
  memset(&params, 0, sizeof params);
  params.CodecSpecific.av1.enable_fgs = 1;
  const unsigned *words = (const unsigned *)&params;
  for (size_t i = 0; i < sizeof params / sizeof *words; i++)
    if (words[i])
      printf("film grain word %zu bits %#x\n", i * sizeof *words, words[i]);
}

int main(void) {
  SIZE(DecodeCaps, CUVIDDECODECAPS);
  FIELD(DecodeCaps, codec, CUVIDDECODECAPS, eCodecType);
  FIELD(DecodeCaps, chroma, CUVIDDECODECAPS, eChromaFormat);
  FIELD(DecodeCaps, depth_minus_8, CUVIDDECODECAPS, nBitDepthMinus8);
  FIELD(DecodeCaps, reserved1, CUVIDDECODECAPS, reserved1);
  FIELD(DecodeCaps, supported, CUVIDDECODECAPS, bIsSupported);
  FIELD(DecodeCaps, engines, CUVIDDECODECAPS, nNumNVDECs);
  FIELD(DecodeCaps, output_formats, CUVIDDECODECAPS, nOutputFormatMask);
  FIELD(DecodeCaps, max_width, CUVIDDECODECAPS, nMaxWidth);
  FIELD(DecodeCaps, max_height, CUVIDDECODECAPS, nMaxHeight);
  FIELD(DecodeCaps, max_macroblocks, CUVIDDECODECAPS, nMaxMBCount);
  FIELD(DecodeCaps, min_width, CUVIDDECODECAPS, nMinWidth);
  FIELD(DecodeCaps, min_height, CUVIDDECODECAPS, nMinHeight);
  FIELD(DecodeCaps, reserved3, CUVIDDECODECAPS, reserved3);

  SIZE(CreateInfo, CUVIDDECODECREATEINFO);
  FIELD(CreateInfo, width, CUVIDDECODECREATEINFO, ulWidth);
  FIELD(CreateInfo, height, CUVIDDECODECREATEINFO, ulHeight);
  FIELD(CreateInfo, decode_surfaces, CUVIDDECODECREATEINFO, ulNumDecodeSurfaces);
  FIELD(CreateInfo, codec, CUVIDDECODECREATEINFO, CodecType);
  FIELD(CreateInfo, chroma, CUVIDDECODECREATEINFO, ChromaFormat);
  FIELD(CreateInfo, flags, CUVIDDECODECREATEINFO, ulCreationFlags);
  FIELD(CreateInfo, depth_minus_8, CUVIDDECODECREATEINFO, bitDepthMinus8);
  FIELD(CreateInfo, intra_only, CUVIDDECODECREATEINFO, ulIntraDecodeOnly);
  FIELD(CreateInfo, max_width, CUVIDDECODECREATEINFO, ulMaxWidth);
  FIELD(CreateInfo, max_height, CUVIDDECODECREATEINFO, ulMaxHeight);
  FIELD(CreateInfo, reserved1, CUVIDDECODECREATEINFO, Reserved1);
  FIELD(CreateInfo, display_area, CUVIDDECODECREATEINFO, display_area);
  FIELD(CreateInfo, output_format, CUVIDDECODECREATEINFO, OutputFormat);
  FIELD(CreateInfo, deinterlace, CUVIDDECODECREATEINFO, DeinterlaceMode);
  FIELD(CreateInfo, target_width, CUVIDDECODECREATEINFO, ulTargetWidth);
  FIELD(CreateInfo, target_height, CUVIDDECODECREATEINFO, ulTargetHeight);
  FIELD(CreateInfo, output_surfaces, CUVIDDECODECREATEINFO, ulNumOutputSurfaces);
  FIELD(CreateInfo, lock, CUVIDDECODECREATEINFO, vidLock);
  FIELD(CreateInfo, target_rect, CUVIDDECODECREATEINFO, target_rect);
  FIELD(CreateInfo, enable_histogram, CUVIDDECODECREATEINFO, enableHistogram);
  FIELD(CreateInfo, reserved2, CUVIDDECODECREATEINFO, Reserved2);

  SIZE(ReconfigureInfo, CUVIDRECONFIGUREDECODERINFO);
  FIELD(ReconfigureInfo, width, CUVIDRECONFIGUREDECODERINFO, ulWidth);
  FIELD(ReconfigureInfo, height, CUVIDRECONFIGUREDECODERINFO, ulHeight);
  FIELD(ReconfigureInfo, target_width, CUVIDRECONFIGUREDECODERINFO, ulTargetWidth);
  FIELD(ReconfigureInfo, target_height, CUVIDRECONFIGUREDECODERINFO, ulTargetHeight);
  FIELD(ReconfigureInfo, decode_surfaces, CUVIDRECONFIGUREDECODERINFO, ulNumDecodeSurfaces);
  FIELD(ReconfigureInfo, reserved1, CUVIDRECONFIGUREDECODERINFO, reserved1);
  FIELD(ReconfigureInfo, display_area, CUVIDRECONFIGUREDECODERINFO, display_area);
  FIELD(ReconfigureInfo, target_rect, CUVIDRECONFIGUREDECODERINFO, target_rect);
  FIELD(ReconfigureInfo, reserved2, CUVIDRECONFIGUREDECODERINFO, reserved2);

  SIZE(PictureParams, CUVIDPICPARAMS);
  FIELD(PictureParams, width_in_macroblocks, CUVIDPICPARAMS, PicWidthInMbs);
  FIELD(PictureParams, height_in_macroblocks, CUVIDPICPARAMS, FrameHeightInMbs);
  FIELD(PictureParams, picture_index, CUVIDPICPARAMS, CurrPicIdx);
  FIELD(PictureParams, field, CUVIDPICPARAMS, field_pic_flag);
  FIELD(PictureParams, bottom_field, CUVIDPICPARAMS, bottom_field_flag);
  FIELD(PictureParams, second_field, CUVIDPICPARAMS, second_field);
  FIELD(PictureParams, bitstream_bytes, CUVIDPICPARAMS, nBitstreamDataLen);
  FIELD(PictureParams, bitstream, CUVIDPICPARAMS, pBitstreamData);
  FIELD(PictureParams, slices, CUVIDPICPARAMS, nNumSlices);
  FIELD(PictureParams, slice_offsets, CUVIDPICPARAMS, pSliceDataOffsets);
  FIELD(PictureParams, reference, CUVIDPICPARAMS, ref_pic_flag);
  FIELD(PictureParams, intra, CUVIDPICPARAMS, intra_pic_flag);
  FIELD(PictureParams, reserved, CUVIDPICPARAMS, Reserved);
  FIELD(PictureParams, specific, CUVIDPICPARAMS, CodecSpecific);

  SIZE(ProcessParams, CUVIDPROCPARAMS);
  FIELD(ProcessParams, progressive, CUVIDPROCPARAMS, progressive_frame);
  FIELD(ProcessParams, second_field, CUVIDPROCPARAMS, second_field);
  FIELD(ProcessParams, top_field_first, CUVIDPROCPARAMS, top_field_first);
  FIELD(ProcessParams, unpaired_field, CUVIDPROCPARAMS, unpaired_field);
  FIELD(ProcessParams, reserved_flags, CUVIDPROCPARAMS, reserved_flags);
  FIELD(ProcessParams, reserved_zero, CUVIDPROCPARAMS, reserved_zero);
  FIELD(ProcessParams, reserved1, CUVIDPROCPARAMS, Reserved1);
  FIELD(ProcessParams, stream, CUVIDPROCPARAMS, output_stream);
  FIELD(ProcessParams, reserved, CUVIDPROCPARAMS, Reserved);
  FIELD(ProcessParams, histogram, CUVIDPROCPARAMS, histogram_dptr);
  FIELD(ProcessParams, reserved2, CUVIDPROCPARAMS, Reserved2);

  SIZE(DecodeStatus, CUVIDGETDECODESTATUS);
  FIELD(DecodeStatus, status, CUVIDGETDECODESTATUS, decodeStatus);
  FIELD(DecodeStatus, reserved, CUVIDGETDECODESTATUS, reserved);
  FIELD(DecodeStatus, reserved_pointers, CUVIDGETDECODESTATUS, pReserved);

  SIZE(VideoFormat, CUVIDEOFORMAT);
  FIELD(VideoFormat, codec, CUVIDEOFORMAT, codec);
  FIELD(VideoFormat, rate_numerator, CUVIDEOFORMAT, frame_rate.numerator);
  FIELD(VideoFormat, rate_denominator, CUVIDEOFORMAT, frame_rate.denominator);
  FIELD(VideoFormat, progressive_sequence, CUVIDEOFORMAT, progressive_sequence);
  FIELD(VideoFormat, luma_depth_minus_8, CUVIDEOFORMAT, bit_depth_luma_minus8);
  FIELD(VideoFormat, chroma_depth_minus_8, CUVIDEOFORMAT, bit_depth_chroma_minus8);
  FIELD(VideoFormat, min_surfaces, CUVIDEOFORMAT, min_num_decode_surfaces);
  FIELD(VideoFormat, coded_width, CUVIDEOFORMAT, coded_width);
  FIELD(VideoFormat, coded_height, CUVIDEOFORMAT, coded_height);
  FIELD(VideoFormat, display_area, CUVIDEOFORMAT, display_area);
  FIELD(VideoFormat, chroma, CUVIDEOFORMAT, chroma_format);
  FIELD(VideoFormat, bit_rate, CUVIDEOFORMAT, bitrate);
  FIELD(VideoFormat, aspect, CUVIDEOFORMAT, display_aspect_ratio);
  FIELD(VideoFormat, signal, CUVIDEOFORMAT, video_signal_description);
  FIELD(VideoFormat, header_bytes, CUVIDEOFORMAT, seqhdr_data_length);

  SIZE(VideoFormatEx, CUVIDEOFORMATEX);
  FIELD(VideoFormatEx, format, CUVIDEOFORMATEX, format);
  FIELD(VideoFormatEx, header, CUVIDEOFORMATEX, raw_seqhdr_data);

  SIZE(DisplayInfo, CUVIDPARSERDISPINFO);
  FIELD(DisplayInfo, picture_index, CUVIDPARSERDISPINFO, picture_index);
  FIELD(DisplayInfo, progressive, CUVIDPARSERDISPINFO, progressive_frame);
  FIELD(DisplayInfo, top_field_first, CUVIDPARSERDISPINFO, top_field_first);
  FIELD(DisplayInfo, repeat_first_field, CUVIDPARSERDISPINFO, repeat_first_field);
  FIELD(DisplayInfo, timestamp, CUVIDPARSERDISPINFO, timestamp);

  SIZE(SourcePacket, CUVIDSOURCEDATAPACKET);
  FIELD(SourcePacket, flags, CUVIDSOURCEDATAPACKET, flags);
  FIELD(SourcePacket, bytes, CUVIDSOURCEDATAPACKET, payload_size);
  FIELD(SourcePacket, payload, CUVIDSOURCEDATAPACKET, payload);
  FIELD(SourcePacket, timestamp, CUVIDSOURCEDATAPACKET, timestamp);

  SIZE(ParserParams, CUVIDPARSERPARAMS);
  FIELD(ParserParams, codec, CUVIDPARSERPARAMS, CodecType);
  FIELD(ParserParams, max_decode_surfaces, CUVIDPARSERPARAMS, ulMaxNumDecodeSurfaces);
  FIELD(ParserParams, clock_rate, CUVIDPARSERPARAMS, ulClockRate);
  FIELD(ParserParams, error_threshold, CUVIDPARSERPARAMS, ulErrorThreshold);
  FIELD(ParserParams, max_display_delay, CUVIDPARSERPARAMS, ulMaxDisplayDelay);
  printf("ParserParams flags %zu\n", offsetof(CUVIDPARSERPARAMS, uReserved1) - sizeof(unsigned));
  FIELD(ParserParams, reserved1, CUVIDPARSERPARAMS, uReserved1);
  FIELD(ParserParams, user_data, CUVIDPARSERPARAMS, pUserData);
  FIELD(ParserParams, sequence, CUVIDPARSERPARAMS, pfnSequenceCallback);
  FIELD(ParserParams, decode, CUVIDPARSERPARAMS, pfnDecodePicture);
  FIELD(ParserParams, display, CUVIDPARSERPARAMS, pfnDisplayPicture);
  FIELD(ParserParams, operating_point, CUVIDPARSERPARAMS, pfnGetOperatingPoint);
  FIELD(ParserParams, header, CUVIDPARSERPARAMS, pExtVideoInfo);


  VALUE(codec::H264, cudaVideoCodec_H264);
  VALUE(codec::HEVC, cudaVideoCodec_HEVC);
  VALUE(codec::VP8, cudaVideoCodec_VP8);
  VALUE(codec::VP9, cudaVideoCodec_VP9);
  VALUE(codec::AV1, cudaVideoCodec_AV1);
  VALUE(chroma::MONOCHROME, cudaVideoChromaFormat_Monochrome);
  VALUE(chroma::C420, cudaVideoChromaFormat_420);
  VALUE(chroma::C422, cudaVideoChromaFormat_422);
  VALUE(chroma::C444, cudaVideoChromaFormat_444);
  VALUE(surface::NV12, cudaVideoSurfaceFormat_NV12);
  VALUE(surface::P016, cudaVideoSurfaceFormat_P016);
  VALUE(surface::YUV444, cudaVideoSurfaceFormat_YUV444);
  VALUE(surface::YUV444_16, cudaVideoSurfaceFormat_YUV444_16Bit);
  VALUE(WEAVE, cudaVideoDeinterlaceMode_Weave);
  VALUE(PREFER_CUVID, cudaVideoCreate_PreferCUVID);
  VALUE(packet::END_OF_STREAM, CUVID_PKT_ENDOFSTREAM);
  VALUE(packet::END_OF_PICTURE, CUVID_PKT_ENDOFPICTURE);
  VALUE(status::IN_PROGRESS, cuvidDecodeStatus_InProgress);
  VALUE(status::SUCCESS, cuvidDecodeStatus_Success);
  VALUE(status::ERROR, cuvidDecodeStatus_Error);
  VALUE(status::ERROR_CONCEALED, cuvidDecodeStatus_Error_Concealed);

  film_grain();
  printf("decodePicIdx %zu\n", offsetof(CUVIDPICPARAMS, CodecSpecific.av1.decodePicIdx));
  return 0;
}
