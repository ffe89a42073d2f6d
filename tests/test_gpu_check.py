"""gpu-check on machines without a GPU, and against stand-ins for NVIDIA's libraries: it passes, and it can fail."""

import json
import shutil
import subprocess
import time

import pytest

from tests.conftest import CARD, NVCUVID
from tests.media import make
from tests.support import framecache as runner

CHECK = runner.BINARY.parent / "gpu-check"
STANDIN = runner.ROOT / "target" / "standin" / CARD
CLIPS = ["h264_bframes.mp4"]


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fixtures")
    for name in CLIPS:
        shutil.copy(make.clip(name), folder)
    return folder


@pytest.fixture(scope="module")
def standin():
    """Variables that put the stand-ins in the place of NVIDIA's libraries."""
    done = subprocess.run(["tests/standin/build.sh"], cwd=runner.ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the stand-ins cannot be built here: {done.stderr.strip().splitlines()[-1:]}")
    return {"LD_LIBRARY_PATH": str(STANDIN), "FRAMECACHE_STANDIN": "any_size", **NVCUVID}


def check(*arguments, **environment):
    done = runner.run([CHECK, *arguments], environment=environment, timeout=300)
    assert done.code in (0, 1), done.describe()
    return done, done.json


def rows(report, part=None, outcome=None):
    return [r for r in report["rows"] if (part in (None, r["part"])) and outcome in (None, r["outcome"])]


def test_without_a_gpu_all_that_needs_none_passes_and_the_rest_says_why_not(fixtures, tmp_path):
    done, report = check("--no-gpu", "--fixtures", fixtures, "--json", tmp_path / "gpu.json")
    assert done.code == 0 and report["failed"] == 0, done.describe()
    assert json.loads((tmp_path / "gpu.json").read_text()) == report
    for part in ("planes", "frames", "seeks", "pixels"):
        assert len(rows(report, part, "pass")) == len(CLIPS)
    for part in ("kernels", "spans", "rates", "peers"):
        (row,) = rows(report, part)
        assert row["outcome"] == "skipped" and "GPU" in row["says"]


def test_only_the_parts_that_are_named_are_made_and_an_unknown_one_is_refused(fixtures):
    done, report = check("--no-gpu", "--only", "kernels,planes", "--fixtures", fixtures)
    assert done.code == 0 and {row["part"] for row in report["rows"]} == {"probe", "kernels", "planes"}
    done, report = check("--no-gpu", "--only", "rates/copies")
    assert {row["part"] for row in report["rows"]} == {"probe", "rates"}
    refused = runner.run([CHECK, "--no-gpu", "--only", "kernel"])
    assert refused.code == 2 and "rates/copies" in refused.err


def test_nothing_is_begun_once_the_budget_is_spent(fixtures):
    done, report = check("--no-gpu", "--budget", "0", "--fixtures", fixtures)
    assert done.code == 0 and report["finished"] and len(report["rows"]) > 5
    assert {(row["outcome"], row["says"]) for row in report["rows"]} == {("skipped", "the budget is spent")}


def test_killed_at_any_moment_it_leaves_valid_json_of_the_rows_so_far(fixtures, tmp_path):
    left = []
    for tenths in [0, 1, 2, 3, 5, 8, 12, 18, 25]:
        file = tmp_path / f"{tenths}.json"
        command = [CHECK, "--no-gpu", "--budget", "30", "--fixtures", fixtures, "--json", file]
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not file.exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(tenths / 10)
        process.kill()
        _, table = process.communicate()
        left.append(json.loads(file.read_text()))
        named = [row["name"] for row in left[-1]["rows"]]
        # The table may be a line ahead of the file.
        said = [line for line in table.splitlines() if line.startswith(("ok", "FAIL", "--"))]
        assert len(said) - len(named) in (0, 1) and all(name in line for name, line in zip(named, said, strict=False))
    assert not left[0]["finished"] and max(len(report["rows"]) for report in left) > 1


def test_where_a_gpu_is_asked_for_and_there_is_none_it_fails():
    if subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout.find("libcuda.so.1") >= 0:
        pytest.skip("there is a driver")
    done, report = check("--quick")
    assert done.code == 1
    (row,) = (r for r in rows(report, "probe") if r["name"] == "driver")
    assert row["outcome"] == "fail" and "libcuda.so.1" in row["says"]
    (refusal,) = rows(report, "refusals")
    assert refusal["outcome"] == "pass"


def test_with_stand_ins_what_needs_a_gpu_passes_and_what_nvdec_does_not_take_is_named(fixtures, standin, tmp_path):
    shutil.copytree(fixtures, tmp_path / "both")
    shutil.copy(make.clip("mpeg2.ts"), tmp_path / "both")
    done, report = check("--quick", "--fixtures", tmp_path / "both", **standin)
    assert done.code == 0 and report["failed"] == 0, done.describe()
    assert len(rows(report, "kernels", "pass")) == 5
    for part in ("planes", "frames", "seeks", "pixels"):
        assert len(rows(report, part, "pass")) == len(CLIPS)
        (left,) = rows(report, part, "skipped")
        assert (left["name"], left["figures"]["reason"]) == ("mpeg2.ts", "codec")
    assert rows(report, "frames")[0]["figures"]["backend"] == "nvdec"
    assert rows(report, "pixels", "pass")[0]["figures"]["tensors_on_the_card"] > 0
    assert len(rows(report, "spans", "pass")) == 2


RATES = ["copy", "planes", "RGB", "FP16", "decode", "JPEG", "end to end", "2 frames a second", "random access"]


def test_with_stand_ins_every_rate_is_measured_to_its_end(fixtures, standin):
    one_engine = {**standin, "FRAMECACHE_STANDIN": f"{standin['FRAMECACHE_STANDIN']},engines=1"}
    done, report = check("--tiny", "--seconds", "0.05", "--only", "rates", "--fixtures", fixtures, **one_engine)
    measured = rows(report, "rates")
    assert done.code == 0 and report["finished"] and rows(report, "rates", "pass") == measured, done.describe()
    for what in RATES:
        assert [row for row in measured if row["name"].startswith(what)], what
    assert all(row["figures"].get("GB/s") or row["figures"]["frames/s"] for row in measured)


def test_without_nvdecs_library_the_kernels_are_compared_and_its_absence_is_a_failure(fixtures, standin):
    lacking = {**standin, "LD_LIBRARY_PATH": str(STANDIN.parent / "no-video")}
    done, report = check("--quick", "--fixtures", fixtures, "--only", "kernels,planes,spans", **lacking)
    failed = rows(report, outcome="fail")
    assert {row["part"] for row in failed} == {"probe"} and failed[-1]["name"] == "NVDEC loads", done.describe()
    assert len(rows(report, "kernels", "pass")) == 5
    # By libavcodec alone.
    assert "four threads" in rows(report, "planes", "pass")[0]["says"]
    assert rows(report, "spans")[0]["outcome"] == "skipped"


@pytest.mark.parametrize(("fault", "part"), [("decode_fails=700,fails_at=3", "frames"), ("broken", "kernels")])
def test_a_fault_of_the_gpu_is_a_failure(fixtures, standin, fault, part):
    faulty = {**standin, "FRAMECACHE_STANDIN": f"{standin['FRAMECACHE_STANDIN']},{fault}"}
    done, report = check("--quick", "--fixtures", fixtures, **faulty)
    assert done.code == 1, done.describe()
    assert rows(report, part, "fail"), done.describe()
    assert report["failed"] == len(rows(report, outcome="fail")) > 0
