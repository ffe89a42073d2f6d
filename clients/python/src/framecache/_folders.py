"""The private folders of servers that clients started: one that its maker left behind is removed by the next maker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, Optional

PREFIX = "framecache-"
LOCK = "lock"
# A socket's path has at most 107 bytes.
LONGEST_FOLDER = 90


class PrivateFolder:
    """Only this user may enter it. It is locked for as long as this process, or a fork of it, lives."""

    def __init__(self) -> None:
        parent = tempfile.gettempdir()
        if len(os.fsencode(parent)) > LONGEST_FOLDER - len(PREFIX) - 8:
            parent = "/tmp"
        _sweep(Path(parent))
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        # Under its name only once it is locked: nobody takes it for one that was left behind.
        made = self.path / f"{LOCK}.new"
        self._lock = open(made, "wb")
        # Where there are no locks it stays, should this process be killed.
        with contextlib.suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            made.rename(self.path / LOCK)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _sweep(parent: Path) -> None:
    for lock in parent.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):
            if lock.stat().st_uid != os.geteuid():
                continue
            with open(lock, "rb") as file:
                if _locked(file) is not None:
                    shutil.rmtree(lock.parent, ignore_errors=True)


def _locked(file: IO[bytes]) -> Optional[IO[bytes]]:
    """The file, locked now, or None: another process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return file
