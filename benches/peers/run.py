"""Measures framecache against the ffmpeg program, alternating the two. Needs ffmpeg and a release build.

usage: run.py [--write BENCHMARKS.md] [--rounds 5] [--check] [--scratch DIR]

One clip of 30 s, 1920x1080, H.264, of real content where the media folder is (FRAMECACHE_MEDIA, or shared/media
beside the repository), else of ffmpeg's test picture; once with a key frame every 250 frames, once every 30.
framecache computes hashes and writes records, ffmpeg does not. Ratios are of medians.
"""

import argparse
import datetime
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("FRAMECACHE_BIN", ROOT / "target" / "release" / "framecache"))
MEDIA = Path(os.environ.get("FRAMECACHE_MEDIA", ROOT.parent / "shared" / "media"))
CLIPS = ROOT / "target" / "bench-media"
GOPS = (250, 30)
FRAMES, RATE = 900, 30
# ffmpeg's scale for MJPEG; the sizes of framecache's JPEGs are fitted to it.
FFMPEG_QUALITY = 2
SIZE_TOLERANCE = 0.05
TIMES = sorted(round(t, 3) for t in random.Random(20261120).sample([k / RATE + 0.01 for k in range(FRAMES - 30)], 10))
BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def content():
    """ffmpeg's input options and what the picture is."""
    real = MEDIA / "videos" / "mp_big_buck_bunny_0_30.webm"
    if real.exists():
        return ["-i", real], "Big Buck Bunny (720p, scaled up)"
    return ["-f", "lavfi", "-i", f"testsrc2=size=1920x1080:rate={RATE}:duration=30"], "ffmpeg's test picture, not real content"


def clip(gop):
    source, _what = content()
    target = CLIPS / f"1080p_gop{gop}_{'real' if MEDIA.exists() else 'pattern'}.mp4"
    if not target.exists():
        CLIPS.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"part-{target.name}")
        picture = f"fps={RATE},scale=1920:1080:flags=bicubic:out_color_matrix=bt709:out_range=tv,format=yuv420p"
        tags = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
        ffmpeg(*source, "-an", "-vf", picture, "-frames:v", FRAMES, "-c:v", "libx264", "-preset", "medium", "-crf", 21,
               "-g", gop, *tags, part)
        part.rename(target)
    return target


