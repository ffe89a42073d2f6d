#!/usr/bin/env bash
# Packs what a GPU machine without internet needs to run gpu-check with its peers, in one archive under 60 MiB:
# our two binaries, a slim FFmpeg (scripts/ffmpeg.sh), PyNvVideoCodec and torchcodec from their wheels, and clips.
# usage: gpu-kit.sh [FOLDER]    -> FOLDER/gpu-kit.tar.gz (default target/gpu-kit); there: tar xf, then gpu-kit/run.sh,
# or gpu-kit/first.sh (scripts/gpu-first.sh). By gzip: a bare machine may lack xz.
# KIT_PYTHON=3.12 is the Python of that machine; its torch, where torchcodec is to run, is of CUDA 13.
# Installs what it needs from Debian, ffmpeg with libx264, libx265, libvpx and an AV1 encoder among it.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath -m "${1:-target/gpu-kit}")
python=${KIT_PYTHON:-3.12}
kit=$folder/gpu-kit
scripts/install.sh kit
mkdir -p "$folder"/{clips,wheels}
rm -rf "$kit"
mkdir -p "$kit"/{bin,lib,libz,clips,damaged,pynvvideocodec,torchcodec,stub}

[ -e "$folder/ffmpeg/bin/ffmpeg" ] || scripts/ffmpeg.sh "$folder/ffmpeg" peer
cargo build --release --locked --quiet --bins

# As realistic as a generated picture is: moving shapes under noise, at the rates of cameras and streams.
encode() { # name, rate, encoder and its options
  local target=$folder/clips/$1 rate=$2
  shift 2
  [ -e "$target" ] && return
  ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=1920x1080:rate=30:duration=10,noise=alls=10:allf=t" \
    -b:v "$rate" -maxrate "$rate" -bufsize "$rate" -g 60 "$@" "$folder/clips/.making-$(basename "$target")"
  mv "$folder/clips/.making-$(basename "$target")" "$target"
}
x265=(-c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1)
encode h264_1080p.mp4 5M -c:v libx264 -preset veryfast -bf 2 -pix_fmt yuv420p
encode hevc_1080p.mp4 3M "${x265[@]}" -pix_fmt yuv420p
encode hevc_1080p_10bit.mp4 3M "${x265[@]}" -pix_fmt yuv420p10le
encode vp9_1080p.webm 3M -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -pix_fmt yuv420p
# SVT-AV1 refuses a maximum that is no more than the target.
encode av1_1080p.mp4 3M -c:v libsvtav1 -maxrate 4M -preset 12 -svtav1-params rc=1 -pix_fmt yuv420p
cp "$folder"/clips/* "$kit/clips/"
# Two seconds of two of them, with bytes that are wrong: the same ones each time.
for clip in h264_1080p.mp4 hevc_1080p.mp4; do
  ffmpeg -nostdin -v error -y -i "$folder/clips/$clip" -t 2 -c copy -movflags +faststart "$kit/damaged/whole_$clip"
done
python3 - "$kit/damaged" <<'PYTHON'
import random, sys
from pathlib import Path

for clip in sorted(Path(sys.argv[1]).glob("whole_*")):
    for count in (1, 10, 100):
        data, chosen = bytearray(clip.read_bytes()), random.Random(count)
        for _ in range(count):
            data[chosen.randrange(len(data) // 5, len(data))] ^= 1 << chosen.randrange(8)
        clip.with_name(clip.name.replace("whole", f"wrong{count}")).write_bytes(data)
PYTHON

cp target/release/{framecache,gpu-check} "$folder"/ffmpeg/bin/ff* "$kit/bin/"
# Under their sonames alone.
for library in "$folder"/ffmpeg/lib/lib*.so.*.*.*; do
  cp "$library" "$kit/lib/$(basename "$library" | sed -E 's/(\.so\.[0-9]+)\..*/\1/')"
done
here() { /sbin/ldconfig -p | sed -n "s|.*$1 (libc6,x86-64) => ||p" | sed -n 1p; }
cp -L "$(here libdav1d.so.6)" "$kit/lib/"
# Apart: only where that machine has none, since its own is what its own programs were made for.
cp -L "$(here libz.so.1)" "$kit/libz/"

