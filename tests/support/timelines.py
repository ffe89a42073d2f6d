"""A small model of the contract's sampling rules, in exact rationals, over frames that ffprobe listed."""

from dataclasses import dataclass
from fractions import Fraction

from .oracle import probe, shown_at


@dataclass
class Chunk:
    """Frames of one source on the timeline's clock."""

    start: Fraction
    times: list
    end: Fraction
    time_base: Fraction
    keyframes: list


def chunk_of(path, start=Fraction(0)):
    stream = probe(path)
    times = [start + t for t in stream.times()]
    keys = [bool(f["key_frame"]) for f in stream.frames]
    return Chunk(start, times, start + stream.end, stream.time_base, keys)


def chain(paths):
    """Chunks one after the other, each starting where the one before ends."""
    chunks, start = [], Fraction(0)
    for path in paths:
        chunks.append(chunk_of(path, start))
        start = chunks[-1].end
    return chunks


def all_frames(chunks):
    """(chunk index, frame index) of every owned frame, in time order."""
    return [(c, k) for c, chunk in enumerate(chunks) for k, t in enumerate(chunk.times) if owns(chunks, c, t)]


def owns(chunks, c, t):
    end = min([chunks[c].end, *(after.start for after in chunks[c + 1 : c + 2])])
    return chunks[c].start <= t < end


def shown(chunks, t):
    """(chunk index, frame index) shown at t, or None in a hole."""
    for c, chunk in enumerate(chunks):
        if owns(chunks, c, t):
            k = shown_at(chunk.times, t, chunk.time_base)
            return None if k is None else (c, k)
    return None


def in_window(chunks, frames, window):
    low, high = window or (Fraction(0), chunks[-1].end)
    return [f for f in frames if low <= chunks[f[0]].times[f[1]] < high]


def by_fps(chunks, fps, window=None):
    """{sequence: (chunk, frame)}: sample k is the frame shown at k/fps; a window leaves numbers out."""
    low, high = window or (Fraction(0), chunks[-1].end)
    found, k = {}, 0
    while k / fps < min(high, chunks[-1].end):
        at = shown(chunks, k / fps) if k / fps >= low else None
        if at is not None:
            found[k] = at
        k += 1
    return found


def by_every(chunks, n, window=None):
    # Each n-th frame of the timeline; those that the window holds are numbered one after the other.
    return dict(enumerate(in_window(chunks, all_frames(chunks)[::n], window)))


def by_keyframes(chunks):
    return dict(enumerate((c, k) for c, k in all_frames(chunks) if chunks[c].keyframes[k]))


def by_times(chunks, times):
    return dict(enumerate(shown(chunks, t) for t in sorted(set(times))))


def by_count(chunks, n, window=None):
    low, high = window or (Fraction(0), chunks[-1].end)
    return by_times(chunks, [low + (high - low) * (2 * k + 1) / (2 * n) for k in range(n)])
