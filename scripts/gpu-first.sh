#!/usr/bin/env bash
# The first quarter of an hour with a GPU that is there for no longer, in four calls. Each ends within its limit, and leaves files that stand alone:
# a table and JSON that are whole after every row, and steps.tsv, which has each step's seconds and exit status.
# usage: gpu-first.sh 1|2|3|4 [FOLDER] [gpu-check's flags]      in the unpacked kit: gpu-kit/first.sh
#   1  170 s  libraries, ffmpeg -hwaccel cuda, kernels and pictures against the CPU's. Exit 1: bytes differ, stop here
#   2  200 s  rates of copies, kernels, decoding by sessions, JPEG; waiting asleep and spinning
#   3  150 s  extraction into memory, memory over many spans, damaged files
#   4  200 s  the same by ffmpeg, PyNvVideoCodec, torchcodec
# FOLDER is $OUT, or ./gpu-first; GPU_FIRST_LIMIT sets another limit; GPU_FIRST_KIT is where the kit lies.
set -euo pipefail

call=${1:?usage: $0 1|2|3|4 [FOLDER]}
out=$(realpath -m "${2:-${OUT:-gpu-first}}")
flags=("${@:3}")
limits=(0 170 200 150 200)
case $call in [1-4]) ;; *) echo "there are calls 1 to 4" >&2; exit 2 ;; esac
limit=${GPU_FIRST_LIMIT:-${limits[call]}}
here=$(cd "$(dirname "$0")" && pwd)
kit=${GPU_FIRST_KIT:-$here}
[ -e "$kit/run.sh" ] || kit=$here/../target/gpu-kit/gpu-kit
[ -e "$kit/run.sh" ] || { echo "there is no kit: run scripts/gpu-kit.sh, or set GPU_FIRST_KIT" >&2; exit 2; }
mkdir -p "$out"
SECONDS=0
failed=0

# Seconds that are left, less those that ending takes.
left() { echo $((limit - SECONDS - 6 > 0 ? limit - SECONDS - 6 : 0)); }

# A step: at most so many seconds, what it says in NAME.txt. Whatever comes of it, the next one follows.
step() { # NAME SECONDS COMMAND...
  local name=$1 most=$2 began=$SECONDS status=0
  shift 2
  most=$((most < $(left) ? most : $(left)))
  if [ "$most" -le 0 ]; then
    printf '%s\t0\tno time\n' "$name" >> "$out/steps.tsv"
    return 0
  fi
  timeout -k 3 "$most" "$@" > "$out/$name.txt" 2>&1 < /dev/null || status=$?
  printf '%s\t%s\t%s\n' "$name" $((SECONDS - began)) "$status" >> "$out/steps.tsv"
  return $status
}

# gpu-check, with its JSON beside its table; it begins nothing in the last tenth of its time.
check() { # NAME SECONDS FLAG...
  local name=$1 most=$2
  shift 2
  most=$((most < $(left) ? most : $(left)))
  step "$name" "$most" "$kit/run.sh" --json "$out/$name.json" --budget $((most * 9 / 10)) "$@" "${flags[@]}"
}

# shellcheck disable=SC2329 # called by name, in a shell of its own
machine() {
  uname -a
  nproc
  free -m
  df -h /dev/shm /tmp
  nvidia-smi
  nvidia-smi -q -d CLOCK,MEMORY,UTILIZATION,POWER
  { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -E 'libcuda|libnv|libz\.|libdav1d' || true
  python3 -c 'import sys; print(sys.version); import torch; print(torch.__version__, torch.version.cuda)'
  ls -l "$kit" "$kit/lib"
}

# The first pictures of each clip, by NVDEC and by libavcodec, both with the kit's ffmpeg: says which driver is at fault
# where ours differ.
# shellcheck disable=SC2329 # as above
hwaccel() {
  local clip format
  export LD_LIBRARY_PATH=$kit/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  for clip in "$kit"/clips/*; do
    format=yuv420p
    case $clip in *10bit*) format=yuv420p10le ;; esac
    md5() { "$kit/bin/ffmpeg" -nostdin -v error "$@" -i "$clip" -map 0:V:0 -frames:v 30 -pix_fmt "$format" -f md5 -; }
    echo "$(basename "$clip"): cuda $(md5 -hwaccel cuda || true) cpu $(md5 || true)"
  done
}
export -f machine hwaccel
export kit

rates=rates/copies,rates/kernels,rates/decode,rates/jpeg
case $call in
  1)
    step machine 20 bash -c machine || true
    step hwaccel 40 bash -c hwaccel || true
    check equal 160 --quick --only kernels,refusals,planes,frames,seeks || failed=1
    [ $failed = 0 ] || echo "stop: see $out/equal.txt" >&2
    ;;
  2)
    check rates 150 --seconds 0.5 --only $rates || failed=1
    check asleep 25 --seconds 0.5 --only rates/extraction || failed=1
    check spinning 25 --seconds 0.5 --only rates/extraction --spin || failed=1
    ;;
  3)
    check extraction 60 --seconds 0.5 --only rates/extraction || failed=1
    check spans 50 --only spans || failed=1
    FRAMECACHE_LOG=framecache=debug check damaged 40 --only planes,frames --fixtures "$kit/damaged" || failed=1
    ;;
  4)
    mkdir -p "$out/one"
    cp "$kit/clips/h264_1080p.mp4" "$out/one/"
    check peers 190 --seconds 0.5 --only rates/decode,rates/extraction,peers --fixtures "$out/one" || failed=1
    rm -r "$out/one"
    ;;
esac
cat "$out/steps.tsv"
exit $failed
