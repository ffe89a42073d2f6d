#!/usr/bin/env bash
# Builds the wheel and runs the tests against it, installed: with the newest packages on this machine's newest Python,
# and with the oldest ones on its oldest. FRAMECACHE_BIN names the server (default: the repository's release build).
# usage: test.sh [PYTEST ARGUMENT...]
#        test.sh torch [PYTEST ARGUMENT...]   what is named after torch, with the real one, in a venv of 4.6 GB
#        test.sh ray [PYTEST ARGUMENT...]     the same of Ray, in one of 0.6 GB
set -euo pipefail
cd "$(dirname "$0")"

# The first of these Pythons that there is.
first() {
  local version found
  for version in "$@"; do
    for found in "$HOME"/.pyenv/versions/"$version".*/bin/python; do
      [ -x "$found" ] && { echo "$found"; return; }
    done
    command -v "python$version" && return
  done
}

export FRAMECACHE_BIN=${FRAMECACHE_BIN:-$PWD/../../target/release/framecache}
dist=$(mktemp -d)
trap 'rm -rf "$dist"' EXIT
python3 -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$dist" .

suite() { # name, python, further packages…
  local venv=.venv-$1 python=$2
  shift 2
  [ "$(cat "$venv/stamp" 2>/dev/null)" = "$python $*" ] || rm -rf "$venv"
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$dist"/*.whl
  printf '%s' "$python $*" > "$venv/stamp"
  "$venv/bin/python" -m pytest -p no:cacheprovider "${pytest_arguments[@]}"
}

newest=$(first 3.13 3.12 3.11)
if [ "${1:-}" = torch ]; then
  pytest_arguments=(-k torch "${@:2}")
  echo "==> framecache for Python, torch, $newest"
  suite torch "$newest" --no-deps --no-cache-dir -r tests/newest.txt -r ../../benches/peers/requirements-torch.txt
  exit
fi

if [ "${1:-}" = ray ]; then
  pytest_arguments=(-k ray "${@:2}")
  echo "==> framecache for Python, Ray, $newest"
  FRAMECACHE_TEST_S3=none suite ray "$newest" -r tests/ray.txt
  exit
fi

pytest_arguments=("$@")
echo "==> framecache for Python, newest packages, $newest"
suite newest "$newest" -r tests/newest.txt
oldest=$(first 3.10 3.11)
if [ -n "$oldest" ]; then
  echo "==> framecache for Python, oldest packages, $oldest"
  # What S3 adds is the server's, the same for all packages.
  FRAMECACHE_TEST_S3=none suite oldest "$oldest" -r tests/oldest.txt
fi
