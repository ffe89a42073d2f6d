#!/usr/bin/env bash
# Builds the stand-ins for NVIDIA's libraries into target/standin, where something is newer than they are:
#   whole/    libcuda and libnvcuvid
#   no-video/ libcuda only
#   hybrid/   as whole/, but the parser is NVIDIA's own (FRAMECACHE_NVCUVID)
#   stub/     whole/, where libcuda.so is another library
#   no-launch/, no-reconfigure/   a function of one is missing
# The kernels run in libcuda where they are there.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=target/standin
mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
newer() { [ ! -e "$1" ] || [ -n "$(find tests/standin kernels/host kernels/*.cu* -newer "$1" 2>/dev/null | head -1)" ]; }
newer "$out/.built" || exit 0

common=(-std=c++17 -O2 -Wall -Wextra -fPIC -shared -fvisibility=hidden -Wno-deprecated-declarations)
kernels=()
if [ -e kernels/host/host.cpp ]; then
  # shellcheck disable=SC2046 # the file is a list of options
  g++ $(cat kernels/host/flags) -fPIC -c kernels/host/host.cpp -o "$out/kernels.o"
  kernels=("$out/kernels.o")
fi
library() { # name, folder, more options
  local name=$1 folder=$out/$2
  shift 2
  mkdir -p "$folder"
  g++ "${common[@]}" -Wl,-soname,"lib$name.so.1" -o "$folder/lib$name.so.1.new" "$@"
  mv "$folder/lib$name.so.1.new" "$folder/lib$name.so.1"
  # A machine's own library must not be found under the other name.
  ln -sfn "lib$name.so.1" "$folder/lib$name.so"
}
video=(tests/standin/{decoder,codec,callbacks}.cpp)
avcodec=$(pkg-config --cflags --libs libavcodec libavutil)
library cuda whole tests/standin/cuda.cpp "${kernels[@]}"
# shellcheck disable=SC2086
library nvcuvid whole "${video[@]}" tests/standin/parser.cpp -L"$out/whole" -lcuda $avcodec
library cuda no-video tests/standin/cuda.cpp "${kernels[@]}"
library cuda no-launch -DWITHOUT_LAUNCH tests/standin/cuda.cpp "${kernels[@]}"
library cuda no-reconfigure tests/standin/cuda.cpp "${kernels[@]}"
# shellcheck disable=SC2086
library nvcuvid no-reconfigure -DWITHOUT_RECONFIGURE "${video[@]}" tests/standin/parser.cpp -L"$out/whole" -lcuda $avcodec
# As a machine with a CUDA toolkit's stub in front.
mkdir -p "$out/stub"
ln -sfn ../no-launch/libcuda.so.1 "$out/stub/libcuda.so"
for name in libcuda.so.1 libnvcuvid.so.1; do ln -sfn "../whole/$name" "$out/stub/$name"; done
library cuda hybrid tests/standin/cuda.cpp "${kernels[@]}"
# shellcheck disable=SC2086
library nvcuvid hybrid "${video[@]}" tests/standin/hybrid.cpp -L"$out/whole" -lcuda $avcodec
touch "$out/.built"
