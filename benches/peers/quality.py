"""The quality at which each encoder's JPEGs are as large as ffmpeg's at its `-q:v 2`, on the same pictures."""

import shutil
import subprocess
from pathlib import Path

import numpy as np

from clips import RATE, SIZES
from jobs import Job
from measure import jpegs
from tools import jpeg
from tools.ffmpeg import QUALITY
from tools.framecache import BINARY

# One picture a second, from the middle of it: frames of these numbers, for everybody.
FIRST = RATE // 2
SELECTED = ["-vf", f"select=eq(mod(n\\,{RATE})\\,{FIRST})", "-fps_mode", "passthrough"]
QUALITIES = range(40, 100)


def pictures(clip, path, pixels, rows):
    width, height = map(int, SIZES[clip.lines].split(":"))
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), *SELECTED, "-pix_fmt", pixels, "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    shape = (-1, height * 3 // 2, width) if rows == "planes" else (-1, height, width, 3)
    return np.frombuffer(raw, np.uint8).reshape(shape)


def nearest(size_at, wanted):
    """The whole quality whose size is nearest; sizes grow with it."""
    sizes = {}
    low, high = QUALITIES[0], QUALITIES[-1]
    while low <= high:
        middle = (low + high) // 2
        sizes[middle] = size_at(middle)
        low, high = (middle + 1, high) if sizes[middle] < wanted else (low, middle - 1)
    return min(sizes, key=lambda q: abs(sizes[q] - wanted))


def fit(clip, path, scratch, encoders):
    """Quality by encoder, for the pictures of this clip: what a quality makes of a picture differs from codec to codec."""
    found = {"ffmpeg": QUALITY, "": 0}
    wanted = ffmpeg_bytes(path, scratch)
    rgb = pictures(clip, path, "rgb24", "rgb")
    yuv = pictures(clip, path, "yuvj420p", "planes")
    for encoder in sorted(set(encoders) - set(found)):
        if encoder == "framecache":
            found[encoder] = nearest(lambda q: framecache_bytes(clip, path, scratch, q), wanted)
            continue
        encode, arrays = getattr(jpeg, encoder), yuv if encoder == "planes" else rgb
        found[encoder] = nearest(lambda q: sum(len(encode(a, q)) for a in arrays), wanted)  # noqa: B023
    return found


def emptied(scratch):
    shutil.rmtree(scratch, ignore_errors=True)
    Path(scratch).mkdir(parents=True)


def written(scratch):
    job = Job("all", "", [], 0, str(scratch), 0)
    return sum(path.stat().st_size for path in jpegs(job))


def ffmpeg_bytes(path, scratch):
    emptied(scratch)
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", path, *SELECTED, "-q:v", str(QUALITY), f"{scratch}/%06d.jpg"], check=True)
    return written(scratch)


def framecache_bytes(clip, path, scratch, quality):
    emptied(scratch)
    at = ",".join(f"{2 * i + 1}/{2 * RATE}" for i in range(FIRST, clip.once, RATE))
    subprocess.run([BINARY, "extract", "--store", scratch, "--timeline", "t", "--backend", "cpu", "--hash", "none", "--quality",
                    str(quality), "--at", at, path], check=True, capture_output=True)  # fmt: skip
    return written(scratch)
