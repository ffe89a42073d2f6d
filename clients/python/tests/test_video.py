"""A timeline as a sequence of frames."""

import asyncio
import gc
import itertools
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

import framecache
from framecache import _arrays
from framecache.v1 import frame_service_pb2 as v1

from .conftest import make_clip
from .fake import fail, frame, status


@pytest.fixture
def every(client, clip):
    """The client, with all 100 frames of the clip under `every`."""
    assert client.extract("every", clip, all=True).ok
    return client


def numbers(frames):
    return [frame.sequence for frame in frames]


def test_a_video_is_a_sequence_of_its_frames(every):
    video = every.video("every")
    known = list(every.facts("every"))
    assert len(video) == 100 and len(list(video)) == 100
    assert [frame.facts for frame in video] == known
    assert (video[0].sequence, video[-1].sequence, video[np.int64(7)].sequence) == (0, 99, 7)
    assert video[5].image.shape == (240, 320, 3) and video[5].facts.phash == known[5].phash
    assert numbers(video[10:20:3]) == [10, 13, 16, 19] and numbers(video[::-40]) == [99, 59, 19]
    assert numbers(video[90:][-3:]) == [97, 98, 99] and len(video[50:40]) == 0
    assert numbers(reversed(video[:4])) == [3, 2, 1, 0]
    with pytest.raises(IndexError, match="frames=100"):
        video[100]
    with pytest.raises(IndexError):
        video[-101]
    for place in (1.5, "1", None):
        with pytest.raises(TypeError):
            video[place]


def test_frames_one_by_one_are_those_of_a_whole_reading(every):
    video = every.video("every")
    whole = {frame.sequence: frame.image for frame in video}
    order = [*range(20), 50, 51, 52, 3, 2, 1, *range(95, 100), 0, 1, 2, 2, 3]
    for place in order:
        assert np.array_equal(video[place].image, whole[place]), place
    assert np.array_equal(np.stack(video[:3]), np.stack([whole[0], whole[1], whole[2]]))


def test_neighbours_asked_one_by_one_come_in_one_call(fake):
    fake.answers["GetTimeline"] = lambda request, context: timeline(10)
    fake.answers["GetFrames"] = planned(10)
    video = framecache.Client(fake.target).video("t", errors="yield")
    fake.calls.clear()
    assert [video[place].sequence for place in range(10)] == list(range(10))
    assert fake.calls["GetFrames"] == 2, "the first alone, and a stream from the second on"
    unread = framecache.Client(fake.target).video("t", errors="yield", prefetch=0)
    fake.calls.clear()
    assert [unread[place].sequence for place in range(10)] == list(range(10)) and fake.calls["GetFrames"] == 10


def test_times_find_the_frame_that_is_shown(every):
    video = every.video("every")
    assert video.at(1.03).sequence == 25 and video.at("2").sequence == 50
    assert numbers(video.between(1, 1.2)) == [25, 26, 27, 28, 29]
    assert numbers(video[::2].between(1, 1.2)) == [26, 28] and len(video.between(3.9, None)) == 2
    with pytest.raises(framecache.OutOfRange):
        video.at(50)
    assert np.allclose(video.timestamps, np.arange(100) / 25)
    told = video.metadata
    assert (told.num_frames, told.width, told.height, told.begin_stream_seconds) == (100, 320, 240, 0)
    assert told.average_fps == pytest.approx(25) and told.duration_seconds == pytest.approx(4)


@pytest.mark.parametrize("transfer", ["auto", "raw", "jpeg"])
def test_a_batch_is_one_writable_array_in_the_order_asked(every, transfer):
    video = every.video("every", transfer=transfer)
    places = [70, 3, -1, 3, *range(70)]
    batch = video.get_batch(places)
    assert batch.array.shape == (74, 240, 320, 3) and batch.array.flags.writeable and batch.array.flags.c_contiguous
    assert batch.sequences.tolist() == [70, 3, 99, 3, *range(70)] and batch.valid.all()
    assert batch.timestamps[:2].tolist() == pytest.approx([2.8, 0.12])
    for place in (0, 1, 2, 3, 73):
        assert np.array_equal(batch.array[place], video[int(batch.sequences[place])].image)
    small = every.video("every").get_batch([1, 2], width=32, height=24, layout="nchw", datatype="fp32")
    assert small.array.shape == (2, 3, 24, 32) and small.array.dtype == np.float32
    assert [len(part) for part in video.batches(30)] == [30, 30, 30, 10]
    assert [part.index for part in video.batches(30)] == [0, 30, 60, 90]
    assert [len(part) for part in video[::-1].batches(90)] == [90, 10]
    with pytest.raises(framecache.Invalid):
        video.get_batch([])


