"""Measures how fast Python reads cached frames as arrays: `client.video(t)` as it comes, beside each way it could go.

usage: run.py [--write BENCHMARKS.md] [--rounds 5] [--sizes 320x240,1280x720,3840x2160] [--scratch DIR]

Needs a release build and the Python client (clients/python) with Pillow and simplejpeg installed. One server over a
directory, on a Unix socket, every frame in its memory before anything is measured; the client reads all frames of a
clip as batches of 16, (16, H, W, 3) uint8, and drops each batch for the next. Ways are measured in turn, in each round;
rates are of each way's best round, because other work on a machine takes from all and gives to none. Where torchcodec and decord are installed their own idioms on the file are
measured beside the same idioms on cached frames, once.
"""

import argparse
import contextlib
import datetime
import importlib.util
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import framecache
import numpy as np
from framecache import _jpeg

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("FRAMECACHE_BIN", ROOT / "target/release/framecache"))
BEGIN, END = "<!-- video: begin -->", "<!-- video: end -->"
BATCH = 16
SHUFFLED = 24
FRAMES = {"320x240": 320, "1280x720": 160, "3840x2160": 64}
DEFAULT = "`video.batches(16)`, as it comes"


def make_clip(folder, size):
    """Grain over ffmpeg's test picture, so that no two frames are alike and JPEGs are as large as a camera's."""
    clip = folder / f"{size}.mp4"
    source = f"testsrc2=size={size}:rate=30,noise=alls=6:allf=t"
    encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-g", "30", "-pix_fmt", "yuv420p"]
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-frames:v", str(FRAMES[size])]
    subprocess.run([*command, *encoder, str(clip)], check=True)
    return clip


def count(batches):
    return sum(len(batch) for batch in batches)


@contextlib.contextmanager
def pillow_only():
    kept, _jpeg.simplejpeg = _jpeg.simplejpeg, None
    try:
        yield
    finally:
        _jpeg.simplejpeg = kept


def raw(client, size, batch):
    return count(client.tensors(size, transfer="raw", batch=batch))


def by_pillow(client, size):
    with pillow_only():
        return count(client.tensors(size, transfer="jpeg"))


def one_thread(client, size):
    """Each frame decoded by the reader itself, stacked."""
    done, group = 0, []
    for frame in client.frames(size):
        group.append(_jpeg.decode(frame.jpeg))
        if len(group) == BATCH:
            done += len(np.stack(group))
            group = []
    return done + len(group)


def stacked(client, size):
    """Frames decoded by threads, stacked by the reader."""
    done, group = 0, []
    for frame in client.frames(size, decode=True):
        group.append(frame.image)
        if len(group) == BATCH:
            done += len(np.stack(group))
            group = []
    return done + len(group)


def windows(client, size, flying):
    """A call a batch, so many in flight."""
    video = client.video(size)
    places = [range(first, min(first + BATCH, len(video))) for first in range(0, len(video), BATCH)]
    if flying == 1:
        return count(map(video.get_batch, places))
    with ThreadPoolExecutor(flying) as pool:
        return count(pool.map(video.get_batch, places))


