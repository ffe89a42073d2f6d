"""Untidy media of every codec and container: the pictures of a plain decode in order, by every sampling, window and worker count.

Pictures show their numbers, so that what is compared is which picture stands under which number and time, and then bytes.
"""

import io
import subprocess
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from .media import numbered, untidy
from .media.make import CannotMake
from .support import timelines

WIDTH, HEIGHT = numbered.SIZE


def plain(path):
    """The numbers of the pictures that ffmpeg decodes, in its order."""
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-threads", "1", "-noautorotate", "-i", str(path), "-map", "0:V:0", "-fps_mode",
               "passthrough", "-vf", f"crop={WIDTH}:{HEIGHT}:0:0,format=gray", "-f", "rawvideo", "-"]
    luma = np.frombuffer(subprocess.run(command, capture_output=True, timeout=120).stdout, np.uint8)
    return [numbered.read(picture) for picture in luma.reshape(-1, HEIGHT, WIDTH)]


def number_of(jpeg):
    with Image.open(io.BytesIO(jpeg)) as picture:
        return numbered.read(np.asarray(picture.convert("L")))


def chunk_of(told, facts):
    """What the model needs, from the frames of a run with --all."""
    times = [Fraction(f["timestamp"]).limit_denominator(10**7) for f in facts]
    end = Fraction(told["media_seconds"]).limit_denominator(10**7)
    num, den = facts[0]["time_base"].split("/")
    return timelines.Chunk(Fraction(0), times, end, Fraction(int(num), int(den)), [f["keyframe"] for f in facts])


def samplings(chunk):
    """{options: the model's frames}. Times lie between frames, since a fact's are rounded to f64."""
    chunks, length = [chunk], chunk.end
    low, high = (between(chunk, share) for share in (Fraction(3, 10), Fraction(7, 10)))
    window = ["--from", str(low), "--to", str(high)]
    times = [between(chunk, Fraction(k, 10)) for k in (1, 4, 5, 8)]
    found = {
        ("--every", "5"): timelines.by_every(chunks, 5),
        ("--keyframes",): timelines.by_keyframes(chunks),
        ("--at", ",".join(map(str, times))): timelines.by_times(chunks, times),
        ("--all", *window): timelines.by_every(chunks, 1, (low, high)),
        ("--every", "3", *window): timelines.by_every(chunks, 3, (low, high)),
        ("--at", str(between(chunk, Fraction(1)))): timelines.by_times(chunks, [between(chunk, Fraction(1))]),
    }
    if length < 20:
        # Rates and counts whose times are no frame's.
        found["--fps", "7.3"] = {k: f for k, f in timelines.by_fps(chunks, Fraction("7.3")).items()}
    return found


def between(chunk, share):
    """A time in the middle of a frame, so far into them."""
    k = min(int(share * len(chunk.times)), len(chunk.times) - 1)
    after = chunk.times[k + 1] if k + 1 < len(chunk.times) else max(chunk.end, chunk.times[k] + Fraction(1, 500))
    return ((chunk.times[k] + after) / 2).limit_denominator(10**6)


def expected_times(fault, frames):
    """Seconds of each frame after the first, where the recipe says them."""
    gap = 20 if fault.startswith("pause") else 0
    return [Fraction(k, untidy.RATE) + (gap if k >= 20 else 0) for k in range(frames)]


@pytest.mark.parametrize("name", untidy.names())
def test_untidy_media_gives_the_pictures_of_a_plain_decode_by_every_way(fc, name):
    try:
        source = untidy.clip(name)
    except CannotMake as why:
        pytest.skip(f"this ffmpeg cannot make it: {why}")
    want = plain(source)
    assert want and None not in want
    fault = name.split("-")[0]
    told = extract(fc, "all", "--all", "--workers", "1", source)
    facts, jpegs = fc.frames("all"), fc.jpegs("all")
    assert [f["seq"] for f in facts if f.get("damaged")] == []
    assert [number_of(jpegs[f["seq"]]) for f in facts if not f.get("missing")] == want
    # A picture that the decoder does not deliver here, ffmpeg's does not either.
    assert len(facts) <= untidy.coded(name)
    times = [f["timestamp"] for f in facts]
    assert all(a < b for a, b in zip(times, times[1:])), "times do not rise"
    assert times == pytest.approx([float(t) for t in expected_times(fault, len(facts))], abs=0.002)
    assert_same_by_every_way(fc, source, chunk_of(told, facts), jpegs)


def extract(fc, timeline, *options):
    done = fc.extract(timeline, "--hash", "none", *options, code=None)
    assert done.code in (0, 3), done.describe()
    return done.json


def assert_same_by_every_way(fc, source, chunk, jpegs):
    for workers in (2, 4):
        extract(fc, f"workers{workers}", "--all", "--workers", workers, source)
        assert fc.jpegs(f"workers{workers}") == jpegs, f"other bytes with {workers} workers"
    for k, (options, want) in enumerate(samplings(chunk).items()):
        extract(fc, f"t{k}", *options, source)
        there = {seq: jpegs[frame] for seq, (_, frame) in want.items() if frame in jpegs}
        assert fc.jpegs(f"t{k}") == there, " ".join(options)
