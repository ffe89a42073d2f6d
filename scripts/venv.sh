#!/usr/bin/env bash
# Makes a virtual environment with the pinned packages of a file, or brings it up to date.
# usage: venv.sh [FOLDER REQUIREMENTS [PIP OPTION...]]     (default: .venv tests/requirements.txt)
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-.venv}
requirements=${2:-tests/requirements.txt}
stamp=$folder/$(basename "$requirements" .txt).sha256
want=$(sha256sum "$requirements")
[ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && exit 0

echo "==> installing the Python packages of $requirements into $folder"
[ -x "$folder/bin/pip" ] || python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check "${@:3}" -r "$requirements"
printf '%s\n' "$want" > "$stamp"
