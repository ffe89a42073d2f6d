"""benches/limits.rs: what no arrangement of the work can beat. Prints the time of the work alone."""

import os


def commands(job, variant):
    limits = os.environ["FRAMECACHE_LIMITS"]
    arguments = {
        "decode": ["decode", job.clip, job.threads],
        "sparse": ["decode", job.clip, job.threads, job.rate // 2],
        **{how: ["assume", job.clip, job.threads, how] for how in ("run", "groups", "needed", "threads")},
        "encode": ["encode", job.clip, job.threads, len(job.indices), job.quality],
        "reach": ["reach", job.clip, job.threads, job.indices[0] / job.rate],
    }[variant]
    return [[limits, *arguments]]
