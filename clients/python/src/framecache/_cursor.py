"""Frames that are asked for one after the other, read ahead."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional

from ._errors import Error
from ._fork import Inheritable, register
from .frames import Frame


class Cursor(Inheritable):
    """One thread's place in a video: a frame that follows the one before is taken from a stream, as are the next."""

    def __init__(self, open_at: Callable[[int], Iterator[Frame]], end: int) -> None:
        self._open_at = open_at
        self._end = end
        self._frames: Optional[Iterator[Frame]] = None
        self._next: Optional[int] = None
        register(self)

    def take(self, place: int) -> Optional[Frame]:
        """The frame, or None: it does not follow the one before, and is to be asked for alone."""
        follows = place == self._next
        self._next = place + 1
        if not follows:
            self._close()
            return None
        if self._frames is None:
            self._frames = self._open_at(place)
        try:
            frame = next(self._frames)
        except Error:
            self._frames = None
            raise
        if self._next == self._end:
            self._close()
        return frame

    def forget(self) -> Any:
        inherited, self._frames, self._next = self._frames, None, None
        return inherited

    def _close(self) -> None:
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.close()  # type: ignore[attr-defined]
