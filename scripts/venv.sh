#!/usr/bin/env bash
# Makes .venv with the pinned Python packages of the tests, or brings it up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/requirements.sha256
want=$(sha256sum tests/requirements.txt)
[ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && exit 0

echo "==> making .venv with the Python packages of tests/requirements.txt"
[ -x .venv/bin/pip ] || python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
printf '%s\n' "$want" > "$stamp"
