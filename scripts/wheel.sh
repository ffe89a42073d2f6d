#!/usr/bin/env bash
# Makes the Python package with the program in it: FFmpeg's decoders and libjpeg-turbo are part of it, and nothing is
# needed beside glibc.
# usage: wheel.sh         -> target/wheel/dist/framecache-VERSION-py3-none-manylinux_….whl
#        wheel.sh test    and uses it where nothing else is installed: in a fresh venv, and in a Debian without FFmpeg
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/target/wheel
ffmpeg=$folder/ffmpeg
mkdir -p "$folder"

if [ ! -e "$ffmpeg/done" ]; then
  echo "==> building FFmpeg's decoders, static"
  scripts/ffmpeg.sh "$ffmpeg" whole
  # What the linker finds first it takes.
  cp "$(gcc -print-file-name=libz.a)" "$ffmpeg/lib/"
  cp "$ffmpeg.work/source/ffmpeg/COPYING.LGPLv2.1" "$ffmpeg/FFMPEG-LICENCE"
  cp "$ffmpeg.work/source/dav1d/COPYING" "$ffmpeg/DAV1D-LICENCE"
  touch "$ffmpeg/done"
fi

echo "==> building the program with them"
PKG_CONFIG_PATH=$ffmpeg/lib/pkgconfig CARGO_TARGET_DIR=$folder/build \
  cargo build --release --locked --quiet --bin framecache --features static-ffmpeg
program=$folder/framecache
strip -o "$program" "$folder/build/release/framecache"
glibc=$(objdump -T "$program" | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n1)
glibc_tag=$(tr . _ <<<"${glibc#GLIBC_}")

echo "==> packing the wheel"
rm -rf "$folder/dist"
FRAMECACHE_PROGRAM=$program FRAMECACHE_WHEEL_PLATFORM=manylinux_${glibc_tag}_$(uname -m) \
  FRAMECACHE_WHEEL_LICENCES=$PWD/LICENSE-MIT:$PWD/LICENSE-APACHE:$ffmpeg/FFMPEG-LICENCE:$ffmpeg/DAV1D-LICENCE \
  python3 -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder/dist" ./clients/python
wheel=$(echo "$folder"/dist/*.whl)
size=$(stat -c %s "$wheel")
echo "$(basename "$wheel"): $((size >> 20)) MiB"
[ "$size" -le $((30 << 20)) ] || { echo "the wheel is over 30 MiB" >&2; exit 1; }
[ "${1:-}" != test ] || exec tests/wheel/test.sh "$wheel"
