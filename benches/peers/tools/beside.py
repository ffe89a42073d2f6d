"""framecache with media in a process of its own, and an earlier build of it: the same command line, from its start."""

import os

from tools import framecache

BEFORE = os.environ.get("FRAMECACHE_BEFORE")
PROGRAMS = {"apart": [framecache.BINARY, "--isolation", "process"], "before": [BEFORE]}
START = [framecache.BINARY, "--version"]


def commands(job, variant):
    program, *more = PROGRAMS[variant]
    return framecache.extract([program], job, [*framecache.HOW["phash"], *more])
