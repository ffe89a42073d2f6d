"""When a call that failed is tried again: only where the server said that time helps, and not for ever."""

from __future__ import annotations

import random
from typing import Iterator, Optional

from ._errors import Busy, Error, Unavailable

ATTEMPTS = 4
LONGEST_WAIT = 10.0


def waits() -> Iterator[float]:
    """Factors for the waits between attempts; each is a little off, so that clients do not come back together."""
    for attempt in range(ATTEMPTS - 1):
        yield (2**attempt) * random.uniform(0.8, 1.2)


def delay(error: Error, factor: Optional[float]) -> Optional[float]:
    """Seconds to wait before the next attempt; None: give up."""
    if factor is None or error.retry_after is None or not isinstance(error, (Busy, Unavailable)):
        return None
    return min(error.retry_after * factor, LONGEST_WAIT)
