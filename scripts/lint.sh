#!/usr/bin/env bash
# Format, lints, types, documentation, licences. Warnings are errors.
set -euo pipefail
cd "$(dirname "$0")/.."

# A minimal Rust installation lacks these two.
for component in rustfmt clippy; do
  cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done
echo "==> cargo fmt --check"
cargo fmt --check
echo "==> cargo clippy"
cargo clippy --release --locked --quiet --all-targets -- -D warnings
echo "==> cargo doc"
# Of examples there are none; naming them gives dependencies the features that clippy checked them with.
RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --quiet --no-deps --lib --bins --examples
echo "==> mypy and ruff over the Python client"
scripts/venv.sh
(cd clients/python && ../../.venv/bin/mypy && ../../.venv/bin/ruff check --quiet .)
echo "==> licences"
cargo metadata --locked --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" |
  python3 scripts/licences.py
