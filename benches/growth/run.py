"""Measures how cost grows: frames, hours of video, chunks, clients, rows of a timeline. Needs ffmpeg, a release build and matplotlib.

usage: run.py [--write BENCHMARKS.md] [--rounds 3] [--only NAME,…] [--most SHARE] [--plots FOLDER]

Draws each as a picture, log-log: what was measured, and beside it the slope that it should have. Long videos are a short one
of small pictures repeated without re-encoding, so that what is measured is not the decoder.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))

import measure  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import subjects  # noqa: E402

MARKS = "<!-- growth: begin -->", "<!-- growth: end -->"


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this Markdown file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="NAME,…", help=", ".join(subjects.SUBJECTS))
    parser.add_argument("--most", type=int, metavar="N", help="leave out sizes over N")
    parser.add_argument("--plots", type=Path, default=HERE.parent / "plots", metavar="FOLDER")
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()))
    return parser.parse_args()


def series(subject, sizes, rounds, launcher, scratch):
    """Medians by line of the plot: (size, seconds, peak MiB)."""
    lines = {}
    for size in sizes:
        shutil.rmtree(scratch, ignore_errors=True)
        with subject.prepared(size, launcher, scratch) as parts:
            for name, part in parts.items():
                told = [part() for _ in range(rounds)]
                middle = [statistics.median(t[key] for t in told) for key in ("seconds", "peak_mib")]
                lines.setdefault(name, []).append((size, *middle))
                print(f"{subject.title}: {name}, {size} {subject.unit}: {middle[0]:.3f} s, {middle[1]:.0f} MiB", flush=True)
    return lines


def main():
    given = options()
    chosen = given.only or list(subjects.SUBJECTS)
    if unknown := [name for name in chosen if name not in subjects.SUBJECTS]:
        sys.exit(f"no such subject: {', '.join(unknown)}; there are {', '.join(subjects.SUBJECTS)}")
    given.plots.mkdir(parents=True, exist_ok=True)
    scratch = given.scratch / f"framecache-growth-{os.getpid()}"
    launcher = measure.Launcher()
    rows = []
    try:
        for name in chosen:
            subject = subjects.SUBJECTS[name]
            sizes = [size for size in subject.sizes if not given.most or size <= given.most]
            lines = series(subject, sizes, given.rounds, launcher, scratch)
            plots.draw(subject, lines, given.plots / f"{name}.png")
            rows += plots.rows(name, subject, lines)
    finally:
        launcher.close()
        shutil.rmtree(scratch, ignore_errors=True)
    text = "\n".join([*head(given), *rows])
    report.write(given.write, text, *MARKS) if given.write else print(text)
    return 0


def head(given):
    return [
        "## How cost grows",
        "",
        f"`make bench-growth`, medians of {given.rounds} rounds, on {report.machine()}. A slope of 1 is cost in proportion, 0 is none: the",
        "last column is the steepest slope between two sizes of which the smaller one takes 50 ms or more.",
        "",
        "| plot | what | smallest | largest | steepest slope |",
        "|---|---|---|---|---|",
    ]


if __name__ == "__main__":
    sys.exit(main())
