"""Clips of a video, and what becomes of those that reach past its end."""

import numpy as np
import pytest

import framecache
from framecache import samplers


@pytest.fixture
def video(client, clip):
    """100 frames, 25 a second."""
    assert client.extract("every", clip, all=True).ok
    return client.video("every")


def test_clips_are_arrays_with_the_facts_of_their_frames(video):
    clips = samplers.clips_at_regular_indices(video, num_clips=3, num_frames_per_clip=4, num_indices_between_frames=2)
    assert clips.array.shape == (3, 4, 240, 320, 3) and clips.array.flags.writeable and len(clips) == 3
    assert clips.places.tolist() == [[0, 2, 4, 6], [46, 48, 50, 52], [93, 95, 97, 99]]
    assert clips.sequences.tolist() == clips.places.tolist() and clips.valid.all()
    assert np.allclose(clips.timestamps, clips.places / 25)
    for clip in range(3):
        for place in range(4):
            assert np.array_equal(clips.array[clip, place], video[int(clips.places[clip, place])].image)
    small = samplers.clips_at_regular_indices(video, num_clips=2, width=32, height=24, layout="nchw")
    assert small.array.shape == (2, 1, 3, 24, 32)


def test_random_clips_lie_in_their_range_and_follow_from_their_seed(video):
    def places(**options):
        return samplers.clips_at_random_indices(video, num_clips=50, num_frames_per_clip=3, **options).places

    found = places(rng=7)
    assert np.array_equal(found, places(rng=7)) and not np.array_equal(found, places(rng=8))
    assert found.min() >= 0 and found.max() <= 99 and (np.diff(found) == 1).all()
    assert not np.array_equal(places(), places()), "another sample at each call"
    within = places(sampling_range_start=-20, sampling_range_end=-10, rng=0)[:, 0]
    assert set(within) == set(range(80, 90))


@pytest.mark.parametrize("policy, filled", [
    ("repeat_last", [97, 98, 99, 99, 99, 99, 99, 99]), ("wrap", [97, 98, 99, 97, 98, 99, 97, 98]),
])
def test_a_clip_that_reaches_past_the_end_is_filled(video, policy, filled):
    options = {"num_frames_per_clip": 8, "policy": policy}
    by_place = samplers.clips_at_regular_indices(video, sampling_range_start=97, **options)
    assert by_place.places.tolist() == [filled]
    times = {"sampling_range_start": 97 / 25, "sampling_range_end": 97.5 / 25, "seconds_between_clip_starts": 1}
    assert samplers.clips_at_regular_timestamps(video, **times, **options).places.tolist() == [filled]
    with pytest.raises(framecache.Invalid, match="past the end"):
        samplers.clips_at_regular_indices(video, sampling_range_start=97, num_frames_per_clip=8, policy="error")


def test_times_find_the_frames_that_are_shown(video):
    clips = samplers.clips_at_regular_timestamps(
        video, seconds_between_clip_starts=1, num_frames_per_clip=3, seconds_between_frames=0.1
    )
    # At 0.1 s the frame of 0.08 is shown, at 0.2 that of 0.2.
    assert clips.places.tolist() == [[0, 2, 5], [25, 27, 30], [50, 52, 55], [75, 77, 80]]
    drawn = samplers.clips_at_random_timestamps(video, num_clips=40, num_frames_per_clip=2, rng=3)
    assert (np.diff(drawn.places) == 1).all() and drawn.places.max() <= 99
    late = samplers.clips_at_random_timestamps(video, num_clips=20, sampling_range_start=3, rng=3)
    assert late.timestamps.min() >= 2.96


@pytest.mark.parametrize("sampler, options", [
    ("clips_at_random_indices", {"num_clips": 0}), ("clips_at_random_indices", {"num_frames_per_clip": 0}),
    ("clips_at_regular_indices", {"sampling_range_start": 100}), ("clips_at_regular_indices", {"policy": "none"}),
    ("clips_at_regular_indices", {"sampling_range_start": 5, "sampling_range_end": 5}),
    ("clips_at_regular_timestamps", {"seconds_between_clip_starts": 0}),
    ("clips_at_random_timestamps", {"sampling_range_start": 9}),
    ("clips_at_random_timestamps", {"seconds_between_frames": -1}),
])
def test_what_is_no_sample_is_refused(video, sampler, options):
    with pytest.raises(framecache.Invalid):
        getattr(samplers, sampler)(video, **options)


def test_times_are_asked_of_frames_that_have_them(client, clip):
    client.put("made", [framecache.PutFrame(0, np.zeros((8, 8, 3), np.uint8))])
    with pytest.raises(framecache.Invalid, match="time"):
        samplers.clips_at_random_timestamps(client.video("made"))
    assert samplers.clips_at_random_indices(client.video("made"), num_clips=2).array.shape == (2, 1, 8, 8, 3)
