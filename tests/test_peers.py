"""benches/peers, which measures against what one would use instead: that like stands beside like."""

import json
import sys
from types import SimpleNamespace

import pytest

from tests.support import framecache as runner

sys.path.insert(0, str(runner.ROOT / "benches" / "peers"))

import bounds  # noqa: E402
import clips  # noqa: E402
import measure  # noqa: E402
import quality  # noqa: E402
import report  # noqa: E402
import run as bench  # noqa: E402

TELLS = {"seconds": 0.25, "cpu_seconds": 0.125}


def sample(whole, started, size=1000):
    return measure.Sample(measure.Cost(whole, whole), measure.Cost(started, started), 10, 1, size)


def contender(tool, program=True):
    return SimpleNamespace(tool=tool, variant="", program=program, module="none", encoder="none")


class Clock:
    """A launcher that starts nothing: what a command costs is what its last word says; a program named `tells` tells its time."""

    def run(self, commands):
        seconds = sum(float(command[-1]) for command in commands)
        told = TELLS if commands[0][0] == "tells" else None
        return {"seconds": seconds, "cpu_seconds": seconds / 2, "peak_mib": 1, "started": told}


@pytest.fixture
def job(tmp_path):
    return SimpleNamespace(out=str(tmp_path / "out"))


def accept(_job):
    pass


def test_a_program_that_tells_its_time_is_counted_with_its_start_and_without(job):
    say = f"import time; time.sleep(0.3); print('hello'); print({json.dumps(json.dumps(TELLS))})"
    tool = SimpleNamespace(commands=lambda job, variant: [[sys.executable, "-c", say]])
    launcher = measure.Launcher()
    try:
        found = measure.run(launcher, contender(tool), job, accept)
    finally:
        launcher.close()
    assert found.whole.seconds >= 0.3
    assert found.started == measure.Cost(**TELLS)


def test_the_start_of_a_program_that_does_not_tell_is_taken_off_each_of_its_commands(job):
    tool = SimpleNamespace(commands=lambda job, variant: [["program", "1.0"]] * 3, START=["program", "0.25"])
    found = measure.run(Clock(), contender(tool), job, accept)
    assert found.whole == measure.Cost(3.0, 1.5)
    assert found.started == measure.Cost(2.25, 1.125)


def test_what_is_written_after_a_start_that_is_not_counted_is_checked_too(job):
    tool = SimpleNamespace(commands=lambda job, variant: [["program", "1"]], after_start=lambda job, variant: [["tells", "2"]])
    found = measure.run(Clock(), contender(tool), job, accept)
    assert (found.whole.seconds, found.started) == (1, measure.Cost(**TELLS))

    looks = []

    def refuse_the_second(_job):
        looks.append(1)
        if len(looks) == 2:
            raise measure.Failed("another frame")

    with pytest.raises(measure.Failed, match="another frame"):
        measure.run(Clock(), contender(tool), job, refuse_the_second)


def rows(lines):
    """Cells of the rows under each heading."""
    found = {}
    for line in lines:
        if line.startswith("### "):
            heading = found.setdefault(line[4:], [])
        elif line.startswith("| 720p"):
            heading.append([cell.strip() for cell in line.split("|")[2:5]])
    return found


def test_each_comparison_is_a_table_with_every_start_and_one_with_none():
    by = {"framecache": [sample(1.5, 1.0)], "ffmpeg": [sample(3.0, 2.5)], "torchcodec": [sample(6.0, 1.5)]}
    found = rows(report.tables({("times", "720p-h264-gop30"): by}))
    assert [[row[0], row[1].split()[0], row[2]] for row in found["Ten random times, open included, every program's start counted"]] == [
        ["framecache (phash, records)", "1.500", "1.00"],
        ["ffmpeg", "3.000", "2.00"],
        ["torchcodec, simplejpeg", "6.000", "4.00"],
    ]
    assert [[row[0], row[1].split()[0], row[2]] for row in found["Ten random times, open included, no program's start counted"]] == [
        ["framecache (phash, records)", "1.000", "1.00"],
        ["ffmpeg", "2.500", "2.50"],
        ["torchcodec, simplejpeg", "1.500", "1.50"],
    ]


