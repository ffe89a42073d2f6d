#!/usr/bin/env bash
# The black-box suites and the Python client's tests, over frames that lie packed. What speaks of frames as objects of
# their own is left out (the mark `loose`), and said.
# usage: packed.sh [PYTEST ARGUMENT...]
set -euo pipefail
cd "$(dirname "$0")/.."

suites=(cache commands edges everyday export http remote_cli review rpc_data rpc_frames s3 serve similar tensors)
export FRAMECACHE_TEST_LAYOUT=packed
failed=0
files=("${suites[@]/#/tests/test_}")
.venv/bin/python -m pytest "${files[@]/%/.py}" "$@" || failed=$?
PATH="$PWD/.venv/bin:$PATH" clients/python/test.sh || failed=$?
exit "$failed"
