"""Counts what a thread of each kernel issues, from the machine code that ptxas makes of its PTX. Needs no GPU.

usage: instructions.py [--arch sm_90] [--before] [FOLDER]     (kernels/ by default; prints a table)

A count is that of the shortest way from a kernel's entry to its end past as many wide loads and stores as a thread in
the middle of an aligned picture has: the way such a thread takes. Of kernels with a loop over taps it is one turn of
the loop, by the samples that it reads. --before: kernels as they were until November 2026, of 4 x 2 pixels a thread.
"""

import argparse
import heapq
import re
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ["nv12", "p016", "yuv444", "yuv444_16"]
READ = dict(zip(FORMATS, [1.5, 3, 3, 6], strict=True))
WROTE = {"jfif": 1.5, "rgb": 3, "luma": 1}


def tool(package: str, name: str) -> Path:
    """A program of a package of this environment; PackageNotFoundError where it is not installed."""
    files = metadata.distribution(package).files or []
    return next(Path(str(file.locate())) for file in files if file.parts[-2:] == ("bin", name))


@dataclass
class Resources:
    registers: int
    spilled_bytes: int
    stack_bytes: int


def assemble(ptx: Path, arch: str, cubin: Path, *options: str) -> dict[str, Resources]:
    """What each kernel needs, once ptxas has made the cubin; CalledProcessError where it does not."""
    command = [tool("nvidia-cuda-nvcc-cu12", "ptxas"), "-v", f"-arch={arch}", *options, ptx, "-o", cubin]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = {}
    for entry in log.split("Compiling entry function '")[1:]:
        said = re.findall(r"(\d+) (?:bytes )?(stack|spill stores|registers)", entry)
        numbers = {word: int(number) for number, word in said}
        found[entry.split("'")[0]] = Resources(numbers["registers"], numbers["spill stores"], numbers["stack"])
    return found


def functions(cubin: Path) -> dict[str, list[str]]:
    """Lines of each kernel: `.label:` or an instruction."""
    command = [tool("nvidia-cuda-nvdisasm", "nvdisasm"), "-c", cubin]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found, lines = {}, []
    for line in text.splitlines():
        if name := re.match(r"\.text\.(\w+):", line):
            lines = found[name[1]] = []
        elif label := re.match(r"\.L_\w+:", line):
            lines.append(label[0])
        elif instruction := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", line):
            lines.append(instruction[1])
    return found


def shortest(lines: list[str], loads: tuple[str, int], stores: tuple[str, int]) -> int:
    """Instructions from the first one to an EXIT past so many loads and stores."""
    labels = {line[:-1]: at for at, line in enumerate(lines) if line.startswith(".")}
    queue: list[tuple[int, int, int, int]] = [(0, 0, 0, 0)]
    seen: set[tuple[int, int, int]] = set()
    while queue:
        steps, at, loaded, stored = heapq.heappop(queue)
        if at >= len(lines) or (at, loaded, stored) in seen:
            continue
        seen.add((at, loaded, stored))
        line = lines[at]
        if line.startswith("."):
            heapq.heappush(queue, (steps, at + 1, loaded, stored))
            continue
        steps += 1
        loaded = min(loads[1], loaded + bool(re.search(loads[0], line)))
        stored = min(stores[1], stored + bool(re.search(stores[0], line)))
        is_conditional = line.startswith("@") or re.search(r"BRA\S*\s+!?U?P\d", line)
        if "EXIT" in line and (loaded, stored) == (loads[1], stores[1]):
            return steps
        if jump := re.search(r"BRA.*`\((\.L_\w+)\)", line):
            heapq.heappush(queue, (steps, labels[jump[1]], loaded, stored))
        if is_conditional or not (jump or "EXIT" in line):
            heapq.heappush(queue, (steps, at + 1, loaded, stored))
    raise ValueError(f"no way has {loads} and {stores}")


def a_tap(lines: list[str]) -> float:
    """Instructions for each sample of the loop that has the fewest for one."""
    labels = {line[:-1]: at for at, line in enumerate(lines) if line.startswith(".")}
    found = []
    for at, line in enumerate(lines):
        jump = re.search(r"BRA.*`\((\.L_\w+)\)", line)
        if jump and labels[jump[1]] < at:
            body = [line for line in lines[labels[jump[1]] : at + 1] if not line.startswith(".")]
            samples = sum("LDG.E.U8" in line for line in body)
            found += [len(body) / samples] if samples else []
    return min(found)


def of_picture(name: str, lines: list[str], before: bool) -> tuple[float, float]:
    """Instructions and bytes of a thread of a kernel that reads surfaces."""
    family, layout = name.split("_", 1)
    pixels, wide = (8, None) if before else (32, r"LDG\.E\.128")
    size = (READ[layout] + WROTE[family]) * pixels
    if wide is None:
        return shortest(lines, ("LDG", 1), ("STG", 1)), size
    loads = round(READ[layout] * pixels / 16)
    return shortest(lines, (wide, loads), (r"STG\.E\.128", 6 if family == "rgb" else 2)), size


def count(name: str, lines: list[str], before: bool) -> str:
    if name.startswith("resample"):
        return f"{a_tap(lines):.1f} a tap"
    if name.startswith("turn"):
        channels, pixels = int(name[-1]), 1 if before else 4
        stores = (r"STG\.E\.U8", channels) if before else (r"STG\.E ", channels)
        steps, size = shortest(lines, (r"LDG\.E\.U8", channels * pixels), stores), 2 * channels * pixels
    elif name.startswith("tensor"):
        return "not counted"
    else:
        steps, size = of_picture(name, lines, before)
    return f"{steps} for {size:.0f} bytes: {steps / size:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "kernels")
    parser.add_argument("--arch", default="sm_90")
    parser.add_argument("--before", action="store_true")
    args = parser.parse_args()
    print(f"| kernel ({args.arch}) | instructions | registers |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernels.cubin"
        for ptx in sorted(args.folder.glob("*.ptx")):
            resources = assemble(ptx, args.arch, cubin)
            for name, lines in sorted(functions(cubin).items()):
                print(f"| {name} | {count(name, lines, args.before)} | {resources[name].registers} |")


if __name__ == "__main__":
    main()
