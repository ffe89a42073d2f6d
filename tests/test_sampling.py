"""Which frames are taken, under which numbers and times: the six modes, windows, chunks, shards."""

import itertools
from fractions import Fraction

import pytest

from .support import timelines
from .support.framecache import assert_same_store
from .support.oracle import probe

# Clips with what makes time hard: B-frames, open GOPs, VFR, edit lists, offsets, coarse and fine clocks.
HARD = ["h264_gop250.mp4", "hevc_opengop.mp4", "vfr.mp4", "vfr.mkv", "h264.flv", "edit_list_cut.mp4", "edit_list_delay.mp4",
        "negative_pts.mkv", "h264.ts", "vp8.webm", "vp9.webm", "av1_leaves.mp4", "ntsc.mp4", "mpeg2.ts", "all_intra.mp4"]
# All but the open GOP: its pictures after a cut point are one decoder's matter, `keyframe` is our own index's.
SAMPLINGS = {
    "fps 2": (["--fps", "2"], lambda c: timelines.by_fps(c, Fraction(2))),
    "fps 29.97": (["--fps", "29.97"], lambda c: timelines.by_fps(c, Fraction("29.97"))),
    "fps 30000/1001": (["--fps", "30000/1001"], lambda c: timelines.by_fps(c, Fraction(30000, 1001))),
    "fps 60, more than the source's": (["--fps", "60"], lambda c: timelines.by_fps(c, Fraction(60))),
    "fps in a window": (["--fps", "5", "--from", "0.3", "--to", "1.1"],
                        lambda c: timelines.by_fps(c, Fraction(5), (Fraction("0.3"), Fraction("1.1")))),
    "every 3": (["--every", "3"], lambda c: timelines.by_every(c, 3)),
    "all": (["--all"], lambda c: timelines.by_every(c, 1)),
    "all in a window": (["--all", "--from", "0.3", "--to", "1.1"],
                        lambda c: timelines.by_every(c, 1, (Fraction("0.3"), Fraction("1.1")))),
    "keyframes": (["--keyframes"], timelines.by_keyframes),
    "timestamps": (["--at", "1.2,0,0.5,0.5,0.7"], lambda c: timelines.by_times(c, [Fraction(t) for t in ("1.2", "0", "0.5", "0.7")])),
    "count 5": (["--count", "5"], lambda c: timelines.by_count(c, 5)),
}


def assert_frames(facts, jpegs, chunks, want, full):
    """Numbers, chunks and times as the model says, pictures those of `full`: {(chunk, frame): JPEG}."""
    assert [f["seq"] for f in facts] == list(want)
    for fact, (c, k) in zip(facts, want.values()):
        assert fact["chunk_id"] == str(c)
        assert fact["timestamp"] == pytest.approx(float(chunks[c].times[k]), abs=1e-9), fact["seq"]
        assert jpegs[fact["seq"]] == full[c, k], f"seq {fact['seq']} is not frame {k} of chunk {c}"


def extract_all(fc, chunks, sources, *options):
    """{(chunk, frame): JPEG} of a run with --all."""
    fc.extract("full", "--all", "--hash", "none", *options, *sources)
    jpegs = fc.jpegs("full")
    order = timelines.all_frames(chunks)
    assert sorted(jpegs) == list(range(len(order)))
    return {at: jpegs[k] for k, at in enumerate(order)}


@pytest.mark.parametrize("name", HARD)
def test_every_mode_takes_the_frames_of_all_at_the_right_times(fc, clip, name):
    source = clip(name)
    chunks = timelines.chain([source])
    full = extract_all(fc, chunks, [source])
    for k, (mode, (options, model)) in enumerate(SAMPLINGS.items()):
        fc.extract(f"t{k}", *options, "--hash", "none", source)
        want = model(chunks)
        assert want, mode
        assert_frames(fc.frames(f"t{k}"), fc.jpegs(f"t{k}"), chunks, want, full)


