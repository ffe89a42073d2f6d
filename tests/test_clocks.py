"""Clocks that start again, pause, miss or tell nothing: what is said of them, and which frame is shown when.

That the pictures are those of a plain decode, by every way, is test_untidy.py's.
"""

import json

import pytest

from .media import kinds, untidy
from .media.make import CannotMake
from .support import oracle

FRAME = 1 / untidy.RATE
AGAIN = ["h264.ts", "h264_open.ts", "h264.flv", "mpeg2.mpg", "vp8.webm", "h264.mkv", "mpeg4.ts"]
COUNTED = ["all_without_pts-h264.ts", "tidy-h264.avi", "tidy-h264.h264", "tidy-hevc.hevc"]


def made(name, recipes=untidy):
    try:
        return recipes.clip(name)
    except CannotMake as why:
        pytest.skip(f"this ffmpeg cannot make it: {why}")


def probed(fc, source):
    return fc.run("probe", "--json", source).json["video"]


def chunk(done):
    [only] = done.json["chunks"]
    return only


@pytest.mark.parametrize("kind", AGAIN)
def test_a_clock_that_starts_again_is_said_and_time_goes_on(fc, kind):
    source = made(f"again-{kind}")
    told = chunk(fc.extract("t", "--all", "--hash", "none", source))
    facts = fc.frames("t")
    first = untidy.FRAMES
    [at] = told["clock_breaks"]
    assert at["at"] == pytest.approx(first * FRAME, abs=0.002)
    # `pts` is the container's, which starts again; `timestamp` goes on.
    assert (at["pts_before"], at["pts_behind"]) == (facts[first - 1]["pts"], facts[first]["pts"])
    assert facts[first]["pts"] == facts[0]["pts"]
    assert facts[first]["timestamp"] - facts[first - 1]["timestamp"] == pytest.approx(FRAME, abs=0.002)
    assert probed(fc, source)["clock_breaks"] == told["clock_breaks"]
    assert told["pauses"] == [] and not told["times_counted"]


def test_each_of_several_breaks_is_said_and_a_chunk_says_its_own(fc):
    source = made("thrice-h264.ts")
    breaks = [at["at"] for at in probed(fc, source)["clock_breaks"]]
    assert breaks == pytest.approx([20 * FRAME, 50 * FRAME], abs=0.002)
    chunks = fc.store.with_name("chunks.jsonl")
    chunks.write_text(json.dumps({"uri": str(source), "source_end": "1.5"}) + "\n")
    done = fc.extract("t", "--all", "--hash", "none", "--chunks", chunks)
    assert [at["at"] for at in chunk(done)["clock_breaks"]] == breaks[:1]


@pytest.mark.parametrize("kind", ["h264.ts", "vp8.webm"])
def test_a_frame_behind_a_break_is_found_by_its_time(fc, kind):
    source = made(f"again-{kind}")
    fc.extract("t", "--all", "--hash", "none", source)
    jpegs = fc.jpegs("t")
    for seq in (0, 7, untidy.FRAMES - 1, untidy.FRAMES, untidy.FRAMES + 7, 2 * untidy.FRAMES - 1):
        out = fc.store / f"{seq}.jpg"
        fc.run("get", "t", "--at", f"{(seq + 0.5) * FRAME:.3f}", "--format", "jpeg", "--out", out)
        found = next(out.glob("*")) if out.is_dir() else out
        assert found.read_bytes() == jpegs[seq], seq


@pytest.mark.parametrize("kind", ["h264.mkv", "h264.ts", "mpeg4.mp4", "vp8.webm"])
def test_a_pause_is_said_and_the_frame_before_it_is_shown_all_the_time(fc, kind):
    source = made(f"pause-{kind}")
    done = fc.extract("t", "--fps", "1", "--hash", "none", source)
    [pause] = chunk(done)["pauses"]
    assert (pause["from"], pause["to"]) == pytest.approx((19 * FRAME, 20 * FRAME + 20), abs=0.002)
    facts = fc.frames("t")
    assert len({fact["pts"] for fact in facts[1:20]}) == 1
    assert chunk(done)["clock_breaks"] == []


def test_a_packet_without_pts_takes_no_time_from_the_others(fc):
    source = made("one_without_pts-h264.ts")
    told = chunk(fc.extract("t", "--all", "--hash", "none", source))
    assert (told["untimed"] <= 2, told["times_counted"]) == (True, False)
    times = [fact["timestamp"] for fact in fc.frames("t")]
    assert times == pytest.approx([k * FRAME for k in range(untidy.FRAMES)], abs=0.002)


