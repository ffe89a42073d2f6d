"""transfer="jpeg": the batches of GetTensors, made here of the stored JPEGs. The same values, fewer bytes sent."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future
from typing import Any, Deque, Iterable, Iterator, List, Mapping, Optional, Tuple

import numpy as np
import numpy.typing as npt

from . import _jpeg
from ._arrays import Arrays
from ._errors import Refused, invalid
from ._requests import SELECTING
from .frames import Frame, undecodable
from .tensors import Batch

BATCH = 16
_DATATYPES = {"uint8": np.uint8, "fp16": np.float16, "fp32": np.float32}
_PASSED_ON = ("profile", *SELECTING, "on_miss")
#: What only the server does.
_MADE_THERE = ("sampling", "width", "height", "fit", "filter", "pad_value")


class Recipe:
    """What becomes of a decoded picture; made from the options of `tensors`."""

    def __init__(self, options: Mapping[str, Any], arrays: Arrays) -> None:
        rest = {name: value for name, value in options.items() if value is not None}
        self.frames = {name: rest.pop(name) for name in _PASSED_ON if name in rest}
        self.batch = _batch(rest.pop("batch", BATCH))
        self.datatype = _one_of(rest.pop("datatype", "uint8"), tuple(_DATATYPES), "datatype")
        self.layout = _one_of(rest.pop("layout", "nhwc"), ("nhwc", "nchw"), "layout")
        self.channels = _one_of(rest.pop("channels", "rgb"), ("rgb", "bgr", "gray"), "channels")
        self._depth = 1 if self.channels == "gray" else 3
        self._normal = _coefficients(rest.pop("normalize", None), self.datatype, self._depth)
        self._size: Optional[Tuple[int, int]] = None
        self._arrays = arrays
        _one_of(rest.pop("origin", "cache"), ("cache",), "origin")
        if rest:
            name = next(iter(rest))
            raise invalid(
                f"transfer='jpeg' gives frames at their stored size: {name}={rest[name]!r}", name,
                "use transfer='raw', where the server resizes",
            )

    def batches(self, frames: Iterable[Frame]) -> Iterator[Batch]:
        """Frames in, batches out; the last may be short. One is decoded while the one before it is used."""
        with _jpeg.pool() as pool:
            waiting: Deque[Filling] = deque()
            try:
                for frame in frames:
                    if not waiting or waiting[-1].full:
                        waiting.append(Filling(self, pool))
                    waiting[-1].add(frame)
                    if waiting[0].full and (len(waiting) > 1 or waiting[0].done):
                        yield waiting.popleft().batch()
                while waiting:
                    yield waiting.popleft().batch()
            finally:
                for filling in waiting:
                    filling.cancel()

    def empty(self) -> npt.NDArray[Any]:
        """A batch's array, of the size of the first frame that was seen."""
        if self._size is None:
            return np.empty(0, _DATATYPES[self.datatype])
        shape = (*self._size, self._depth) if self.layout == "nhwc" else (self._depth, *self._size)
        return self._arrays.empty((self.batch, *shape), _DATATYPES[self.datatype])

    def check(self, frame: Frame, size: Tuple[int, int]) -> None:
        """size: height and width."""
        if self._size is None:
            self._size = size
        elif self._size != size:
            raise Refused(
                f"frames of unlike size make no array: sequence={frame.sequence}, size={size[1]}x{size[0]}, "
                f"others={self._size[1]}x{self._size[0]}", "FIELD_INVALID", "FAILED_PRECONDITION",
                "use transfer='raw' with width and height",
            )

    def decode(self, jpeg: bytes, into: npt.NDArray[Any]) -> None:
        """Fills a frame's part of the array."""
        if self.channels == "rgb" and self.layout == "nhwc" and self.datatype == "uint8":
            _jpeg.decode_into(jpeg, into)
            return
        pixels = _jpeg.decode(jpeg, "L" if self.channels == "gray" else "RGB").reshape(*self._size or (), self._depth)
        if self.channels == "bgr":
            pixels = pixels[:, :, ::-1]
        typed = self._typed(pixels)
        into[...] = typed if self.layout == "nhwc" else typed.transpose(2, 0, 1)

    def _typed(self, pixels: _jpeg.Pixels) -> npt.NDArray[Any]:
        if self._normal is None:
            return pixels
        a, b = self._normal
        # Two roundings to float32, as the contract has it.
        scaled = pixels.astype(np.float32) * a
        scaled += b
        return scaled


