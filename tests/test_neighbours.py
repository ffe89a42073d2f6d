"""One client that takes all it can, and another that must not notice: its answers, its time, and the server's memory.

What each test saw is printed: `pytest -s`. Long ones run in full with `-m slow`.
"""

import io
import random
import time

import grpc
import pytest
from PIL import Image

from .support import rpc
from .support.neighbours import MIB, SOON, children, descriptors, outcome, resident, until

CODE = grpc.StatusCode


# ---- memory


def test_a_size_beyond_any_picture_is_refused_and_costs_nothing(started, greedy, v1):
    server, neighbour = started()
    stub, before = greedy(server), resident(server)[0]
    everything = v1.Selection(all=True)
    with rpc.refused(CODE.INVALID_ARGUMENT, "LIMIT_EXCEEDED") as seen:
        list(stub.GetFrames(v1.GetFramesRequest(timeline="t", selection=everything, width=16384, height=16384)))
    assert seen[0].fields == ["width"]
    # The other side follows from each frame's shape: so each says that it cannot be.
    wide = v1.GetFramesRequest(timeline="t", selection=everything, width=16384)
    errors = [a.frame.error for a in stub.GetFrames(wide) if a.HasField("frame")]
    assert errors and all(rpc.details(e)["ErrorInfo"].reason == "LIMIT_EXCEEDED" for e in errors)
    neighbour.is_served()
    assert resident(server)[1] < before + 64


def test_pictures_that_many_calls_want_at_once_are_made_within_the_memory_for_them(started, greedy, v1):
    """Sixteen calls that want 24 megapixels each, of which one needs 220 MiB: made one at a time."""
    server, neighbour = started("--memory", "512MiB")
    stub, before = greedy(server), resident(server)[0]
    request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[0]), width=6000, height=4000)
    calls = [stub.GetFrames(request, timeout=240) for _ in range(16)]
    small = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[0]), width=64)
    answers = list(neighbour.stub.GetFrames(small, timeout=SOON * 4))
    assert answers[0].frame.data.width == 64
    took = neighbour.is_served()
    ends = [outcome(call) for call in calls]
    peak = resident(server)[1]
    print(f"\nMiB before and at most: {before}, {peak}; the neighbour: {took:.2f} s; {ends.count('whole')} of 16 calls were answered")
    assert set(ends) <= {"whole", "MEMORY_BUDGET", "QUEUE_FULL"} and "whole" in ends
    assert peak < before + 2 * 220 + 100


def test_an_upload_that_falls_silent_delays_nobody_and_loses_its_call(started, greedy, silent, v1):
    server, neighbour = started("--stall-timeout", "4s", "--memory", "128MiB")
    # Of the memory for uploads, 24 MiB, one connection gets three quarters.
    upload = silent(greedy(server), 17 * MIB)
    assert upload.sent.wait(30)
    until(lambda: server.metric("framecache_memory_bytes", of="uploads") > 17 * MIB, "it holds the memory")
    took = neighbour.is_served()
    other = v1.PutFramesRequest(timeline="q", frame=v1.PutFrame(sequence=7, jpeg=neighbour.known[0], last=True))
    assert neighbour.stub.PutFrames(iter([other]), timeout=SOON).frames == 1
    error = upload.call.exception(timeout=60)
    said = rpc.refusal(error)
    assert (said.code, said.reason) == (CODE.DEADLINE_EXCEEDED, "CLIENT_STALLED")
    until(lambda: server.metric("framecache_memory_bytes", of="uploads") == 0, "its memory is given back")
    print(f"\na neighbour's read took {took:.3f} s beside it")


def test_more_than_its_share_of_uploads_is_refused_to_one_and_the_next_is_stored(started, greedy, silent, v1):
    server, neighbour = started("--memory", "128MiB")
    with rpc.refused(CODE.INVALID_ARGUMENT, "LIMIT_EXCEEDED") as seen:
        raise silent(greedy(server), 60 * MIB).call.exception(timeout=60)
    assert "several calls" in seen[0].message
    until(lambda: server.metric("framecache_memory_bytes", of="uploads") == 0, "its memory is given back")
    put = v1.PutFramesRequest(timeline="q", frame=v1.PutFrame(sequence=7, jpeg=neighbour.known[0], last=True))
    assert neighbour.stub.PutFrames(iter([put]), timeout=SOON).frames == 1


