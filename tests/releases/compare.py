"""Compares what framecache makes of all media when it is built against other releases of FFmpeg: plans, times, facts, JPEGs, hashes.

usage: compare.py NAME=PROGRAM[:LIBRARIES] NAME=PROGRAM[:LIBRARIES] … [-- FILE …]
The first one is what the others are compared with. Without files: the videos and segments of FRAMECACHE_MEDIA's folder, where that is
set, and the generated clips. Each difference is named; the exit is 1 where there is one.
"""

import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.media import kinds, make, untidy  # noqa: E402
from tests.support.framecache import clean_environment  # noqa: E402

# Which run made it, and what this machine has beside FFmpeg.
OF_THE_RUN = {"seal", "nonce", "attempt", "uri", "backend_reason"}
SAMPLINGS = [["--all", "--hash", "phash,dhash,average_hash"], ["--fps", "7.3", "--plan-only"], ["--count", "5", "--plan-only"]]
# Differences that are named of one source.
MOST = 8


@dataclass
class Build:
    name: str
    program: str
    libraries: str

    @staticmethod
    def of(text):
        name, _, rest = text.partition("=")
        program, _, libraries = rest.partition(":")
        return Build(name, program, libraries)

    def run(self, *arguments):
        environment = clean_environment(LD_LIBRARY_PATH=self.libraries)
        return subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=1200)

    def linked(self):
        """The libavformat that it runs with."""
        listed = subprocess.run(["ldd", self.program], capture_output=True, text=True, env=clean_environment(LD_LIBRARY_PATH=self.libraries)).stdout
        return next(line.split()[2] for line in listed.splitlines() if "libavformat" in line)


def made_of(build, arguments):
    """{name: value} of all that a build makes of a source."""
    found = {}
    with tempfile.TemporaryDirectory() as store:
        for k, sampling in enumerate(SAMPLINGS):
            done = build.run("extract", "--quiet", "--workers", "1", "--store", store, "--timeline", f"t{k}", *sampling, *arguments)
            found[f"t{k}", "exit"] = done.returncode
            found[f"t{k}", "error"] = done.stderr.splitlines()[:1] if done.returncode else []
        for path in sorted(Path(store).rglob("*")):
            if path.is_file():
                found[str(path.relative_to(store)), ""] = told(path)
    probed = build.run("probe", "--json", *arguments) if len(arguments) == 1 else None
    if probed and not probed.returncode:
        found["probe", ""] = json.loads(probed.stdout)
    return flat(found)


def told(path):
    data = path.read_bytes()
    return json.loads(data) if path.suffix == ".json" else hashlib.md5(data).hexdigest()


def flat(value, at=""):
    """{place: leaf} of nested values."""
    if isinstance(value, dict):
        items = [(key if isinstance(key, str) else " ".join(filter(None, key)), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        items = [(str(k), inner) for k, inner in enumerate(value)]
    else:
        return {at: value}
    found = {}
    for key, inner in items:
        if key not in OF_THE_RUN:
            found |= flat(inner, f"{at}/{key}" if at else key)
    return found


def differences(known, other):
    both = known.keys() | other.keys()
    return [(place, known.get(place), other.get(place)) for place in sorted(both) if known.get(place) != other.get(place)]


def segments(folder):
    """{name: arguments} of what belongs together in a folder of segments."""
    found = {}
    header = folder / "init.mp4"
    if header.exists():
        found[f"{folder.name}/fragments"] = ["--init", header, *sorted(folder.glob("*.m4s"))]
    for begin in ("keep_", "reset_", "seg_"):
        parts = sorted(folder.glob(f"{begin}*"))
        if parts:
            found[f"{folder.name}/{begin}"] = parts
    return found


def generated():
    recipes = {name: make.clip for name in make.ORDINARY}
    recipes |= {name: kinds.clip for name in kinds.KINDS}
    recipes |= {name: untidy.clip for name in untidy.names()}
    for name, recipe in recipes.items():
        try:
            yield name, [recipe(name)]
        except make.CannotMake as why:
            print(f"left out: {name}: {why}", flush=True)


def sources(files):
    if files:
        return {Path(file).name: [file] for file in files}
    found = {}
    media = os.environ.get("FRAMECACHE_MEDIA")
    if media:
        for folder in ("videos", "corrupt"):
            found |= {f"{folder}/{path.name}": [path] for path in sorted((Path(media) / folder).iterdir())}
        for folder in sorted((Path(media) / "segments").iterdir()):
            found |= segments(folder)
    return found | dict(generated())


def main(arguments):
    at = arguments.index("--") if "--" in arguments else len(arguments)
    builds = [Build.of(text) for text in arguments[:at]]
    for build in builds:
        print(f"{build.name}: {build.linked()}")
    found = sources(arguments[at + 1 :])
    unlike = {build.name: 0 for build in builds[1:]}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = {name: [pool.submit(made_of, build, what) for build in builds] for name, what in found.items()}
        for name, task in tasks.items():
            first, *others = [made.result() for made in task]
            for build, other in zip(builds[1:], others):
                unlike[build.name] += bool(report(name, builds[0].name, build.name, differences(first, other)))
    for name, count in unlike.items():
        print(f"{name}: {len(found) - count} of {len(found)} sources are as with {builds[0].name}")
    return 1 if any(unlike.values()) else 0


def report(source, known, other, found):
    for place, one, another in found[:MOST]:
        print(f"{source}: {place}: {one!r} with {known}, {another!r} with {other}", flush=True)
    if len(found) > MOST:
        print(f"{source}: and {len(found) - MOST} more with {other}", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
