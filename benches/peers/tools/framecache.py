"""framecache's own command line, on an empty store: this build's; with media in a process of its own; an earlier build's."""

import json
import os
from pathlib import Path

from jobs import CHUNK_SECONDS, CHUNK_START

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("FRAMECACHE_BIN", ROOT / "target" / "release" / "framecache"))


def commands(job, variant):
    return extract([BINARY], job, HOW[variant])


def after_start(job, variant):
    """The same command line in a program that tells its time from after its start."""
    return extract([os.environ["FRAMECACHE_LIMITS"], "command"], job, HOW[variant])


HOW = {"phash": ["--hash", "phash"], "none": ["--hash", "none"]}


def extract(program, job, how):
    command = [*program, "extract", "--store", job.out, "--timeline", "t", "--backend", "cpu", "--workers", job.threads,
               "--quality", job.quality, *how]  # fmt: skip
    if job.workload == "first":
        return [[*command, "--at", "0", "--chunks", chunk(job)]]
    # In the middle of a frame's time, which no rounding moves to another one.
    at = ",".join(f"{2 * i + 1}/{2 * job.rate}" for i in job.indices)
    sampling = {"all": ["--all"], "fps2": ["--fps", "2"], "times": ["--at", at]}[job.workload]
    return [[*command, *sampling, job.clip]]


def chunk(job):
    """A stretch of the clip as a chunk of its own."""
    path = Path(job.out).with_suffix(".jsonl")
    row = {"uri": job.clip, "source_start": str(CHUNK_START), "source_end": str(CHUNK_START + CHUNK_SECONDS)}
    path.write_text(json.dumps(row) + "\n")
    return path
