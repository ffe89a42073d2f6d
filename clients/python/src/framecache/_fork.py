"""Keeps gRPC whole when the process forks.

gRPC's own fork support halts its own threads. It cannot halt ours: its locks stay taken for ever in a child
that is forked while one of our threads is starting an operation. So every step into gRPC passes a gate, which
is shut before a fork until those inside have come out. Who stays inside longer waits for an answer, which
holds no lock; so the gate need not wait for him. What remains unsafe is a fork while another thread takes
messages at full speed: then gRPC's own threads are inside, too.

The child never touches what it inherited: connections register here, forget their channels in the child, and
what they forgot is kept alive, because even its finalizers would speak on the parent's sockets.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager
from typing import Any, Iterator, List

from ._environment import FORK_SUPPORTED
from ._errors import Refused

#: Far longer than starting an operation takes.
WAIT_SECONDS = 0.5


class _Gate:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._shut)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def shut(self) -> None:
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: self._inside == 0, WAIT_SECONDS)

    def open(self) -> None:
        with self._changed:
            self._shut = False
            self._changed.notify_all()

    def reset(self) -> None:
        """In the child: nobody else is there."""
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False


class Inheritable:
    """Something that holds a channel, and must let go of it in a forked child."""

    def forget(self) -> Any:
        """In the child: start anew, and give away what must not be touched; None if there is nothing."""
        raise NotImplementedError


GATE = _Gate()
_holders: weakref.WeakSet[Inheritable] = weakref.WeakSet()
_inherited: List[Any] = []
_lost = False


def register(holder: Inheritable) -> None:
    _holders.add(holder)


def usable() -> None:
    """Raises in a forked child that cannot open connections."""
    if _lost:
        raise Refused(
            "this process was forked after its parent used gRPC without fork support", code="FAILED_PRECONDITION",
            hint="import framecache before grpc, or set GRPC_ENABLE_FORK_SUPPORT=1, or use multiprocessing's spawn",
        )


def _in_child() -> None:
    global _lost
    GATE.reset()
    for holder in list(_holders):
        _inherited.append(holder.forget())
    _lost = not FORK_SUPPORTED and any(_inherited)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=GATE.shut, after_in_parent=GATE.open, after_in_child=_in_child)
