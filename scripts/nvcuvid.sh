#!/usr/bin/env bash
# NVIDIA's own parser, which needs no GPU: Debian's non-free package libnvcuvid1, unpacked under target/nvcuvid.
# usage: nvcuvid.sh            fetches it where that can be; prints the library's path, or on stderr why there is none (status 1)
#        nvcuvid.sh test       and runs all that decodes on it, of which `make test` runs a part: tests/standin/hybrid.cpp, with libavcodec in the GPU's place
set -euo pipefail
cd "$(dirname "$0")/.."
package=libnvcuvid1
folder=$PWD/target/nvcuvid

library() { find "$folder/root" -name 'libnvcuvid.so.1' 2>/dev/null | head -n1; }
none() { echo "NVIDIA's own parser is not tested: $1" >&2; exit 1; }

# By sources of its own, beside the machine's: the same mirrors, another section. The machine's lists stay as they are.
fetch() {
  command -v apt-get >/dev/null || none "this is no Debian, and $package a package of Debian's"
  mkdir -p "$folder"/{lists/partial,cache/archives/partial,root}
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) non-free' 'Identifier: Packages' 'Origin: Debian' 'Component: main' |
    sort -u >"$folder/sources.list"
  [ -s "$folder/sources.list" ] || none "apt knows no mirror of Debian's here (apt-get update)"
  local own=(-qq -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root -o Acquire::Retries=1)
  apt-get "${own[@]}" update >&2 || none "the package lists cannot be fetched"
  (cd "$folder" && apt-get "${own[@]}" download "$package" >&2) || none "$package is not to be had from these mirrors"
  dpkg-deb -x "$folder/$package"_*.deb "$folder/root"
  rm -rf "$folder"/{lists,cache,"$package"_*.deb}
}

[ "$(uname -m)" = x86_64 ] || none "this is no x86-64"
[ -n "$(library)" ] || fetch
found=$(library)
[ -n "$found" ] || none "$package holds no libnvcuvid.so.1"
if [ "${1:-}" != test ]; then
  echo "$found"
  exit 0
fi

tests/standin/build.sh
export FRAMECACHE_NVCUVID=$found FRAMECACHE_TEST_CARD=hybrid
echo "==> on NVIDIA's own parser: cargo test"
scripts/unit-tests.sh nvidias_own_parser
echo "==> on NVIDIA's own parser: pytest"
.venv/bin/python -m pytest tests/test_gpu.py tests/test_gpu_check.py tests/test_nvcuvid.py -m "slow or not slow" -n "${FRAMECACHE_TEST_PROCESSES:-$(nproc)}" "${@:2}"