class Scratch:
    """A folder that is empty before each run; emptying is not timed."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def empty(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def jpegs(self):
        """How many, and their bytes."""
        sizes = [p.stat().st_size for p in self.folder.rglob("*.jpg")]
        return len(sizes), sum(sizes)


def framecache(scratch, source, quality, *sampling):
    command = [BINARY, "extract", "--store", scratch.folder, "--timeline", "t", "--backend", "cpu", "--quality", quality]
    return [[*command, *sampling, source]]


def ffmpeg_jpegs(scratch, source, *filters, before=(), name="%06d.jpg"):
    base = ["ffmpeg", "-nostdin", "-v", "error", "-y", *before, "-i", source, *filters]
    return [*base, "-q:v", FFMPEG_QUALITY, scratch.folder / name]


def timed(scratch, commands):
    """Seconds, JPEGs written and their bytes."""
    scratch.empty()
    began = time.perf_counter()
    for command in commands:
        subprocess.run([str(w) for w in command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds = time.perf_counter() - began
    return seconds, *scratch.jpegs()


@dataclass
class Task:
    name: str
    gop: int
    target: float
    ours: list
    theirs: list
    frames: int


def tasks(scratch, quality):
    for gop in GOPS:
        source = clip(gop)
        passthrough = ["-fps_mode", "passthrough"]
        at = ",".join(map(str, TIMES))
        seeks = [ffmpeg_jpegs(scratch, source, "-frames:v", "1", before=["-ss", t], name=f"{k}.jpg") for k, t in enumerate(TIMES)]
        yield Task("every frame", gop, 0.75, framecache(scratch, source, quality, "--all"),
                   [ffmpeg_jpegs(scratch, source, *passthrough)], FRAMES)
        yield Task("2 frames a second", gop, 0.65 if gop == 250 else 0.4, framecache(scratch, source, quality, "--fps", "2"),
                   [ffmpeg_jpegs(scratch, source, "-vf", "fps=2", *passthrough)], 60)
        yield Task("ten random times", gop, 0.5, framecache(scratch, source, quality, "--at", at), seeks, len(TIMES))


def fitted_quality(scratch):
    """framecache's quality whose JPEGs are nearest in size to ffmpeg's, and the ratio of the sizes."""
    source = clip(GOPS[0])
    _s, _n, theirs = timed(scratch, [ffmpeg_jpegs(scratch, source, "-vf", "fps=2", "-fps_mode", "passthrough")])
    low, high, sizes = 50, 100, {}
    while low < high:
        middle = (low + high) // 2
        sizes[middle] = timed(scratch, framecache(scratch, source, middle, "--fps", "2"))[2]
        low, high = (middle + 1, high) if sizes[middle] < theirs else (low, middle)
    best = min(sizes, key=lambda q: abs(sizes[q] - theirs))
    return best, sizes[best] / theirs


@dataclass
class Result:
    task: Task
    ours: list
    theirs: list
    size_ratio: float

    @property
    def ratio(self):
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def met(self):
        return self.ratio <= self.task.target and abs(self.size_ratio - 1) <= SIZE_TOLERANCE

    def row(self):
        def told(values):
            return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"

        task = self.task
        return (f"| {task.name} | {task.gop} | {told(self.ours)} | {told(self.theirs)} | **{self.ratio:.2f}** | {task.target} | "
                f"{self.size_ratio:.2f} | {'yes' if self.met else 'no'} |")


def measure(task, scratch, rounds):
    ours, theirs = [], []
    for _ in range(rounds):
        seconds, count, our_bytes = timed(scratch, task.ours)
        assert abs(count - task.frames) <= 1, f"framecache wrote {count} of {task.frames} frames"
        ours.append(seconds)
        seconds, their_count, their_bytes = timed(scratch, task.theirs)
        assert abs(their_count - task.frames) <= 1, f"ffmpeg wrote {their_count} of {task.frames} frames"
        theirs.append(seconds)
    return Result(task, ours, theirs, (our_bytes / count) / (their_bytes / their_count))


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    return f"{model[1] if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.platform()}"


def first_line(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT).stdout.splitlines()[0]


def report(results, options, quality, scratch):
    bitrates = ", ".join(f"GOP {g}: {clip(g).stat().st_size * 8 / 30e6:.1f} Mbit/s" for g in GOPS)
    lines = [
        BEGIN,
        "## Against the ffmpeg program",
        "",
        f"- Date: {datetime.date.today()}, commit {first_line('git', 'rev-parse', '--short', 'HEAD')}, `make bench-peers`",
        f"- Machine: {machine()}",
        f"- {first_line('ffmpeg', '-version').split(' Copyright')[0]}",
        f"- Clip: {content()[1]}, 1920x1080, 30 frames a second, 30 s, H.264 (libx264 medium, crf 21); {bitrates}",
        f"- JPEGs: ffmpeg `-q:v {FFMPEG_QUALITY}`, framecache `--quality {quality}`, fitted so that sizes agree within 5 %; "
        "framecache also hashes each frame and writes its records",
        f"- Alternating, {options.rounds} rounds each, on {scratch.folder.parent}; seconds are medians (least to most); ten times are "
        "one framecache command against ten `ffmpeg -ss` calls",
        "",
        "| what | GOP | framecache, s | ffmpeg, s | ratio | at most | JPEG bytes, ratio | met |",
        "|---|---|---|---|---|---|---|---|",
        *(r.row() for r in results),
        END,
    ]
    return "\n".join(lines)


def write(path, section):
    """Puts the section in the place of the one before, or at the end."""
    text = path.read_text() if path.exists() else "# Benchmarks\n"
    if BEGIN in text:
        head, rest = text.split(BEGIN, 1)
        text = head + section + rest.split(END, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the results into this markdown file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"))
    options = parser.parse_args()
    scratch = Scratch(options.scratch / f"framecache-bench-{os.getpid()}")
    try:
        quality, _ratio = fitted_quality(scratch)
        results = []
        for task in tasks(scratch, quality):
            results.append(measure(task, scratch, options.rounds))
            print(results[-1].row(), flush=True)
    finally:
        shutil.rmtree(scratch.folder, ignore_errors=True)
    section = report(results, options, quality, scratch)
    if options.write:
        write(options.write, section)
    else:
        print(section)
    return 1 if options.check and not all(r.met for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