@pytest.mark.parametrize("name", COUNTED)
def test_without_any_timestamp_times_are_counted_and_that_is_said(fc, name):
    source = made(name)
    told = chunk(fc.extract("t", "--all", "--hash", "none", source))
    facts = fc.frames("t")
    assert told["times_counted"] and told["untimed"] == 0
    video = probed(fc, source)
    assert video["times_counted"] and not video["has_timestamps"]
    assert [fact["timestamp"] for fact in facts] == pytest.approx([k * FRAME for k in range(len(facts))], abs=0.002)
    # A group of ten begins with the picture that is shown first of it, not with one that is decoded tenth.
    assert [fact["seq"] for fact in facts if fact["keyframe"]] == list(range(0, len(facts), 10))


def test_timestamps_that_are_all_the_same_count_as_none_and_that_is_said(fc):
    source = made("equal_pts-h264.ts")
    told = chunk(fc.extract("t", "--all", "--hash", "none", source))
    assert told["times_counted"] and probed(fc, source)["has_timestamps"]
    times = [fact["timestamp"] for fact in fc.frames("t")]
    assert times == pytest.approx([k * FRAME for k in range(len(times))], abs=0.002)


def test_a_tidy_file_has_a_plain_clock_and_its_plan_says_nothing_of_it(fc):
    source = made("tidy-h264.mp4")
    told = chunk(fc.extract("t", "--all", "--hash", "none", source))
    assert (told["clock_breaks"], told["pauses"], told["untimed"], told["times_counted"]) == ([], [], 0, False)
    plan = json.loads((fc.folder("t") / "plan.json").read_text())
    assert "clock" not in plan["chunks"][0]
    assert all("revision" not in row for row in plan["spans"])


def test_frames_made_by_other_rules_are_made_anew_only_where_that_is_asked_for(fc):
    """A row tells under which rules its times were made: one that says older ones is not served as new."""
    source = made("again-h264.ts")
    fc.extract("t", "--all", "--hash", "none", source)
    plan = json.loads((fc.folder("t") / "plan.json").read_text())
    assert {row["revision"] for row in plan["spans"]} == {1}
    assert fc.extract("t", "--all", "--hash", "none", source).json["written"] == 0


def test_a_server_says_the_same_of_a_clock(serve, v1, fc):
    source = made("again-h264.ts")
    with serve(cwd=source.parent).wait_until_it_is_ready().channel() as channel:
        request = v1.ProbeMediaRequest(uri=str(source))
        video = v1.MediaServiceStub(channel).ProbeMedia(request, timeout=60).video
    [at] = probed(fc, source)["clock_breaks"]
    [told] = video.clock_breaks
    assert (told.at, told.pts_before, told.pts_behind) == (at["at"], at["pts_before"], at["pts_behind"])


@pytest.mark.parametrize("name, ticks", [
    # Whose duration is no other's: of the last, and of the last shown of those that are decoded in another order.
    ("odd_end.mp4", 700), ("uneven.mp4", 600), ("reordered_end.mp4", 549),
    ("long_end.frag.mp4", 700), ("long_end_of_own_base.mov", 700),
    # 1585 ms are shown.
    ("early_edit.mp4", 320),
])
def test_an_mp4_ends_as_its_own_tables_say_of_the_sample_shown_last(fc, name, ticks):
    source = made(name, kinds)
    told = oracle.probe(source)
    last = told.frames[-1]["pts"]
    assert told.last_duration == ticks * told.time_base, "the test's own reading of the tables"
    seconds = float((last - told.frames[0]["pts"] + ticks) * told.time_base)
    assert probed(fc, source)["duration"] == pytest.approx(seconds, abs=1e-9)
    # What comes behind begins there.
    fc.extract("t", "--all", "--hash", "none", source, source)
    again = [f["timestamp"] for f in fc.frames("t") if f["chunk_id"] == "1"]
    assert again[0] == pytest.approx(seconds, abs=1e-9)
    assert len(again) == len(told.frames)


@pytest.mark.parametrize("kind", ["h264.mkv", "h264_plain.flv", "h264_plain.ts", "mpeg4.avi", "vp8.webm"])
def test_elsewhere_the_last_frame_lasts_as_long_as_the_one_before(fc, kind):
    source = made(f"tidy-{kind}")
    fc.extract("t", "--all", "--hash", "none", source)
    *_, before, last = [f["timestamp"] for f in fc.frames("t")]
    assert probed(fc, source)["duration"] == pytest.approx(2 * last - before, abs=1e-9)
