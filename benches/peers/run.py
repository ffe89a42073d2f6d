"""Measures framecache side by side with what one would use instead. Needs ffmpeg, a release build and .venv-peers.

usage: run.py [--write BENCHMARKS.md] [--rounds 5] [--only NAME,…] [--clips NAME,…] [--workloads NAME,…] [--check]

Everybody gets the same clips, the same number of threads and JPEGs of one size, in turns: each round runs everybody once.
FRAMECACHE_BEFORE=PROGRAM is an earlier build to stand beside this one.
--only takes words of contenders' keys (framecache, ffmpeg, pyav, opencv, decord, torchcodec, tensorcodec, decode, assume, encode, reach).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import bounds
import check
import clips
import jobs
import measure
import quality
import report
from tools import CONTENDERS


@dataclass
class Run:
    rounds: int
    threads: int
    scratch: str
    clips: list
    workloads: list
    contenders: list = field(default_factory=list)
    versions: dict = field(default_factory=dict)
    left_out: list = field(default_factory=list)
    # By clip, then by encoder.
    qualities: dict = field(default_factory=dict)


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the results into this Markdown file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", type=words, default=[""], metavar="NAME,…", help="contenders with these words in their keys")
    parser.add_argument("--clips", type=words, default=list(clips.CLIPS), metavar="NAME,…", help=", ".join(clips.CLIPS))
    parser.add_argument("--workloads", type=words, default=list(jobs.WORKLOADS), metavar="NAME,…", help=", ".join(jobs.WORKLOADS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--check", action="store_true", help="exit 1 when a bound is missed")
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()))
    return parser.parse_args()


def limits():
    """The executable of benches/limits.rs, built."""
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", "limits", "--no-run", "--message-format=json"]
    built = subprocess.run(command, cwd=clips.ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
    return next(m["executable"] for m in messages if m.get("target", {}).get("name") == "limits" and m.get("executable"))


def take_part(run, only):
    """Those who are asked for and can run."""
    for contender in CONTENDERS:
        if not any(word in contender.key for word in only):
            continue
        try:
            if not contender.program:
                run.versions[contender.module] = measure.version(contender)
            run.contenders.append(contender)
        except measure.Failed as why:
            run.left_out.append(f"{contender.name}: {why}")
            print(f"left out: {run.left_out[-1]}", flush=True)
    run.versions.pop("arrays", None)


def measure_all(run, launcher, out):
    results = {}
    for clip in run.clips:
        clips.make(clip)
        fit(run, clip, out)
        wanted = {i for w in ("all", "fps2", "times", "first") if jobs.applies(w, clip) for i in checked(jobs.indices(w, clip), w)}
        references = check.References(clip, clips.make(once(clip)), wanted)
        for workload in run.workloads:
            if jobs.applies(workload, clip):
                results[workload, clip.name] = side_by_side(run, launcher, workload, clip, references, out)
    return results


def once(clip):
    return clip if clip.loops == 1 else next(c for c in clips.CLIPS.values() if c.loops == 1 and c.encoder == clip.encoder
                                             and (c.lines, c.gop) == (clip.lines, clip.gop))  # fmt: skip


def checked(indices, workload):
    return indices if workload == "times" else [indices[place] for place in check.chosen(len(indices))]


def fit(run, clip, out):
    """Fits each encoder's quality to the clip; one that only repeats another has the other's pictures, and its qualities."""
    short = once(clip)
    if short.name not in run.qualities:
        run.qualities[short.name] = quality.fit(short, clips.make(short), out, {c.encoder for c in run.contenders})
    run.qualities[clip.name] = run.qualities[short.name]


def side_by_side(run, launcher, workload, clip, references, out):
    """Samples by contender, in turns; whoever fails once is out."""
    contenders = [c for c in run.contenders if workload in c.workloads]
    samples = {c.key: [] for c in contenders}
    for _ in range(run.rounds):
        for contender in [c for c in contenders if c.key in samples]:
            job = jobs.Job(workload, str(clip.path), jobs.indices(workload, clip), clips.RATE, str(out), run.threads,
                           run.qualities[clip.name][contender.encoder])  # fmt: skip
            pictures = workload in jobs.COMPARED and contender.key != "reach"
            look = (lambda job: check.frames(job, references)) if pictures else (lambda _: None)
            try:
                samples[contender.key].append(measure.run(launcher, contender, job, look))
            except measure.Failed as why:
                samples.pop(contender.key)
                run.left_out.append(f"{contender.name}, {workload}, {clip.name}: {why}")
    for key, of in samples.items():
        print(f"{workload:6} {report.line(clip.name, key, of)}", flush=True)
    return samples


def main():
    given = options()
    unknown = [c for c in given.clips if c not in clips.CLIPS] + [w for w in given.workloads if w not in jobs.WORKLOADS]
    if unknown:
        sys.exit(f"no such clips or workloads: {', '.join(unknown)}; there are {', '.join([*clips.CLIPS, *jobs.WORKLOADS])}")
    chosen = [clips.CLIPS[name] for name in given.clips]
    run = Run(given.rounds, given.threads, str(given.scratch), chosen, given.workloads)
    if "FRAMECACHE_LIMITS" not in os.environ:
        os.environ["FRAMECACHE_LIMITS"] = limits()
    take_part(run, given.only)
    out = given.scratch / f"framecache-bench-{os.getpid()}" / "out"
    launcher = measure.Launcher()
    try:
        results = measure_all(run, launcher, out)
    finally:
        launcher.close()
        shutil.rmtree(out.parent, ignore_errors=True)
    text = report.section(results, run)
    report.write(given.write, text) if given.write else print(text)
    missed = [b for b in bounds.bounds(results, clips.CLIPS) if not b.met]
    for bound in missed:
        print(f"missed: {bound.row()}", file=sys.stderr)
    return 1 if given.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
