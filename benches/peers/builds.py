"""Times builds of framecache beside each other, in turns: an earlier one, this one, and this one with media apart.

usage: builds.py BEFORE NOW [--rounds 7] [--clips NAME,…] [--workloads NAME,…]

The clips and workloads of run.py, as command lines from their start to their end. In each round each takes its turn, and
who is first goes round; a ratio is the median of the rounds' own, which says more than one of medians where a machine's
speed drifts, with the interval that holds it nine times in ten. Short workloads get more rounds.
"""

import argparse
import math
import os
import resource
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import clips
import jobs
from tools import framecache

QUALITY = 85
WAYS = ["before", "now", "apart"]
# Rounds of what takes less than so many seconds, as a multiple.
SHORT = [(0.7, 5), (3.0, 2)]


def took(command, folder):
    """(seconds, CPU seconds) of a command on an empty store."""
    shutil.rmtree(folder, ignore_errors=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    seconds, now = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def interval(ratios):
    """Order statistics around the median, between which it is nine times in ten (binomial)."""
    ratios, count = sorted(ratios), len(ratios)
    below = 0
    while below < count // 2 and sum(math.comb(count, k) for k in range(below + 1)) / 2**count <= 0.05:
        below += 1
    first = max(0, below - 1)
    return ratios[first], ratios[count - 1 - first]


def measured(programs, job, rounds):
    """{way: [(seconds, CPU seconds)]}"""
    commands = {way: framecache.extract(program, job, ["--hash", "phash", *more])[0] for way, (program, *more) in programs.items()}
    first = max(took(command, job.out)[0] for command in commands.values())
    times = next((times for least, times in SHORT if first < least), 1)
    samples = {way: [] for way in commands}
    for n in range(rounds * times):
        turn = n % len(WAYS)
        for way in WAYS[turn:] + WAYS[:turn]:
            samples[way].append(took(commands[way], job.out))
    return samples


def compared(samples):
    """Cells of a table: seconds and CPU seconds of now over before, and of apart over now."""
    cells = []
    for way, base in [("now", "before"), ("apart", "now")]:
        for kind in (0, 1):
            ratios = [one[kind] / other[kind] for one, other in zip(samples[way], samples[base], strict=True)]
            least, most = interval(ratios)
            cells.append(f"{statistics.median(ratios):.3f} ({least:.2f} to {most:.2f})")
    return cells


def row(workload, clip, samples):
    words = [workload, clip.name, str(len(samples["now"])), f"{statistics.median(s for s, _ in samples['now']):.2f}", *compared(samples)]
    return f"| {' | '.join(words)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("before", type=Path)
    parser.add_argument("now", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clips", type=words, default=list(clips.CLIPS))
    parser.add_argument("--workloads", type=words, default=list(jobs.COMPARED))
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm"))
    given = parser.parse_args()
    programs = {"before": ([given.before],), "now": ([given.now],), "apart": ([given.now], "--isolation", "process")}
    out = given.scratch / f"framecache-builds-{os.getpid()}"
    print("| workload | clip | rounds | seconds now | now / before | the same, CPU | apart / in process | the same, CPU |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for workload in given.workloads:
        for clip in (clips.CLIPS[name] for name in given.clips):
            if jobs.applies(workload, clip):
                job = jobs.Job(workload, str(clips.make(clip)), jobs.indices(workload, clip), clips.RATE, str(out), len(os.sched_getaffinity(0)), QUALITY)
                print(row(workload, clip, measured(programs, job, given.rounds)), flush=True)
    shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