def test_what_nobody_can_beat_is_one_table_without_starts():
    found = rows(report.tables({("decode", "720p-h264-gop30"): {"decode-ffmpeg": [sample(3.0, 2.5)]}}))
    assert {heading: table[0][1].split()[0] for heading, table in found.items()} == {"Decode alone": "2.500"}


def test_a_bound_compares_ours_and_the_best_peers_counted_alike():
    by = {"framecache": [sample(1.5, 1.0)], "ffmpeg": [sample(3.0, 2.5)], "torchcodec": [sample(6.0, 1.6)]}
    found = {b.what: b.value for b in bounds.bounds({("times", "720p-h264-gop30"): by}, clips.CLIPS) if "times as fast" in b.what}
    assert found == {
        "ten random times, starts counted: times as fast as the best peer, ffmpeg": 2.0,
        "ten random times, no start counted: times as fast as the best peer, torchcodec": 1.6,
    }


def growing(q):
    """Bytes of JPEGs of a quality: 100 at 70, half as large again each step."""
    return 1.5 ** (q - 70) * 100


@pytest.mark.parametrize(("wanted", "nearest"), [(100, 70), (124, 70), (126, 71), (1, 59), (0, 40), (1e9, 99)])
def test_the_quality_found_is_the_one_whose_size_is_nearest(wanted, nearest):
    asked = []
    assert quality.nearest(lambda q: asked.append(q) or growing(q), wanted) == nearest
    assert len(asked) <= 6, "each is an extraction"


def test_qualities_are_fitted_to_each_clip_and_a_repeated_clip_has_those_of_the_one_it_repeats(monkeypatch):
    fitted = []

    def fit(clip, path, scratch, encoders):
        fitted.append(clip.name)
        return {encoder: len(fitted) for encoder in encoders}

    monkeypatch.setattr(quality, "fit", fit)
    monkeypatch.setattr(clips, "make", lambda clip: clip.path)
    run = bench.Run(1, 2, "", [], [], contenders=[SimpleNamespace(encoder="simplejpeg")])
    for name in ("1080p-vp9", "1080p-av1", "hour", "1080p-h264-gop250"):
        bench.fit(run, clips.CLIPS[name], "")
    assert fitted == ["1080p-vp9", "1080p-av1", "1080p-h264-gop250"]
    assert run.qualities["1080p-vp9"] != run.qualities["1080p-av1"]
    assert run.qualities["hour"] == run.qualities["1080p-h264-gop250"]


@pytest.mark.parametrize(("size", "met"), [(1040, True), (955, True), (1060, False), (940, False)])
def test_jpegs_more_than_5_percent_larger_or_smaller_than_ours_are_a_bound_missed(size, met):
    by = {"framecache": [sample(1, 1)], "ffmpeg": [sample(3, 3, 1010)], "opencv": [sample(3, 3, size)]}
    (found,) = [b for b in bounds.bounds({("all", "1080p-av1"): by}, clips.CLIPS) if "JPEG bytes" in b.what]
    assert "(opencv)" in found.what
    assert found.met == met


def test_the_share_of_the_limit_is_of_cpu_seconds_without_a_start():
    def costs(cpu_seconds):
        return [measure.Sample(measure.Cost(90, 90), measure.Cost(70, cpu_seconds), 10, 0, 0)]

    results = {
        ("all", "1080p-av1"): {"framecache": costs(10)},
        ("decode", "1080p-av1"): {"decode-framecache": costs(6)},
        ("encode", "1080p-av1"): {"encode-framecache": costs(2)},
    }
    (found,) = [b for b in bounds.bounds(results, clips.CLIPS) if "share" in b.what]
    assert (found.value, found.bound, found.met) == (0.8, 0.9, False)
