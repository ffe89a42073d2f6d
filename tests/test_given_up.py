"""What a caller gave up is let go: by the decoder, by what makes pictures larger, and by whoever reads."""

import random
import time

import grpc
import pytest

from .support.neighbours import SOON, cpu_secs

# The server may use this much in a second in which nobody wants anything.
IDLE_SECS = 0.1


@pytest.fixture
def busy(serve, v1, clip, tmp_path):
    """A server, and calls by name that keep it busy for longer than any of these tests."""
    long, short = clip("hd_long.mp4"), clip("hd.mp4")
    server = serve("--source-root", long.parent)
    with server.channel() as channel:
        frames = v1.FrameServiceStub(channel)
        few = v1.ExtractFramesRequest(timeline="few", chunks=[v1.Chunk(uri=str(long))], sampling=v1.Sampling(timestamps=["0", "1"]))
        assert list(frames.ExtractFrames(few, timeout=SOON * 8))[-1].summary.frames == 2
        everything = v1.Sampling(all=True)
        calls = {
            "extract": lambda: frames.ExtractFrames(
                v1.ExtractFramesRequest(timeline="all", chunks=[v1.Chunk(uri=str(long))], sampling=everything)
            ),
            "source": lambda: frames.GetTensors(
                v1.GetTensorsRequest(timeline="few", sampling=everything, origin=v1.ORIGIN_SOURCE, width=3000, height=3000)
            ),
            "resize": lambda: frames.GetFrames(
                v1.GetFramesRequest(timeline="few", selection=v1.Selection(sequences=[0, 1] * 500), width=8000, height=6000)
            ),
            "first of a file": lambda: frames.ExtractFrames(
                v1.ExtractFramesRequest(timeline="new", chunks=[v1.Chunk(uri=str(short))], sampling=everything)
            ),
        }
        yield server, calls


def is_idle_after(server, secs):
    time.sleep(secs)
    before = cpu_secs(server.process.pid)
    time.sleep(1)
    return cpu_secs(server.process.pid) - before <= IDLE_SECS


@pytest.mark.parametrize("what", ["extract", "source", "resize"])
def test_work_that_nobody_waits_for_any_more_ends(busy, what):
    server, calls = busy
    call = calls[what]()
    begun = cpu_secs(server.process.pid)
    while cpu_secs(server.process.pid) - begun < 0.5:
        time.sleep(0.02)
    call.cancel()
    assert any(is_idle_after(server, 0) for _ in range(SOON))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["extract", "source", "resize", "first of a file"])
def test_a_cancel_is_obeyed_within_a_quarter_of_a_second(busy, what):
    server, calls = busy
    chance = random.Random(what)
    late = []
    for n in range(20):
        call = calls[what]()
        time.sleep(chance.uniform(0.01, 1))
        call.cancel()
        assert call.code() == grpc.StatusCode.CANCELLED
        if not is_idle_after(server, 0.25):
            late.append(n)
    assert late == []
