"""transfer="jpeg": the batches of GetTensors, made here of the stored JPEGs. The same values, fewer bytes sent."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, List, Mapping, Optional, Tuple

import numpy as np
import numpy.typing as npt

from . import _jpeg
from ._errors import Refused, invalid
from .frames import Frame
from .tensors import Batch

BATCH = 16
_DATATYPES = {"uint8": np.uint8, "fp16": np.float16, "fp32": np.float32}
_PASSED_ON = ("profile", "sequences", "range", "times", "window", "all", "step", "limit", "on_miss")

Decoded = Tuple[Frame, Optional[npt.NDArray[Any]]]


class Recipe:
    """What becomes of a decoded picture; made from the options of `tensors`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        rest = {name: value for name, value in options.items() if value is not None}
        self.frames = {name: rest.pop(name) for name in _PASSED_ON if name in rest}
        self.batch = _batch(rest.pop("batch", BATCH))
        self.datatype = _one_of(rest.pop("datatype", "uint8"), tuple(_DATATYPES), "datatype")
        self.layout = _one_of(rest.pop("layout", "nhwc"), ("nhwc", "nchw"), "layout")
        self.channels = _one_of(rest.pop("channels", "rgb"), ("rgb", "bgr", "gray"), "channels")
        self._normal = _coefficients(rest.pop("normalize", None), self.datatype, 1 if self.channels == "gray" else 3)
        self._shape: Optional[Tuple[int, ...]] = None
        _one_of(rest.pop("origin", "cache"), ("cache",), "origin")
        if rest:
            name = next(iter(rest))
            raise invalid(
                f"transfer='jpeg' gives frames at their stored size: {name}={rest[name]!r}", name,
                "use transfer='raw', where the server resizes",
            )

    def decode(self, frame: Frame) -> Decoded:
        """The picture as (H, W, C) of the datatype; None where there is none."""
        if frame.error is not None or frame.jpeg is None:
            return frame, None
        pixels = _jpeg.decode(frame.jpeg, "L" if self.channels == "gray" else "RGB")
        frame.jpeg = None
        if self.channels == "gray":
            pixels = pixels[:, :, np.newaxis]
        elif self.channels == "bgr":
            pixels = pixels[:, :, ::-1]
        return frame, self._typed(pixels)

    def _typed(self, pixels: _jpeg.Pixels) -> npt.NDArray[Any]:
        if self._normal is None:
            return pixels if self.datatype == "uint8" else pixels.astype(_DATATYPES[self.datatype])
        a, b = self._normal
        # Two roundings to float32, as the contract has it.
        scaled = pixels.astype(np.float32) * a
        scaled += b
        return scaled if self.datatype == "fp32" else scaled.astype(np.float16)

    def batches(self, frames: Iterable[Frame]) -> Iterator[Batch]:
        """Frames in, batches out; the last may be short."""
        group: List[Decoded] = []
        for item in _jpeg.ahead(frames, self.decode):
            group.append(item)
            if len(group) == self.batch:
                yield self.assemble(group)
                group = []
        if group:
            yield self.assemble(group)

    def assemble(self, group: List[Decoded]) -> Batch:
        for frame, pixels in group:
            self._check(frame, pixels)
        if self._shape is None:
            # Nothing says how large the zeros would have to be.
            raise next(frame.error for frame, _ in group if frame.error is not None)
        height, width, channels = self._shape
        order = (height, width, channels) if self.layout == "nhwc" else (channels, height, width)
        array = np.empty((len(group),) + order, _DATATYPES[self.datatype])
        for place, (_, pixels) in enumerate(group):
            array[place] = 0 if pixels is None else pixels if self.layout == "nhwc" else pixels.transpose(2, 0, 1)
        return self._batch_of([frame for frame, _ in group], array)

    def _check(self, frame: Frame, pixels: Optional[npt.NDArray[Any]]) -> None:
        if pixels is None:
            return
        if self._shape is not None and pixels.shape != self._shape:
            raise Refused(
                f"frames of unlike size make no array: sequence={frame.sequence}, shape={pixels.shape}, "
                f"others={self._shape}", "FIELD_INVALID", "FAILED_PRECONDITION",
                "use transfer='raw' with width and height",
            )
        self._shape = pixels.shape

    def _batch_of(self, frames: List[Frame], array: npt.NDArray[Any]) -> Batch:
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
        raise invalid("normalize is for fp16 and fp32", "normalize")
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
