"""A timeline's profile as a sequence of frames."""

from __future__ import annotations

import operator
import threading
from array import array
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
    overload,
)

import numpy as np
import numpy.typing as npt

from . import _base, _jpeg, _methods
from ._arrays import Arrays
from ._cursor import Cursor
from ._decode import chosen
from ._errors import Refused, TimedOut, invalid
from ._signatures import spelled_out
from .frames import Frame, decoded
from .options import ArrayOptions, Time
from .tensors import Batch, joined, unmasked

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._client import Client

#: Sequences that one call names; a selection has at most 100,000.
NAMED = 10_000
#: Frames in one of the server's batches, of which one of any length is put together: it has at most 1 GiB.
RAW_BATCH = 8
LAST = 2**64 - 1

T = TypeVar("T", Frame, Batch)


@dataclass(frozen=True)
class VideoMetadata:
    """What is known of a video. Seconds are the timeline's; what is unknown is None."""

    num_frames: int
    #: Of its frames as they follow each other: a sampled timeline's is its sampling rate.
    average_fps: Optional[float]
    #: Of its first frame, as stored.
    width: Optional[int]
    height: Optional[int]
    #: When its first frame is shown, and until when its last one is.
    begin_stream_seconds: Optional[float]
    end_stream_seconds: Optional[float]

    @property
    def duration_seconds(self) -> Optional[float]:
        if self.begin_stream_seconds is None or self.end_stream_seconds is None:
            return None
        return self.end_stream_seconds - self.begin_stream_seconds


@dataclass(frozen=True)
class Reading:
    """How a video's frames are had."""

    on_miss: str = "extract"
    errors: str = "raise"
    transfer: str = "auto"
    prefetch: Optional[int] = None


