"""Measures what an earlier build's server gives beside this one's, with media in its own process and apart, in turns.

usage: served.py BEFORE NOW [--rounds 15] [--scratch DIR]

Three servers over gRPC, warm: each has the frames of serving.py's clip, and overlays, in a directory and in memory. A
call is made to each in turn, and who is first goes round; CPU seconds are of the server and all that it started. A ratio
is the median of the rounds' own, with the interval that holds it nine times in ten. The client is one thread of Python, and
takes part in the seconds, not in the CPU seconds.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from pathlib import Path

from builds import WAYS, compared
from serving import FRAMES, OVERLAID, make_clip, overlay_png, pictures, rpc, runner

from tests.support.neighbours import cpu_secs

# So many times each call, so that the CPU's clock, which ticks every 10 ms, says something.
LEAST_SECS = 0.5
TIMEOUT = 600


class Served:
    """One server, and what it is asked."""

    def __init__(self, program, folder, options, clip):
        self.stack = contextlib.ExitStack()
        self.program, self.store, self.options = program, folder / "store", ("--source-root", clip.parent, *options)
        self.v1 = rpc.load()
        self.server = self.stack.enter_context(self.started())
        channel = self.stack.enter_context(self.server.channel())
        self.frames, self.overlays = self.v1.FrameServiceStub(channel), self.v1.OverlayServiceStub(channel)
        sampling = self.v1.Sampling(all=True)
        request = self.v1.ExtractFramesRequest(timeline="t", chunks=[self.v1.Chunk(uri=str(clip))], sampling=sampling)
        assert list(self.frames.ExtractFrames(request, timeout=TIMEOUT))[-1].summary.frames == FRAMES

    @contextlib.contextmanager
    def started(self):
        # Whatever runs it reads this name.
        runner.BINARY = self.program
        with rpc.start_server(self.store, *self.options) as server:
            yield server.wait_until_it_is_ready()

    def put_overlays(self, drawn):
        v1 = self.v1
        put = lambda seq, text: v1.PutOverlay(job="job1", stage="edges", sequence=seq, name="edges", base64=text, last=True)
        requests = [v1.PutOverlaysRequest(timeline="t", overlay=put(seq, text)) for seq, text in drawn.items()]
        assert not any(result.HasField("error") for result in self.overlays.PutOverlays(iter(requests), timeout=TIMEOUT).results)

    def stream(self, payload, stub=None):
        """All frames in one call."""
        v1 = self.v1
        request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True), payload=payload)
        return sum(answer.HasField("frame") for answer in (stub or self.frames).GetFrames(request, timeout=TIMEOUT))

    def first(self):
        """The same of a server that was just started, by its directory."""
        with self.started() as server, server.channel() as channel:
            return self.stream(self.v1.PAYLOAD_BASE64, self.v1.FrameServiceStub(channel))

    def one_by_one(self):
        v1 = self.v1
        one = lambda n: v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[n]), payload=v1.PAYLOAD_JPEG)
        return sum(len(list(self.frames.GetFrames(one(n), timeout=TIMEOUT))) for n in range(FRAMES))

    def tensors(self, **more):
        v1 = self.v1
        request = v1.GetTensorsRequest(timeline="t", selection=v1.Selection(all=True), **more)
        return sum(len(answer.part.data) for answer in self.frames.GetTensors(request, timeout=TIMEOUT))

    def drawn(self):
        request = self.v1.GetOverlaysRequest(timeline="t", job="job1", stage="edges")
        return sum(answer.HasField("overlay") for answer in self.overlays.GetOverlays(request, timeout=TIMEOUT))


WORKS = {
    "base64, one stream, out of memory": lambda served: served.stream(served.v1.PAYLOAD_BASE64),
    "JPEG, one stream, out of memory": lambda served: served.stream(served.v1.PAYLOAD_JPEG),
    "base64, one stream, a new server": Served.first,
    "one frame a call": Served.one_by_one,
    f"overlays of {OVERLAID} frames": Served.drawn,
    "tensors of 1280x720": Served.tensors,
    "tensors of 640x640": lambda served: served.tensors(width=640, height=640),
}


def timed(served, work, times):
    """What it gives, seconds, CPU seconds; those of a server that ended are among this process's own."""
    pid = served.server.process.pid
    cpu, ended, begun = cpu_secs(pid), os.times(), time.perf_counter()
    given = {work(served) for _ in range(times)}
    seconds, now = time.perf_counter() - begun, os.times()
    gone = now.children_user + now.children_system - ended.children_user - ended.children_system
    return given, seconds / times, (cpu_secs(pid) - cpu + gone) / times


def measured(all_of_them, work, rounds):
    """{way: [(seconds, CPU seconds)]}"""
    took = [timed(served, work, 1)[1] for served in all_of_them.values()]
    times = max(1, round(LEAST_SECS / min(took)))
    samples = {way: [] for way in WAYS}
    for n in range(rounds):
        turn, given = n % len(WAYS), set()
        for way in WAYS[turn:] + WAYS[:turn]:
            gives, *secs = timed(all_of_them[way], work, times)
            samples[way].append(secs)
            given |= gives
        assert len(given) == 1, given
    return samples


def row(name, samples):
    words = [name, *(f"{statistics.median(secs[kind] for secs in samples['now']) * 1e3:.0f} ms" for kind in (0, 1)), *compared(samples)]
    return f"| {' | '.join(words)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("now", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm"))
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.scratch)))
        clip, _ = make_clip(folder)
        images = pictures(clip)
        drawn = {seq: overlay_png(images[seq], False) for seq in range(0, FRAMES, FRAMES // OVERLAID)}
        programs = {"before": (given.before,), "now": (given.now, "--isolation", "none"), "apart": (given.now, "--isolation", "process")}
        all_of_them = {}
        for way, (program, *options) in programs.items():
            served = all_of_them[way] = Served(program.resolve(), folder / way, options, clip)
            stack.enter_context(served.stack)
            served.put_overlays(drawn)
        print("| work | seconds now | CPU now | now / before | the same, CPU | apart / in process | the same, CPU |")
        print("|---|---|---|---|---|---|---|", flush=True)
        for name, work in WORKS.items():
            print(row(name, measured(all_of_them, work, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
