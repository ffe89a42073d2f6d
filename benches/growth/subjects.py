"""What grows, and what is measured of each size: `prepared` gives the plot's lines as functions, each one run."""

import functools
import json
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import clips
from tools.framecache import BINARY

RATE = 30
SMALL_SECONDS = 10
CLIENT_FRAMES = 300


@dataclass(frozen=True)
class Subject:
    title: str
    unit: str
    sizes: tuple
    prepared: Callable
    # Of seconds beyond the start; memory should have none.
    slope: int = 1


def small():
    """10 s of 64x36, a cut every second: its decoding costs next to nothing."""
    path = clips.FOLDER / "small.mp4"
    if not path.exists():
        clips.FOLDER.mkdir(parents=True, exist_ok=True)
        source = ["-f", "lavfi", "-i", f"testsrc2=size=64x36:rate={RATE}:duration={SMALL_SECONDS}"]
        clips.ffmpeg(*source, "-c:v", "libx264", "-preset", "veryfast", "-bf", 0, "-g", RATE, "-pix_fmt", "yuv420p", path)
    return path


def long(seconds):
    """So many seconds of it, a multiple of 10."""
    path = clips.FOLDER / f"small-{seconds}.mp4"
    if not path.exists():
        part = path.with_name(f"part-{path.name}")
        clips.repeat(small(), -(-seconds // SMALL_SECONDS), part)
        part.rename(path)
    return path


def command(store, *words):
    return [BINARY, *words, "--store", store]


def extract(store, *words):
    return command(store, "extract", "--timeline", "t", "--backend", "cpu", *words)


def fresh(launcher, store, *commands):
    """A run that starts with an empty store."""

    def run():
        shutil.rmtree(store, ignore_errors=True)
        return launcher.run(commands)

    return run


@contextmanager
def frames(count, launcher, store):
    source = long(max(SMALL_SECONDS, -(-count // RATE)))
    yield {"extract --all": fresh(launcher, store, extract(store, "--all", "--to", f"{count}/{RATE}", source))}


@contextmanager
def hours(seconds, launcher, store):
    source = long(seconds)
    yield {
        "plan, --fps 2": fresh(launcher, store, extract(store, "--plan-only", "--fps", "2", source)),
        "plan, --all": fresh(launcher, store, extract(store, "--plan-only", "--all", source)),
        "ten frames": fresh(launcher, store, extract(store, "--count", "10", source)),
    }


@contextmanager
def chunks(count, launcher, store):
    rows = Path(f"{store}.jsonl")
    rows.parent.mkdir(parents=True, exist_ok=True)
    rows.write_text((json.dumps({"uri": str(small())}) + "\n") * count)
    yield {
        "plan, --fps 2": fresh(launcher, store, extract(store, "--plan-only", "--fps", "2", "--chunks", rows)),
        "a frame of each": fresh(launcher, store, extract(store, "--fps", f"1/{SMALL_SECONDS}", "--chunks", rows)),
        "all there already": functools.partial(again, launcher, store, rows),
    }


def again(launcher, store, rows):
    """After the line before: everything is committed."""
    return launcher.run([extract(store, "--fps", f"1/{SMALL_SECONDS}", "--chunks", rows)])


@contextmanager
def timeline(count, launcher, store):
    """Records of so many frames; dedup stores one picture a span, so that it is the records that grow."""
    source = long(max(SMALL_SECONDS, -(-count // RATE)))
    make = extract(store, "--all", "--dedup", "64", "--to", f"{count}/{RATE}", source)
    last = f"{count - 1}"
    yield {
        "extract, records only": fresh(launcher, store, make),
        "list": lambda: launcher.run([command(store, "frames", "t", "--json")]),
        "list over gRPC": functools.partial(served, launcher, store, lambda at: ["frames", "t", "--json", "--server", at]),
        "how it stands": lambda: launcher.run([command(store, "timelines", "t", "--json")]),
        "get the last frame": lambda: launcher.run([command(store, "get", "t", "--seq", last, "--out", f"{store}-out")]),
    }


def served(launcher, store, words):
    """One client of a server that was just started; the memory is the server's."""
    with server(store) as (at, peak):
        told = launcher.run([[BINARY, *words(at)]])
        return {"seconds": told["seconds"], "peak_mib": peak()}


@contextmanager
def server(store):
    # Its log into a file: a pipe that nobody reads on would fill, and hold the server up.
    log = Path(f"{store}.log")
    with open(log, "w") as out:
        program = subprocess.Popen([str(word) for word in command(store, "serve", "--listen", "127.0.0.1:0", "--metrics", "none")],
                                   stderr=out, cwd=clips.FOLDER)  # fmt: skip
    try:
        at = listening(log)
        status = Path(f"/proc/{program.pid}/status")
        yield at, lambda: int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    finally:
        program.terminate()
        program.wait()
        log.unlink()


def listening(log):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for line in log.read_text().splitlines():
            if "serving on " in line:
                return line.rpartition(" ")[2].strip()
        time.sleep(0.02)
    raise TimeoutError(f"the server did not start: {log.read_text()[-300:]}")


@contextmanager
def clients(count, launcher, store):
    """So many at once, each taking the same frames, which are in the server's memory."""
    launcher.run([extract(store, "--all", small())])
    with server(store) as (at, peak):
        get = [str(word) for word in (BINARY, "get", "t", "--seq", f"0-{CLIENT_FRAMES - 1}", "--format", "base64", "--server", at)]
        subprocess.run(get, check=True, stdout=subprocess.DEVNULL)
        yield {f"{CLIENT_FRAMES} frames each": lambda: together(count, get, peak)}


def together(count, words, peak):
    began = time.perf_counter()
    programs = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(count)]
    failed = [program for program in programs if program.wait() != 0]
    assert not failed, f"{len(failed)} of {count} clients failed"
    return {"seconds": time.perf_counter() - began, "peak_mib": peak()}


SUBJECTS = {
    "frames": Subject("Frames extracted", "frames", (1, 10, 100, 1000, 10_000), frames),
    "hours": Subject("Length of the video", "seconds", (10, 100, 1000, 3600, 10_000, 36_000), hours),
    "chunks": Subject("Chunks of 10 s", "chunks", (1, 10, 100, 1000), chunks),
    "clients": Subject("Clients at once", "clients", (1, 4, 16, 64), clients),
    "timeline": Subject("Frames of a timeline", "frames", (1, 10, 100, 1000, 10_000, 100_000, 1_000_000), timeline),
}
