"""scripts/gpu-first.sh, the first quarter of an hour with a GPU that is there for no longer: its limits, and what it leaves."""

import json
import shutil
import subprocess
import time

import pytest

from tests.media import make
from tests.support import framecache as runner

CHECK = runner.BINARY.parent / "gpu-check"
SCRIPT = runner.ROOT / "scripts" / "gpu-first.sh"
CALLS = {1: {"equal"}, 2: {"rates", "asleep", "spinning"}, 3: {"extraction", "spans", "damaged"}, 4: {"peers"}}


@pytest.fixture
def kit(tmp_path):
    """A kit of one clip, without peers; `run.sh` is as the real one's."""
    folder = tmp_path / "kit"
    for name in ("bin", "lib", "clips", "damaged"):
        (folder / name).mkdir(parents=True)
    for name in ("clips", "damaged"):
        shutil.copy(make.clip("h264_bframes.mp4"), folder / name / "h264_1080p.mp4")
    given = f'case " $* " in *" --fixtures"*) ;; *) set -- --fixtures {folder}/clips "$@" ;; esac'
    write(folder / "run.sh", f'{given}\nexec {CHECK} "$@"')
    return folder


def write(path, text):
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)


def first(call, kit, out, *flags, **more):
    environment = runner.clean_environment(GPU_FIRST_KIT=str(kit), **more)
    began = time.monotonic()
    command = [SCRIPT, str(call), out, *flags]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done, time.monotonic() - began


@pytest.mark.parametrize("call", CALLS)
def test_without_a_gpu_each_call_passes_and_its_json_is_finished(call, kit, tmp_path):
    done, _ = first(call, kit, tmp_path / "out", "--no-gpu")
    assert done.returncode == 0, done.stdout + done.stderr
    left = {file.stem: json.loads(file.read_text()) for file in (tmp_path / "out").glob("*.json")}
    assert set(left) == CALLS[call]
    assert all(report["finished"] and report["rows"] and not report["failed"] for report in left.values())
    steps = dict(line.split("\t")[::2] for line in (tmp_path / "out" / "steps.tsv").read_text().splitlines())
    assert all(steps[name] == "0" for name in CALLS[call])


@pytest.mark.parametrize("call", CALLS)
def test_a_call_ends_within_its_limit_though_its_steps_do_not(call, kit, tmp_path):
    write(kit / "run.sh", "trap '' TERM\nsleep 60 & wait")
    done, seconds = first(call, kit, tmp_path / "out", GPU_FIRST_LIMIT="10")
    assert done.returncode == 1 and seconds < 12
    assert ("stop" in done.stderr) == (call == 1)


def test_bytes_that_differ_end_the_first_call_with_a_word_to_stop(kit, tmp_path):
    write(kit / "run.sh", "exit 1")
    done, _ = first(1, kit, tmp_path / "out")
    assert done.returncode == 1 and "stop" in done.stderr
    assert first(5, kit, tmp_path / "out")[0].returncode == 2