def test_all_gives_as_many_frames_as_ffmpeg_with_its_times(fc, ordinary_clip):
    stream = probe(ordinary_clip)
    fc.extract("t", "--all", "--hash", "none", ordinary_clip)
    facts = [f for f in fc.frames("t") if not f.get("missing")]
    assert len(facts) == len(stream.frames)
    if stream.has_pts:
        assert [f["timestamp"] for f in facts] == pytest.approx([float(t) for t in stream.times()], abs=1e-9)
        assert [f["pts"] for f in facts] == [f["pts"] for f in stream.frames]


@pytest.mark.parametrize("options", [["--all"], ["--every", "3"], ["--fps", "2"], ["--fps", "7.5"], ["--count", "7"], ["--keyframes"]], ids=" ".join)
def test_several_chunks_are_one_timeline(fc, clip, options):
    sources = [clip(n) for n in ("h264_bframes.mp4", "vfr.mp4", "h264_bframes.mp4", "ntsc.mp4")]
    chunks = timelines.chain(sources)
    full = extract_all(fc, chunks, sources)
    models = {"--all": timelines.by_every, "--every": timelines.by_every, "--fps": timelines.by_fps,
              "--count": timelines.by_count, "--keyframes": lambda c, _n: timelines.by_keyframes(c)}
    number = {"--all": 1, "--keyframes": 0}.get(options[0]) or Fraction(options[-1] if len(options) > 1 else 1)
    number = number if options[0] == "--fps" else int(number)
    fc.extract("t", *options, "--hash", "none", *sources)
    assert_frames(fc.frames("t"), fc.jpegs("t"), chunks, models[options[0]](chunks, number), full)


def test_a_hole_between_chunks_leaves_numbers_out_and_shifts_none(fc, clip):
    source = clip("h264_bframes.mp4")
    chunks = [timelines.chunk_of(source), timelines.chunk_of(source, Fraction(5))]
    full = extract_all(fc, chunks, [source, source], "--start", "0,5")
    fc.extract("t", "--fps", "2", "--start", "0,5", "--hash", "none", source, source)
    want = timelines.by_fps(chunks, Fraction(2))
    assert list(want) == [0, 1, 2, 3, 10, 11, 12, 13]
    assert_frames(fc.frames("t"), fc.jpegs("t"), chunks, want, full)


def test_a_time_outside_the_footage_is_refused_before_work_starts(fc, clip):
    done = fc.extract("t", "--at", "0,99", clip("h264_bframes.mp4"), code=5)
    assert "99" in done.err
    assert not fc.folder("t").exists()


def test_shards_in_any_order_make_the_bytes_of_one_run(new_store, clip):
    sources = [clip(n) for n in ("h264_bframes.mp4", "vfr.mp4", "ntsc.mp4", "h264.ts")] + [clip("two_minutes.mp4")]
    whole = new_store("whole")
    whole.extract("t", "--fps", "3", *sources)
    for order in itertools.permutations(range(3)):
        parts = new_store()
        for k in order:
            parts.extract("t", "--fps", "3", "--shard", f"{k}/3", *sources)
        assert_same_store(whole.store, parts.store)


def test_one_chunk_at_a_time_makes_the_bytes_of_one_run(new_store, clip):
    sources = [clip(n) for n in ("h264_bframes.mp4", "vfr.mp4", "ntsc.mp4")]
    whole, parts = new_store("whole"), new_store("parts")
    whole.extract("t", "--every", "2", *sources)
    for k in (2, 0, 1):
        parts.extract("t", "--every", "2", "--chunk", k, *sources)
    assert_same_store(whole.store, parts.store)


def test_plan_only_stores_the_plan_and_no_frame(fc, clip):
    fc.extract("t", "--fps", "2", "--plan-only", clip("h264_bframes.mp4"))
    assert [p.name for p in fc.folder("t").rglob("*") if p.is_file()] == ["plan.json"]


def test_chunks_may_be_appended_without_renumbering(new_store, clip):
    sources = [clip("h264_bframes.mp4"), clip("vfr.mp4")]
    whole, grown = new_store("whole"), new_store("grown")
    whole.extract("t", "--fps", "2", *sources)
    grown.extract("t", "--fps", "2", sources[0])
    first = grown.jpegs("t")
    grown.extract("t", "--fps", "2", *sources)
    assert {k: v for k, v in grown.jpegs("t").items() if k in first} == first
    assert_same_store(whole.store, grown.store)


