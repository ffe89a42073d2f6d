#!/usr/bin/env bash
# Writes the message classes of proto/framecache/v1 into src/framecache/v1, or into the folder named.
# The generator is an old one on purpose: protobuf promises that a runtime reads what older
# generators wrote, never what newer ones did, and this one's output runs under everything in
# pyproject.toml (tests/versions.sh shows it).
set -euo pipefail
cd "$(dirname "$0")"

out=${1:-src}
tools=${GENERATOR_VENV:-.generator}
if ! "$tools/bin/python" -c 'import grpc_tools' 2>/dev/null; then
  # The newest Python for which that generator was built.
  command -v python3.11 > /dev/null || { echo "python3.11 is not installed" >&2; exit 3; }
  python3.11 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check \
    grpcio-tools==1.51.3 protobuf==4.21.12 googleapis-common-protos==1.59.0 'setuptools<81'
fi
common=$("$tools/bin/python" -c 'import google.rpc, os; print(os.path.abspath(list(google.rpc.__path__)[0] + "/../.."))')
mkdir -p "$out/framecache/v1"
"$tools/bin/python" -m grpc_tools.protoc -I ../../proto -I "$common" \
  --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" \
  ../../proto/framecache/v1/*.proto