def test_uploads_that_wait_for_memory_hold_none_beyond_it(started, greedy, silent):
    """One holds its share; forty more connections send 8 MiB each."""
    server, neighbour = started("--memory", "128MiB")
    before = resident(server)[0]
    first = silent(greedy(server), 17 * MIB)
    assert first.sent.wait(30)
    uploads = [silent(greedy(server), 8 * MIB, timeline=f"p{n}") for n in range(40)]
    until(lambda: server.metric("framecache_memory_bytes", of="uploads") > 22 * MIB, "they hold all that there is")
    took = neighbour.is_served()
    now, peak = resident(server)
    print(f"\nMiB before, now, at most: {before}, {now}, {peak}; the neighbour: {took:.3f} s")
    assert peak < before + 24 + 64
    [upload.end() for upload in uploads]


def test_a_request_that_names_millions_of_frames_is_refused_and_leaves_nothing_behind(started, greedy, v1):
    server, neighbour = started()
    stub = greedy(server)
    millions = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[0, 2] * 2_090_000), payload=1)
    for _ in range(4):
        with rpc.refused(CODE.INVALID_ARGUMENT, "LIMIT_EXCEEDED") as seen:
            list(stub.GetFrames(millions, timeout=60))
        assert "limit=100000" in seen[0].message and seen[0].fields == ["selection.sequences"]
    most = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[0, 2] * 50_000))
    before = resident(server)[0]
    streams = [stub.GetFrames(most) for _ in range(20)]
    for stream in streams:
        next(stream)
    grown = resident(server)[0] - before
    neighbour.is_served()
    print(f"\ntwenty streams of 100,000 sequences each: {grown} MiB")
    # Sixteen times their bytes: 31 MiB, and what is on its way.
    assert grown < 31 + 64
    for stream in streams:
        stream.cancel()


# ---- calls


def test_silent_streams_of_one_connection_leave_half_of_the_calls_to_others(started, greedy, silent):
    server, neighbour = started("--max-calls", "64")
    stub = greedy(server)
    calls = [silent(stub) for _ in range(200)]
    until(lambda: server.metric("framecache_queue_depth", queue="calls") == 32, "it has half of them")
    refusals = 200 - 32
    until(lambda: sum(c.call.done() for c in calls) == refusals, "the others are told to come again")
    assert all(rpc.refusal(c.call.exception()).reason == "QUEUE_FULL" for c in calls if c.call.done())
    for _ in range(20):
        neighbour.is_served()
    [call.end() for call in calls]
    until(lambda: server.metric("framecache_queue_depth", queue="calls") == 0, "their places are free again")


def test_calls_given_up_at_any_moment_leave_nothing_behind(started, greedy, v1):
    given_up(started, greedy, v1, 120)


@pytest.mark.slow
def test_a_thousand_calls_given_up_at_any_moment_leave_nothing_behind(started, greedy, v1):
    assert given_up(started, greedy, v1, 1000) < 0.25


def given_up(started, greedy, v1, count):
    """Seconds until the last one's place was free."""
    server, neighbour = started()
    stub, chance = greedy(server), random.Random(7)
    neighbour.is_served()
    before = descriptors(server), children(server)
    requests = [
        (stub.GetFrames, v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True))),
        (stub.GetFrames, v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True), width=640)),
        (stub.GetTensors, v1.GetTensorsRequest(timeline="t", selection=v1.Selection(all=True), batch=2)),
        (stub.GetTensors, v1.GetTensorsRequest(timeline="t", selection=v1.Selection(all=True), origin=v1.ORIGIN_SOURCE, batch=2)),
    ]
    for n in range(count):
        method, request = requests[n % len(requests)]
        stream = method(request, timeout=60)
        for _ in zip(range(chance.randrange(4)), stream):
            pass
        stream.cancel()
        if n % 20 == 0:
            neighbour.is_served()
    begun = time.monotonic()
    until(lambda: server.metric("framecache_queue_depth", queue="calls") == 0, "all places are free")
    freed = time.monotonic() - begun
    for kind in ("answers", "batches", "pictures", "uploads"):
        until(lambda kind=kind: server.metric("framecache_memory_bytes", of=kind) == 0, f"{kind} are given back")
    until(lambda: server.metric("framecache_queue_depth", queue="hands") == 0, "all hands are free")
    until(lambda: descriptors(server) <= before[0] + 2 and children(server) == before[1], "nothing is left open")
    neighbour.is_served()
    print(f"\n{count} calls given up; places free after {freed:.3f} s")
    return freed