def two_streams(client, size):
    video, done = client.video(size), []
    halves = (video[: len(video) // 2], video[len(video) // 2 :])
    threads = [threading.Thread(target=lambda half=half: done.append(count(half.batches(BATCH)))) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done)


def ways(client, size):
    found = {
        DEFAULT: lambda: count(client.video(size).batches(BATCH)),
        "raw arrays, 16 a batch": lambda: raw(client, size, BATCH),
        "raw arrays, 32 a batch": lambda: raw(client, size, 2 * BATCH),
        "JPEGs, simplejpeg, one thread, stacked": lambda: one_thread(client, size),
        "JPEGs, simplejpeg, threads, stacked": lambda: stacked(client, size),
        "JPEGs, Pillow, threads": lambda: by_pillow(client, size),
        "JPEGs, two streams": lambda: two_streams(client, size),
        "JPEGs, a call a batch": lambda: windows(client, size, 1),
        "JPEGs, a call a batch, two in flight": lambda: windows(client, size, 2),
    }
    if size == "3840x2160":
        # Decodes a batch for so long on a busy machine that the server gives its reader up.
        del found["JPEGs, Pillow, threads"]
    return found


def shuffled(length):
    places = list(range(length))
    random.Random(20261129).shuffle(places)
    return places


def idioms(client, size, clip):
    """{(idiom, whose): work}: what users of torchcodec and decord write, on cached frames and on the file."""
    some = sorted(shuffled(FRAMES[size])[:BATCH])
    ours = lambda: client.video(size)  # noqa: E731
    found = {
        ("for frame in video", "framecache"): lambda: sum(1 for _ in ours()),
        ("video[i], i in order", "framecache"): lambda: one_by_one(ours(), range(FRAMES[size])),
        ("video[i], i shuffled", "framecache"): lambda: one_by_one(ours(), shuffled(FRAMES[size])[:SHUFFLED]),
        (f"{BATCH} random frames at once", "framecache"): lambda: len(ours().get_batch(some)),
    }
    if importlib.util.find_spec("torchcodec"):
        from torchcodec.decoders import VideoDecoder

        theirs = lambda: VideoDecoder(str(clip), dimension_order="NHWC")  # noqa: E731
        found["for frame in video", "torchcodec"] = lambda: sum(1 for _ in theirs())
        found["video[i], i in order", "torchcodec"] = lambda: one_by_one(theirs(), range(FRAMES[size]))
        found["video[i], i shuffled", "torchcodec"] = lambda: one_by_one(theirs(), shuffled(FRAMES[size])[:SHUFFLED])
        found[f"{BATCH} random frames at once", "torchcodec"] = lambda: len(theirs().get_frames_at(some).data)
    if importlib.util.find_spec("decord"):
        import decord

        reader = lambda: decord.VideoReader(str(clip))  # noqa: E731
        found["video[i], i in order", "decord"] = lambda: one_by_one(reader(), range(FRAMES[size]), "asnumpy")
        found["video[i], i shuffled", "decord"] = lambda: one_by_one(reader(), shuffled(FRAMES[size])[:SHUFFLED], "asnumpy")
        found[f"{BATCH} random frames at once", "decord"] = lambda: len(reader().get_batch(some).asnumpy())
    return found


def one_by_one(video, places, method=None):
    for place in places:
        frame = video[place]
        if method:
            getattr(frame, method)()
    return len(places)


def measured(works, rounds):
    """{name: frames a second, of its best round}."""
    seconds, frames = {name: [] for name in works}, {}
    for _ in range(rounds):
        for name, work in works.items():
            begun = time.perf_counter()
            frames[name] = work()
            seconds[name].append(time.perf_counter() - begun)
            print(f"{frames[name] / seconds[name][-1]:8.1f} frames/s  {name}", file=sys.stderr, flush=True)
    return {name: frames[name] / min(taken) for name, taken in seconds.items()}


def ways_table(rates):
    sizes = list(rates)
    rows = [f"| way | {' | '.join(f'{size}: frames/s | of the fastest' for size in sizes)} |"]
    rows.append("|---" * (1 + 2 * len(sizes)) + "|")
    for way in rates[sizes[0]]:
        cells = [cell(rates[size], way) for size in sizes]
        rows.append(f"| {way} | {' | '.join(cells)} |")
    return rows


def cell(rates, way):
    return f"{rates[way]:.0f} | {rates[way] / max(rates.values()):.2f}" if way in rates else " | "


def idioms_table(rates):
    rows = ["| size | idiom | framecache, cached: frames/s | torchcodec, file | decord, file |", "|---|---|---|---|---|"]
    for size, found in rates.items():
        for idiom in dict.fromkeys(idiom for idiom, _ in found):
            cells = [f"{found[idiom, who]:.0f}" if (idiom, who) in found else "" for who in ("framecache", "torchcodec", "decord")]
            rows.append(f"| {size} | {idiom} | {' | '.join(cells)} |")
    return rows


def about(rounds):
    return [
        f"Measured {datetime.date.today()} on {platform.machine()}, {os.cpu_count()} cores, best of {rounds} rounds: "
        f"`benches/video/run.py --rounds {rounds}`. The server shares the cores; "
        f"load average {os.getloadavg()[2]:.1f}.",
        "",
    ]


def run(given, scratch):
    ways_rates, idiom_rates = {}, {}
    with framecache.Client(store=str(scratch / "store"), source_roots=str(scratch)) as client:
        for size in given.sizes.split(","):
            clip = make_clip(scratch, size)
            assert client.extract(size, clip, all=True).ok
            assert one_thread(client, size) == FRAMES[size], "and all is in the server's memory"
            ways_rates[size] = measured(ways(client, size), given.rounds)
            idiom_rates[size] = measured(idioms(client, size, clip), 1)
    rows = [*about(given.rounds), *ways_table(ways_rates), "", *idioms_table(idiom_rates)]
    return "\n".join(rows)


def write(path, text):
    document = path.read_text()
    if BEGIN not in document:
        document += f"\n## A video as a sequence\n\n{BEGIN}\n{END}\n"
    head, _, rest = document.partition(BEGIN)
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", default="320x240,1280x720,3840x2160")
    parser.add_argument("--scratch", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        scratch = Path(folder)
        (scratch / "framecache").symlink_to(BINARY.resolve())
        os.environ["PATH"] = f"{scratch}:{os.environ['PATH']}"
        text = run(given, scratch)
    print(text)
    if given.write:
        write(given.write, text)


if __name__ == "__main__":
    main()
