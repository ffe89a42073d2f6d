"""What a source is by its format: read, or refused by its name and with advice that helps; nothing healthy is called damaged."""

import struct
import subprocess

import numpy as np
import pytest
from PIL import Image

from .media import make
from .support.framecache import tree

IMAGES = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "tiff": "TIFF", "bmp": "BMP", "ppm": "PPM", "exr": "EXR"}


def refusal(fc, path, code):
    done = fc.extract("t", "--fps", "2", path, code=code)
    assert not tree(fc.store)
    probed = fc.run("probe", path, code=code)
    for line in (done.err.strip(), probed.err.strip()):
        assert len(line.splitlines()) == 1 and "moov" not in line
        yield line


@pytest.mark.parametrize("kind", IMAGES)
def test_a_still_image_is_unsupported_and_named_whatever_it_is_called(fc, tmp_path, kind):
    image = tmp_path / f"image.{kind}"
    try:
        make.ffmpeg(*make.pattern(seconds=1, size="64x48"), "-frames:v", "1", image)
    except make.CannotMake:
        Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(image, kind)
    other = tmp_path / "clip.mp4"
    other.write_bytes(image.read_bytes())
    for path in (image, other):
        for line in refusal(fc, path, 5):
            assert "still image" in line and IMAGES[kind] in line, line


def test_a_heic_photograph_is_unsupported_and_named(fc, tmp_path):
    path = tmp_path / "photo.mp4"
    path.write_bytes(struct.pack(">I4s4sI8s", 24, b"ftyp", b"heic", 0, b"mif1heic") + struct.pack(">I4s", 8, b"free") * 50)
    for line in refusal(fc, path, 5):
        assert "still image" in line and "HEIF" in line


@pytest.mark.parametrize(("name", "options"), [("clip.h261", ["-s", "352x288"]), ("clip.roq", ["-s", "128x128", "-r", "30"])])
def test_a_healthy_video_of_a_format_that_is_not_read_is_unsupported_and_named(fc, tmp_path, name, options):
    path = tmp_path / name
    make.ffmpeg(*make.pattern(seconds=2), *options, path)
    for line in refusal(fc, path, 5):
        assert f"format={path.suffix[1:]}" in line, line


@pytest.mark.parametrize("data", [b"", b"not a video\n" * 100, b"\0" * 4000, bytes(range(256)) * 40, b"\0\0\0\x18ftypisom\0\0\2\0isommp41"],
                         ids=["empty", "text", "zeros", "bytes", "a header alone"])
def test_what_is_no_media_or_cut_off_is_corrupt(fc, tmp_path, data):
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    fc.extract("t", "--fps", "2", path, code=6)


def test_a_list_of_other_files_is_never_opened(fc, tmp_path, clip):
    video = clip("h264_bframes.mp4")
    for k, text in enumerate([f"ffconcat version 1.0\nfile '{video}'\n", f"#EXTM3U\n#EXTINF:1,\n{video}\n",
                              f"# mp4-id3\n{video}\n", f"[reference]\nRef1=file://{video}\n"]):
        path = tmp_path / f"{k}.mp4"
        path.write_text(text)
        done = fc.extract("t", "--fps", "2", path, code=None)
        assert done.code in (5, 6), done.describe()


# What surveillance cameras write: each picture in a box of its own, its clock in milliseconds beside whole seconds.


def dhav(pictures, size, rate=25):
    """A .dav file: `pictures` are (key, H.264 in start codes)."""
    out = b""
    for k, (key, data) in enumerate(pictures):
        fields = bytes([0x80, 0, size[0] // 8, size[1] // 8, 0x81, 0, 4, rate])
        ms = k * 1000 // rate
        length = 24 + len(fields) + len(data) + 8
        head = struct.pack("<4sBBBBIIIHBB", b"DHAV", 0xFD if key else 0xFC, 0, 0, 0, k, length, 0x5ACAA780 + ms // 1000, ms % 65536, len(fields), 0)
        out += head + fields + data + struct.pack("<4sI", b"dhav", length)
    return out


def units(path):
    """(key, bytes) of each access unit of an H.264 stream that has delimiters."""
    data = path.read_bytes()
    starts = [k for k in range(len(data)) if data.startswith(b"\0\0\0\1\x09", k)]
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)])]
    return [(b"\0\0\1\x65" in part, part) for part in parts]


def test_a_cameras_dav_is_read_from_any_place_as_from_its_start(fc, new_store, tmp_path):
    raw = tmp_path / "raw.h264"
    make.ffmpeg(*make.pattern(seconds=4), *make.X264, "-bf", "0", "-g", "25", "-x264-params", "aud=1:scenecut=0:keyint=25", raw)
    path = tmp_path / "camera.dav"
    path.write_bytes(dhav(units(raw), (160, 120)))
    fc.extract("t", "--all", path)
    facts = fc.frames("t")
    assert len(facts) == 100 and not any(f.get("missing") or f.get("damaged") for f in facts)
    assert np.allclose([f["timestamp"] for f in facts], np.arange(100) / 25, atol=0.001)
    assert [f["seq"] for f in facts if f["keyframe"]] == [0, 25, 50, 75]
    want = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", raw, "-f", "framemd5", "-"], capture_output=True, text=True, timeout=60).stdout
    got = fc.run("framemd5", path).text
    digests = [[line.split(",")[-1] for line in text.splitlines() if line[0] != "#"] for text in (got, want)]
    assert digests[0] == digests[1]
    for k in (80, 3, 51):
        lone = new_store()
        lone.extract("t", "--at", f"{k / 25 + 0.01:.3f}", path)
        assert [f["sha256"] for f in lone.frames("t")] == [facts[k]["sha256"]]
