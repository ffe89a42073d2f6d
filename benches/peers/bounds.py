"""What is promised: each a sentence, what was measured, and what it must be at least, or at most."""

import statistics
from dataclasses import dataclass

SIZE_TOLERANCE = 0.05
# Where decoding is the limit.
DECODE_SHARE = 0.85
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


# Every frame: how many times as fast as each.
EVERY_FRAME = {
    "framecache": [("ffmpeg", 1.6), ("pyav-threads", 1.0), ("decord", 2.0), ("pyav-pillow", 2.0), ("opencv", 1.4)],
    "framecache-nohash": [("pyav-threads", 1.15)],
}
FPS2 = {250: 1.2, 30: 2.3}
RANDOM_TIMES = 1.5


def bounds(results, clips):
    """Of `results[workload, clip][contender]`, lists of samples."""
    for (workload, name), by in results.items():
        clip = clips[name]
        medians = {key: statistics.median(s.seconds for s in samples) for key, samples in by.items() if samples}
        ours = medians.get("framecache")
        peers = {key: seconds for key, seconds in medians.items() if not key.startswith("framecache")}
        if workload == "all" and "h264" in name:
            yield from every_frame(name, medians)
        elif workload == "fps2" and ours and peers and "h264" in name:
            yield Bound("2 frames a second: times as fast as the best peer", name, min(peers.values()) / ours, FPS2[clip.gop])
        elif workload == "times" and ours and peers:
            for counted, seconds in ways(ours, medians):
                yield Bound(f"ten random times, {counted}: times as fast as the best peer", name, min(peers.values()) / seconds, RANDOM_TIMES)
        elif workload == "first" and ours and "reach" in medians:
            for counted, seconds in ways(ours, medians):
                yield Bound(f"first frame, {counted}: times libavcodec's own time", name, seconds / medians["reach"], FIRST_FRAME, at_least=False)
    yield from shares(results)
    yield from sizes(results)


def ways(ours, medians):
    """Our seconds as a whole program, and from after its start, as those that it is compared with are counted."""
    yield "its start counted", ours
    if "framecache-started" in medians:
        yield "from after its start", medians["framecache-started"]


def every_frame(name, medians):
    for ours, peers in EVERY_FRAME.items():
        for peer, bound in peers:
            if ours in medians and peer in medians:
                yield Bound(f"every frame, {ours}: times as fast as {peer}", name, medians[peer] / medians[ours], bound)


def median(results, workload, clip, contender):
    samples = results.get((workload, clip), {}).get(contender)
    return statistics.median(s.seconds for s in samples) if samples else None


def limit(results, workload, clip):
    """Seconds that no arrangement on the same cores can beat: of decoding and of encoding, each alone on all of them."""
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
            decode, encode = least
            share = (decode + encode) / median(results, workload, clip, "framecache")
            bound = DECODE_SHARE if encode < decode / 4 else None
            yield Bound(f"{workload}: share of the limit (decoding and encoding alone)", clip, share, bound)


def sizes(results):
    """JPEGs of one size, or the comparison is none."""
    for (workload, clip), by in results.items():
        mean = {key: samples[-1].bytes / samples[-1].files for key, samples in by.items() if samples and samples[-1].files}
        ours = mean.get("framecache")
        for key, size in mean.items():
            if ours and key != "framecache" and abs(size / ours - 1) > SIZE_TOLERANCE:
                apart = max(size / ours, ours / size)
                yield Bound(f"{workload}: JPEG bytes of {key} and framecache, larger to smaller", clip, apart, 1 + SIZE_TOLERANCE, at_least=False)
