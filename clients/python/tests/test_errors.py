"""Whatever fails is a framecache.Error that says what, why, where and when to come back."""

import asyncio
import pickle
import time

import pytest

import framecache
from framecache.v1 import frame_service_pb2 as v1

from .fake import fail, frame, status


def timeline(client):
    return client.timeline("t")


def refusing(**details):
    def answer(request, context):
        fail(context, **details)

    return answer


@pytest.mark.parametrize(
    "code, kind",
    [
        ("INVALID_ARGUMENT", framecache.Invalid),
        ("NOT_FOUND", framecache.NotFound),
        ("OUT_OF_RANGE", framecache.OutOfRange),
        ("UNAUTHENTICATED", framecache.Unauthenticated),
        ("PERMISSION_DENIED", framecache.Denied),
        ("FAILED_PRECONDITION", framecache.Refused),
        ("DATA_LOSS", framecache.Damaged),
        ("RESOURCE_EXHAUSTED", framecache.Busy),
        ("UNAVAILABLE", framecache.Unavailable),
        ("DEADLINE_EXCEEDED", framecache.TimedOut),
        ("CANCELLED", framecache.Cancelled),
        ("INTERNAL", framecache.Error),
    ],
)
def test_every_code_has_its_kind(fake, code, kind):
    fake.answers["GetTimeline"] = refusing(code=code, message="m", reason="WHY")
    with pytest.raises(framecache.Error) as caught:
        framecache.Client(fake.target).timeline("t")
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.reason, caught.value.message) == (code, "WHY", "m")


def test_details_are_read(fake):
    fake.answers["GetTimeline"] = refusing(
        code="INVALID_ARGUMENT", message="fps must be above 0: fps=0; give frames a second", reason="FIELD_INVALID",
        hint="give frames a second", fields=["sampling.fps"], retry_after=1.5,
    )
    with pytest.raises(framecache.Invalid) as caught:
        framecache.Client(fake.target).timeline("t")
    error = caught.value
    assert (error.hint, error.field, error.retry_after) == ("give frames a second", "sampling.fps", 1.5)
    assert str(error) == "FIELD_INVALID: fps must be above 0: fps=0; give frames a second"
    assert isinstance(error, ValueError) and error.__cause__ is None


@pytest.mark.parametrize("kind", [framecache.Invalid, framecache.Unavailable, framecache.TimedOut, framecache.NotFound])
def test_errors_pickle(kind):
    error = kind("m", "R", "C", "h", "f", 0.5)
    again = pickle.loads(pickle.dumps(error))
    assert again == error and type(again) is kind and again.retry_after == 0.5 and str(again) == "R: m; h"


def test_no_server_is_unavailable_and_no_grpc_error(fake):
    with pytest.raises(framecache.Unavailable) as caught:
        framecache.Client("127.0.0.1:1").timeline("t")
    assert not type(caught.value).__module__.startswith("grpc")
    assert isinstance(caught.value, ConnectionError)


def test_a_deadline_is_a_timeout(fake):
    fake.answers["GetTimeline"] = lambda request, context: time.sleep(3)
    with pytest.raises(TimeoutError):
        framecache.Client(fake.target, timeout=0.3).timeline("t")


def test_what_time_mends_is_tried_again(fake):
    def answer(request, context):
        if fake.calls["GetTimeline"] < 3:
            fail(context, "RESOURCE_EXHAUSTED", "full", "QUEUE_FULL", retry_after=0.01)
        return v1.GetTimelineResponse(timeline="t", state=v1.PROFILE_STATE_ABSENT)

    fake.answers["GetTimeline"] = answer
    assert framecache.Client(fake.target).timeline("t").state == "absent"
    assert fake.calls["GetTimeline"] == 3


def test_trying_again_ends(fake):
    fake.answers["GetTimeline"] = refusing(code="UNAVAILABLE", message="m", retry_after=0.01)
    with pytest.raises(framecache.Unavailable):
        framecache.Client(fake.target).timeline("t")
    assert fake.calls["GetTimeline"] == 4