# ---- sizes


def test_errors_about_a_long_field_reach_the_client_as_what_they_are(started, v1):
    _, neighbour = started()
    media = v1.MediaServiceStub(neighbour.channel)
    for n in (1000, 12_000, 100_000):
        with pytest.raises(grpc.RpcError) as seen:
            media.ProbeMedia(v1.ProbeMediaRequest(uri="s3://" + "Z" * n), timeout=SOON)
        assert rpc.refusal(seen.value).reason in ("SOURCE_DENIED", "FIELD_INVALID", "SOURCE_NOT_FOUND"), seen.value
        with pytest.raises(grpc.RpcError) as seen:
            list(neighbour.stub.ExtractFrames(v1.ExtractFramesRequest(timeline="t", only_chunk_ids=["c" * n]), timeout=SOON))
        assert rpc.refusal(seen.value).reason == "FIELD_INVALID", seen.value


def test_twenty_thousand_chunks_with_long_names_fit_a_request(started, v1, clip, tmp_path):
    _, neighbour = started()
    (tmp_path / ("d" * 200)).mkdir()
    source = tmp_path / ("d" * 200) / "a.mp4"
    source.write_bytes(clip("tick.mp4").read_bytes())
    chunks = [v1.Chunk(uri=str(source))] * 20_000
    request = v1.ExtractFramesRequest(timeline="m", chunks=chunks, sampling=v1.Sampling(all=True), plan_only=True)
    assert request.ByteSize() > 4 << 20
    events = list(neighbour.stub.ExtractFrames(request, timeout=240))
    assert next(e.plan for e in events if e.HasField("plan")).chunks == 20_000
    too_many = v1.ExtractFramesRequest(timeline="m", chunks=[v1.Chunk(uri="d" * 1000)] * 20_000, sampling=v1.Sampling(all=True))
    with rpc.refused(CODE.INVALID_ARGUMENT, "LIMIT_EXCEEDED"):
        list(neighbour.stub.ExtractFrames(too_many, timeout=60))


def of_many_scans(scans):
    """A progressive JPEG whose last scan is repeated."""
    out = io.BytesIO()
    Image.new("L", (4000, 4000), 128).save(out, "JPEG", progressive=True, quality=50)
    jpeg = out.getvalue()
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * scans + jpeg[-2:]


def test_a_picture_of_thousands_of_scans_is_refused_before_it_is_worked_on(started, greedy, v1):
    server, neighbour = started()
    stub = greedy(server)
    frame = v1.PutFrame(sequence=0, jpeg=of_many_scans(3000), last=True)
    stub.PutFrames(iter([v1.PutFramesRequest(timeline="b", frame=frame)]), timeout=SOON)
    fine = v1.PutFrame(sequence=1, jpeg=of_many_scans(1), last=True)
    stub.PutFrames(iter([v1.PutFramesRequest(timeline="b", frame=fine)]), timeout=SOON)
    request = v1.GetFramesRequest(timeline="b", selection=v1.Selection(sequences=[0, 0, 0, 0, 1]), width=100)
    answers = [a.frame for a in stub.GetFrames(request, timeout=SOON * 4) if a.HasField("frame")]
    reasons = [rpc.details(a.error)["ErrorInfo"].reason for a in answers if a.HasField("error")]
    assert reasons == ["LIMIT_EXCEEDED"] * 4 and answers[-1].data.width == 100
    neighbour.is_served()
