"""Who reads does not wait behind those who fill the cache."""

import contextlib
import threading

import grpc
import pytest

from .media import make
from .test_serve import until

# A task is a sixteenth of a worker's share of a span, or a GOP; a span is a minute.
SPAN_FRAMES, TASK_FRAMES, WORKERS = 1500, 50, 2
SIX = range(6)


@pytest.fixture
def long_clip(tmp_path):
    """Ten minutes: a minute of small pictures, ten times."""
    name = tmp_path / "long.mp4"
    minute = tmp_path / "minute.mp4"
    fast = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-bf", "0"]
    make.ffmpeg(*make.pattern(size="320x180", seconds=60), *fast, minute)
    parts = tmp_path / "parts.txt"
    parts.write_text(f"file '{minute}'\n" * 10)
    make.ffmpeg("-f", "concat", "-safe", "0", "-i", parts, "-c", "copy", name)
    return name


def extraction(v1, channel, timeline, uri, **more):
    request = v1.ExtractFramesRequest(
        timeline=timeline, chunks=[v1.Chunk(uri=str(uri))], sampling=v1.Sampling(all=True), **more
    )
    return v1.FrameServiceStub(channel).ExtractFrames(request, timeout=300)


@contextlib.contextmanager
def extracting(v1, server, uri):
    """Six clients that extract a long video, until the end of the test."""
    with contextlib.ExitStack() as opened:
        calls = []
        for n in SIX:
            channel = opened.enter_context(server.channel())
            calls.append(extraction(v1, channel, f"big{n}", uri))
            opened.callback(calls[-1].cancel)

        def listen(call):
            with contextlib.suppress(grpc.RpcError):
                for _ in call:
                    pass

        for call in calls:
            threading.Thread(target=listen, args=(call,), daemon=True).start()
        yield


def made(store):
    """Frames of the long extractions in a directory store."""
    return sum(len(list((store / f"cache/timelines/big{n}/frames").glob("*.jpg"))) for n in SIX)


def read_one(v1, channel, timeline, sequence):
    request = v1.GetFramesRequest(timeline=timeline, selection=v1.Selection(sequences=[sequence]))
    found = [r.frame for r in v1.FrameServiceStub(channel).GetFrames(request, timeout=120) if r.HasField("frame")]
    assert found and found[0].HasField("data"), found
    return found[0]


def test_a_read_of_a_missing_frame_waits_for_a_task_and_not_for_six_extractions(v1, serve, tmp_path, clip, long_clip):
    small = tmp_path / "small.mp4"
    small.write_bytes(clip("h264_bframes.mp4").read_bytes())
    server = serve("--workers", str(WORKERS))
    store = tmp_path / "store"
    with server.channel() as channel:
        for _ in extraction(v1, channel, "small", small, plan_only=True):
            pass
        with extracting(v1, server, long_clip):
            # All six are at it: more frames than one of them could have queued alone.
            until(lambda: made(store) > 2 * TASK_FRAMES * WORKERS, "six extractions make frames", 120)
            before = made(store)
            read_one(v1, channel, "small", 3)
            meanwhile = made(store) - before
    # Of each worker the task that it was at, and as much again while the span was decoded and written; in
    # turn with the six, whose spans are open first, it would be twenty spans.
    assert meanwhile < SPAN_FRAMES / 2, meanwhile


def test_a_reader_who_joins_a_span_that_waits_gets_it_before_the_others(v1, serve, tmp_path, clip, long_clip):
    small = tmp_path / "small.mp4"
    small.write_bytes(clip("h264_bframes.mp4").read_bytes())
    server = serve("--workers", str(WORKERS))
    store = tmp_path / "store"
    with server.channel() as channel, extracting(v1, server, long_clip):
        until(lambda: made(store) > 2 * TASK_FRAMES * WORKERS, "six extractions make frames", 120)
        # Behind the others, since nobody waits for its frames yet.
        late = extraction(v1, channel, "small", small)
        assert any(event.HasField("plan") for event in late)
        before = made(store)
        read_one(v1, channel, "small", 3)
        meanwhile = made(store) - before
        late.cancel()
    assert meanwhile < SPAN_FRAMES / 2, meanwhile
