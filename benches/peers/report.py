"""The measurements as Markdown, between markers of a file."""

import datetime
import os
import platform
import re
import statistics
import subprocess
from pathlib import Path

import bounds
from clips import ROOT, content
from jobs import COMPARED, WORKLOADS
from tools import CONTENDERS

BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"
NAMES = {contender.key: contender.name for contender in CONTENDERS}
# Which cost of a sample a table is of, and what its heading says.
COUNTED = {"whole": "every program's start counted", "started": "no program's start counted"}


def first_line(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT).stdout.splitlines()[0]


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    return f"{model[1] if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.platform()}"


def section(results, run):
    lines = [
        "## Against what one would use instead",
        "",
        f"- {datetime.date.today()}, commit {first_line('git', 'rev-parse', '--short', 'HEAD')}, `make bench-peers`, {run.rounds} rounds, "
        "alternating; seconds are medians (least to most)",
        f"- Machine: {machine()}; {run.threads} threads for everybody; scratch on {run.scratch}",
        f"- {first_line('ffmpeg', '-version').split(' Copyright')[0]}; {', '.join(f'{n} {v}' for n, v in run.versions.items())}",
        f"- Clips: {content()}, 30 frames a second: " + ", ".join(f"{c.name} {c.megabits():.1f} Mbit/s" for c in run.clips),
        f"- JPEG quality, fitted to each clip so that files are of one size: {fitted(run)}",
        "- Each comparison is made twice: with every program's start counted, from its call to its end, and with none. Python tools tell the latter "
        "themselves, from after their imports; framecache's is its command line run once more by a program that tells it (benches/limits.rs); from ffmpeg's "
        "the time of `ffmpeg -version` is taken off for each call. What nobody can beat (alone, or assumed) is without starts. Peak memory is of the whole "
        "process. Frames were compared with ffmpeg's; a wrong one is no result",
        *(f"- Left out: {line}" for line in run.left_out),
    ]
    lines += tables(results)
    told = list(bounds.bounds(results, {clip.name: clip for clip in run.clips}))
    if told:
        lines += ["", "### Bounds", "", "| what | clip | measured | bound | met |", "|---|---|---|---|---|", *(b.row() for b in told)]
    return "\n".join(lines)


def fitted(run):
    of = {clip.name: run.qualities[clip.name] for clip in run.clips}
    return "; ".join(", ".join(f"{e} {q}" for e, q in sorted(by.items()) if e) + f" ({name})" for name, by in of.items())


def tables(results):
    for workload, title in WORKLOADS.items():
        of = {clip: by for (w, clip), by in results.items() if w == workload and by}
        headings = {counted: f"{title}, {what}" for counted, what in COUNTED.items()} if workload in COMPARED else {"started": title}
        for counted, heading in headings.items() if of else ():
            yield from ("", f"### {heading}", "", *table(of, counted))


def table(of, counted):
    yield "| clip | who | seconds | times framecache's | CPU seconds | peak MiB | kB a JPEG |"
    yield "|---|---|---|---|---|---|---|"
    for clip, by in of.items():
        ours = by.get("framecache") or by.get("decode-framecache") or by.get("encode-framecache")
        base = statistics.median(getattr(s, counted).seconds for s in ours) if ours else None
        for key, samples in by.items():
            yield row(clip, key, samples, counted, base)


def row(clip, key, samples, counted, base):
    costs = [getattr(s, counted) for s in samples]
    middle = statistics.median(c.seconds for c in costs)
    ratio = f"{middle / base:.2f}" if base else ""
    cpu, peak = statistics.median(c.cpu_seconds for c in costs), statistics.median(s.peak_mib for s in samples)
    each = f"{samples[-1].bytes / samples[-1].files / 1000:.1f}" if samples[-1].files else ""
    told = f"{middle:.3f} ({min(c.seconds for c in costs):.3f} to {max(c.seconds for c in costs):.3f})"
    return f"| {clip} | {NAMES[key]} | {told} | {ratio} | {cpu:.2f} | {peak:.0f} | {each} |"


def line(clip, key, samples):
    """Of a measurement just made, for whoever waits."""
    middle = {counted: statistics.median(getattr(s, counted).seconds for s in samples) for counted in COUNTED}
    return f"{clip} {NAMES[key]}: {middle['whole']:.3f} s, {middle['started']:.3f} without its start"


def write(path, text, begin=BEGIN, end=END):
    """Puts the text between the markers, or with them at the end."""
    document = path.read_text() if path.exists() else "# Benchmarks\n"
    if begin not in document:
        document = f"{document.rstrip()}\n\n{begin}\n{end}\n"
    head, _, rest = document.partition(begin)
    path.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}")
