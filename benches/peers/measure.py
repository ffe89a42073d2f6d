"""One contender on one job: its time, its memory, and what it wrote."""

import json
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# How often a start is measured, for its median.
STARTS = 5


class Failed(Exception):
    """The contender could not do it, or its frames are wrong."""


@dataclass
class Cost:
    seconds: float
    cpu_seconds: float


@dataclass
class Sample:
    # Of programs from their start to their end, all that a tool needs for the job.
    whole: Cost
    # The same without what they take to start: loading, imports.
    started: Cost
    peak_mib: float
    files: int
    bytes: int


class Launcher:
    """launch.py, running."""

    def __init__(self):
        command = [sys.executable, "-S", str(HERE / "launch.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def run(self, commands):
        self.process.stdin.write(json.dumps([[str(word) for word in command] for command in commands]) + "\n")
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def worker(contender, *job):
    return [sys.executable, HERE / "worker.py", contender.module, contender.variant, contender.encoder, *job]


def version(contender):
    """Of a Python tool; Failed where it cannot be imported."""
    run = subprocess.run([str(word) for word in worker(contender)], capture_output=True, text=True)
    if run.returncode:
        raise Failed(run.stderr.strip().splitlines()[-1][:200])
    return run.stdout.strip()


def run(launcher, contender, job, check):
    """Does the job on an empty folder; `check(job)` raises Failed where what was written is wrong. Emptying is not timed."""
    commands = contender.tool.commands(job, contender.variant) if contender.program else [worker(contender, job.json())]
    told = attempt(launcher, job, commands, check)
    without_start = started(launcher, contender, job, check, told, len(commands))
    sizes = [path.stat().st_size for path in jpegs(job)]
    return Sample(cost(told), without_start, told["peak_mib"], len(sizes), sum(sizes))


def attempt(launcher, job, commands, check):
    shutil.rmtree(job.out, ignore_errors=True)
    Path(job.out).mkdir(parents=True)
    told = launcher.run(commands)
    check(job)
    return told


def started(launcher, contender, job, check, told, count):
    """As the program says itself; else as another that does the same says; else without the start of each of its commands."""
    if told["started"]:
        return cost(told["started"])
    tool = contender.tool
    if hasattr(tool, "after_start"):
        return cost(attempt(launcher, job, tool.after_start(job, contender.variant), check)["started"])
    starts = [cost(launcher.run([tool.START])) for _ in range(STARTS)]
    seconds, cpu_seconds = (statistics.median(getattr(s, name) for s in starts) for name in ("seconds", "cpu_seconds"))
    return Cost(told["seconds"] - count * seconds, told["cpu_seconds"] - count * cpu_seconds)


def cost(told):
    return Cost(told["seconds"], told["cpu_seconds"])


def jpegs(job):
    """In the order of their numbers, whatever they count from."""
    return sorted(Path(job.out).rglob("*.jpg"), key=lambda path: int(path.stem))