platforms=(--platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64)
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --implementation cp --python-version "$python" "${platforms[@]}" -d "$folder/wheels" PyNvVideoCodec==2.2.4 torchcodec==0.17.0
python3 - "$folder/wheels" "$kit" "${python/./}" <<'PYTHON'
import sys, zipfile
from pathlib import Path

wheels, kit, version = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]


def unpack(wheel, folder, wanted):
    with zipfile.ZipFile(next(wheels.glob(wheel))) as archive:
        for name in archive.namelist():
            if wanted(name):
                archive.extract(name, kit / folder)


def pynvvideocodec(name):
    """The package and the libraries it names, without their copies under other names, samples and sources."""
    copies = ("libavformat.so", "libavutil.so", ".so.63.1.101", ".so.61.1.101")
    return name.startswith(("PyNvVideoCodec/", "pynvvideocodec./")) and not name.endswith(copies)


def torchcodec(name):
    """What goes with FFmpeg 5, and no sources."""
    others = any(f"_core{v}.so" in name or f"_ops{v}.so" in name for v in (4, 6, 7, 8, 9))
    source = name.endswith((".cpp", ".h", ".c", ".txt")) and "dist-info" not in name
    return name.startswith(("torchcodec/", "torchcodec.libs/", "torchcodec-0.17.0.dist-info/")) and not (others or source)


unpack(f"pynvvideocodec-*-cp{version}-*.whl", "pynvvideocodec", pynvvideocodec)
unpack(f"torchcodec-*-cp{version}-*.whl", "torchcodec", torchcodec)
PYTHON

# PyNvVideoCodec wants an encoder's library to load, also where the GPU has no encoder.
gcc -shared -fPIC -O2 -Wl,-soname,libnvidia-encode.so.1 -o "$kit/stub/libnvidia-encode.so.1" -xc - <<'C'
#include <stdint.h>
int NvEncodeAPIGetMaxSupportedVersion(uint32_t *version) { *version = 13u << 4; return 0; }
int NvEncodeAPICreateInstance(void *functions) { (void)functions; return 15; /* NV_ENC_ERR_INVALID_VERSION */ }
C
find "$kit/bin" "$kit/lib" "$kit/libz" "$kit/stub" -type f -exec strip --strip-unneeded {} +

cat > "$kit/run.sh" <<'RUN'
#!/usr/bin/env bash
# Runs gpu-check with what lies here. usage: run.sh [gpu-check's flags]; without --fixtures it takes the clips here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
paths=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/lib
# torchcodec loads torch's CUDA, which a driver's folder does not have.
cuda=$(python3 -c 'import nvidia, os; print(os.path.join(list(nvidia.__path__)[0], "cu13", "lib"))' 2>/dev/null || true)
paths=$paths${cuda:+:$cuda}
known=$(ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null || true)
case $known in *libnvidia-encode.so.1*) ;; *) paths=$paths:$here/stub ;; esac
case $known in *libz.so.1*) ;; *) paths=$paths:$here/libz ;; esac
export LD_LIBRARY_PATH=$paths PATH=$here/bin:${PATH:-/usr/bin:/bin}
export PYTHONPATH=$here/pynvvideocodec:$here/torchcodec${PYTHONPATH:+:$PYTHONPATH}
case " $* " in
  *" --fixtures"* | *" --help "* | *" --version "*) exec "$here/bin/gpu-check" "$@" ;;
  *) exec "$here/bin/gpu-check" --fixtures "$here/clips" "$@" ;;
esac
RUN
cp scripts/gpu-first.sh "$kit/first.sh"
chmod +x "$kit"/{run,first}.sh

tar --sort=name --owner=0 --group=0 -C "$folder" -c gpu-kit | gzip -9 > "$folder/gpu-kit.tar.gz"
bytes=$(stat -c %s "$folder/gpu-kit.tar.gz")
echo "$folder/gpu-kit.tar.gz: $((bytes / 1024)) KiB"
[ "$bytes" -le $((60 << 20)) ] || { echo "over 60 MiB" >&2; exit 1; }
