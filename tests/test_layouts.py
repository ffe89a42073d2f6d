"""Every way that samples may lie in memory is read: against ffmpeg's own conversion to RGB."""

import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from .support import oracle
from .support.framecache import tree

WIDTH, HEIGHT = 38, 21  # no multiple of any chroma sample or group
EXACT = ["-sws_flags", "accurate_rnd+full_chroma_int+bitexact"]


def written_formats():
    """{name: bits of its first component} of the pixel formats that this ffmpeg can make and convert."""
    listed = subprocess.run(["ffmpeg", "-v", "error", "-pix_fmts"], capture_output=True, text=True, timeout=60).stdout
    rows = re.findall(r"^IO\S* +(\S+) +\d+ +\d+ +(\d+)", listed, re.MULTILINE)
    return {name: int(depth) for name, depth in rows if not re.match("gray.*f32|gbra?pf32|bayer", name)}


FORMATS = written_formats()


def ffmpeg(*command):
    return subprocess.run([*oracle.FFMPEG, *map(str, command)], capture_output=True, timeout=60)


def ramp(target, *options):
    """Two pictures with slow ramps of luma and of colour, which interpolated chroma hardly changes."""
    ramps = f"nullsrc=size={WIDTH}x{HEIGHT}:rate=5:duration=0.4,format=rgb24,geq=r='20+5*X':g='230-9*Y':b='40+4*X+N'"
    return ffmpeg("-f", "lavfi", "-i", ramps, *EXACT, *options, "-y", target)


