"""Clips of a video: a few frames each, at random or regular places or times, as one array.

    from framecache.samplers import clips_at_random_indices

    clips = clips_at_random_indices(client.video("match"), num_clips=4, num_frames_per_clip=8, rng=7)
    clips.array                     # (4, 8, H, W, 3) uint8

The functions are torchcodec's, with its arguments. A clip that would reach past the end is filled by its policy:
"repeat_last" (its last frame again), "wrap" (its frames again from its first), or "error".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Optional, Tuple, Union

import numpy as np
import numpy.typing as npt

from ._errors import invalid
from ._signatures import spelled_out
from .options import ArrayOptions
from .tensors import Batch
from .video import Video

if TYPE_CHECKING:
    from typing_extensions import Unpack

Policy = Literal["repeat_last", "wrap", "error"]
#: A seed, or NumPy's generator; None: another sample at each call.
Rng = Union[None, int, np.random.Generator]
Places = npt.NDArray[np.int64]
Seconds = npt.NDArray[np.float64]


@dataclass
class Clips:
    """Clips of so many frames each. What is said of frames has (clips, frames) entries."""

    #: (clips, frames, H, W, C) or (clips, frames, C, H, W); writable and C-contiguous.
    array: npt.NDArray[Any] = field(repr=False)
    #: Places in the video.
    places: Places
    #: Numbers on the timeline.
    sequences: npt.NDArray[np.int64]
    #: Timeline seconds; NaN if unknown.
    timestamps: Seconds
    #: False: the frame could not be had, and its part of the array is zeros (of a video with errors="yield").
    valid: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.places)

    def to_torch(self) -> Any:
        """The array as a torch tensor, sharing its memory."""
        import torch

        return torch.from_numpy(self.array)


@spelled_out(ArrayOptions)
def clips_at_random_indices(
    video: Video,
    *,
    num_clips: int = 1,
    num_frames_per_clip: int = 1,
    num_indices_between_frames: int = 1,
    sampling_range_start: int = 0,
    sampling_range_end: Optional[int] = None,
    policy: Policy = "repeat_last",
    rng: Rng = None,
    **options: Unpack[ArrayOptions],
) -> Clips:
    """Clips that begin at places drawn evenly from [sampling_range_start, sampling_range_end), in no order.

    Args:
        video: `client.video(…)`.
        num_clips: So many.
        num_frames_per_clip: Frames of each.
        num_indices_between_frames: From one of its frames to the next.
        sampling_range_start: First place at which a clip may begin. Negative: counted from the end.
        sampling_range_end: Default: the last place at which a clip fits, and one. Negative: counted from the end.
        policy: Of clips that reach past the end.
        rng: A seed, or NumPy's generator.
    """
    asked = (sampling_range_start, sampling_range_end)
    begin, end = _places(len(video), asked, num_frames_per_clip, num_indices_between_frames)
    starts = np.random.default_rng(rng).integers(begin, end, _count(num_clips, "num_clips"))
    return _clips(video, _spread(starts, num_frames_per_clip, num_indices_between_frames), policy, options)


@spelled_out(ArrayOptions)
def clips_at_regular_indices(
    video: Video,
    *,
    num_clips: int = 1,
    num_frames_per_clip: int = 1,
    num_indices_between_frames: int = 1,
    sampling_range_start: int = 0,
    sampling_range_end: Optional[int] = None,
    policy: Policy = "repeat_last",
    **options: Unpack[ArrayOptions],
) -> Clips:
    """Clips that begin at places spread evenly over the range, its first and its last among them.

    The arguments are those of `clips_at_random_indices`.
    """
    asked = (sampling_range_start, sampling_range_end)
    begin, end = _places(len(video), asked, num_frames_per_clip, num_indices_between_frames)
    starts = np.linspace(begin, end - 1, _count(num_clips, "num_clips")).round().astype(np.int64)
    return _clips(video, _spread(starts, num_frames_per_clip, num_indices_between_frames), policy, options)


@spelled_out(ArrayOptions)
def clips_at_random_timestamps(
    video: Video,
    *,
    num_clips: int = 1,
    num_frames_per_clip: int = 1,
    seconds_between_frames: Optional[float] = None,
    sampling_range_start: Optional[float] = None,
    sampling_range_end: Optional[float] = None,
    policy: Policy = "repeat_last",
    rng: Rng = None,
    **options: Unpack[ArrayOptions],
) -> Clips:
    """Clips that begin at times drawn evenly from [sampling_range_start, sampling_range_end), in timeline seconds.

    Args:
        video: `client.video(…)`.
        num_clips: So many.
        num_frames_per_clip: Frames of each.
        seconds_between_frames: Default: as the video's frames follow each other.
        sampling_range_start: First time at which a clip may begin. Default: the first frame's.
        sampling_range_end: Default: the last time at which a clip fits.
        policy: Of clips that reach past the end.
        rng: A seed, or NumPy's generator.
    """
    clock = _Clock(video, num_frames_per_clip, seconds_between_frames)
    begin, end = clock.range(sampling_range_start, sampling_range_end)
    starts = np.random.default_rng(rng).uniform(begin, end, _count(num_clips, "num_clips"))
    return _clips(video, clock.places(starts), policy, options)


@spelled_out(ArrayOptions)
def clips_at_regular_timestamps(
    video: Video,
    *,
    seconds_between_clip_starts: float,
    num_frames_per_clip: int = 1,
    seconds_between_frames: Optional[float] = None,
    sampling_range_start: Optional[float] = None,
    sampling_range_end: Optional[float] = None,
    policy: Policy = "repeat_last",
    **options: Unpack[ArrayOptions],
) -> Clips:
    """Clips that begin each so many seconds in [sampling_range_start, sampling_range_end), in timeline seconds.

    The arguments are those of `clips_at_random_timestamps`.
    """
    if not seconds_between_clip_starts > 0:
        raise invalid(f"clips begin some seconds apart: {seconds_between_clip_starts}", "seconds_between_clip_starts")
    clock = _Clock(video, num_frames_per_clip, seconds_between_frames)
    begin, end = clock.range(sampling_range_start, sampling_range_end)
    return _clips(video, clock.places(np.arange(begin, end, seconds_between_clip_starts)), policy, options)


def _places(length: int, asked: Tuple[int, Optional[int]], frames: int, step: int) -> Tuple[int, int]:
    """The range of first places, made whole and checked."""
    begin, end = asked
    span = (_count(frames, "num_frames_per_clip") - 1) * _count(step, "num_indices_between_frames")
    first = begin + length if begin < 0 else begin
    if end is None:
        last = max(length - span, first + 1)
    else:
        last = min(end + length if end < 0 else end, length)
    if not 0 <= first < min(last, length):
        raise invalid(f"no clip begins there: from={begin}, to={end}, frames={length}", "sampling_range_start")
    return first, last


def _count(value: int, field: str) -> int:
    if value < 1:
        raise invalid(f"{field} is at least 1: {field}={value}", field)
    return value


def _spread(starts: Places, frames: int, step: int) -> Places:
    """(clips, frames) places, some of them past the end."""
    places: Places = starts[:, np.newaxis] + np.arange(frames) * step
    return places


class _Clock:
    """Times of a video's frames, and of its clips'."""

    def __init__(self, video: Video, frames: int, between: Optional[float]) -> None:
        self._times = video.timestamps
        if not len(self._times) or np.isnan(self._times).any():
            raise invalid(
                f"not all frames have a time: timeline={video.timeline}, frames={len(self._times)}", "video",
                "extract the timeline first; frames that were put without a timestamp have none",
            )
        length = len(self._times)
        usual = float(self._times[-1] - self._times[0]) / (length - 1) if length > 1 else 1.0
        self._between = usual if between is None else between
        if not self._between > 0:
            raise invalid(f"frames of a clip are some seconds apart: {between}", "seconds_between_frames")
        self._frames = _count(frames, "num_frames_per_clip")
        self._end = float(self._times[-1]) + usual

    def range(self, begin: Optional[float], end: Optional[float]) -> Tuple[float, float]:
        first = float(self._times[0]) if begin is None else float(begin)
        if end is None:
            span = (self._frames - 1) * self._between
            last = max(self._end - span, np.nextafter(first, np.inf))
        else:
            last = float(end)
        if not self._times[0] <= first < min(last, self._end):
            raise invalid(
                f"no clip begins there: from={begin}, to={end}, footage={self._times[0]} to {self._end}",
                "sampling_range_start",
            )
        return first, min(last, self._end)

    def places(self, starts: Seconds) -> Places:
        """(clips, frames) places of the frames that are shown; past the end where nothing is."""
        times = starts[:, np.newaxis] + np.arange(self._frames) * self._between
        # Half a microsecond: sums of steps come out a little short of the frame that they mean.
        shown = np.searchsorted(self._times, times + 5e-7, side="right") - 1
        return np.where(times >= self._end - 5e-7, len(self._times), shown).astype(np.int64)


def _clips(video: Video, places: Places, policy: str, options: Any) -> Clips:
    filled = _filled(places, len(video), policy)
    return _shaped(video.get_batch(filled.reshape(-1).tolist(), **options), filled)


def _filled(places: Places, length: int, policy: str) -> Places:
    """The places with those past the end replaced."""
    if policy not in ("repeat_last", "wrap", "error"):
        raise invalid(f"policy is repeat_last, wrap or error: policy={policy!r}", "policy")
    inside = places < length
    if inside.all():
        return places
    if policy == "error":
        raise invalid(f"a clip reaches past the end: frames={length}, place={places.max()}", "policy")
    there = inside.sum(1, keepdims=True)
    column = np.arange(places.shape[1])
    column = column % there if policy == "wrap" else np.minimum(column, there - 1)
    filled: Places = np.take_along_axis(places, column, 1)
    return filled


def _shaped(batch: Batch, places: Places) -> Clips:
    return Clips(
        array=batch.array.reshape(places.shape + batch.array.shape[1:]),
        places=places,
        sequences=batch.sequences.reshape(places.shape),
        timestamps=batch.timestamps.reshape(places.shape),
        valid=batch.valid.reshape(places.shape),
    )
