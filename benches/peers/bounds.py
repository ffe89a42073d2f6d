"""What is promised: each a sentence, what was measured, and what it must be at least, or at most."""

import statistics
from dataclasses import dataclass

SIZE_TOLERANCE = 0.05
# Of the limit, by CPU seconds.
LIMIT_SHARE = 0.9
FIRST_FRAME = 1.5


@dataclass
class Bound:
    what: str
    clip: str
    value: float
    # None: only stated.
    bound: float | None
    # False: at most.
    at_least: bool = True

    @property
    def met(self):
        if self.bound is None:
            return True
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def row(self):
        if self.bound is None:
            return f"| {self.what} | {self.clip} | {self.value:.2f} | | |"
        sign = "≥" if self.at_least else "≤"
        return f"| {self.what} | {self.clip} | {self.value:.2f} | {sign} {self.bound:g} | {'yes' if self.met else '**no**'} |"


# How many times as fast as the best peer: every frame by codec, 2 frames a second by codec and length of its groups.
EVERY_FRAME = {"h264": 1.45, "hevc": 1.25, "vp9": 1.25, "av1": 1.25}
FPS2 = {("h264", 250): 1.8, ("h264", 30): 2.1, ("hevc", 250): 1.5, ("vp9", 250): 1.1, ("av1", 250): 1.1}
RANDOM_TIMES = 1.6
# Shorter clips are two groups, most of which everybody decodes.
RANDOM_SECONDS = 30
# Both ways of counting, ours and theirs alike.
COUNTED = {"whole": "starts counted", "started": "no start counted"}


def bounds(results, clips):
    """Of `results[workload, clip][contender]`, lists of samples."""
    for (workload, name), by in results.items():
        for counted in COUNTED:
            yield from compared(workload, clips[name], medians(by, counted), COUNTED[counted])
    yield from shares(results)
    yield from sizes(results)


def medians(by, counted):
    return {key: statistics.median(getattr(s, counted).seconds for s in samples) for key, samples in by.items() if samples}


def compared(workload, clip, seconds, counted):
    """`seconds` by contender, all of one way of counting."""
    if workload == "all":
        yield from best(f"every frame, {counted}", clip.name, seconds, EVERY_FRAME[clip.codec])
    elif workload == "fps2":
        yield from best(f"2 frames a second, {counted}", clip.name, seconds, FPS2[clip.codec, clip.gop])
    elif workload == "times":
        yield from best(f"ten random times, {counted}", clip.name, seconds, RANDOM_TIMES if clip.seconds >= RANDOM_SECONDS else None)
    elif workload == "first" and "framecache" in seconds and "reach" in seconds:
        times = seconds["framecache"] / seconds["reach"]
        yield Bound(f"first frame, {counted}: times libavcodec's own time", clip.name, times, FIRST_FRAME, at_least=False)


def best(what, clip, seconds, bound):
    """How many times as fast as the fastest peer."""
    peers = {key: s for key, s in seconds.items() if not key.startswith("framecache")}
    if "framecache" in seconds and peers:
        peer = min(peers, key=peers.get)
        yield Bound(f"{what}: times as fast as the best peer, {peer}", clip, peers[peer] / seconds["framecache"], bound)


def median(results, workload, clip, contender):
    """CPU seconds of the work alone, without a start."""
    samples = results.get((workload, clip), {}).get(contender)
    return statistics.median(s.started.cpu_seconds for s in samples) if samples else None


def limit(results, workload, clip):
    """CPU seconds that no arrangement can beat: of decoding and of encoding, each alone."""
    decode = median(results, "decode", clip, "decode-sparse" if workload == "fps2" else "decode-framecache")
    encode = median(results, "encode", clip, "encode-framecache")
    if not decode or not encode:
        return None
    # `encode` is of every frame.
    return decode, encode / 15 if workload == "fps2" else encode


def shares(results):
    for (workload, clip), by in results.items():
        least = limit(results, workload, clip) if workload in ("all", "fps2") else None
        if least and by.get("framecache"):
            share = sum(least) / median(results, workload, clip, "framecache")
            yield Bound(f"{workload}: share of the limit (CPU seconds of decoding and encoding alone)", clip, share, LIMIT_SHARE)


def sizes(results):
    """JPEGs of one size, or the comparison is none: who is furthest from ours."""
    for (workload, clip), by in results.items():
        mean = {key: samples[-1].bytes / samples[-1].files for key, samples in by.items() if samples and samples[-1].files}
        ours = mean.pop("framecache", None)
        apart = {key: max(size / ours, ours / size) for key, size in mean.items()} if ours else {}
        if apart:
            key = max(apart, key=apart.get)
            what = f"{workload}: JPEG bytes, the furthest from framecache's ({key}), larger to smaller"
            yield Bound(what, clip, apart[key], 1 + SIZE_TOLERANCE, at_least=False)
