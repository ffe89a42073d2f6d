#!/usr/bin/env bash
# Builds framecache against other releases of FFmpeg than this machine's, and compares what it makes of all media:
# plans, times, facts, JPEGs and hashes are to be equal. FRAMECACHE_MEDIA=folder adds media to the generated clips.
# usage: releases.sh [FILE …]     -> target/ffmpeg/RELEASE; a release's ffmpeg-RELEASE.tar.xz in target/ffmpeg is used as it lies there
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/target/ffmpeg
# FFmpeg's own archives, by their SHA-256.
releases=(
  7.1.5:de668509caf9e35e3cd162473441fdb29538c6d96ed080292b3cf9e6fc5d558f
  8.0.1:05ee0b03119b45c0bdb4df654b96802e909e0a752f72e4fe3794f487229e5a41
)
# Another way to build, if it leaves target/release/framecache below CARGO_TARGET_DIR.
build=${FRAMECACHE_BUILD:-cargo build --release --locked --quiet --bin framecache}
mkdir -p "$folder"

# The archive of a release, from FFmpeg, or from the mirror of Debian's that apt knows, where it is the same.
fetch() { # release, SHA-256
  local file=$folder/ffmpeg-$1.tar.xz mirror url
  if [ ! -e "$file" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' 'Component: main' | sed -n 1p || true)
    for url in "https://ffmpeg.org/releases/ffmpeg-$1.tar.xz" ${mirror:+"${mirror%/}/pool/main/f/ffmpeg/ffmpeg_$1.orig.tar.xz"}; do
      ! curl -fsSL --connect-timeout 20 -o "$file.part" "$url" 2>/dev/null || { mv "$file.part" "$file"; break; }
    done
  fi
  [ -e "$file" ] || { echo "FFmpeg $1 cannot be fetched: put its archive at ${file#"$PWD"/}" >&2; exit 1; }
  sha256sum --quiet --check <<<"$2  $file" || { echo "${file#"$PWD"/} is no archive of FFmpeg $1's own: remove it" >&2; exit 1; }
}

builds=("this machine's=$PWD/target/release/framecache")
for entry in "${releases[@]}"; do
  release=${entry%:*} own=$folder/${entry%:*}
  if [ ! -e "$own/done" ]; then
    echo "==> building FFmpeg $release, decoders only"
    fetch "$release" "${entry#*:}"
    tar -C "$folder" -xf "$folder/ffmpeg-$release.tar.xz"
    scripts/ffmpeg.sh "$own" decoders "$folder/ffmpeg-$release"
    rm -rf "$folder/ffmpeg-$release" "$own.work"
    touch "$own/done"
  fi
  echo "==> building framecache with FFmpeg $release"
  # By this alone, so that what has nothing to do with FFmpeg is built once.
  FFMPEG_DIR=$own CARGO_TARGET_DIR=$folder/build $build
  cp "$folder/build/release/framecache" "$own/"
  builds+=("$release=$own/framecache:$own/lib")
done

echo "==> comparing"
exec .venv/bin/python tests/releases/compare.py "${builds[@]}" -- "$@"
