#!/usr/bin/env bash
# Uses a wheel that holds the program where nothing else of it is installed: in a fresh venv with an empty environment,
# and in a Debian without FFmpeg. What comes must be what this machine's build makes, byte by byte.
# usage: test.sh WHEEL
set -euo pipefail
wheel=$(realpath "${1:?usage: $0 WHEEL}")
cd "$(dirname "$0")/../.."
folder=$PWD/target/wheel/test
here=tests/wheel
rm -rf "$folder"
mkdir -p "$folder"/{clips,wheels}

clip() { # file, encoder and its options
  local file=$folder/clips/$1
  shift
  ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=320x240:rate=25:duration=4,noise=alls=8" "$@" "$file"
}
clip h264.mp4 -c:v libx264 -bf 2 -g 25
clip hevc.mkv -c:v libx265 -x265-params log-level=none
clip vp9.webm -c:v libvpx-vp9 -deadline realtime -cpu-used 8
clip av1.mp4 -c:v libsvtav1 -preset 12
clip mpeg2.ts -c:v mpeg2video -bf 2
clip prores.mov -c:v prores_ks
clip mjpeg.avi -c:v mjpeg
for file in "$folder"/clips/*; do
  name=$(basename "$file")
  target/release/framecache extract --quiet --store "$folder/ours" --timeline "$name" --fps 5 "$file"
done

echo "==> what the wheel says of itself"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check auditwheel==6.8.2
"$folder/venv/bin/auditwheel" show "$wheel" | tee "$folder/audit"
grep -q "$(basename "$wheel" | grep -o 'manylinux_[0-9_]*[0-9]')" "$folder/audit"

echo "==> in a fresh venv, with nothing in the environment"
rm -rf "$folder/venv"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel"
(cd "$folder" && env -i "$folder/venv/bin/python" "$OLDPWD/$here/use_it.py" "$folder/clips" "$folder/ours")

echo "==> in a Debian without FFmpeg"
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  echo "skipped: it takes root and debootstrap" >&2
  exit 0
fi
python3 -m pip download --quiet --disable-pip-version-check --only-binary :all: --python-version 3.11 \
  --dest "$folder/wheels" "$wheel"
root=$folder/debian
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' 'Codename: bookworm' 'Component: main' | sed -n 1p)
debootstrap --variant=minbase --include=python3,python3-venv bookworm "$root" "$mirror" > "$folder/debootstrap.log"
cp -r "$folder"/{clips,ours,wheels} $here/use_it.py "$root/srv/"
# Its /proc is seen by this alone, and gone with it: a folder with a mounted one is not to be removed.
unshare --mount sh -euc 'mount -t proc proc "$1/proc"; exec chroot "$1" env -i HOME=/srv PATH=/usr/bin:/bin sh -euc "
  cd /srv
  python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check --no-index --find-links wheels framecache
  exec venv/bin/python use_it.py clips ours"' sh "$root"