def test_long_lists_of_frames_are_asked_for_in_parts(every, monkeypatch):
    monkeypatch.setattr(framecache.video, "NAMED", 7)
    video = every.video("every")[::-1]
    assert numbers(video) == list(range(99, -1, -1))
    assert [part.sequences[0] for part in video.batches(30)] == [99, 69, 39, 9]
    assert [len(part) for part in video.batches(2)] == [2] * 50


def test_torchcodecs_and_decords_names_mean_the_same(every):
    video = every.video("every")
    assert video.get_frame_at(3).pts_seconds == video[3].timestamp and video.get_frame_at(-1).sequence == 99
    assert np.array_equal(video.get_frame_at(3).data, video[3].image)
    assert video.get_frames_at([4, 2]).sequences.tolist() == [4, 2]
    assert video.get_frames_in_range(10, 20, 5).sequences.tolist() == [10, 15]
    assert video.get_frame_played_at(1.03).sequence == 25
    batch = video.get_frames_played_at([2, 1.03])
    assert batch.sequences.tolist() == [50, 25] and batch.pts_seconds.tolist() == [2, 1] and len(batch.data) == 2
    assert video.get_frames_played_in_range(1, 1.2).sequences.tolist() == [25, 26, 27, 28, 29]
    assert video.get_avg_fps() == pytest.approx(25)


def test_numbers_that_a_window_leaves_out_are_no_places(client, clip):
    client.extract("part", clip, fps=5, window=(1, 3), plan_only=True)
    video = client.video("part")
    assert len(video) == 10 and list(video.sequences) == list(range(5, 15))
    assert np.isnan(video.timestamps).all(), "nothing is cached yet"
    assert video[0].sequence == 5 and video[-1].sequence == 14, "what is planned is extracted when it is read"
    with pytest.raises(framecache.NotFound):
        client.clear("part")
        client.video("part", on_miss="fail")[0]


def test_frames_with_holes_between_their_numbers_are_read(client):
    made = [framecache.PutFrame(n, np.full((8, 8, 3), n % 256, np.uint8)) for n in (3, 70, 1000)]
    client.put("made", made)
    video = client.video("made")
    assert list(video.sequences) == [3, 70, 1000] and numbers(video) == [3, 70, 1000]
    assert video.get_batch([2, 0]).sequences.tolist() == [1000, 3] and numbers(video[::-1]) == [1000, 70, 3]
    assert np.isnan(video.get_batch([0]).timestamps).all() and video.metadata.average_fps is None


def test_a_timeline_that_is_not_there_makes_no_video(client):
    with pytest.raises(framecache.NotFound):
        client.video("nothing")


