#!/usr/bin/env bash
# Builds a slim shared FFmpeg from Debian's own source package, with Debian's sonames: what was linked against
# Debian's libraries runs on it. LGPL: nothing of it is GPL or nonfree.
# usage: ffmpeg.sh FOLDER [peer | whole | decoders SOURCE]    -> FOLDER/{include,lib}; objects stay in FOLDER.work
#   peer: besides, `ffmpeg` and `ffprobe` with NVIDIA's decoders, to be measured against (FOLDER/bin)
#   whole: all decoders and demuxers of FFmpeg's own and dav1d, static: to be part of a program that runs anywhere
#   decoders: all of those, too, of another release, whose unpacked source is given; to be compared with
# Needs dpkg-dev, gcc, make, nasm, pkg-config, libdav1d-dev, zlib1g-dev; peer: libffmpeg-nvenc-dev; whole: meson.
set -euo pipefail
folder=$(realpath -m "${1:?usage: $0 FOLDER [peer | whole | decoders SOURCE]}")
kind=${2:-libraries}
source=${3:-}
work=$folder.work
mkdir -p "$work"/{lists/partial,source,objects}

decoders=h264,hevc,vp8,vp9,av1,libdav1d,mpeg1video,mpeg2video,mpeg4,mjpeg,prores,png,rawvideo
parsers=h264,hevc,vp8,vp9,av1,mpegvideo,mpeg4video,mjpeg,png
demuxers=mov,matroska,mpegts,mpegps,avi,flv,ivf,h264,hevc,obu,m4v,mpegvideo,mjpeg,image2,dhav
# The two that end in _split: a decoder of one picture at a time; the others: what demuxers and NVDEC need.
filters=h264_mp4toannexb,hevc_mp4toannexb,vp9_superframe_split,av1_frame_split,extract_extradata,mpeg4_unpack_bframes,null
options=(--prefix="$folder" --enable-pic --disable-debug --disable-doc --disable-autodetect --disable-network
  --enable-libdav1d --enable-zlib)
libraries=(--disable-programs --disable-avdevice --disable-avfilter --disable-swscale)
slim=(--disable-everything --enable-shared --disable-static --enable-protocol=file,pipe --enable-parser=$parsers --enable-bsf=$filters)
if [ "$kind" = peer ]; then
  options+=("${slim[@]}" --disable-ffplay --enable-ffnvcodec --enable-cuda --enable-cuvid --enable-nvdec
    --enable-hwaccel=h264_nvdec,hevc_nvdec,vp8_nvdec,vp9_nvdec,av1_nvdec
    --enable-decoder=$decoders,h264_cuvid,hevc_cuvid,vp8_cuvid,vp9_cuvid,av1_cuvid,wrapped_avframe
    --enable-encoder=rawvideo,wrapped_avframe,mjpeg --enable-demuxer=$demuxers,yuv4mpegpipe
    --enable-muxer=null,framemd5,md5,rawvideo,image2,mp4,matroska,mpegts
    --enable-filter=scale,format,fps,select,trim,setpts,copy,null,hwdownload,hwupload_cuda,crop)
elif [ "$kind" = whole ]; then
  options+=("${libraries[@]}" --enable-static --disable-shared --disable-encoders --disable-muxers --disable-filters
    --disable-devices --disable-hwaccels --disable-protocols --enable-protocol=file,pipe --pkg-config-flags=--static)
elif [ "$kind" = decoders ]; then
  options+=("${slim[@]}" "${libraries[@]}" --enable-decoders --enable-demuxers --enable-parsers --enable-bsfs)
else
  options+=("${slim[@]}" "${libraries[@]}" --enable-decoder=$decoders --enable-demuxer=$demuxers)
fi

known=
# A source package of Debian's, unpacked.
fetch() {
  [ ! -d "$work/source/$1" ] || return 0
  # Debian's archive as this machine knows it, for sources, without changing what it knows.
  sed 's/^Types: .*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > "$work/debian.sources"
  apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/debian.sources" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o APT::Sandbox::User=root)
  [ -n "$known" ] || "${apt[@]}" update
  known=1
  (cd "$work/source" && "${apt[@]}" source --download-only "$1" >/dev/null)
  dpkg-source --no-check -x "$work/source/$1"_*.dsc "$work/source/$1" >/dev/null
}

if [ "$kind" != decoders ]; then
  fetch ffmpeg
  source=$work/source/ffmpeg
  # Later releases have none.
  options+=(--disable-postproc)
fi
if [ "$kind" = whole ]; then
  # Debian has it shared alone.
  fetch dav1d
  rm -rf "$work/dav1d"
  meson setup "$work/dav1d" "$work/source/dav1d" --prefix "$folder" --libdir lib --buildtype release \
    --default-library static -Denable_tools=false -Denable_tests=false > "$work/dav1d.log"
  meson install -C "$work/dav1d" >> "$work/dav1d.log" 2>&1 || { tail -20 "$work/dav1d.log" >&2; exit 1; }
  export PKG_CONFIG_PATH=$folder/lib/pkgconfig
fi
cd "$work/objects"
"$source/configure" "${options[@]}" > configure.log || { tail -5 configure.log >&2; exit 1; }
make -s -j"$(nproc)" > make.log 2>&1 || { tail -20 make.log >&2; exit 1; }
make -s install > install.log 2>&1