def in_ffmpeg(path, k=0):
    done = ffmpeg("-i", path, *EXACT, "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)[k].astype(int)


def in_framecache(fc, path, folder, k=0):
    fc.extract("t", "--all", path)
    fc.run("get", "t", "--seq", k, "--format", "png", "--origin", "source", "--out", folder)
    return np.array(Image.open(folder / f"{k}.png").convert("RGB")).astype(int)


def assert_alike(got, want, most=3, mean=1.0):
    assert got.shape == want.shape
    off = np.abs(got - want)
    assert off.max() <= most and off.mean() <= mean, f"off by up to {off.max()}, by {off.mean():.2f} in the mean"


def tolerance(name):
    """ffmpeg repeats few bits, or puts zeros behind them, where we round; it interpolates chroma, which we repeat."""
    if re.match(r"(rgb|bgr)(8|4)", name):
        return (16, 8) if "444" in name else (5, 3)
    if re.match("rgb|bgr|gbr|[0argbx]{4}|x2|xyz|gray|ya|mono|pal", name):
        return 2, 1
    return (32, 10) if "410" in name else (14, 4)


@pytest.mark.some(2)
@pytest.mark.parametrize("name", FORMATS)
def test_raw_video_of_every_pixel_format_is_what_ffmpeg_makes_of_it(fc, tmp_path, name):
    path = tmp_path / "raw.nut"
    made = ramp(path, "-pix_fmt", name, "-c:v", "rawvideo")
    if made.returncode or oracle.ffprobe(path, "-show_entries", "stream=pix_fmt")["streams"][0].get("pix_fmt") != name:
        pytest.skip("no container carries it raw")
    got = in_framecache(fc, path, tmp_path / "out", 1)
    assert_alike(got, in_ffmpeg(path, 1), *tolerance(name))


def test_ffmpeg_makes_and_converts_over_a_hundred_pixel_formats():
    assert len(FORMATS) > 100


KEPT = {
    "palette.avi": ["-filter_complex", "split[a][b];[a]palettegen[p];[b][p]paletteuse", "-c:v", "rawvideo", "-pix_fmt", "pal8"],
    "palette.png.mkv": ["-filter_complex", "split[a][b];[a]palettegen[p];[b][p]paletteuse", "-c:v", "png", "-pix_fmt", "pal8"],
    "yuyv422.avi": ["-c:v", "rawvideo", "-pix_fmt", "yuyv422"],
    "uyvy422.mov": ["-c:v", "rawvideo", "-pix_fmt", "uyvy422"],
    "uyvy422.mkv": ["-c:v", "rawvideo", "-pix_fmt", "uyvy422"],
    "bottom_up.avi": ["-c:v", "rawvideo", "-pix_fmt", "bgr24"],
    "rgb555.avi": ["-c:v", "rawvideo", "-pix_fmt", "rgb555le"],
    "rgb565.avi": ["-c:v", "rawvideo", "-pix_fmt", "rgb565le"],
    "gray16.png.mkv": ["-c:v", "png", "-pix_fmt", "gray16be"],
    "rgb48.png.mkv": ["-c:v", "png", "-pix_fmt", "rgb48be"],
    "rgba64.png.mov": ["-c:v", "png", "-pix_fmt", "rgba64be"],
    "ya8.png.mkv": ["-c:v", "png", "-pix_fmt", "ya8"],
    "ya16.png.mkv": ["-c:v", "png", "-pix_fmt", "ya16be"],
    "mono.png.mkv": ["-c:v", "png", "-pix_fmt", "monob"],
    "gray.ffv1.mkv": ["-c:v", "ffv1", "-pix_fmt", "gray"],
    "gray16.ffv1.mkv": ["-c:v", "ffv1", "-pix_fmt", "gray16le"],
    "rgb48.ffv1.mkv": ["-c:v", "ffv1", "-pix_fmt", "rgb48le"],
    "rgb.huffyuv.avi": ["-c:v", "huffyuv", "-pix_fmt", "rgb24"],
    "rgb.utvideo.avi": ["-c:v", "utvideo", "-pix_fmt", "gbrp"],
    "rgb.tiff.mkv": ["-c:v", "tiff", "-pix_fmt", "rgb48le"],
    "gray.jpeg2000.mkv": ["-c:v", "jpeg2000", "-pix_fmt", "gray16le"],
    "rgb555.qtrle.mov": ["-c:v", "qtrle", "-pix_fmt", "rgb555be"],
    "gray.qtrle.mov": ["-c:v", "qtrle", "-pix_fmt", "gray"],
    "targa.mov": ["-c:v", "targa", "-pix_fmt", "bgr24"],
    "v210.mov": ["-c:v", "v210", "-pix_fmt", "yuv422p10le"],
    "v410.mov": ["-c:v", "v410", "-pix_fmt", "yuv444p10le"],
    "r210.mov": ["-c:v", "r210", "-pix_fmt", "gbrp10le"],
}


@pytest.mark.parametrize("name", KEPT)
def test_what_cameras_and_laboratories_store_is_what_ffmpeg_makes_of_it(fc, tmp_path, name):
    path = tmp_path / name
    made = ramp(path, *KEPT[name])
    if made.returncode:
        pytest.skip(f"this ffmpeg cannot make it: {made.stderr.decode()[-200:]}")
    got = in_framecache(fc, path, tmp_path / "out", 1)
    yuv = re.search("yuyv|uyvy|v210|v410", name)
    assert_alike(got, in_ffmpeg(path, 1), *((14, 4) if yuv else (2, 1)))
    # The JPEG is of the same picture.
    with Image.open(fc.folder("t") / "frames" / "1.jpg") as jpeg:
        assert_alike(np.asarray(jpeg.convert("RGB")).astype(int), got, most=128, mean=10)


def test_bayer_and_float_are_refused_when_planned_and_by_probe_in_the_same_words(fc, tmp_path):
    for name in ("bayer_rggb8", "bayer_grbg16le"):
        data = tmp_path / "bytes"
        data.write_bytes(bytes(6 * 64 * 48))
        path = tmp_path / f"{name}.nut"
        made = ffmpeg("-f", "rawvideo", "-pixel_format", name, "-video_size", "64x48", "-i", data, "-c", "copy", "-y", path)
        assert made.returncode == 0, made.stderr
        done = fc.extract("t", "--all", path, code=5)
        said = f"no conversion for this video's pixel format, pix_fmt={name}"
        assert said in done.err
        assert not [n for n in tree(fc.store)], "nothing is planned"
        video = fc.run("probe", "--json", path).json["video"]
        assert video["backend_reason"] == said and "backend" not in video


# Gray, and what nobody tagged.


def levels(path, *options):
    """A ramp of all 256 gray levels."""
    source = "nullsrc=size=256x16:rate=10:duration=0.3,format=gray,geq=lum='X'"
    made = ffmpeg("-f", "lavfi", "-i", source, *options, "-y", path)
    if made.returncode:
        pytest.skip(f"this ffmpeg cannot make it: {made.stderr.decode()[-200:]}")


def gray_row(fc, path, folder):
    fc.extract("t", "--all", path)
    fc.run("get", "t", "--seq", 0, "--format", "png", "--origin", "source", "--out", folder)
    return np.array(Image.open(folder / "0.png").convert("RGB"))[0, :, 0].astype(int)


LAB = {
    "raw.avi": ["-c:v", "rawvideo", "-pix_fmt", "gray"],
    "raw.nut": ["-c:v", "rawvideo", "-pix_fmt", "gray"],
    "ffv1.avi": ["-c:v", "ffv1", "-pix_fmt", "gray"],
    "ffv1.mkv": ["-c:v", "ffv1", "-pix_fmt", "gray"],
    "rgb.avi": ["-c:v", "huffyuv", "-pix_fmt", "rgb24"],
    "gray.huff.avi": ["-c:v", "ffvhuff", "-pix_fmt", "gray"],
    "png.mkv": ["-c:v", "png", "-pix_fmt", "gray"],
    "jpeg2000.mkv": ["-c:v", "jpeg2000", "-pix_fmt", "gray"],
}


@pytest.mark.parametrize("name", LAB)
def test_untagged_gray_of_codecs_that_cannot_say_a_range_keeps_all_256_levels(fc, tmp_path, name):
    levels(tmp_path / name, *LAB[name])
    assert np.abs(gray_row(fc, tmp_path / name, tmp_path / "out") - np.arange(256)).max() <= 1


@pytest.mark.parametrize(("name", "codec"), [("x264.mp4", ["-c:v", "libx264", "-qp", "0"]), ("x265.mp4", ["-c:v", "libx265", "-x265-params", "lossless=1:log-level=error"])])
def test_untagged_gray_of_codecs_that_could_say_a_range_is_limited(fc, tmp_path, name, codec):
    levels(tmp_path / name, *codec, "-pix_fmt", "gray")
    want = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255)
    assert np.abs(gray_row(fc, tmp_path / name, tmp_path / "out") - want).max() <= 1


def test_gray_that_says_limited_is_limited_in_any_codec(fc, tmp_path):
    levels(tmp_path / "said.mkv", "-c:v", "ffv1", "-pix_fmt", "gray", "-color_range", "tv")
    row = gray_row(fc, tmp_path / "said.mkv", tmp_path / "out")
    assert row[16] == 0 and row[235] == 255
