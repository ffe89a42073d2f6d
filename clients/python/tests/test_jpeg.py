"""JPEGs are decoded as Pillow decodes them, whatever decodes."""

import io

import numpy as np
import pytest
from PIL import Image

import framecache
from framecache import _decode, _jpeg


def jpeg(mode, size, **options):
    noise = np.random.default_rng(7).integers(0, 256, (*size[::-1], 4), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise[..., :3]).resize(size).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (31, 17), (160, 90)])
@pytest.mark.parametrize("mode, options", [
    ("RGB", {"subsampling": "4:4:4"}),
    ("RGB", {"subsampling": "4:2:2"}),
    ("RGB", {"subsampling": "4:2:0", "quality": 30}),
    ("RGB", {"progressive": True}),
    ("L", {}),
    ("CMYK", {}),
])
def test_pixels_are_pillows(mode, options, size):
    data = jpeg(mode, size, **options)
    pixels = _jpeg.decode(data)
    assert np.array_equal(pixels, np.array(Image.open(io.BytesIO(data)).convert("RGB")))
    assert pixels.flags.writeable and pixels.flags.c_contiguous


def test_what_is_no_jpeg_is_an_oserror():
    with pytest.raises(OSError):
        _jpeg.decode(b"not a picture")


def test_a_size_is_read_of_the_header_alone():
    data = jpeg("RGB", (31, 17))
    assert _jpeg.size(data) == (17, 31)
    with pytest.raises(OSError):
        _jpeg.size(b"not a picture")


@pytest.mark.parametrize("fast, near, options, way", [
    (True, True, {}, "jpeg"),
    (True, False, {"datatype": "fp32", "layout": "nchw"}, "jpeg"),
    (False, True, {}, "raw"),
    (False, False, {}, "jpeg"),
    (True, True, {"width": 64, "height": 64}, "raw"),
    (True, False, {"origin": "source"}, "raw"),
    (True, True, {"origin": "cache", "width": None}, "jpeg"),
    (True, True, {"channels": "gray"}, "raw"),
    (True, False, {"channels": "gray"}, "jpeg"),
])
def test_the_transfer_follows_from_size_place_and_what_is_installed(monkeypatch, fast, near, options, way):
    monkeypatch.setattr(_jpeg, "simplejpeg", object() if fast else None)
    assert _decode.chosen("auto", options, near) == way
    assert _decode.chosen("raw", options, near) == "raw" and _decode.chosen("jpeg", options, near) == "jpeg"


@pytest.mark.parametrize("target, near", [
    (None, True), ("unix:/x", True), ("127.0.0.1:1", True), ("http://localhost:1", True), ("https://[::1]:1", True),
    ("10.0.0.1:1", False), ("https://host:1", False),
])
def test_a_server_is_near_where_no_network_is_crossed(target, near):
    assert framecache.Client(target)._near is near