class Filling:
    """A batch whose frames are decoded as they come, each by one of a few threads, to where it belongs."""

    def __init__(self, recipe: Recipe, pool: Executor) -> None:
        self._recipe = recipe
        self._pool = pool
        self._frames: List[Frame] = []
        self._array: Optional[npt.NDArray[Any]] = None
        self.work: List[Future[None]] = []

    @property
    def full(self) -> bool:
        return len(self._frames) == self._recipe.batch

    @property
    def done(self) -> bool:
        return all(future.done() for future in self.work)

    def add(self, frame: Frame) -> None:
        place = len(self._frames)
        self._frames.append(frame)
        if frame.error is not None or frame.jpeg is None:
            return
        try:
            self._recipe.check(frame, _jpeg.size(frame.jpeg))
        except OSError as error:
            frame.error = undecodable(frame, error)
            return
        if self._array is None:
            self._array = self._recipe.empty()
        self.work.append(self._pool.submit(self._decode, frame, self._array[place]))

    def cancel(self) -> None:
        for future in self.work:
            future.cancel()

    def batch(self) -> Batch:
        """Waits until all are decoded."""
        for future in self.work:
            future.result()
        array = self._recipe.empty() if self._array is None else self._array
        if not array.size:
            # Nothing says how large the zeros would have to be.
            raise next(frame.error for frame in self._frames if frame.error is not None)
        array = array[: len(self._frames)]
        for place, frame in enumerate(self._frames):
            if frame.error is not None:
                array[place] = 0
        return self._batch(array)

    def _decode(self, frame: Frame, into: npt.NDArray[Any]) -> None:
        jpeg, frame.jpeg = frame.jpeg, None
        try:
            self._recipe.decode(jpeg or b"", into)
        except (OSError, ValueError) as error:
            frame.error = undecodable(frame, error)

    def _batch(self, array: npt.NDArray[Any]) -> Batch:
        frames = self._frames
        times = [np.nan if frame.timestamp is None else frame.timestamp for frame in frames]
        return Batch(
            index=frames[0].index,
            array=array,
            sequences=np.array([frame.sequence for frame in frames], np.int64),
            timestamps=np.array(times, np.float64),
            valid=np.array([frame.error is None for frame in frames], np.bool_),
            transforms=np.tile(np.array([1.0, 1.0, 0.0, 0.0]), (len(frames), 1)),
            errors={place: frame.error for place, frame in enumerate(frames) if frame.error is not None},
        )


def chosen(transfer: str, options: Mapping[str, Any], near: bool) -> str:
    """"raw" or "jpeg": what is asked for, or for "auto" what is faster.

    Pictures at their stored size are decoded here: 1.3 times as fast at 320x240, 2.4 times at 4K, than to be sent
    raw over a Unix socket. Pillow alone, of which gray is, decodes no faster than the server's come where it is near.
    """
    if transfer not in ("auto", "raw", "jpeg"):
        raise invalid(f"transfer is auto, raw or jpeg: transfer={transfer!r}", "transfer")
    if transfer != "auto":
        return transfer
    made_there = any(options.get(name) is not None for name in _MADE_THERE) or options.get("origin") == "source"
    fast = (_jpeg.is_fast() and options.get("channels") != "gray") or (not near and _jpeg.has_pillow())
    return "jpeg" if fast and not made_there else "raw"


def _one_of(value: str, names: Tuple[str, ...], field: str) -> str:
    if value not in names:
        raise invalid(f"with transfer='jpeg' {field} is one of {', '.join(names)}: {field}={value!r}", field)
    return value


def _batch(value: int) -> int:
    if value < 1:
        raise invalid(f"a batch has at least one frame: batch={value}", "batch")
    return value


def _coefficients(
    normalize: Optional[Mapping[str, Any]], datatype: str, channels: int
) -> Optional[Tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """a = scale / std and b = -mean / std, each computed in double and rounded to float."""
    if normalize is None:
        return None
    if datatype == "uint8":
        raise invalid("normalize is for fp16 and fp32: datatype=uint8", "normalize", "give datatype='fp32'")
    scale, mean, std = (
        _values(normalize, name, default, channels) for name, default in (("scale", 1.0), ("mean", 0.0), ("std", 1.0))
    )
    if not (np.isfinite(scale).all() and np.isfinite(mean).all() and np.isfinite(std).all()) or (std == 0).any():
        raise invalid("scale, mean and std are finite, and std is not 0", "normalize")
    return (scale / std).astype(np.float32), (-mean / std).astype(np.float32)


def _values(normalize: Mapping[str, Any], name: str, default: float, channels: int) -> npt.NDArray[np.float64]:
    values = np.atleast_1d(np.asarray(normalize.get(name, default), np.float64))
    if values.shape not in ((1,), (channels,)):
        raise invalid(f"{name} has one value, or one a channel: values={values.size}, channels={channels}", "normalize")
    return values
