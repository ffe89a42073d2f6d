"""Sparse sampling against all frames where decoders are at their edges, and damage that must repeat."""

import pytest

from .media import make

PICTURE = ("pts", "timestamp", "sha256", "phash", "missing", "damaged", "keyframe", "duration")


def pictures(fc, timeline, path, *options, **more):
    """{pts: facts of the picture} of an extraction."""
    fc.extract(timeline, path, *options, **more)
    return {f["pts"]: {k: f.get(k) for k in PICTURE} for f in fc.frames(timeline)}


@pytest.fixture(scope="module")
def open_gops(tmp_path_factory):
    """H.264 whose cut points are all but the first recovery points with leading pictures."""
    path = tmp_path_factory.mktemp("review") / "open.mp4"
    make.ffmpeg(*make.pattern(seconds=3), *make.X264, "-bf", "2", "-x264-params",
                "open-gop=1:keyint=12:min-keyint=12:scenecut=0:b-pyramid=normal", path)
    return path


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_each_frame_of_open_gops_asked_alone_is_the_one_of_all(fc, open_gops, workers):
    every = pictures(fc, "all", open_gops, "--all")
    assert len(every) == 75
    for pts, wanted in sorted(every.items())[::3]:
        alone = pictures(fc, f"at-{pts}", open_gops, "--at", f"{wanted['timestamp']:.6f}", "--workers", workers)
        assert alone == {pts: wanted}


def test_a_leading_picture_with_the_pts_of_its_cut_point_is_delivered(fc, open_gops, tmp_path):
    path = tmp_path / "doubled.mkv"
    make.ffmpeg("-i", open_gops, "-c", "copy", "-bsf:v", "setts=pts=PTS-mod(PTS\\,1024)", path)
    for workers in (1, 2, 4):
        fc.extract(f"w{workers}", path, "--all", "--workers", workers)
    runs = [fc.frames(f"w{workers}") for workers in (1, 2, 4)]
    assert len(runs[0]) == 75 and not any(f.get("missing") for f in runs[0])
    assert runs[0] == runs[1] == runs[2]


def lossy(path, target):
    """The transport stream without each 97th packet."""
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    target.write_bytes(b"".join(p for n, p in enumerate(packets) if n % 97 != 50))
    return target


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_lost_packets_give_the_same_frames_with_any_workers_and_sampling(fc, tmp_path, codec):
    whole = tmp_path / "whole.ts"
    options = [*make.X264, "-bf", "2", "-g", "24"] if codec == "h264" else make.x265("keyint=24:bframes=3")
    make.ffmpeg(*make.pattern(seconds=4), *options, whole)
    path = lossy(whole, tmp_path / "lossy.ts")
    every = [pictures(fc, f"all{n}", path, "--all", "--workers", n % 4 + 1, code=None) for n in range(4)]
    assert all(again == every[0] for again in every)
    for workers in (1, 4):
        some = pictures(fc, f"every{workers}", path, "--every", 7, "--workers", workers, code=None)
        assert [(p, f["sha256"]) for p, f in some.items()] == [(p, every[0][p]["sha256"]) for p in some]


def test_gradual_refresh_without_a_cut_point_marks_what_was_not_whole_yet(fc, tmp_path):
    whole, path = tmp_path / "whole.ts", tmp_path / "tail.ts"
    make.ffmpeg(*make.pattern(seconds=6), *make.X264, "-bf", "0", "-x264-params", "intra-refresh=1:keyint=40", whole)
    data = whole.read_bytes()
    path.write_bytes(data[len(data) // 188 // 3 * 188 :])
    every = pictures(fc, "all", path, "--all", code=None)
    assert every and all(f["damaged"] for f in every.values())
    for workers in (1, 4):
        assert pictures(fc, f"some{workers}", path, "--every", 9, "--workers", workers, code=None).items() <= every.items()


def test_dedup_over_timestamps_that_jump_back_repeats_only_earlier_frames_with_any_workers(fc, tmp_path):
    one, path = tmp_path / "one.ts", tmp_path / "twice.ts"
    make.ffmpeg(*make.pattern(seconds=6, source="color"), *make.X264, "-bf", "2", "-g", "24", one)
    path.write_bytes(one.read_bytes() * 2)
    for workers in (1, 2, 8):
        fc.extract(f"w{workers}", path, "--all", "--dedup", 4, "--workers", workers)
    runs = [fc.frames(f"w{workers}") for workers in (1, 2, 8)]
    assert len(runs[0]) == 300 and any("repeats" in f for f in runs[0])
    assert all(f["repeats"] < f["seq"] for f in runs[0] if "repeats" in f)
    assert runs[0] == runs[1] == runs[2]


def test_field_pairs_are_one_frame_each(fc, clip):
    path = clip("h264_fields.ts")
    facts = fc.frames("fields") if fc.extract("fields", path, "--all") else []
    assert len(facts) == 40 and all(f["interlaced"] and not f.get("missing") for f in facts)
    for n, fact in enumerate(facts[::9]):
        fc.extract(f"at{n}", path, "--at", f"{fact['timestamp']:.6f}", "--workers", 1)
        assert [f["sha256"] for f in fc.frames(f"at{n}")] == [fact["sha256"]]


def test_a_picture_cropped_at_the_left_is_exactly_as_wide_as_shown(fc, open_gops, tmp_path):
    path = tmp_path / "cropped.mp4"
    make.ffmpeg("-i", open_gops, "-c", "copy", "-bsf:v", "h264_metadata=crop_left=10:crop_top=6:crop_right=4", path)
    facts = fc.frames("cropped") if fc.extract("cropped", path, "--every", 20) else []
    assert facts and {(f["width"], f["height"]) for f in facts} == {(146, 114)}
