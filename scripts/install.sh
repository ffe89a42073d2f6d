#!/usr/bin/env bash
# Installs the Debian packages that are missing, saying which; asks nothing.
# usage: install.sh build | demo | test | wheel | kit | releases     (each includes what build needs)
set -euo pipefail

for_what=${1:-build}
build=(build-essential pkg-config cmake nasm libavcodec-dev libavformat-dev libavutil-dev)
case $for_what in
  build) wanted=("${build[@]}") ;;
  demo) wanted=("${build[@]}" ffmpeg) ;;
  test) wanted=("${build[@]}" ffmpeg python3 python3-venv curl openssl strace valgrind libffmpeg-nvenc-dev nats-server nginx-light slurm-wlm munge iproute2 chromium) ;;
  wheel) wanted=("${build[@]}" ffmpeg python3 python3-venv dpkg-dev meson zlib1g-dev debootstrap) ;;
  kit) wanted=("${build[@]}" ffmpeg python3 python3-pip libffmpeg-nvenc-dev dpkg-dev libdav1d-dev zlib1g-dev) ;;
  releases) wanted=("${build[@]}" ffmpeg python3 python3-venv curl libdav1d-dev zlib1g-dev) ;;
  *) echo "usage: $0 build | demo | test | wheel | kit | releases" >&2; exit 2 ;;
esac

installed() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

check_rust() {
  local wanted_version have
  wanted_version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust $wanted_version or newer from https://rustup.rs" >&2
    exit 1
  fi
  have=$(cargo --version | cut -d' ' -f2)
  if [ "$(printf '%s\n' "$wanted_version" "$have" | sort -V | head -n1)" != "$wanted_version" ]; then
    echo "cargo is $have: Rust $wanted_version or newer is needed (rustup update)" >&2
    exit 1
  fi
}

missing_packages() {
  local package
  for package in "${wanted[@]}"; do
    installed "$package" || echo "$package"
  done
  # bindgen takes whichever libclang is there.
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'libclang-*dev' 2>/dev/null |
    grep -q '^installed ' || echo libclang-14-dev
}

cd "$(dirname "$0")/.."
check_rust
command -v dpkg-query >/dev/null || {
  echo "this is no Debian: install FFmpeg's development files (5.1 or later), cmake, nasm, pkg-config and libclang by hand" >&2
  exit 0
}
mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "missing packages; as root run: apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "==> installing what $for_what needs and this machine lacks: ${missing[*]}"
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null; }
install_missing() { apt install -y --no-install-recommends "${missing[@]}" >/dev/null; }
# A fresh image has no package lists, an old one stale ones: fetch them only then.
if ! install_missing 2>/dev/null; then
  apt update
  install_missing
fi
