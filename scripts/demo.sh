#!/usr/bin/env bash
# Extracts a clip, shows its frames as a table, leaves a contact sheet.
# VIDEO=file takes that file in place of the clip made here.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '==> %s\n' "$*"; }

# The clip: moving picture with a burnt-in clock, B-frames, two seconds and a bit between cut points.
make_clip() {
  local filter='format=yuv444p,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p'
  local clock="drawtext=text='%{pts\\:hms}':fontsize=54:fontcolor=white:box=1:boxcolor=black@0.7:boxborderw=8:x=(w-tw)/2:y=h-th-20"
  # testsrc2 has a small clock of its own; the large one needs a font.
  if ffmpeg -nostdin -v quiet -f lavfi -i color=s=64x64 -vf "$clock" -frames:v 1 -f null -; then
    filter="$clock,$filter"
  fi
  ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=640x360:rate=25:duration=20 -vf "$filter" \
    -c:v libx264 -preset fast -crf 20 -bf 3 -g 60 \
    -color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv demo/clip.mp4
}

scripts/install.sh demo
mkdir -p demo
step "building (the first time takes some minutes)"
cargo build --release --locked --quiet
framecache=target/release/framecache

source=${VIDEO:-}
if [ -z "$source" ]; then
  source=demo/clip.mp4
  if [ ! -s "$source" ]; then
    step "making a 20 s clip with ffmpeg: $source"
    make_clip
  fi
fi

rm -rf demo/store
step "framecache extract --store demo/store --timeline demo --fps 2 $source"
"$framecache" extract --store demo/store --timeline demo --fps 2 "$source"
step "framecache frames demo --store demo/store"
"$framecache" frames demo --store demo/store
step "framecache sheet demo --store demo/store -o demo/sheet.jpg"
"$framecache" sheet demo --store demo/store -o demo/sheet.jpg
step "look at demo/sheet.jpg: the clock in each picture is the time written under it"
step "the frames themselves: demo/store/cache/timelines/demo/frames/"
