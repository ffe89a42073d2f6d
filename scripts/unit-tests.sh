#!/usr/bin/env bash
# The library's own tests: over the same dependencies as released, but unoptimised, and with overflow checks. Compiling
# them takes 2 minutes of CPU, and 8 as released; running them 2.6, and 1.9.
# usage: unit-tests.sh [ARGUMENT OF THE TESTS...]
set -euo pipefail
cd "$(dirname "$0")/.."
own=()
for setting in opt-level=0 debug=0 debug-assertions=true overflow-checks=true; do
  own+=(--config "profile.release.package.framecache.$setting")
done
cargo test --release --locked --quiet --lib "${own[@]}" -- "$@"