class Video(Sequence[Frame]):
    """The planned frames of a profile, by their places 0, 1, …: `client.video(timeline)`.

        video[0], video[-1], video[10:20:2], len(video), for frame in video: …
        video.get_batch([0, 5, -1]).array            # (3, H, W, 3) uint8

    A place is no sequence number: a timeline of fps may leave numbers out. `Frame.sequence` tells them. A slice is a
    `Video`, too, and reads nothing. Frames that follow each other are read ahead, by `for` and by `video[i]`; any
    frames of a `get_batch` come in one call. It pickles, and may be used from several threads and in forked processes.

    Of torchcodec's and decord's methods it has those that mean the same; arrays are (N, H, W, C) unless asked
    otherwise. What was appended to the timeline later is in a new `client.video`.
    """

    def __init__(
        self, client: Client, timeline: str, profile: Optional[str], sequences: Sequence[int], reading: Reading
    ) -> None:
        self.timeline = timeline
        self.profile = profile
        self._client = client
        self._sequences = sequences
        self._reading = reading
        self._local = threading.local()
        self._arrays = Arrays()

    def __len__(self) -> int:
        return len(self._sequences)

    @overload
    def __getitem__(self, place: int) -> Frame: ...

    @overload
    def __getitem__(self, place: slice) -> Video: ...

    def __getitem__(self, place: Union[int, slice]) -> Union[Frame, Video]:
        """The frame with its `image`, (height, width, 3) uint8 RGB; of a slice the video of those frames."""
        if isinstance(place, slice):
            return self._of(self._sequences[place])
        place = self._place(place)
        frame = self._cursor().take(place) if self._reading.prefetch != 0 else None
        return self._checked(frame or self._one(sequences=[self._sequences[place]]))

    def __iter__(self) -> Iterator[Frame]:
        return map(self._checked, self._images(self._sequences))

    def at(self, seconds: Time) -> Frame:
        """The planned frame that is shown at this time of the timeline."""
        return self._checked(self._one(times=[seconds]))

    def between(self, begin: Optional[Time], end: Optional[Time]) -> Video:
        """Those of its frames whose timestamp lies in [begin, end); None: from the start, to the end."""
        mine = self._sequences if isinstance(self._sequences, range) else set(self._sequences)
        found = self._client.frames(
            self.timeline, window=(begin, end), payload="none", on_miss="fail", errors="yield", **self._where()
        )
        return self._of(_compact(frame.sequence for frame in found if frame.sequence in mine))

    @spelled_out(ArrayOptions)
    def get_batch(self, places: Iterable[int], **options: Unpack[ArrayOptions]) -> Batch:
        """These frames as one writable array, in the order given, repeats kept; times and mask are with it.

        `framecache.options.ArrayOptions` explains the keywords.
        """
        sequences = [self._sequences[self._place(place)] for place in places]
        if not sequences:
            raise invalid("a batch has at least one frame", "places")
        return joined(list(self._batches(sequences, self._piece(len(sequences), options), options)))

    @spelled_out(ArrayOptions)
    def batches(self, size: int = 16, **options: Unpack[ArrayOptions]) -> Iterator[Batch]:
        """All its frames in order, `size` at a time; the last may be short."""
        return self._batches(self._sequences, size, options)

    @property
    def sequences(self) -> Sequence[int]:
        """Numbers on the timeline, by place."""
        return self._sequences

    @property
    def timestamps(self) -> npt.NDArray[np.float64]:
        """(N,) timeline seconds, by place; NaN where a frame is not cached. Reads the facts of all frames."""
        frames = self._resumed(self._sequences, lambda part: self._frames(part, payload="none", on_miss="fail"))
        return np.fromiter((np.nan if f.timestamp is None else f.timestamp for f in frames), np.float64, len(self))

    @property
    def metadata(self) -> VideoMetadata:
        """Of its first and last frames' facts."""
        if not len(self):
            return VideoMetadata(0, None, None, None, None, None)
        ends = [self._sequences[0], self._sequences[-1]]
        first, last = (f.facts for f in self._frames(ends, payload="none", on_miss=self._reading.on_miss))
        begin, latest, rate, end = first.timestamp, last.timestamp, None, None
        if begin is not None and latest is not None:
            rate = (len(self) - 1) / (latest - begin) if latest > begin else None
            end = latest + (last.duration or 0)
        return VideoMetadata(len(self), rate, first.width, first.height, begin, end)

    def get_avg_fps(self) -> Optional[float]:
        """`metadata.average_fps`."""
        return self.metadata.average_fps

    def get_frame_at(self, index: int) -> Frame:
        """`video[index]`."""
        return self[index]

    @spelled_out(ArrayOptions)
    def get_frames_at(self, indices: Iterable[int], **options: Unpack[ArrayOptions]) -> Batch:
        """`get_batch`."""
        return self.get_batch(indices, **options)

    @spelled_out(ArrayOptions)
    def get_frames_in_range(self, start: int, stop: int, step: int = 1, **options: Unpack[ArrayOptions]) -> Batch:
        return self.get_batch(range(start, stop, step), **options)

    def get_frame_played_at(self, seconds: Time) -> Frame:
        """`at`."""
        return self.at(seconds)

    @spelled_out(ArrayOptions)
    def get_frames_played_at(self, seconds: Iterable[Time], **options: Unpack[ArrayOptions]) -> Batch:
        """The frames shown at these times, as `get_batch` gives them."""
        times = list(seconds)
        if not times:
            raise invalid("a batch has at least one frame", "seconds")
        return joined(list(self._tensors({"times": times}, self._piece(len(times), options), options)))

    @spelled_out(ArrayOptions)
    def get_frames_played_in_range(
        self, start_seconds: Time, stop_seconds: Time, **options: Unpack[ArrayOptions]
    ) -> Batch:
        """The frames of `between`, as `get_batch` gives them."""
        found = self.between(start_seconds, stop_seconds)
        return found.get_batch(range(len(found)), **options)

    def __reduce__(self) -> Tuple[Any, ...]:
        return Video, (self._client, self.timeline, self.profile, self._sequences, self._reading)

    def __repr__(self) -> str:
        return f"<Video {self.timeline!r}: {len(self)} frames>"

    def _of(self, sequences: Sequence[int]) -> Video:
        return Video(self._client, self.timeline, self.profile, sequences, self._reading)

    def _place(self, place: Any) -> int:
        index = operator.index(place)
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no such frame: place={index}, frames={len(self)}")
        return index + len(self) if index < 0 else index

    def _cursor(self) -> Cursor:
        found: Optional[Cursor] = getattr(self._local, "cursor", None)
        if found is None:
            found = self._local.cursor = Cursor(lambda place: self._images(self._sequences[place:]), len(self))
        return found

    def _where(self) -> Dict[str, Any]:
        return {} if self.profile is None else {"profile": self.profile}

    def _checked(self, frame: Frame) -> Frame:
        if frame.error is not None and self._reading.errors == "raise":
            raise frame.error
        return frame

    def _one(self, **selection: Any) -> Frame:
        options: Dict[str, Any] = {**selection, **self._where(), "on_miss": self._reading.on_miss}
        for frame in self._client.frames(self.timeline, errors="yield", **options):
            return decoded(frame)
        raise self._changed(selection)

    def _images(self, sequences: Sequence[int]) -> Iterator[Frame]:
        frames = self._resumed(sequences, lambda part: self._frames(part, on_miss=self._reading.on_miss))
        return _jpeg.ahead(frames, decoded, self._reading.prefetch)

    def _frames(self, sequences: Sequence[int], **options: Any) -> Iterator[Frame]:
        named = {**selection(sequences, NAMED), **self._where(), **options}
        return self._client.frames(self.timeline, errors="yield", **named)

    def _batches(self, sequences: Sequence[int], size: int, options: Any) -> Iterator[Batch]:
        named = max(1, NAMED // max(1, size)) * size
        return self._resumed(sequences, lambda part: self._tensors(selection(part, named), size, options))

    def _piece(self, length: int, options: Any) -> int:
        """Frames that come as one array, of a batch of so many."""
        return min(length, RAW_BATCH) if self._way(options) == "raw" else length

    def _way(self, options: Any) -> str:
        return chosen(self._reading.transfer, options, self._client._near)

    def _tensors(self, selected: Dict[str, Any], size: int, options: Any) -> Iterator[Batch]:
        named = {**selected, **self._where(), **options, "on_miss": self._reading.on_miss, "batch": size}
        found = self._client._tensors(self.timeline, self._way(options), named, self._arrays)
        return unmasked(found) if self._reading.errors == "raise" else found

    def _resumed(self, sequences: Sequence[int], call: Callable[[Sequence[int]], Iterator[T]]) -> Iterator[T]:
        """All of these, in as many calls as it takes; one that the server ended because its reader paused goes on."""
        done = 0
        while done < len(sequences):
            came = done
            try:
                for item in call(sequences[done:]):
                    item.index += came
                    self._follows(item, sequences, done)
                    done += len(item) if isinstance(item, Batch) else 1
                    yield item
            except TimedOut as error:
                if error.reason != "CLIENT_STALLED" or done == came:
                    raise
            if done == came:
                raise self._changed(sequences[done])

    def _follows(self, item: Union[Frame, Batch], sequences: Sequence[int], place: int) -> None:
        found = int(item.sequences[0]) if isinstance(item, Batch) else item.sequence
        if place >= len(sequences) or found != sequences[place]:
            raise self._changed(found)

    def _changed(self, what: object) -> Refused:
        return Refused(
            f"the timeline was planned anew since this video was made: timeline={self.timeline}, frame={what}",
            "PLAN_DIFFERS",
            "FAILED_PRECONDITION", "make the video anew: client.video(…)",
        )


def selection(sequences: Sequence[int], named: int) -> Dict[str, Any]:
    """Of a call; the first so many of them where they make no range."""
    if isinstance(sequences, range) and len(sequences) and sequences.step > 0:
        return {"range": (sequences[0], sequences[-1]), "step": sequences.step}
    return {"sequences": list(sequences[:named])}


def open_video(client: Client, timeline: str, profile: Optional[str], reading: Reading) -> Video:
    request = _base.timeline_request(timeline, profile, False)
    request.page_size = 1
    head = client._connection.unary(_methods.GET_TIMELINE, request)
    where: Dict[str, Any] = {} if profile is None else {"profile": profile}
    if not head.HasField("counts"):
        sequences: Sequence[int] = _planned(client, timeline, {"all": True, **where})
    elif not _planned(client, timeline, {"range": (head.counts.planned, LAST), "limit": 1, **where}):
        # So many numbers, and none above: they are all there.
        sequences = range(head.counts.planned)
    else:
        sequences = _planned(client, timeline, {"all": True, **where})
    return Video(client, timeline, profile, sequences, reading)


def _planned(client: Client, timeline: str, options: Dict[str, Any]) -> Sequence[int]:
    found = client.frames(timeline, payload="none", on_miss="fail", errors="yield", **options)
    return _compact(frame.sequence for frame in found)


def _compact(found: Iterable[int]) -> Sequence[int]:
    numbers: Any = array("Q", found)
    if numbers and numbers[-1] - numbers[0] + 1 == len(numbers):
        return range(numbers[0], numbers[-1] + 1)
    result: Sequence[int] = numbers
    return result

