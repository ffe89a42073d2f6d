"""What travels in parts is put together, and nothing broken passes for whole."""

import numpy as np
import pytest

import framecache
from framecache.v1 import frame_service_pb2 as v1
from framecache.v1 import overlay_service_pb2 as overlays_v1

from .fake import status


def parts(index, data, cuts):
    bounds = [0, *cuts, len(data)]
    for begin, end in zip(bounds, bounds[1:]):
        piece = v1.FrameData(jpeg=data[begin:end], offset=begin, total=len(data), last=end == len(data))
        if begin == 0:
            piece.facts.sequence = index
            piece.facts.timestamp = 1.5
            piece.facts.width = 640
        yield v1.GetFramesResponse(frame=v1.FrameItem(index=index, sequence=index, data=piece))


def frames(fake, messages, **options):
    fake.answers["GetFrames"] = lambda request, context: iter(messages)
    return list(framecache.Client(fake.target).frames("t", **options))


def test_parts_are_joined_and_facts_kept(fake):
    data = bytes(range(256)) * 100
    one, two = frames(fake, [*parts(0, data, [7, 9000]), *parts(1, b"small", [])])
    assert one.jpeg == data and two.jpeg == b"small"
    assert (one.facts.timestamp, one.timestamp, one.facts.width, one.width) == (1.5, 1.5, 640, 640)
    assert one.facts.phash is None and one.facts.chunk_id is None


def test_base64_parts_are_joined(fake):
    items = [
        v1.FrameData(base64="QUJD", offset=0, total=8),
        v1.FrameData(base64="REVG", offset=4, total=8, last=True),
    ]
    messages = [v1.GetFramesResponse(frame=v1.FrameItem(index=0, data=data)) for data in items]
    assert frames(fake, messages, payload="base64")[0].base64 == "QUJDREVG"


@pytest.mark.parametrize("broken", ["gap", "short", "unfinished", "mixed"])
def test_a_broken_stream_is_an_error(fake, broken):
    messages = list(parts(0, b"0123456789", [4]))
    if broken == "gap":
        messages[1].frame.data.offset = 5
    elif broken == "short":
        messages[1].frame.data.total = 11
    elif broken == "unfinished":
        del messages[1]
    else:
        messages[1].frame.index = 1
    with pytest.raises(framecache.Error, match="the answer cannot be read"):
        frames(fake, messages)


def tensor(array, cuts, **header):
    data = array.tobytes()
    count = len(array)
    values = {
        "index": 0, "name": "frames", "datatype": "FP32", "shape": array.shape, "sequences": range(count),
        "timestamps": [0.5] * count, "valid": [True] * count, "bytes": len(data),
        "transforms": [v1.Transform(scale_x=2, scale_y=3, offset_x=-1, offset_y=-2)] * count, **header,
    }
    yield v1.GetTensorsResponse(header=v1.TensorHeader(**values))
    bounds = [0, *cuts, len(data)]
    for begin, end in zip(bounds, bounds[1:]):
        part = v1.TensorPart(data=data[begin:end], offset=begin, last=end == len(data))
        yield v1.GetTensorsResponse(part=part)


def batches(fake, messages, **options):
    fake.answers["GetTensors"] = lambda request, context: iter(messages)
    return list(framecache.Client(fake.target).tensors("t", transfer="raw", **options))


def test_parts_fill_one_writable_array(fake):
    array = np.arange(2 * 3 * 5 * 7, dtype=np.float32).reshape(2, 3, 5, 7)
    one, two = batches(fake, [*tensor(array, [1, 333]), *tensor(array[:1] * 2, [])])
    assert one.array.dtype == np.float32 and np.array_equal(one.array, array)
    assert one.array.flags.writeable and one.array.flags.c_contiguous
    assert np.array_equal(two.array, array[:1] * 2) and len(one) == 2
    assert one.transform(1) == (2, 3, -1, -2)


