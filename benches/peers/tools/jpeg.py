"""JPEGs of arrays by the encoders that the Python tools are paired with: 4:2:0, otherwise as they come."""

import io

import numpy as np


def pillow(rgb, quality):
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality)
    return out.getvalue()


def simplejpeg(rgb, quality):
    import simplejpeg

    return simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=quality, colorspace="RGB", colorsubsampling="420")


def opencv(rgb, quality):
    import cv2

    return cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def planes(yuv, quality):
    """Of I420, rows Y then Cb then Cr."""
    import simplejpeg

    height = yuv.shape[0] * 2 // 3
    y, rest = yuv[:height], yuv[height:]
    cb, cr = rest.reshape(2, height // 2, -1)
    return simplejpeg.encode_jpeg_yuv_planes(y, cb, cr, quality=quality)


def write(job, index, data):
    with open(f"{job.out}/{index:06d}.jpg", "wb") as file:
        file.write(data)
