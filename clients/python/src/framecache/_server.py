"""A server of this process's own, behind a private Unix socket."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ._errors import Error, Unavailable, invalid
from ._folders import PrivateFolder
from ._fork import Inheritable, register

logger = logging.getLogger(__name__)

START_SECONDS = 30.0
STOP_SECONDS = 30.0

# The server is told to end when the thread that started it ends: with the process, however that dies.
# It runs before the server in the server's own process, because code between fork and exec can deadlock.
_WRAPPER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class PrivateServer(Inheritable):
    """`framecache serve`, started at first use and ended with this process, `stop()` or the client.

    One that ended by itself is started again, on the same socket, at the next use.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = list(arguments)
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._folder: Optional[PrivateFolder] = None
        self._stopped = False
        register(self)

    def target(self) -> str:
        """Where it listens; starts it if it is not there yet, or no longer."""
        with self._lock:
            if self._folder is None:
                # Only its maker can end it, so a child that starts one is its maker.
                self._owner = os.getpid()
                if self._stopped:
                    raise Error("the client is closed", code="FAILED_PRECONDITION")
                self._folder = PrivateFolder()
                atexit.register(self.stop)
                self._start(self._folder.path)
            elif self._end() is not None and os.getpid() == self._owner:
                logger.warning("%s; it is started again", self._end())
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._folder.path / "socket")
                self._start(self._folder.path)
            return f"unix:{self._folder.path}/socket"

    def ended(self, seconds: float = 0.0) -> Optional[str]:
        """How it ended by itself, or None: it lives, still after so many seconds."""
        give_up = time.monotonic() + seconds
        while self._end() is None and time.monotonic() < give_up and os.getpid() == self._owner:
            time.sleep(0.01)
        return self._end()

    def _end(self) -> Optional[str]:
        process, folder = self._process, self._folder
        if process is None or process.returncode is None or folder is None:
            return None
        said = _tail(folder.path / "log")
        return f"the server that this process started has ended: exit={process.returncode}, it said: {said}"

    def stop(self) -> None:
        """Ends the server, and waits for it. In a forked child: nothing."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            process, folder = self._process, self._folder
            self._process = self._folder = None
            self._stopped = True
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if folder is not None:
            folder.remove()
        atexit.unregister(self.stop)

    def forget(self) -> None:
        self._lock = threading.Lock()

    def _start(self, folder: Path) -> None:
        self._process = None
        binary = _program()
        if binary is None:
            self._abandon()
            raise Unavailable(
                "there is no server: FRAMECACHE_SERVER is not set, and no framecache is on PATH to start one",
                code="UNAVAILABLE",
                hint="set FRAMECACHE_SERVER=host:port, or install the framecache binary",
            )
        started = threading.Event()
        # Its own thread, because the signal at the parent's death follows the thread that started the child.
        threading.Thread(
            target=self._run, args=(binary, folder, started), name="framecache-server", daemon=True
        ).start()
        try:
            started.wait(START_SECONDS)
            self._wait_until_ready(folder)
        except Error:
            self._abandon()
            raise

    def _run(self, binary: str, folder: Path, started: threading.Event) -> None:
        command = _tied_to_this_process([
            binary, "serve", "--listen", f"unix:{folder}/socket", "--metrics", "none", *self._arguments,
        ])
        try:
            with open(folder / "log", "wb") as log:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment()
                )
        except OSError:
            started.set()
            return
        self._process = process
        started.set()
        process.wait()

    def _wait_until_ready(self, folder: Path) -> None:
        give_up = time.monotonic() + START_SECONDS
        while not _listens(folder / "socket"):
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > give_up:
                said = _tail(folder / "log")
                raise Unavailable(f"framecache serve did not start: {said}", code="UNAVAILABLE")
            time.sleep(0.01)

    def _abandon(self) -> None:
        process, folder = self._process, self._folder
        self._process = self._folder = None
        if process is not None:
            process.kill()
            process.wait()
        if folder is not None:
            folder.remove()


def _program() -> Optional[str]:
    """On PATH, or where the wheel that holds it put it: a venv that is not activated is not on PATH."""
    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    places = [None, *(sysconfig.get_path("scripts", scheme) for scheme in schemes)]
    return next(filter(None, (shutil.which("framecache", path=place) for place in places)), None)


def _tied_to_this_process(command: List[str]) -> List[str]:
    if not sys.executable or not sys.platform.startswith("linux"):
        return command
    return [sys.executable, "-I", "-S", "-c", _WRAPPER, str(os.getpid()), *command]


def _listens(path: Path) -> bool:
    """The socket's file is there a moment before anybody listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _environment() -> Dict[str, str]:
    """What configures a store is passed on; what configures a listener is not."""
    kept = dict(os.environ)
    for name in ("LISTEN", "METRICS", "TOKENS", "TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "SERVER"):
        kept.pop(f"FRAMECACHE_{name}", None)
    return kept


def _tail(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    return " / ".join(lines[-3:]) or "it said nothing"


def arguments(options: Mapping[str, Any]) -> List[str]:
    """Of `framecache serve`, by what a client was given."""
    found = []
    for name, value in options.items():
        flag = f"--{name.rstrip('s').replace('_', '-')}" if name.startswith("source") else f"--{name}"
        several = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
        for each in several:
            if isinstance(each, bool) or not isinstance(each, (str, os.PathLike, int)):
                raise invalid(f"{name} cannot be {value!r}", name)
            found += [flag, os.fspath(each) if isinstance(each, os.PathLike) else str(each)]
    return found
