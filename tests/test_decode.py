"""Decoding against ffmpeg: every picture, bit for bit, and every pts."""

from .support import oracle, runner_of
from .support.framecache import cores


def framemd5(path, *options, code=0, **more):
    done = runner_of("framemd5", path, "--backend", "cpu", *options, timeout=1200, **more)
    assert code is None or done.code == code, done.describe()
    return oracle.framemd5_rows(done.text)


def assert_equal_to_ffmpeg(got, want, has_pts):
    if not has_pts:
        got, want = oracle.without_pts(got), oracle.without_pts(want)
    assert len(got) == len(want)
    wrong = [k for k, (a, b) in enumerate(zip(got, want)) if a != b]
    assert not wrong, f"{len(wrong)} of {len(want)} frames differ, first {wrong[0]}: {got[wrong[0]]}, ffmpeg {want[wrong[0]]}"


def test_every_frame_and_pts_of_a_generated_clip_equals_ffmpegs(ordinary_clip):
    want = oracle.framemd5_rows(oracle.framemd5(ordinary_clip))
    assert want
    assert_equal_to_ffmpeg(framemd5(ordinary_clip), want, oracle.probe(ordinary_clip).has_pts)


def test_every_frame_and_pts_of_a_video_equals_the_stored_truth(truth, video_file):
    assert_equal_to_truth(truth, video_file)


def test_every_frame_and_pts_of_a_segment_equals_the_stored_truth(truth, segment_file):
    assert_equal_to_truth(truth, segment_file)


def assert_equal_to_truth(truth, relative):
    has_pts = all(row["pts"] not in ("", "N/A") for row in truth.frames(relative) or [])
    assert_equal_to_ffmpeg(framemd5(truth.root / relative), truth.framemd5(relative), has_pts)


def test_a_damaged_file_gives_ffmpegs_frames_in_each_of_five_runs(truth, corrupt_file):
    want = truth.framemd5(corrupt_file)
    has_pts = all(row["pts"] not in ("", "N/A") for row in truth.frames(corrupt_file) or [])
    runs = [framemd5(truth.root / corrupt_file, code=0 if want else None) for _ in range(5)]
    assert_equal_to_ffmpeg(runs[0], want, has_pts)
    assert all(again == runs[0] for again in runs)


def test_damage_is_said_beside_the_frames(clip, tmp_path):
    sound, damaged = clip("h264_gop250.mp4"), tmp_path / "damaged.mp4"
    damaged.write_bytes(oracle.damaged(sound))
    of_sound, of_damaged = (runner_of("framemd5", path, "--backend", "cpu") for path in (sound, damaged))
    assert (of_sound.code, of_sound.err) == (0, "")
    assert of_damaged.code == 0 and "damage" in of_damaged.err
    assert oracle.framemd5_rows(of_damaged.text) == oracle.framemd5_rows(oracle.framemd5(damaged))


def test_decoding_does_not_depend_on_the_number_of_cores(clip):
    path = clip("h264_gop250.mp4")
    assert framemd5(path, under=cores(1)) == framemd5(path)
