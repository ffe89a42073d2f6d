"""Frames of timelines as tables of Arrow, cut into parts that are read apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Sequence

from ._client import Client
from ._errors import Error, invalid
from ._table import table
from .frames import Frame
from .video import Reading, Video

#: Frames in a block, unless it is said: of JPEGs and facts, of arrays.
JPEGS, ARRAYS = 64, 16
PAYLOADS = ("jpeg", "tensor", "none")


@dataclass(frozen=True)
class Wanted:
    """What of each frame is read, and how."""

    payload: str
    profile: Optional[str]
    on_miss: str
    errors: str
    #: Frames in a block.
    rows: int
    #: Of arrays.
    options: Mapping[str, Any]

    def checked(self) -> Wanted:
        if self.payload not in PAYLOADS:
            raise invalid(f"payload is one of {', '.join(PAYLOADS)}: payload={self.payload!r}", "payload")
        if self.errors not in ("raise", "yield"):
            raise invalid(f"errors is raise or yield: errors={self.errors!r}", "errors")
        if self.options and self.payload != "tensor":
            raise invalid(
                f"these are for arrays: {', '.join(self.options)}", next(iter(self.options)), 'say payload="tensor"'
            )
        if self.rows < 1:
            raise invalid(f"a block has at least one frame: rows={self.rows}", "rows")
        return self


@dataclass(frozen=True)
class Part:
    """Frames of one timeline that follow each other."""

    timeline: str
    sequences: Sequence[int]


def parts(videos: Iterable[Video], wanted_parts: int, rows: int) -> List[Part]:
    """About so many parts, each of one timeline and whole blocks; no more than there are blocks."""
    known = [(video.timeline, video.sequences) for video in videos if len(video)]
    total = sum(len(sequences) for _, sequences in known)
    length = max(1, -(-total // max(1, wanted_parts * rows))) * rows
    return [
        Part(timeline, sequences[begin:begin + length])
        for timeline, sequences in known
        for begin in range(0, len(sequences), length)
    ]


def blocks(client: Client, part: Part, wanted: Wanted) -> Iterator[Any]:
    """Tables of Arrow; each is read by itself, so that nothing waits for whoever takes them."""
    reading = Reading(wanted.on_miss, "yield")
    video = Video(client, part.timeline, wanted.profile, part.sequences, reading)
    for begin in range(0, len(video), wanted.rows):
        yield _block(video[begin:begin + wanted.rows], wanted)


def _block(video: Video, wanted: Wanted) -> Any:
    payload = "jpeg" if wanted.payload == "jpeg" else "none"
    frames = list(video._frames(video.sequences, payload=payload, on_miss=wanted.on_miss))
    errors: List[Optional[Error]] = [frame.error for frame in frames]
    batch = None
    if wanted.payload == "tensor":
        batch = video.get_batch(range(len(video)), **wanted.options)
        errors = [batch.errors.get(place, error) for place, error in enumerate(errors)]
    failed = next((error for error in errors if error is not None), None)
    if failed is not None and wanted.errors == "raise":
        raise of_timeline(failed, video.timeline)
    made = _described(video.timeline, frames)
    if wanted.errors == "yield":
        made = _with(made, "error", [None if error is None else str(error) for error in errors], "string")
    if payload == "jpeg":
        made = _with(made, "jpeg", [frame.jpeg for frame in frames], "binary")
    return made if batch is None else _with_arrays(made, batch.array)


def _described(timeline: str, frames: List[Frame]) -> Any:
    import pyarrow

    facts = table(frame.facts for frame in frames)
    names = pyarrow.array([timeline] * len(frames), pyarrow.string())
    return facts.add_column(0, "timeline", names)


def _with(made: Any, name: str, values: List[Any], kind: str) -> Any:
    import pyarrow

    return made.append_column(name, pyarrow.array(values, getattr(pyarrow, kind)()))


def _with_arrays(made: Any, array: Any) -> Any:
    from ray.data.extensions import ArrowTensorArray

    return made.append_column("frame", ArrowTensorArray.from_numpy(array))


def of_timeline(error: Error, timeline: str) -> Error:
    """The same error, saying which timeline it is of."""
    message = error.message if timeline in error.message else f"{error.message}, timeline={timeline}"
    return type(error)(message, error.reason, error.code, error.hint, error.field, error.retry_after)
