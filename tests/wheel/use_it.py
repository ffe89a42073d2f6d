"""What a user does first, with nothing but the wheel. usage: use_it.py CLIPS STORE-OF-THE-SAME-FRAMES"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import framecache

PROGRAM = Path(sysconfig.get_path("scripts")) / "framecache"


def said(*arguments: str) -> str:
    return subprocess.run([PROGRAM, *arguments], check=True, capture_output=True, text=True).stdout


def main() -> None:
    clips, ours = Path(sys.argv[1]).resolve(), str(Path(sys.argv[2]).resolve())
    assert said("--version") == f"framecache {framecache.__version__}\n"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        doctor = json.loads(said("doctor", "--json", "--store", f"{folder}/doctor"))
        assert doctor["works"] and all(check["good"] for check in doctor["checks"]), doctor
        with framecache.Client(store=f"{folder}/store", source_roots=[str(clips)]) as client:
            for clip in sorted(clips.iterdir()):
                use(client, clip, ours)
    print(f"{len(list(clips.iterdir()))} videos: extracted, read and served, byte by byte as the machine's own build does")


def use(client: framecache.Client, clip: Path, ours: str) -> None:
    made = client.extract(clip.name, str(clip), fps=5)
    assert made.ok and made.frames == 20, (clip, made.frames)
    frames = list(client.frames(clip.name))
    with framecache.Client(store=ours) as other:
        expected = list(other.frames(clip.name))
    assert [(frame.sequence, frame.timestamp, frame.jpeg) for frame in frames] == [
        (frame.sequence, frame.timestamp, frame.jpeg) for frame in expected
    ], clip
    batches = list(client.tensors(clip.name, width=64, height=48, batch=8))
    assert sum(len(batch.array) for batch in batches) == 20, clip


main()
