#!/usr/bin/env bash
# Everything that is checked. Needs no GPU; the network only for packages.
# usage: test.sh [PYTEST ARGUMENT...]        what every change must pass
#        test.sh slow [PYTEST ARGUMENT...]   only what takes long: kills, races, soaks and faults in full
set -euo pipefail
cd "$(dirname "$0")/.."

slow=
if [ "${1:-}" = slow ]; then
  slow=1
  shift
fi

scripts/install.sh test
scripts/venv.sh
[ -n "$slow" ] || scripts/lint.sh

# With the tests' crates, whose features differ: all of it is built twice otherwise.
echo "==> cargo test --release --no-run: the binaries, as released"
cargo test --release --locked --quiet --no-run --test '*'

# One server that speaks S3, for the Rust and the Python tests.
s3_file=$(mktemp)
.venv/bin/python tests/support/s3_server.py > "$s3_file" &
s3_pid=$!
# Stores of the tests lie in memory where there is room: a thousand small commits each wait for the disk otherwise.
scratch=$(mktemp -d)
if [ "$(df --output=avail -B1G /dev/shm 2>/dev/null | tail -n1)" -ge 3 ] 2>/dev/null; then
  rmdir "$scratch"
  scratch=$(mktemp -d -p /dev/shm)
fi
beside_pid=
trap 'kill -TERM -- "$s3_pid" ${beside_pid:+"-$beside_pid"} 2>/dev/null || true; rm -rf "$s3_file" "$scratch"' EXIT
for _ in $(seq 150); do
  [ -s "$s3_file" ] && break
  kill -0 "$s3_pid" 2>/dev/null || { echo "the S3 test server did not start" >&2; exit 1; }
  sleep 0.2
done
FRAMECACHE_TEST_S3=$(head -n1 "$s3_file")
[ -n "$FRAMECACHE_TEST_S3" ] || { echo "the S3 test server did not start within 30 s" >&2; exit 1; }
export FRAMECACHE_TEST_S3

# NVIDIA's own parser, where it can be had: said where not.
if FRAMECACHE_NVCUVID=$(scripts/nvcuvid.sh); then
  export FRAMECACHE_NVCUVID
fi

if [ -n "$slow" ]; then
  echo "==> cargo test, ignored ones"
  scripts/unit-tests.sh --ignored --nocapture
  echo "==> pytest, slow ones"
  exec_pytest=(-m slow -s -v)
else
  echo "==> cargo test --release --test '*'"
  cargo test --release --locked --quiet --test '*'
  echo "==> instructions of the inner loops"
  python3 benches/counts.py
  echo "==> pytest; beside it cargo test --lib, and the Python client's tests"
  # A process group of its own, so that all of it ends with this script.
  set -m
  {
    scripts/unit-tests.sh
    echo "==> the Python client"
    PATH="$PWD/.venv/bin:$PATH" clients/python/test.sh --basetemp "$scratch/client"
  } >"$scratch/beside" 2>&1 &
  beside_pid=$!
  set +m
  # Suites side by side, whole files: each wants a store of its own, and most wait for processes.
  exec_pytest=(-n "${FRAMECACHE_TEST_PROCESSES:-$(nproc)}" --dist loadfile --durations=25)
fi
failed=0
.venv/bin/python -m pytest tests --basetemp "$scratch/pytest" "${exec_pytest[@]}" "$@" || failed=$?
for with in ${slow:+torch ray}; do
  PATH="$PWD/.venv/bin:$PATH" clients/python/test.sh "$with" --basetemp "$scratch/client" || failed=$?
done
if [ -n "$beside_pid" ]; then
  wait "$beside_pid" || failed=$?
  beside_pid=
  echo "==> cargo test --lib"
  cat "$scratch/beside"
fi
exit "$failed"
