"""JPEGs to arrays and back, by Pillow. Where simplejpeg is installed it decodes: the same pixels, sooner."""

from __future__ import annotations

import importlib.util
import io
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Deque, Iterable, Iterator, Optional, Tuple, TypeVar

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


def is_fast() -> bool:
    return simplejpeg is not None


def has_pillow() -> bool:
    return importlib.util.find_spec("PIL") is not None


def size(jpeg: bytes) -> Tuple[int, int]:
    """Height and width, of its header; OSError where it has none."""
    if simplejpeg is not None:
        try:
            height, width = simplejpeg.decode_jpeg_header(jpeg)[:2]
            return height, width
        except ValueError:
            pass  # Pillow says what is wrong with it.
    with pillow().open(io.BytesIO(jpeg)) as image:
        return image.height, image.width


def decode(jpeg: bytes, mode: str = "RGB") -> Pixels:
    """(height, width, 3) uint8 RGB, writable; with mode "L" (height, width)."""
    pixels = _simplejpeg(jpeg) if mode == "RGB" else None
    if pixels is not None:
        return pixels
    with pillow().open(io.BytesIO(jpeg)) as image:
        return np.array(image.convert("RGB") if mode == "RGB" else image.convert("RGB").convert(mode))


def decode_into(jpeg: bytes, pixels: Pixels) -> None:
    """The same RGB, into a C-contiguous array of that size."""
    if _simplejpeg(jpeg, pixels) is None:
        with pillow().open(io.BytesIO(jpeg)) as image:
            pixels[...] = np.asarray(image.convert("RGB"))


def _simplejpeg(jpeg: bytes, buffer: Optional[Pixels] = None) -> Optional[Pixels]:
    """None: Pillow is to do it."""
    if simplejpeg is None:
        return None
    try:
        # Of CMYK it makes other colours than Pillow does.
        if simplejpeg.decode_jpeg_header(jpeg)[2] not in ("YCbCr", "Gray"):
            return None
        pixels: Pixels = simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=False, fastupsample=False, buffer=buffer)
        return pixels
    except ValueError:
        return None  # Pillow says what is wrong with it.


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


def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers(), thread_name_prefix="framecache-decode")


def ahead(items: Iterable[T], work: Callable[[T], R], depth: Optional[int] = None) -> Iterator[R]:
    """work(item) for each item, in order, on a few threads that run `depth` items ahead of the reader."""
    limit = 2 * workers() if depth is None else depth
    with pool() as threads:
        pending: Deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(threads.submit(work, item))
                if len(pending) > limit:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
