"""Memory for large arrays that is used again.

Fresh memory has to be zeroed and mapped by the kernel a page at a time: to decode sixteen frames of 720p into it took
three times as long as into memory that was there before, at 320x240 and 4K twice.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from typing import Any, Deque, Sequence

import numpy as np
import numpy.typing as npt

#: Below it malloc uses memory again by itself.
SMALLEST_BYTES = 1 << 20
#: Pieces of memory that are kept while no array is in them.
IDLE = 2


class Arrays:
    """Makes arrays; the memory of one goes to a later one when nobody holds it, nor a view of it, any more."""

    def __init__(self) -> None:
        self._idle: Deque[npt.NDArray[np.uint8]] = deque()

    def empty(self, shape: Sequence[int], dtype: Any) -> npt.NDArray[Any]:
        """As numpy.empty: C-contiguous and writable."""
        length = math.prod(shape) * np.dtype(dtype).itemsize
        if length < SMALLEST_BYTES:
            return np.empty(shape, dtype)
        memory = self._fitting(length)
        # Views of `whole` hold on to it, and not to the memory behind it, because that is no array for NumPy.
        whole: npt.NDArray[np.uint8] = np.frombuffer(memory.data, np.uint8, length)
        weakref.finalize(whole, self._give_back, memory).atexit = False
        shaped: npt.NDArray[Any] = whole.view(dtype).reshape(shape)
        return shaped

    def _fitting(self, length: int) -> npt.NDArray[np.uint8]:
        for _ in range(IDLE):
            try:
                memory = self._idle.popleft()
            except IndexError:
                break
            if length <= len(memory) <= 2 * length:
                return memory
        return np.empty(length, np.uint8)

    def _give_back(self, memory: npt.NDArray[np.uint8]) -> None:
        if len(self._idle) < IDLE:
            self._idle.append(memory)
