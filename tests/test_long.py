"""Long footage: planned in seconds, resumed without redoing, memory bounded."""

import json
import os
import signal
import subprocess
import time

import pytest

from .media import make
from .support.framecache import Framecache, Watched, assert_same_store, two_cores


TEN_HOURS = ["--fps", "1/5"]


def packets_of(path):
    command = ["ffprobe", "-v", "error", "-select_streams", "V:0", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]
    return int(subprocess.run([*command, str(path)], capture_output=True, text=True, check=True).stdout.strip().strip(","))


def ticks(path):
    """How many samples `--fps 1/5` takes of a file of ten even frames a second."""
    return -(-packets_of(path) // 50)


def cpu_secs_of(work):
    """What `work` answers, and the CPU seconds of the processes it waited for."""
    before = os.times()
    answer = work()
    after = os.times()
    return answer, after.children_user + after.children_system - before.children_user - before.children_system


def extract_watched(fc, *arguments):
    watched = Watched(fc.start("extract", "--timeline", "t", "--backend", "cpu", "--json", *arguments, preexec_fn=two_cores))
    done = watched.finish(timeout=300)
    assert done.code == 0, done.describe()
    return watched, done.json


@pytest.fixture(scope="module")
def ten_hours(tmp_path_factory):
    """What one undisturbed run over ten hours made: its store, itself, watched, and its CPU seconds."""
    fc = Framecache(tmp_path_factory.mktemp("ten-hours") / "store")
    (watched, _told), secs = cpu_secs_of(lambda: extract_watched(fc, *TEN_HOURS, make.clip("ten_hours.mp4")))
    return fc, watched, secs


def test_ten_hours_are_planned_for_a_quarter_of_what_extracting_them_costs(fc, clip, ten_hours):
    source, (_quiet, _watched, whole_secs) = clip("ten_hours.mp4"), ten_hours
    _done, secs = cpu_secs_of(lambda: fc.extract("t", *TEN_HOURS, "--plan-only", source))
    plan = json.loads((fc.folder("t") / "plan.json").read_text())
    assert sum(row["count"] for row in plan["spans"]) == ticks(source)
    assert len(plan["spans"]) in (600, 601)
    assert secs < whole_secs / 4, f"planning took {secs:.2f} CPU seconds, the whole run {whole_secs:.1f}"


def test_ten_hours_are_resumed_after_a_kill_without_redoing_committed_spans(fc, clip, ten_hours):
    source = clip("ten_hours.mp4")
    quiet, _watched, whole_secs = ten_hours
    process = fc.start("extract", "--timeline", "t", "--backend", "cpu", *TEN_HOURS, source)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and len(fc.records("t")) < 60:
        time.sleep(0.05)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    committed = {p: p.stat().st_mtime_ns for p in fc.folder("t").glob("chunks/**/*.json")}
    frames = {p: p.stat().st_mtime_ns for p in fc.folder("t").glob("frames/*.jpg")}
    assert 60 <= len(committed) < 600
    kept = sum(len(json.loads(p.read_text())["frames"]) for p in committed)

    done, resumed_secs = cpu_secs_of(lambda: fc.extract("t", *TEN_HOURS, source, timeout=300, preexec_fn=two_cores))
    told, total = done.json, ticks(source)
    assert (told["frames"], told["reused"], told["written"]) == (total, kept, total - kept)
    assert all(p.stat().st_mtime_ns == t for p, t in committed.items())
    untouched = sum(p.stat().st_mtime_ns == t for p, t in frames.items())
    assert untouched >= kept
    assert_same_store(quiet.store, fc.store)
    assert resumed_secs < 1.5 * whole_secs, f"going on took {resumed_secs:.1f} CPU seconds, the whole run {whole_secs:.1f}"


def test_memory_is_flat_over_ten_hours(ten_hours):
    _fc, watched, _secs = ten_hours
    samples = watched.samples
    quarter = len(samples) // 4
    early, late = max(samples[quarter : 2 * quarter]), max(samples[-quarter:])
    print(f"peak {watched.peak_mib:.0f} MiB, second quarter {early:.0f}, last {late:.0f}")
    assert late <= early + 24
    assert watched.peak_mib < 400


def test_a_1080p_file_of_more_than_two_minutes_stays_under_400_mib(fc, clip):
    watched, told = extract_watched(fc, "--every", "5", clip("hd_long.mp4"))
    assert told["frames"] == -(-packets_of(clip("hd_long.mp4")) // 5)
    print(f"peak {watched.peak_mib:.0f} MiB over {told['seconds']:.1f} s")
    assert watched.peak_mib < 400


def test_1080p_footage_with_every_frame_wanted_stays_under_400_mib(fc, clip):
    watched, told = extract_watched(fc, "--all", clip("hd.mp4"))
    assert told["frames"] == 270
    print(f"peak {watched.peak_mib:.0f} MiB over {told['seconds']:.1f} s")
    assert watched.peak_mib < 400


@pytest.mark.slow
def test_a_real_1080p_file_of_six_minutes_stays_under_400_mib(fc, media):
    path = media / "videos" / "ax_long_1080p_videoonly_lowbitrate.mp4"
    if not path.exists():
        pytest.skip("not in this media folder")
    watched, told = extract_watched(fc, "--fps", "2", path)
    assert told["frames"] == 726
    print(f"peak {watched.peak_mib:.0f} MiB over {told['seconds']:.1f} s")
    assert watched.peak_mib < 400


def test_a_sample_an_hour_costs_a_quarter_of_extracting_every_fiftieth_frame(fc, clip, ten_hours):
    source, (_quiet, _watched, whole_secs) = clip("ten_hours.mp4"), ten_hours
    _done, secs = cpu_secs_of(lambda: fc.extract("t", "--count", "10", source))
    assert len(fc.jpegs("t")) == 10
    assert secs < whole_secs / 4, f"ten frames took {secs:.2f} CPU seconds, all of it {whole_secs:.1f}"