FORMS = {
    "ts": ([f"seg_{k:03}.ts" for k in range(3)], []),
    "mp4 that keep their times": ([f"keep_{k:03}.mp4" for k in range(3)], []),
    "mp4 whose times begin anew": (["keep_000.mp4", "reset_001.mp4", "reset_002.mp4"], []),
    "bare fragments with an init": ([f"frag_{k:03}.m4s" for k in range(3)], ["init.mp4"]),
}


@pytest.mark.parametrize("sampling", [["--every", "3"], ["--fps", "2"], ["--all"]], ids=" ".join)
@pytest.mark.parametrize("form", FORMS)
def test_three_chunks_are_the_frames_and_numbers_of_the_whole(fc, media, form, sampling):
    folder = media / "segments" / "dev_chunks"
    names, init = FORMS[form]
    fc.extract("whole", *sampling, folder / "whole.mp4")
    fc.extract("parts", *sampling, *(w for i in init for w in ("--init", folder / i)), *(folder / n for n in names))
    whole, parts = fc.frames("whole"), fc.frames("parts")
    assert [f["seq"] for f in parts] == [f["seq"] for f in whole]
    assert [f["timestamp"] for f in parts] == pytest.approx([f["timestamp"] for f in whole], abs=1e-9)
    assert [f["phash"] for f in parts] == [f["phash"] for f in whole]
    assert fc.jpegs("parts") == fc.jpegs("whole")


def test_another_video_stream_can_be_asked_for(fc, truth):
    relative = "videos/tc_nasa_13013.mp4"
    fc.extract("t", "--all", "--stream", "3", truth.root / relative)
    facts = fc.frames("t")
    assert len(facts) == len(truth.frames(f"{relative}.s3"))
    assert {(f["width"], f["height"]) for f in facts} == {(480, 270)}


def test_bare_fragments_with_an_init_are_the_frames_and_numbers_of_the_whole(fc, clip):
    folder = clip("fragments")
    fc.extract("whole", "--all", folder / "whole.mp4")
    fc.extract("parts", "--all", "--init", folder / "init.mp4", *(folder / f"frag_{k}.m4s" for k in range(3)))
    assert [f["timestamp"] for f in fc.frames("parts")] == pytest.approx([f["timestamp"] for f in fc.frames("whole")], abs=1e-9)
    assert fc.jpegs("parts") == fc.jpegs("whole")


def assert_lone_frames(fc, source, picks):
    """Decoded alone, from the nearest cut point and skipping what it does not need, each picture is that of --all."""
    fc.extract("full", "--all", source)
    facts, full = fc.frames("full"), fc.jpegs("full")
    last = len(facts) - 1
    for k in sorted(set(picks(last)) & set(range(len(facts)))):
        # Of frames with one time the last is shown.
        if k < last and facts[k + 1]["timestamp"] == facts[k]["timestamp"]:
            continue
        fc.extract(f"t{k}", "--at", repr(facts[k]["timestamp"]), source)
        assert [f["pts"] for f in fc.frames(f"t{k}")] == [facts[k]["pts"]], k
        assert fc.jpegs(f"t{k}")[0] == full[k], f"frame {k} of {last + 1}"


@pytest.mark.some(2)
def test_a_lone_frame_of_a_generated_clip_is_that_of_all(fc, ordinary_clip):
    assert_lone_frames(fc, ordinary_clip, lambda last: [1, last // 2 + 1, last])


@pytest.mark.slow
def test_further_lone_frames_of_a_generated_clip_are_those_of_all(fc, ordinary_clip):
    assert_lone_frames(fc, ordinary_clip, lambda last: [0, 2, 3, last // 3, last // 2, last - 3, last - 2, last - 1])


@pytest.mark.some(3)
def test_a_lone_frame_of_a_video_is_that_of_all(fc, truth, video_file):
    if len(truth.framemd5(video_file)) > 1000:
        pytest.skip("long: test_long.py takes lone frames of longer ones")
    assert_lone_frames(fc, truth.root / video_file, lambda last: [last // 3, last])
