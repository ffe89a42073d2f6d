"""JPEGs to arrays and back, by Pillow. Where simplejpeg is installed it decodes: the same pixels, sooner."""

from __future__ import annotations

import io
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Deque, Iterable, Iterator, TypeVar

import numpy as np
import numpy.typing as npt

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

Pixels = npt.NDArray[np.uint8]
T = TypeVar("T")
R = TypeVar("R")


def pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("decoding JPEGs here needs Pillow: pip install 'framecache[pillow]'") from None
    return Image


def decode(jpeg: bytes, mode: str = "RGB") -> Pixels:
    """(height, width, 3) uint8 RGB, writable; with mode "L" (height, width)."""
    if simplejpeg is not None and mode == "RGB":
        try:
            # Of CMYK it makes other colours than Pillow does.
            if simplejpeg.decode_jpeg_header(jpeg)[2] in ("YCbCr", "Gray"):
                pixels: Pixels = simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=False, fastupsample=False)
                return pixels
        except ValueError:
            pass  # Pillow says what is wrong with it.
    with pillow().open(io.BytesIO(jpeg)) as image:
        return np.array(image.convert("RGB") if mode == "RGB" else image.convert("RGB").convert(mode))


def encode(image: npt.NDArray[Any], quality: int) -> bytes:
    """A JPEG as Pillow writes it, of (height, width, 3) RGB or (height, width) gray."""
    buffer = io.BytesIO()
    pillow().fromarray(image).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def png(image: npt.NDArray[Any]) -> bytes:
    """A PNG of (height, width), (height, width, 3) or (height, width, 4) uint8."""
    buffer = io.BytesIO()
    pillow().fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def workers() -> int:
    try:
        return max(1, min(8, len(os.sched_getaffinity(0))))
    except AttributeError:
        return max(1, min(8, os.cpu_count() or 1))


def ahead(items: Iterable[T], work: Callable[[T], R]) -> Iterator[R]:
    """work(item) for each item, in order, on a few threads that run a little ahead of the reader."""
    width = workers()
    with ThreadPoolExecutor(width, thread_name_prefix="framecache-decode") as pool:
        pending: Deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > 2 * width:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
