"""What counts as a video's colour: the bitstream first, then the container, each code by itself; `probe` and frames agree."""

import re

import numpy as np
import pytest
from PIL import Image

from .media import make
from .support import oracle

RED = (192, 48, 32)
UNSAID = "setparams=colorspace=unknown:range=unknown:color_primaries=unknown:color_trc=unknown"
TAGS = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]

CODECS = {
    "h264": ["-c:v", "libx264", "-qp", "10", "-pix_fmt", "yuv420p"],
    "hevc": ["-c:v", "libx265", "-qp", "10", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p"],
    "vp9": ["-c:v", "libvpx-vp9", "-cpu-used", "8", "-b:v", "800k", "-pix_fmt", "yuv420p"],
    "av1": ["-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p"],
    "mpeg4": ["-c:v", "mpeg4", "-q:v", "2", "-pix_fmt", "yuv420p"],
    "mpeg2": ["-c:v", "mpeg2video", "-q:v", "2", "-pix_fmt", "yuv420p"],
    "ffv1": ["-c:v", "ffv1", "-pix_fmt", "yuv420p"],
    "prores": ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"],
    "raw": ["-c:v", "rawvideo", "-pix_fmt", "yuyv422"],
}
# What says the range in its own bitstream, or has but one.
OWN_RANGE = {"vp9", "av1", "mpeg2", "prores"}


def red(target, codec, full=False):
    """Red as BT.709, of which the bitstream says nothing."""
    source = f"color=c=0x{bytes(RED).hex()}:size=320x192:rate=10:duration=0.5,format=rgb24"
    scale = f"scale=out_color_matrix=bt709:out_range={'pc' if full else 'tv'}:flags=accurate_rnd"
    # yuvj formats by another name: the range is in the samples alone.
    make.ffmpeg("-f", "lavfi", "-i", source, "-vf", f"{scale},{UNSAID}", *CODECS[codec], target)


def tagged(target, source, *tags):
    """The same packets in a container that says more."""
    make.ffmpeg("-i", source, "-c", "copy", *tags, "-movflags", "+write_colr", target)


def seen(fc, path, folder):
    """(colour of frame 0, its RGB, what probe says), and that all frames agree."""
    fc.extract("t", "--all", path)
    colours = [facts["colour"] for facts in fc.frames("t")]
    assert all(colour == colours[0] for colour in colours)
    fc.run("get", "t", "--seq", 0, "--format", "png", "--origin", "source", "--out", folder)
    rgb = np.array(Image.open(folder / "0.png").convert("RGB"))[96, 160].astype(int)
    return colours[0], rgb, fc.run("probe", "--json", path).json["video"]["colour"]


def able(make_it):
    try:
        make_it()
    except make.CannotMake as why:
        pytest.skip(str(why))


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("codec", CODECS)
def test_colour_that_the_container_alone_says_is_the_videos(fc, tmp_path, codec, container):
    plain, path = tmp_path / "plain.mkv", tmp_path / f"tagged.{container}"
    able(lambda: red(plain, codec))
    able(lambda: tagged(path, plain, "-color_range", "tv", *TAGS))
    colour, rgb, probed = seen(fc, path, tmp_path / "out")
    assert colour["matrix"] == "bt709" and "matrix" not in colour.get("assumed", [])
    assert colour["range"] == "limited" and colour["primaries"] == "bt709" and colour["transfer"] == "bt709"
    assert np.abs(rgb - RED).max() <= 4, rgb
    assert (probed["matrix"], probed["primaries"], probed["transfer"]) == ("bt709",) * 3
    # MOV's colr (nclc) has no range.
    assert probed.get("range", "limited") == "limited"


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("codec", sorted(CODECS.keys() - OWN_RANGE))
def test_a_full_range_that_the_container_alone_says_is_the_videos(fc, tmp_path, codec, container):
    plain, path = tmp_path / "plain.mkv", tmp_path / f"tagged.{container}"
    able(lambda: red(plain, codec, full=True))
    able(lambda: tagged(path, plain, "-color_range", "pc", *TAGS))
    colour, rgb, probed = seen(fc, path, tmp_path / "out")
    assert (colour["matrix"], colour["range"]) == ("bt709", "full") and "assumed" not in colour
    assert np.abs(rgb - RED).max() <= 4, rgb
    assert (probed["matrix"], probed["range"]) == ("bt709", "full")


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize(("codec", "own"), [
    ("h264", ["-x264-params", "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m:fullrange=off"]),
    ("hevc", ["-x265-params", "log-level=error:colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m:range=limited"]),
    ("vp9", ["-colorspace", "smpte170m", "-color_range", "tv"]),
])
def test_the_bitstream_wins_where_the_container_contradicts_it(fc, tmp_path, codec, own, container):
    plain, path = tmp_path / "plain.mkv", tmp_path / f"tagged.{container}"
    source = "color=c=red:size=320x192:rate=10:duration=0.5,format=yuv420p"
    able(lambda: make.ffmpeg("-f", "lavfi", "-i", source, *CODECS[codec], *own, plain))
    able(lambda: tagged(path, plain, "-color_range", "pc", *TAGS))
    colour, _, probed = seen(fc, path, tmp_path / "out")
    assert (colour["matrix"], colour["range"]) == ("bt601", "limited") and "assumed" not in colour
    assert (probed["matrix"], probed["range"]) == ("bt601", "limited")


def test_each_code_is_filled_by_itself(fc, tmp_path):
    plain, path = tmp_path / "plain.mkv", tmp_path / "tagged.mp4"
    source = "color=c=red:size=320x192:rate=10:duration=0.5,format=yuv420p"
    able(lambda: make.ffmpeg("-f", "lavfi", "-i", source, *CODECS["h264"], "-x264-params", "transfer=smpte170m:fullrange=on", plain))
    able(lambda: tagged(path, plain, "-color_range", "tv", *TAGS))
    colour, _, probed = seen(fc, path, tmp_path / "out")
    assert colour == {"matrix": "bt709", "range": "full", "primaries": "bt709", "transfer": "smpte170m"}
    assert probed == colour


@pytest.mark.parametrize("full", [False, True])
def test_vp8_is_what_its_bitstream_says_and_probe_agrees(fc, tmp_path, full):
    plain, path = tmp_path / "plain.mkv", tmp_path / "tagged.mkv"
    source = "color=c=red:size=320x192:rate=10:duration=0.5,format=yuv420p"
    able(lambda: make.ffmpeg("-f", "lavfi", "-i", source, "-c:v", "libvpx", plain))
    able(lambda: tagged(path, plain, "-color_range", "pc" if full else "tv", *TAGS))
    colour, _, probed = seen(fc, path, tmp_path / "out")
    assert (colour["matrix"], colour["range"], colour["primaries"]) == ("bt601", "limited", "bt709")
    assert probed == {name: colour[name] for name in probed}


def test_untagged_stays_untagged(fc, tmp_path):
    path = tmp_path / "plain.mkv"
    able(lambda: red(path, "h264"))
    colour, _, probed = seen(fc, path, tmp_path / "out")
    assert set(colour["assumed"]) == {"matrix", "range"} and (colour["matrix"], colour["range"]) == ("bt601", "limited")
    assert probed == {}


# Plans of what comes out otherwise than before are other plans.


def revision(fc, timeline="t"):
    plan = next(fc.folder(timeline).rglob("plan.json")).read_text()
    return max(map(int, re.findall(r'"revision":\s*(\d+)', plan)), default=0)


def test_rows_of_colours_that_came_out_otherwise_before_tell_it(fc, new_store, tmp_path):
    plain, path = tmp_path / "plain.mkv", tmp_path / "tagged.mp4"
    able(lambda: red(plain, "hevc"))
    able(lambda: tagged(path, plain, "-color_range", "tv", *TAGS))
    fc.extract("t", "--all", path)
    assert revision(fc) == 1
    gray = tmp_path / "gray.avi"
    make.ffmpeg(*make.pattern(seconds=1), "-pix_fmt", "gray", "-c:v", "ffv1", gray)
    other = new_store()
    other.extract("t", "--all", gray)
    assert revision(other) == 1


@pytest.mark.parametrize("name", ["h264_bt709.mp4", "hevc_opengop.mp4", "vp9.webm", "h264_gray.mp4", "png.mov", "prores.mov", "mpeg4.mp4"])
def test_rows_of_videos_that_come_out_as_ever_do_not(fc, clip, name):
    fc.extract("t", "--count", "1", clip(name))
    assert revision(fc) == 0


# Display matrices.


def turned(target, source, matrix):
    """A copy of an MP4 whose track has this display matrix (a, b, c, d in 16.16)."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = matrix
    data[at : at + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in (a, b, 0, c, d, 0, 0, 0, 1 << 30))
    target.write_bytes(data)
    return target


ONE = 1 << 16


@pytest.mark.parametrize(("matrix", "mirrored", "rotation"), [
    ((ONE, 1, -1, ONE), False, 0), ((-2, ONE, 1 - ONE, 300), False, 90), ((-ONE, -1, 1, -ONE), False, 180), ((-ONE, 5, 5, ONE), True, 0)])
def test_a_display_matrix_that_rounding_put_off_counts_as_the_turn_that_it_is(fc, clip, tmp_path, matrix, mirrored, rotation):
    path = turned(tmp_path / "turned.mp4", clip("h264_bframes.mp4"), matrix)
    fc.extract("t", "--count", "1", path)
    facts = fc.frames("t")[0]
    assert (facts["mirrored"], facts["rotation"]) == (mirrored, rotation)


def test_another_display_matrix_is_refused_for_frames_shown_by_probe_and_no_matter_to_framemd5(fc, clip, tmp_path):
    source = clip("h264_bframes.mp4")
    path = turned(tmp_path / "turned.mp4", source, (46341, 46341, -46341, 46341))
    done = fc.extract("t", "--all", path, code=5)
    assert "matrix=46341,46341,-46341,46341" in done.err
    assert "matrix=46341,46341,-46341,46341" in fc.run("probe", "--json", path).json["video"]["backend_reason"]
    rows = [oracle.framemd5_rows(fc.run("framemd5", p).text) for p in (path, source)]
    assert rows[0] == rows[1] and rows[0]
