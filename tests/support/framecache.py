"""Runs the `framecache` binary and reads what it leaves behind."""

import io
import json
import os
import resource
import subprocess
import tarfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("FRAMECACHE_BIN", ROOT / "target" / "release" / "framecache"))
# How frames of new profiles lie in all tests: `packed`, or as the binary has it (`make test-packed`).
LAYOUT = os.environ.get("FRAMECACHE_TEST_LAYOUT")
S3_KEYS = {
    "AWS_ACCESS_KEY_ID": "AKTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def clean_environment(**more):
    """This process's environment without what would steer framecache or the AWS SDK, and with `more`."""
    steering = ("FRAMECACHE_", "AWS_", "S3_", "SLURM_", "JOB_COMPLETION_INDEX", "RUST_LOG")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(steering)}
    layout = {"FRAMECACHE_LAYOUT": LAYOUT} if LAYOUT else {}
    return {**kept, **S3_KEYS, **layout, **more}


@dataclass
class Done:
    """A finished command."""

    command: list
    code: int
    out: bytes
    err: str

    @property
    def text(self):
        return self.out.decode()

    @property
    def json(self):
        return json.loads(self.out)

    def describe(self):
        words = " ".join(str(c) for c in self.command)
        return f"{words}\nexit {self.code}\nstdout: {self.out[-1500:].decode(errors='replace')}\nstderr: {self.err[-3000:]}"


@dataclass
class Framecache:
    """The binary over one store; `s3` holds the options and variables of an S3 store."""

    store: str
    options: list = field(default_factory=list)
    environment: dict = field(default_factory=dict)

    def command(self, name, *arguments):
        return [str(BINARY), name, *map(str, arguments), "--store", str(self.store), *self.options]

    def run(self, name, *arguments, code=0, timeout=120, command=None, **more):
        """Runs a subcommand on the store; `code` None accepts any exit status."""
        words = command or self.command(name, *arguments)
        done = run(words, timeout=timeout, environment=self.environment, **more)
        assert code is None or done.code == code, done.describe()
        return done

    def extract(self, timeline, *arguments, **more):
        return self.run("extract", "--timeline", timeline, "--backend", "cpu", "--json", *arguments, **more)

    def frames(self, timeline, *arguments, **more):
        """The facts of every frame, missing ones too."""
        return self.run("frames", timeline, "--json", *arguments, **more).json

    def start(self, name, *arguments, under=(), **more):
        return subprocess.Popen(
            [*under, *self.command(name, *arguments)],
            env=clean_environment(**self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,
        )

    def folder(self, timeline, profile=None):
        """Where a directory store keeps a timeline."""
        below = Path(self.store) / "cache" / "timelines" / timeline
        return below / "profiles" / profile if profile else below

    def jpegs(self, timeline, profile=None):
        """{sequence: JPEG bytes} as they lie in a directory store, loose or packed."""
        folder = self.folder(timeline, profile)
        packed = jpegs_of(path.read_bytes() for path in (folder / "packs").rglob("*.tar"))
        return packed | {int(p.stem): p.read_bytes() for p in (folder / "frames").glob("*.jpg")}

    def place(self, timeline, seq):
        """(file, offset, bytes) of a frame in a directory store, loose or packed."""
        loose = self.folder(timeline) / "frames" / f"{seq}.jpg"
        if loose.exists():
            return loose, 0, loose.stat().st_size
        for path in (self.folder(timeline) / "packs").rglob("*.tar"):
            with tarfile.open(path) as tar:
                if f"{seq}.jpg" in tar.getnames():
                    member = tar.getmember(f"{seq}.jpg")
                    return path, member.offset_data, member.size
        raise AssertionError(f"frame {seq} of {timeline} is not there")

    def damage(self, timeline, seq):
        """Flips a bit in the middle of a frame."""
        path, offset, size = self.place(timeline, seq)
        data = bytearray(path.read_bytes())
        data[offset + size // 2] ^= 1
        path.write_bytes(data)

    def records(self, timeline, profile=None):
        """{chunk/span: record} as they lie in a directory store."""
        below = self.folder(timeline, profile) / "chunks"
        return {str(p.relative_to(below)): json.loads(p.read_text()) for p in below.rglob("*.json")}


def run(words, timeline=None, timeout=120, environment=None, under=(), **more):
    try:
        done = subprocess.run(
            [*under, *map(str, words)],
            capture_output=True,
            timeout=timeout,
            env=clean_environment(**(environment or {})),
            stdin=subprocess.DEVNULL,
            **more,
        )
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"still running after {timeout} s: {' '.join(map(str, words))}") from late
    return Done(list(words), done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def tree(folder):
    """{path below folder: bytes} of every file, but for what a store keeps of when it was read."""
    folder = Path(folder)
    files = {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith("cache/used/")}


def jpegs_of(packs):
    """{sequence: JPEG bytes} of tar archives."""
    found = {}
    for pack in packs:
        with tarfile.open(fileobj=io.BytesIO(pack)) as tar:
            jpegs = [member for member in tar.getmembers() if member.name.endswith(".jpg")]
            found.update({int(member.name.removesuffix(".jpg")): tar.extractfile(member).read() for member in jpegs})
    return found


def without_run(name, data):
    """A stored object but for the run that wrote it: a record's attempt, a plan's nonce and the seal over it."""
    if "/chunks/" in name:
        run = ("attempt",)
    elif name.endswith("/plan.json"):
        run = ("nonce", "seal")
    else:
        return data
    return {k: v for k, v in json.loads(data).items() if k not in run}


def assert_same_store(one, other):
    """Files byte for byte, but for the runs that wrote records and plans; nothing more on either side."""
    left, right = tree(one), tree(other)
    assert sorted(left) == sorted(right)
    for name, data in left.items():
        assert without_run(name, data) == without_run(name, right[name]), name


# What a command has of the machine, as words in front of it. A `preexec_fn` would run gRPC's handlers of a fork, too, whose
# threads abort now and then where descriptors are closed beside them.


def cores(count):
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(os.sched_getaffinity(0))[:count]))]


def open_files(most):
    return ["prlimit", f"--nofile={most}:{most}"]


class Watched:
    """A running command whose resident memory is sampled; peak and samples in MiB."""

    def __init__(self, process, every_secs=0.02):
        self.process = process
        self.samples = []
        self.every_secs = every_secs
        self.thread = threading.Thread(target=self._sample, daemon=True)
        self.thread.start()

    def _sample(self):
        page_mib = resource.getpagesize() / 2**20
        while self.process.poll() is None:
            try:
                resident = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
            except (OSError, IndexError, ValueError):
                return
            self.samples.append(resident * page_mib)
            time.sleep(self.every_secs)

    def finish(self, timeout):
        out, err = self.process.communicate(timeout=timeout)
        self.thread.join()
        return Done(self.process.args, self.process.returncode, out, err.decode(errors="replace"))

    @property
    def peak_mib(self):
        return max(self.samples)
