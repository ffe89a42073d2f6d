"""Measures what media in processes of their own cost a server: `--isolation process` beside `none`, call by call.

usage: run.py [--write BENCHMARKS.md] [--rounds 9] [--scratch DIR] [VIDEO...]

Two servers over stores in memory, warm: each has decoded before anything is measured. A call is made to one, then the
same to the other, and who is first changes by turns; seconds are of the call, CPU seconds of the server and all it
started. Medians; a ratio is the median of the pairs' own. Needs a release build; clips are made unless VIDEOs are named.
"""

import argparse
import contextlib
import datetime
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.media import make  # noqa: E402
from tests.support import rpc  # noqa: E402
from tests.support.neighbours import cpu_secs, media_processes, resident_kib  # noqa: E402

BEGIN, END = "<!-- isolation: begin -->", "<!-- isolation: end -->"
CLIPS = ["hd.mp4", "h264_gop250.mp4", "vp9.webm"]
WAYS = ["none", "process"]
TIMEOUT = 600


class Served:
    """One way to serve, and what its calls took."""

    def __init__(self, way, server, v1, channel):
        self.way, self.server, self.v1 = way, server, v1
        self.stub = v1.FrameServiceStub(channel)

    def extract(self, video, sampling):
        chunks = [self.v1.Chunk(uri=str(video))]
        request = self.v1.ExtractFramesRequest(timeline="t", chunks=chunks, sampling=sampling)
        return list(self.stub.ExtractFrames(request, timeout=TIMEOUT))[-1].summary.frames

    def clear(self):
        self.stub.ClearTimeline(self.v1.ClearTimelineRequest(timeline="t", plan=True), timeout=TIMEOUT)

    def tensors(self):
        """All frames of the source again, as raw RGB."""
        request = self.v1.GetTensorsRequest(timeline="t", selection=self.v1.Selection(all=True), origin=self.v1.ORIGIN_SOURCE)
        return sum(len(answer.part.data) for answer in self.stub.GetTensors(request, timeout=TIMEOUT))

    def timed(self, call):
        """(what it gives, seconds, CPU seconds)"""
        pid = self.server.process.pid
        cpu, begun = cpu_secs(pid), time.monotonic()
        given = call(self)
        return given, time.monotonic() - begun, cpu_secs(pid) - cpu


def works(v1, video):
    """(name, what is made ready, what is measured)"""
    clear = Served.clear
    yield "every frame", clear, lambda served: served.extract(video, v1.Sampling(all=True))
    yield "every frame again, as RGB of the source", lambda _: None, Served.tensors
    yield "2 frames a second", clear, lambda served: served.extract(video, v1.Sampling(fps="2"))
    yield "the first frame", clear, lambda served: served.extract(video, v1.Sampling(timestamps=["0"]))


def measured(both, ready, work, rounds):
    """{way: [(seconds, CPU seconds)]}, pair by pair."""
    took = {way: [] for way in WAYS}
    for turn in range(rounds):
        given = set()
        for served in both if turn % 2 == 0 else both[::-1]:
            ready(served)
            result, *secs = served.timed(work)
            took[served.way].append(secs)
            given.add(result)
        assert len(given) == 1, given
    return took


def row(video, name, took):
    pairs = list(zip(took["none"], took["process"], strict=True))
    median = lambda way, kind: statistics.median(secs[kind] for secs in took[way])
    words = [f"{median(way, 0) * 1e3:.0f} ms" for way in WAYS]
    time = statistics.median(apart[0] / here[0] for here, apart in pairs)
    # Ticks of 10 ms tell nothing of short calls.
    long = median("none", 1) >= 0.2
    cpu = f"{statistics.median(apart[1] / here[1] for here, apart in pairs):.3f}" if long else ""
    later = statistics.median(apart[0] - here[0] for here, apart in pairs) * 1e3
    return f"| {video} | {name} | {words[0]} | {words[1]} | {time:.3f} | {cpu} | {later:+.1f} ms |"


def table(given, folder):
    v1 = rpc.load()
    videos = given.videos or [make.clip(name) for name in CLIPS]
    yield f"- {datetime.date.today()}, {given.rounds} rounds, {os.cpu_count()} cores, {platform.platform()}"
    yield ""
    yield "| video | work | in process | apart | time | CPU | later by |"
    yield "|---|---|---|---|---|---|---|"
    with contextlib.ExitStack() as stack:
        both = []
        for way in WAYS:
            root = os.path.commonpath([Path(v).resolve().parent for v in videos])
            server = stack.enter_context(rpc.start_server(folder / way, "--isolation", way, "--source-root", root, cwd=root))
            both.append(Served(way, server, v1, stack.enter_context(server.channel())))
        (process,) = media_processes(both[1].server.process.pid)
        resident_at_first = resident_kib(process)[0] // 1024
        for video in videos:
            for name, ready, work in works(v1, Path(video).resolve()):
                for served in both:
                    ready(served)
                    work(served)
                line = row(Path(video).name, name, measured(both, ready, work, given.rounds))
                print(line, file=sys.stderr, flush=True)
                yield line
        resident = resident_kib(process)[0] // 1024
    yield ""
    yield f"The media process has {resident} MiB in RAM after all of that, and had {resident_at_first} before."


def write(path, text):
    document = path.read_text()
    assert BEGIN in document, f"{path} has no place for it: {BEGIN}"
    head, _, rest = document.partition(BEGIN)
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", metavar="VIDEO")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        text = "\n".join(table(given, Path(folder)))
    print(text)
    if given.write:
        write(given.write, text)


if __name__ == "__main__":
    main()
