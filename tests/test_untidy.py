"""Untidy media of every codec and container: the pictures of a plain decode in order, by every sampling, window and worker count.

Pictures show their numbers, so that what is compared is which picture stands under which number and time, and then bytes.
"""

import io
import itertools
import subprocess
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from .media import kinds, numbered, untidy
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
    chunks = [chunk]
    low, high = (between(chunk, share) for share in (Fraction(3, 10), Fraction(7, 10)))
    window = ["--from", str(low), "--to", str(high)]
    times = [between(chunk, Fraction(k, 10)) for k in (1, 4, 5, 8)]
    return {
        ("--every", "5"): timelines.by_every(chunks, 5),
        ("--keyframes",): timelines.by_keyframes(chunks),
        ("--at", ",".join(map(str, times))): timelines.by_times(chunks, times),
        ("--all", *window): timelines.by_every(chunks, 1, (low, high)),
        ("--every", "3", *window): timelines.by_every(chunks, 3, (low, high)),
        ("--at", str(between(chunk, Fraction(1)))): timelines.by_times(chunks, [between(chunk, Fraction(1))]),
        # Rates whose times are no frame's.
        ("--fps", "7.3"): timelines.by_fps(chunks, Fraction("7.3")),
        ("--count", "7"): timelines.by_count(chunks, 7),
    }


def between(chunk, share):
    """A time in the middle of a frame, so far into them."""
    k = min(int(share * len(chunk.times)), len(chunk.times) - 1)
    after = chunk.times[k + 1] if k + 1 < len(chunk.times) else max(chunk.end, chunk.times[k] + Fraction(1, 500))
    return ((chunk.times[k] + after) / 2).limit_denominator(10**6)


def expected_times(fault, frames):
    """Seconds of each frame after the first, where the recipe says them."""
    gap = 20 if fault.startswith("pause") else 0
    return [Fraction(k, untidy.RATE) + (gap if k >= 20 else 0) for k in range(frames)]


# With every change: of each fault one codec that reorders, one that does not, and one whose bitstream is not read.
OFTEN = {"h264", "hevc_open", "mpeg2", "mpeg4_b", "vp8", "msmpeg4"}
# And where libavformat guesses a time that the container does not hold.
GUESSED = {"tidy-mpeg1.avi"}


# Of a file a sixth of the ways, of the next one another; all of them in the slow suite.
SHARES = 6


def often(name):
    return name in GUESSED or name.split("-")[1].split(".")[0] in OFTEN


def tried(names, with_every_change):
    """(name, which of the ways)."""
    some = [pytest.param(name, slice(k % SHARES, None, SHARES), id=name) for k, name in enumerate(with_every_change)]
    return some + [pytest.param(name, slice(None), id=f"{name}-by_all", marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name, which", tried(untidy.names(), filter(often, untidy.names())))
def test_untidy_media_gives_the_pictures_of_a_plain_decode_by_every_way(fc, name, which):
    facts = assert_plain_by_every_way(fc, made(untidy.clip, name), which)
    # A picture that the decoder does not deliver here, ffmpeg's does not either.
    assert len(facts) <= untidy.coded(name)
    want = expected_times(name.split("-")[0], len(facts))
    assert [f["timestamp"] for f in facts] == pytest.approx([float(t) for t in want], abs=0.002)


@pytest.mark.parametrize("name, which", tried(kinds.KINDS, kinds.KINDS))
def test_a_further_kind_of_media_gives_the_pictures_of_a_plain_decode_by_every_way(fc, name, which):
    assert_plain_by_every_way(fc, made(kinds.clip, name), which)


def made(make, name):
    try:
        return make(name)
    except CannotMake as why:
        pytest.skip(f"this ffmpeg cannot make it: {why}")


def assert_plain_by_every_way(fc, source, which):
    """The facts of all frames."""
    # A plain decode that begins between cut points shows what cannot be decoded.
    want = list(itertools.dropwhile(lambda number: number is None, plain(source)))
    assert want and None not in want
    told = extract(fc, "all", "--all", "--workers", "1", source)
    facts, jpegs = fc.frames("all"), fc.jpegs("all")
    if not source.name.startswith("cut_short"):
        assert [f["seq"] for f in facts if f.get("damaged")] == []
    numbers = [number_of(jpegs[f["seq"]]) for f in facts if not f.get("missing")]
    # Where sizes change, libavcodec alone loses the MPEG-2 picture that it held back: then none is lost here.
    assert numbers == want or (set(want) < set(numbers) and numbers == list(range(len(facts))))
    times = [f["timestamp"] for f in facts]
    assert all(a < b for a, b in zip(times, times[1:])), "times do not rise"
    assert_same_by_every_way(fc, source, chunk_of(told, facts), jpegs, which)
    return facts


def extract(fc, timeline, *options):
    done = fc.extract(timeline, "--hash", "none", *options, code=None)
    assert done.code in (0, 3), done.describe()
    return done.json


def assert_same_by_every_way(fc, source, chunk, jpegs, which):
    all_of_them = {seq: (None, seq) for seq in range(len(chunk.times))}
    ways = [(("--all", "--workers", str(workers)), all_of_them) for workers in (2, 4)]
    ways += samplings(chunk).items()
    for k, (options, want) in enumerate(ways[which]):
        extract(fc, f"t{k}", *options, source)
        there = {seq: jpegs[frame] for seq, (_, frame) in want.items() if frame in jpegs}
        assert fc.jpegs(f"t{k}") == there, " ".join(options)