@pytest.mark.parametrize("broken", ["bytes", "shape", "datatype", "gap", "unfinished", "too much"])
def test_a_broken_tensor_is_an_error(fake, broken):
    array = np.zeros((1, 2, 2, 3), np.float32)
    changes = {"bytes": {"bytes": 1 << 50}, "shape": {"shape": [2, 2, 2, 3]}, "datatype": {"datatype": "INT4"}}
    messages = list(tensor(array, [10], **changes.get(broken, {})))
    if broken == "gap":
        messages[2].part.offset = 11
    elif broken == "unfinished":
        del messages[2]
    elif broken == "too much":
        messages[2].part.data += b"x"
    with pytest.raises(framecache.Error, match="the answer cannot be read"):
        batches(fake, messages)


def test_frames_that_could_not_be_had_raise_or_are_masked(fake):
    array = np.zeros((2, 1, 1, 3), np.float32)
    error = v1.TensorError(place=1, status=status("NOT_FOUND", "m", "FRAME_NOT_CACHED"))
    messages = list(tensor(array, [], valid=[True, False], errors=[error], timestamps=[0, float("nan")]))
    with pytest.raises(framecache.NotFound):
        batches(fake, messages)
    (batch,) = batches(fake, messages, errors="mask")
    assert batch.valid.tolist() == [True, False] and batch.errors[1].reason == "FRAME_NOT_CACHED"
    assert np.isnan(batch.timestamps[1])


def test_boxes_map_back_through_each_frames_transform():
    batch = framecache.Batch(
        0, np.zeros((2, 1, 1, 3), np.uint8), np.arange(2), np.zeros(2), np.ones(2, bool),
        np.array([[2.0, 3.0, -1.0, -2.0], [1.0, 1.0, 0.0, 10.0]]),
    )
    box = [0, 1, 10, 20]
    assert batch.to_source(box, 0).tolist() == [-1, 1, 19, 58]
    assert batch.to_source([box, box], 1).tolist() == [[0, 11, 10, 30]] * 2
    assert batch.to_source([box, box, box], [0, 1, 0]).tolist() == [[-1, 1, 19, 58], [0, 11, 10, 30], [-1, 1, 19, 58]]
    assert batch.to_source([[box] * 5] * 2).shape == (2, 5, 4)
    assert batch.to_source(np.zeros((0, 4)), 0).shape == (0, 4)
    assert batch.transform(1).to_source(box).tolist() == [0, 11, 10, 30]
    for wrong in ([0, 1, 2], [box, box, box]):
        with pytest.raises(ValueError):
            batch.to_source(wrong)


def test_uploads_are_cut_into_messages_that_fit_and_sent_again_after_a_refusal(fake):
    seen = []

    def answer(requests, context):
        seen.append(list(requests))
        if len(seen) == 1:
            from .fake import fail

            fail(context, "RESOURCE_EXHAUSTED", "m", "MEMORY_BUDGET", retry_after=0.01)
        return overlays_v1.PutOverlaysResponse(results=[overlays_v1.PutOverlayResult(index=i) for i in range(2)])

    fake.answers["PutOverlays"] = answer
    big = bytes(7 << 20)
    overlays = framecache.Client(fake.target).overlays
    results = overlays.put("t", "j", "s", {1: {"a": big}, 2: {"b": b"x"}}, "p", create=True)
    assert [(r.sequence, r.name, r.error) for r in results] == [(1, "a", None), (2, "b", None)]
    assert [len(messages) for messages in seen] == [5, 5] and seen[0] == seen[1]
    assert max(message.ByteSize() for message in seen[0]) < 4 << 20
    first, *rest = seen[1]
    assert (first.timeline, first.profile) == ("t", "p")
    assert b"".join(m.overlay.png for m in rest[:3]) == big
    assert [m.overlay.offset for m in rest] == [0, 3 << 20, 6 << 20, 0]
    assert [m.overlay.last for m in rest] == [False, False, True, True]