def test_a_video_pickles_and_serves_threads_and_forked_processes(every):
    video = every.video("every")[::2]
    assert numbers([video[0], video[1], video[2]]) == [0, 2, 4]
    assert numbers(pickle.loads(pickle.dumps(video))) == list(range(0, 100, 2))
    found = {}

    def read(first):
        found[first] = numbers(video[place] for place in range(first, first + 20))

    threads = [threading.Thread(target=read, args=(first,)) for first in (0, 10, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {first: list(range(2 * first, 2 * first + 40, 2)) for first in (0, 10, 30)}


FORKED = """
import os, sys
import framecache
client = framecache.Client(source_roots=os.path.dirname(sys.argv[1]))
client.extract("every", sys.argv[1], all=True)
video = client.video("every")
assert [video[place].sequence for place in range(3)] == [0, 1, 2]
child = os.fork()
if child == 0:
    # In the middle of what its parent reads ahead.
    code = [video[place].sequence for place in range(3, 9)] != list(range(3, 9))
    os._exit(code)
assert os.waitpid(child, 0)[1] == 0
assert [video[place].sequence for place in range(3, 100)] == list(range(3, 100))
print("all is well")
"""


def test_a_forked_child_goes_on_where_its_parent_reads_ahead(script, clip):
    assert script(FORKED, clip) == "all is well\n"


def timeline(planned):
    return v1.GetTimelineResponse(
        timeline="t", state=v1.PROFILE_STATE_COMPLETE, counts=v1.FrameCounts(planned=planned), plan=v1.PlanInfo()
    )


def planned(count, answer=lambda request, context, numbers: map(item, numbers, itertools.count())):
    """GetFrames of a dense timeline."""
    def handle(request, context):
        chosen = request.selection
        asked = chosen.sequences or range(chosen.range.first, min(chosen.range.last + 1, count), chosen.step or 1)
        return answer(request, context, list(asked))

    return handle


def item(sequence, index):
    found = frame(sequence)
    found.frame.index = index
    return found


def test_a_stream_that_ended_because_its_reader_paused_goes_on(fake):
    def stalled(request, context, numbers):
        for index, sequence in enumerate(numbers[:4]):
            yield item(sequence, index)
        if len(numbers) > 4:
            fail(context, "DEADLINE_EXCEEDED", "the client took nothing", "CLIENT_STALLED")

    fake.answers["GetTimeline"] = lambda request, context: timeline(10)
    fake.answers["GetFrames"] = planned(10, stalled)
    video = framecache.Client(fake.target).video("t", errors="yield")
    fake.calls.clear()
    assert numbers(video) == list(range(10)) and fake.calls["GetFrames"] == 3
    assert [found.index for found in video] == list(range(10))
    fake.answers["GetFrames"] = lambda request, context: fail(context, "DEADLINE_EXCEEDED", "m", "CLIENT_STALLED")
    with pytest.raises(framecache.TimedOut):
        list(video)


def test_a_timeline_that_was_planned_anew_is_noticed(fake):
    fake.answers["GetTimeline"] = lambda request, context: timeline(10)
    fake.answers["GetFrames"] = planned(10)
    video = framecache.Client(fake.target).video("t", errors="yield")
    fake.answers["GetFrames"] = planned(5)
    with pytest.raises(framecache.Refused, match="planned anew"):
        list(video)


def test_frames_that_cannot_be_had_are_errors_or_masked(fake):
    def broken(request, context, numbers):
        for index, sequence in enumerate(numbers):
            lost = v1.FrameItem(index=index, sequence=sequence, error=status("DATA_LOSS", "not there", "MEDIA_CORRUPT"))
            yield v1.GetFramesResponse(frame=lost) if sequence == 1 else item(sequence, index)

    fake.answers["GetTimeline"] = lambda request, context: timeline(3)
    fake.answers["GetFrames"] = planned(3, broken)
    client = framecache.Client(fake.target)
    with pytest.raises(framecache.Damaged, match="not there"):
        client.video("t")[1]
    handed_out = list(client.video("t", errors="yield"))
    assert [found.error is not None and found.error.reason for found in handed_out][1] == "MEDIA_CORRUPT"


@pytest.mark.loose
def test_lost_frames_of_a_batch_are_zeros_under_the_mask(every, clip):
    """A frame whose object was changed, with its source away, cannot be had."""
    gone = make_clip(clip.parent / "gone.mp4", seconds=1)
    every.extract("gone", gone, all=True)
    gone.unlink()
    Path(os.environ["FRAMECACHE_STORE"], "cache/timelines/gone/frames/3.jpg").write_bytes(b"no picture")
    for transfer in ("raw", "jpeg"):
        video = every.video("gone", errors="yield", transfer=transfer)
        batch = video.get_batch([2, 3, 4])
        assert batch.valid.tolist() == [True, False, True] and not batch.array[1].any() and batch.array[2].any()
        assert list(batch.errors) == [1]
        with pytest.raises(framecache.Error):
            every.video("gone", transfer=transfer).get_batch([2, 3])


def test_memory_is_used_again_only_when_nobody_holds_a_view_of_it():
    arrays = _arrays.Arrays()
    size = (_arrays.SMALLEST_BYTES,)
    first = arrays.empty(size, np.uint8)
    first[:] = 1
    address, view = first.ctypes.data, first[5:].reshape(-1, 1)[::2]
    del first
    gc.collect()
    second = arrays.empty(size, np.uint8)
    second[:] = 2
    assert (view == 1).all() and second.ctypes.data != address
    del view
    gc.collect()
    assert arrays.empty((size[0] // 4,), np.float32).ctypes.data == address
    held = memoryview(second)
    place = second.ctypes.data
    del second
    gc.collect()
    assert arrays.empty(size, np.uint8).ctypes.data != place and held[0] == 2


def test_batches_that_are_kept_keep_their_pictures(every):
    video = every.video("every")
    kept = list(video.batches(5))
    for batch in kept:
        for place in (0, 4):
            assert np.array_equal(batch.array[place], video[int(batch.sequences[place])].image)


def test_asyncio_reads_the_same_arrays(every):
    async def run():
        async with framecache.AsyncClient(every._target()) as client:
            return [batch async for batch in client.tensors("every", batch=30)]

    for one, other in zip(asyncio.run(run()), every.video("every").batches(30)):
        assert np.array_equal(one.array, other.array)
