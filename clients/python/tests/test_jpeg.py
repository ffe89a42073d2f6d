"""JPEGs are decoded as Pillow decodes them, whatever decodes."""

import io

import numpy as np
import pytest
from PIL import Image

from framecache import _jpeg


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
