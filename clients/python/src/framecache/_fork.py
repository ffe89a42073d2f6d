"""Clients in forked processes.

A forked child must never touch the connections it inherited. Whatever holds one registers here and forgets it in
the child; what was forgotten is kept alive, because even its finalizers would speak on the parent's sockets.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, List

from ._environment import FORK_SUPPORTED
from ._errors import Refused


class Inheritable:
    """Something that holds a channel, and must let go of it in a forked child."""

    def forget(self) -> Any:
        """In the child: start anew, and give away what must not be touched; None if there is nothing."""
        raise NotImplementedError


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
    for holder in list(_holders):
        _inherited.append(holder.forget())
    _lost = not FORK_SUPPORTED and any(_inherited)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
