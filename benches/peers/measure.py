"""One contender on one job: its time, its memory, and what it wrote."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Failed(Exception):
    """The contender could not do it, or its frames are wrong."""


@dataclass
class Sample:
    seconds: float
    cpu_seconds: float
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


def run(launcher, contender, job):
    """Does the job on an empty folder; emptying is not timed."""
    shutil.rmtree(job.out, ignore_errors=True)
    Path(job.out).mkdir(parents=True)
    commands = contender.tool.commands(job, contender.variant) if contender.program else [worker(contender, job.json())]
    told = launcher.run(commands)
    sizes = [path.stat().st_size for path in jpegs(job)]
    return Sample(told["seconds"], told["cpu_seconds"], told["peak_mib"], len(sizes), sum(sizes))


def jpegs(job):
    """In the order of their numbers, whatever they count from."""
    return sorted(Path(job.out).rglob("*.jpg"), key=lambda path: int(path.stem))
