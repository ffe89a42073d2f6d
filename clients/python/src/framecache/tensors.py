"""Batches of frames as arrays, filled as their parts arrive."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Union

import numpy as np
import numpy.typing as npt

from ._arrays import Arrays
from ._errors import Error, broken_stream, from_status

Boxes = npt.NDArray[np.float64]
_DTYPES = {"UINT8": np.uint8, "FP16": np.float16, "FP32": np.float32}
_DIMENSIONS = 4


class Transform(NamedTuple):
    """From output pixels to stored (or source) pixels, continuous: x_stored = x_output * scale_x + offset_x."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    offset_x: float = 0.0
    offset_y: float = 0.0

    def to_source(self, boxes: npt.ArrayLike) -> Boxes:
        """Boxes (…, 4) as x1, y1, x2, y2 in output pixels, mapped to stored pixels."""
        return _mapped(np.asarray(self, np.float64), boxes)


@dataclass
class Batch:
    """Some frames, in the order asked."""

    #: Of its first frame, the place in the request.
    index: int
    #: (N, H, W, C) or (N, C, H, W); uint8, float16 or float32; writable and C-contiguous.
    array: npt.NDArray[Any] = field(repr=False)
    #: (N,) int64: numbers on the timeline.
    sequences: npt.NDArray[np.int64]
    #: (N,) float64: timeline seconds; NaN if unknown.
    timestamps: npt.NDArray[np.float64]
    #: (N,) bool. False: the frame could not be had, and its part of the array is zeros.
    valid: npt.NDArray[np.bool_]
    #: (N, 4) float64: scale_x, scale_y, offset_x, offset_y of each frame, as `Transform` has them.
    transforms: npt.NDArray[np.float64] = field(repr=False)
    #: By place in the batch: why a frame is not valid.
    errors: Dict[int, Error] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def data(self) -> npt.NDArray[Any]:
        """`array`, by torchcodec's name."""
        return self.array

    @property
    def pts_seconds(self) -> npt.NDArray[np.float64]:
        """`timestamps`, by torchcodec's name."""
        return self.timestamps

    def transform(self, place: int) -> Transform:
        """Of the frame at a place of this batch."""
        return Transform(*map(float, self.transforms[place]))

    def to_source(self, boxes: npt.ArrayLike, places: Union[None, int, npt.ArrayLike] = None) -> Boxes:
        """Maps boxes x1, y1, x2, y2 from output pixels to stored pixels (with origin="source": to the video's).

        Args:
            boxes: (…, 4), in pixels of the output.
            places: The frame of this batch that the boxes are of; or one place for each of boxes (K, 4).
                Without it boxes are (N, …, 4), as many as there are frames.
        """
        found = np.asarray(boxes, np.float64)
        where = np.arange(len(self)) if places is None else np.asarray(places)
        if where.ndim and (found.ndim < 2 or found.shape[0] != len(where)):
            raise ValueError(f"each of the boxes needs a place: boxes={found.shape}, places={where.shape}")
        rows = self.transforms[where]
        spread = rows.reshape(rows.shape[:-1] + (1,) * (found.ndim - rows.ndim) + (_DIMENSIONS,))
        return _mapped(spread, found)

    def to_torch(self) -> Any:
        """The array as a torch tensor, sharing its memory."""
        import torch

        return torch.from_numpy(self.array)


def _mapped(transform: npt.NDArray[np.float64], boxes: npt.ArrayLike) -> Boxes:
    found = np.asarray(boxes, np.float64)
    if found.shape[-1:] != (4,):
        raise ValueError(f"boxes are (…, 4): x1, y1, x2, y2; shape={found.shape}")
    scale = transform[..., [0, 1, 0, 1]]
    offset = transform[..., [2, 3, 2, 3]]
    mapped: Boxes = found * scale + offset
    return mapped


def joined(batches: List[Batch]) -> Batch:
    """One batch of several that follow each other."""
    if len(batches) == 1:
        return batches[0]
    names = ("array", "sequences", "timestamps", "valid", "transforms")
    parts = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in names}
    first = batches[0].index
    errors = {batch.index - first + place: error for batch in batches for place, error in batch.errors.items()}
    return Batch(index=first, errors=errors, **parts)


class Assembler:
    """Takes the messages of GetTensors and gives batches, each part copied once to where it belongs."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._batch: Optional[Batch] = None
        self._flat: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._filled = 0

    def add(self, response: Any) -> Iterator[Batch]:
        event = response.WhichOneof("event")
        if event == "header":
            self._begin(response.header)
            if not len(self._flat):
                yield self._whole()
        elif event == "part":
            if self._fill(response.part):
                yield self._whole()

    def finish(self) -> None:
        if self._batch is not None:
            raise broken_stream(f"it ended within the batch at {self._batch.index}")

    def _begin(self, header: Any) -> None:
        self.finish()
        shape = tuple(header.shape)
        dtype = _DTYPES.get(header.datatype)
        count = len(header.sequences)
        if dtype is None or len(shape) != _DIMENSIONS or min(shape) < 0 or shape[0] != count:
            raise broken_stream(f"a header of datatype={header.datatype}, shape={shape}, frames={count}")
        if math.prod(shape) * np.dtype(dtype).itemsize != header.bytes:
            raise broken_stream(f"a header of shape={shape}, bytes={header.bytes}")
        array = self._arrays.empty(shape, dtype)
        self._flat = array.reshape(-1).view(np.uint8)
        self._filled = 0
        self._batch = Batch(
            index=header.index,
            array=array,
            sequences=np.array(header.sequences, np.int64),
            timestamps=np.array(header.timestamps, np.float64),
            valid=np.array(header.valid, np.bool_),
            transforms=np.array(
                [(t.scale_x, t.scale_y, t.offset_x, t.offset_y) for t in header.transforms], np.float64
            ).reshape(-1, 4),
            errors={error.place: from_status(error.status) for error in header.errors},
        )

    def _fill(self, part: Any) -> bool:
        data = part.data
        if self._batch is None or part.offset != self._filled or self._filled + len(data) > len(self._flat):
            raise broken_stream(f"a part at offset={part.offset} of {len(data)} bytes")
        self._flat[self._filled:self._filled + len(data)] = np.frombuffer(data, np.uint8)
        self._filled += len(data)
        if part.last and self._filled != len(self._flat):
            raise broken_stream(f"a batch ended early, bytes={self._filled}, total={len(self._flat)}")
        return self._filled == len(self._flat)

    def _whole(self) -> Batch:
        batch, self._batch = self._batch, None
        assert batch is not None
        return batch


def first_error(batch: Batch) -> Optional[Error]:
    """Of the first frame that is not valid."""
    if batch.valid.all():
        return None
    place = int(np.argmin(batch.valid))
    return batch.errors.get(place) or broken_stream(f"frame {batch.sequences[place]} is not valid, for no reason")


def unmasked(batches: Iterable[Batch]) -> Iterator[Batch]:
    for batch in batches:
        error = first_error(batch)
        if error is not None:
            raise error
        yield batch
