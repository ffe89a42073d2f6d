"""Frames, put together from the parts in which they travel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _jpeg
from ._errors import Damaged, Error, broken_stream, from_status
from .results import Facts, facts, optional


@dataclass
class Frame:
    """One frame that was asked for, or why it could not be had."""

    #: Its place in the request, from 0.
    index: int
    #: Its number on the timeline.
    sequence: int
    #: Its facts, or their message, which is read when somebody asks.
    _facts: Any = field(repr=False)
    #: With payload="jpeg": the file's bytes, as stored unless a size or quality was asked for.
    jpeg: Optional[bytes] = field(default=None, repr=False)
    #: With payload="base64": the same as text (RFC 4648, with padding).
    base64: Optional[str] = field(default=None, repr=False)
    #: Of the payload, in pixels.
    width: Optional[int] = None
    height: Optional[int] = None
    #: With decode=True: (height, width, 3) uint8 RGB, writable.
    image: Optional[_jpeg.Pixels] = field(default=None, repr=False)
    #: With errors="yield": why there is no payload.
    error: Optional[Error] = None

    @property
    def facts(self) -> Facts:
        """What is known of it."""
        if not isinstance(self._facts, Facts):
            self._facts = facts(self._facts)
        return self._facts

    @property
    def timestamp(self) -> Optional[float]:
        """Timeline seconds at which it is shown."""
        seconds: Optional[float] = fact(self._facts, "timestamp")
        return seconds

    @property
    def data(self) -> Optional[_jpeg.Pixels]:
        """`image`, by torchcodec's name."""
        return self.image

    @property
    def pts_seconds(self) -> Optional[float]:
        """`timestamp`, by torchcodec's name."""
        return self.timestamp

    def _repr_jpeg_(self) -> Optional[bytes]:
        """What a notebook shows."""
        return self.jpeg

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> npt.NDArray[Any]:
        """The picture, so that NumPy takes a frame where it takes an array."""
        image = self.decode() if self.image is None else self.image
        return np.array(image, dtype) if copy else np.asarray(image, dtype)

    def decode(self) -> _jpeg.Pixels:
        """(height, width, 3) uint8 RGB of the JPEG; needs Pillow."""
        if self.jpeg is None:
            raise self.error or ValueError("the frame was asked for without payload='jpeg'")
        return _jpeg.decode(self.jpeg)


def fact(known: Any, name: str) -> Any:
    """One fact, of Facts or of their message."""
    return getattr(known, name) if isinstance(known, Facts) else optional(known, name)


def decoded(frame: Frame) -> Frame:
    """The frame with its image; a JPEG that cannot be read becomes the frame's error."""
    if frame.error is None and frame.jpeg is not None:
        try:
            frame.image = frame.decode()
        except OSError as error:
            frame.error = undecodable(frame, error)
    return frame


def undecodable(frame: Frame, error: Exception) -> Error:
    return Damaged(f"the JPEG cannot be decoded: {error}, sequence={frame.sequence}", code="DATA_LOSS")


class Parts:
    """The parts of one payload, in order."""

    def __init__(self) -> None:
        self._parts: List[Any] = []
        self._length = 0

    def add(self, part: Union[bytes, str], offset: int) -> None:
        if offset != self._length:
            raise broken_stream(f"a part is missing, offset={offset}, expected={self._length}")
        self._parts.append(part)
        self._length += len(part)

    def joined(self, empty: Union[bytes, str], total: int) -> Any:
        if self._length != total:
            raise broken_stream(f"a payload ended early, bytes={self._length}, total={total}")
        if len(self._parts) == 1:
            return self._parts[0]
        return empty.join(self._parts)


class Joiner:
    """Takes the messages of GetFrames and gives whole frames."""

    def __init__(self) -> None:
        self._item: Any = None
        self._parts = Parts()

    def add(self, response: Any) -> Optional[Frame]:
        if response.WhichOneof("event") != "frame":
            return None
        item = response.frame
        if item.WhichOneof("result") == "error":
            return Frame(item.index, item.sequence, Facts(item.sequence), error=from_status(item.error))
        if self._item is None:
            self._item, self._parts = item, Parts()
        elif item.index != self._item.index:
            raise broken_stream(f"frame {item.index} came within frame {self._item.index}")
        return self._data(item.data)

    def finish(self) -> None:
        if self._item is not None:
            raise broken_stream(f"it ended within frame {self._item.index}")

    def _data(self, data: Any) -> Optional[Frame]:
        kind = data.WhichOneof("payload")
        if kind is not None:
            self._parts.add(getattr(data, kind), data.offset)
        if not data.last:
            return None
        first, self._item = self._item, None
        frame = Frame(first.index, first.sequence, first.data.facts)
        frame.width = data.width if data.HasField("width") else _first(first.data, "width")
        frame.height = data.height if data.HasField("height") else _first(first.data, "height")
        if kind == "jpeg":
            frame.jpeg = self._parts.joined(b"", data.total)
        elif kind == "base64":
            frame.base64 = self._parts.joined("", data.total)
        return frame


def _first(data: Any, name: str) -> Optional[int]:
    """A payload's size is said in its first part, where it is not the stored one."""
    value: Optional[int] = getattr(data, name) if data.HasField(name) else fact(data.facts, name)
    return value