@pytest.mark.parametrize("code, retry_after", [("UNAVAILABLE", None), ("DEADLINE_EXCEEDED", 0.01), ("NOT_FOUND", 0.01)])
def test_what_time_does_not_mend_is_not_tried_again(fake, code, retry_after):
    fake.answers["GetTimeline"] = refusing(code=code, message="m", retry_after=retry_after)
    with pytest.raises(framecache.Error):
        framecache.Client(fake.target).timeline("t")
    assert fake.calls["GetTimeline"] == 1


def stream(fake, before):
    """Fails twice, each time after so many frames, then gives three."""
    def answer(request, context):
        broken = fake.calls["GetFrames"] < 3
        yield from map(frame, range(before if broken else 3))
        if broken:
            fail(context, "UNAVAILABLE", "m", "STORE_UNAVAILABLE", retry_after=0.01)

    fake.answers["GetFrames"] = answer


def test_a_stream_is_tried_again_while_nothing_came(fake):
    stream(fake, before=0)
    assert [f.index for f in framecache.Client(fake.target).frames("t")] == [0, 1, 2]
    assert fake.calls["GetFrames"] == 3


def test_a_stream_that_began_is_not_tried_again(fake):
    stream(fake, before=2)
    got = []
    with pytest.raises(framecache.Unavailable):
        got.extend(f.index for f in framecache.Client(fake.target).frames("t"))
    assert fake.calls["GetFrames"] == 1


def test_asyncio_retries_the_same(fake):
    async def run(before):
        stream(fake, before)
        fake.calls.clear()
        async with framecache.AsyncClient(fake.target) as client:
            return [f.index async for f in client.frames("t")]

    assert asyncio.run(run(0)) == [0, 1, 2]
    with pytest.raises(framecache.Unavailable):
        asyncio.run(run(2))
    assert fake.calls["GetFrames"] == 1


def test_errors_of_single_frames_are_raised_or_handed_out(fake):
    def answer(request, context):
        yield frame(0)
        item = v1.FrameItem(index=1, sequence=7, error=status("NOT_FOUND", "not there", "FRAME_NOT_CACHED"))
        yield v1.GetFramesResponse(frame=item)
        yield frame(2)

    fake.answers["GetFrames"] = answer
    client = framecache.Client(fake.target)
    with pytest.raises(framecache.NotFound, match="FRAME_NOT_CACHED"):
        list(client.frames("t"))
    found = list(client.frames("t", errors="yield"))
    assert [f.sequence for f in found] == [0, 7, 2]
    assert [f.error.reason if f.error else None for f in found] == [None, "FRAME_NOT_CACHED", None]
    with pytest.raises(framecache.NotFound):
        found[1].decode()


def test_a_picture_that_cannot_be_sent_says_so_itself(fake):
    fake.answers["PutFrames"] = lambda requests, context: v1.PutFramesResponse(frames=len(list(requests)))
    with pytest.raises(framecache.Invalid, match="sequence"):
        framecache.Client(fake.target).put("t", [framecache.PutFrame(-3, b"x")])

    async def run():
        async with framecache.AsyncClient(fake.target) as client:
            await client.put("t", [framecache.PutFrame(-3, b"x")])

    with pytest.raises(framecache.Invalid, match="sequence"):
        asyncio.run(run())


def test_the_token_goes_with_each_call(fake, monkeypatch):
    fake.answers["GetTimeline"] = lambda request, context: v1.GetTimelineResponse(state=v1.PROFILE_STATE_ABSENT)
    framecache.Client(fake.target, token="one").timeline("t")
    monkeypatch.setenv("FRAMECACHE_TOKEN", "two")
    monkeypatch.setenv("FRAMECACHE_SERVER", fake.target)
    framecache.Client().timeline("t")
    assert [calls["authorization"] for calls in fake.metadata] == ["Bearer one", "Bearer two"]


def test_a_reader_that_leaves_cancels_the_call(fake):
    ended = []

    def answer(request, context):
        context.add_callback(lambda: ended.append(True))
        index = 0
        while context.is_active():
            yield frame(index)
            index += 1

    fake.answers["GetFrames"] = answer
    frames = framecache.Client(fake.target).frames("t")
    next(frames)
    frames.close()
    for _ in range(100):
        if ended:
            return
        time.sleep(0.05)
    raise AssertionError("the server still streams")
