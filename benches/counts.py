"""Counts the instructions of each inner loop (benches/loops, on its small inputs) and compares them with benches/counts.tsv.

usage: counts.py [--write]

Exits 1 where a loop takes 5 % more or fewer instructions than its baseline, is missing there or no longer exists.
Fewer fails too: the baseline is to be rewritten (make bench-baseline), or the gain could be lost again unseen.

Counts instead of times, because they do not depend on how busy a machine is. For them not to depend on its processor either:
- valgrind's CPUID names one fixed processor, of the best kind that the machine can back: with AVX2, without AVX-512 and
  without SHA instructions. So glibc, libjpeg-turbo and sha2 choose the same code on every machine that has AVX2; one that
  has not is told that nothing was compared.
- Our own kernels are forced to the baseline and to AVX2, each under its own name.
- Only what `counted` in benches/loops/run.rs calls is counted, in its second run: start-up, inputs and tables are not.
What does change counts is the compiler: the baseline names its rustc, and a failure says when another one ran.
The directory store is left out: its work is done by other threads, which callgrind counts apart.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "benches" / "counts.tsv"
TOLERANCE = 0.05
# The function that callgrind counts, and dumps its counts after.
COUNTED = "loops::run::counted"
SKIPPED = "directory "


def bench():
    """The loops' executable, built."""
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", "loops", "--no-run", "--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
    return next(m["executable"] for m in messages if m.get("target", {}).get("name") == "loops" and m.get("executable"))


def count(executable):
    """Instructions of each loop by its name."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        command = ["valgrind", "--tool=callgrind", "--combine-dumps=yes", f"--callgrind-out-file={out}",
                   f"--toggle-collect={COUNTED}", f"--dump-after={COUNTED}", executable, "--once"]  # fmt: skip
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"the loops failed under valgrind:\n{run.stdout}{run.stderr}")
        # One dump a loop, in the order of their names; the last is what came after.
        totals = [int(n) for n in re.findall(r"^totals: (\d+)", out.read_text(), re.M)]
    names = run.stdout.splitlines()
    if not len(names) <= len(totals) <= len(names) + 1 or 0 in totals[: len(names)]:
        sys.exit(f"callgrind counted {len(totals)} loops of {len(names)}: was `{COUNTED}` inlined?\n{run.stderr}")
    return {name: total for name, total in zip(names, totals) if not name.startswith(SKIPPED)}


def rustc():
    return subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def write(counts):
    lines = [f"# instructions by loop; make bench-baseline rewrites them; {rustc()}"]
    BASELINE.write_text("\n".join([*lines, *(f"{n}\t{name}" for name, n in counts.items())]) + "\n")
    print(f"wrote {len(counts)} counts to {BASELINE.relative_to(ROOT)}")


def read():
    rows = [line.split("\t") for line in BASELINE.read_text().splitlines() if not line.startswith("#")]
    return {name: int(n) for n, name in rows}


def compare(counts, baseline):
    """A sentence for each loop that differs."""
    for name in baseline.keys() | counts.keys():
        if name not in counts:
            yield f"{name}: baseline {baseline[name]}, but there is no such loop now"
        elif name not in baseline:
            yield f"{name}: counted {counts[name]}, but it has no baseline"
        elif abs(counts[name] - baseline[name]) > TOLERANCE * baseline[name]:
            change = counts[name] / baseline[name] - 1
            yield f"{name}: counted {counts[name]}, baseline {baseline[name]} ({change:+.1%})"


def unlike():
    """Why counts of this machine cannot be compared, or nothing."""
    if platform.machine() != "x86_64":
        return f"the baseline is of x86-64, this is {platform.machine()}"
    if not re.search(r"^flags.* avx2( |$)", Path("/proc/cpuinfo").read_text(), re.M):
        return "this processor has no AVX2"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="rewrite the baseline")
    options = parser.parse_args()
    if why := unlike():
        print(f"instruction counts not compared: {why}")
        return 1 if options.write else 0
    counts = count(bench())
    if options.write:
        write(counts)
        return 0
    wrong = sorted(compare(counts, read()))
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        made_by = BASELINE.read_text().splitlines()[0].rpartition("; ")[2]
        if made_by != rustc():
            print(f"the baseline is of another compiler: {made_by}, this is {rustc()}", file=sys.stderr)
        print("if that is meant: make bench-baseline, and say why in the commit", file=sys.stderr)
        return 1
    print(f"{len(counts)} loops take as many instructions as before, within {TOLERANCE:.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
