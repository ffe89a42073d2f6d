"""What a frame costs beside its decoding: conversion, hashes, JPEG, record. Two builds in turns, in CPU seconds.

usage: beside.py BEFORE NOW VIDEO [--rounds N] [ARGUMENT OF extract...]

VIDEO is one group of pictures without B pictures, so that its last frame alone takes decoding all of them: what the
rest adds is what developing them costs. Each command is measured by its own getrusage, so it matters little who else
is at work; builds take turns, and the one that goes first does.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile


def run(program, video, arguments):
    """CPU seconds of an extraction into an empty store, user's and system's, and its frames."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as store, tempfile.TemporaryFile() as out:
        command = [program, "extract", "--json", "--store", store, "--backend", "cpu", "--timeline", "beside", *arguments]
        process = subprocess.Popen([*command, video], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{program} exited {process.returncode}")
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, json.load(out)["frames"]


def beside(program, video, last, arguments):
    """Milliseconds of CPU a frame, beside decoding."""
    everything, frames = run(program, video, ["--all", *arguments])
    decoding, one = run(program, video, ["--at", last, *arguments])
    return 1000 * (everything - decoding) / (frames - one)


def last_time(program, video):
    """When the last frame is shown."""
    command = [program, "probe", "--json", video]
    probe = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return f"{probe['video']['duration'] - 0.01:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("now")
    parser.add_argument("video")
    parser.add_argument("--rounds", type=int, default=15)
    options, arguments = parser.parse_known_args()
    last = last_time(options.now, options.video)
    pairs = []
    for round in range(options.rounds):
        programs = [options.before, options.now]
        order = programs if round % 2 == 0 else programs[::-1]
        took = {program: beside(program, options.video, last, arguments) for program in order}
        pairs.append([took[program] for program in programs])
    before, now = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(now / before for before, now in pairs)
    print(f"before {before:.2f} ms, now {now:.2f} ms of CPU a frame; ratio {ratio:.2f}, medians of {len(pairs)} rounds")


if __name__ == "__main__":
    main()
