"""Keeps gRPC whole when the process forks.

gRPC's core cannot be forked while a thread is inside it: its locks stay taken in the child for ever. So
every step into the core passes a gate; before a fork the gate shuts and those inside are waited for, which
takes as long as one message takes. If that does not end soon the fork goes on, and the child refuses calls
instead of hanging.

The child never touches what it inherited: connections register here, forget their channels in the child, and
what they forgot is kept alive, because even its finalizers would speak on the parent's sockets.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager
from typing import Any, Iterator, List

from ._errors import Refused

WAIT_SECONDS = 5.0


class _Gate:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False
        self.unsafe = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        if self.unsafe:
            raise Refused(
                "this process was forked while another thread was in the middle of a call",
                code="FAILED_PRECONDITION",
                hint="fork when no thread waits for a server, or use multiprocessing's spawn",
            )
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
            self.unsafe = not self._changed.wait_for(lambda: self._inside == 0, WAIT_SECONDS)

    def open(self) -> None:
        with self._changed:
            self._shut = False
            self.unsafe = False
            self._changed.notify_all()

    def reset(self) -> None:
        """In the child: nobody else is there. `unsafe` stays as it was found."""
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False


class Inheritable:
    """Something that holds a channel, and must let go of it in a forked child."""

    def close_idle(self) -> None:
        """Before a fork: close what nobody is using."""

    def forget(self) -> Any:
        """In the child: start anew, and give away what must not be touched."""
        raise NotImplementedError


GATE = _Gate()
_holders: weakref.WeakSet[Inheritable] = weakref.WeakSet()
_inherited: List[Any] = []


def register(holder: Inheritable) -> None:
    _holders.add(holder)


def _before() -> None:
    GATE.shut()
    if not GATE.unsafe:
        for holder in list(_holders):
            holder.close_idle()


def _in_child() -> None:
    GATE.reset()
    for holder in list(_holders):
        _inherited.append(holder.forget())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=GATE.open, after_in_child=_in_child)
