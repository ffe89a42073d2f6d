"""What is asked of everybody: which frames of which clip, as JPEGs, where."""

import json
import random
from dataclasses import asdict, dataclass

from clips import RATE

TIMES = 10
# A chunk of 10 s is asked for its first frame; it begins in the middle of a group of 30, and far from a key frame at GOP 250.
CHUNK_START, CHUNK_SECONDS = 15.5, 10


@dataclass
class Job:
    """One piece of work. `indices`: the frames wanted, ascending, numbers from 0 in the order shown."""

    workload: str
    clip: str
    indices: list
    rate: int
    out: str
    threads: int
    quality: int = 0

    def json(self):
        return json.dumps(asdict(self))


# Name in the report, by workload.
WORKLOADS = {
    "all": "Every frame",
    "fps2": "2 frames a second",
    "times": "Ten random times, open included",
    "first": f"First frame of a chunk of {CHUNK_SECONDS} s",
    "decode": "Decode alone",
    "assume": "What the planner assumes: decoding alone, every frame",
    "encode": "Encode alone",
}

# What is asked of peers; the other workloads are what nobody can beat, and no program's start is part of them.
COMPARED = ("all", "fps2", "times", "first")


def indices(workload, clip):
    if workload == "fps2":
        return list(range(0, clip.frames, RATE // 2))
    if workload == "times":
        return sorted(random.Random(20261120).sample(range(clip.frames), TIMES))
    if workload == "first":
        return [int(CHUNK_START * RATE)]
    return list(range(clip.frames))


def applies(workload, clip):
    """The hour is for random times; a chunk needs 25 s of video."""
    if clip.loops > 1:
        return workload == "times"
    return workload != "first" or clip.seconds >= CHUNK_START + CHUNK_SECONDS
