"""Frames that are alike, and scenes: requests, and what comes of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Iterable, List, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _requests
from ._errors import Error, invalid
from .results import Facts, optional
from .v1 import frame_service_pb2 as pb
from .v1 import frames_pb2 as common

#: Which perceptual hash: "phash", "dhash" or "average_hash".
KINDS = ("phash", "dhash", "average_hash")


@dataclass(frozen=True)
class Similar:
    """A frame that is like another."""

    timeline: str
    sequence: int
    #: Timeline seconds.
    timestamp: Optional[float]
    #: How many of the hashes' 64 bits differ.
    distance: int
    #: It is nearer mirrored left to right.
    mirrored: bool = False


@dataclass(frozen=True)
class Duplicate:
    """A stretch of another timeline that shows the same footage. Times are seconds."""

    #: The other one.
    timeline: str
    #: What is added to the timeline's times to have the other's.
    offset: float
    #: Of the first and the last frame that the other shows, too, on the timeline's clock.
    start: float
    end: float
    #: The timeline's frames in it that the other shows, and those for which the other has a frame at that time.
    frames: int
    compared: int
    #: Of all frames of the timeline that are not flat, how many these are: 0 to 1.
    share: float
    #: It shows them mirrored left to right.
    mirrored: bool = False


@dataclass(frozen=True)
class Cuts:
    """How much changes from frame to frame, and where scenes end. Arrays have one value a frame, in order."""

    #: Of all frames that are cached: uint64.
    sequences: npt.NDArray[np.uint64]
    #: Timeline seconds, float64; NaN where that is not known.
    timestamps: npt.NDArray[np.float64]
    #: Since the frame before it, float32 from 0 to 1; NaN where that is not known, as of the first.
    changes: npt.NDArray[np.float32]
    #: The frames with which scenes begin, but for the first scene: uint64.
    cuts: npt.NDArray[np.uint64]
    #: A scene ends where by so much more changes than around it.
    threshold: float = 0.0

    def __repr__(self) -> str:
        return f"<Cuts: {len(self.cuts)} in {len(self.sequences)} frames, threshold {self.threshold}>"


@dataclass(frozen=True)
class Hashes:
    """The hashes of one kind of a profile's frames; arrays of one value a frame that has it, in order."""

    kind: str
    #: uint64.
    sequences: npt.NDArray[np.uint64]
    #: uint64: `np.bitwise_count(hashes ^ hash)` (NumPy 2) are distances.
    hashes: npt.NDArray[np.uint64]
    #: Timeline seconds, float64; NaN where that is not known.
    timestamps: npt.NDArray[np.float64]
    #: float64, 1.0 for one tone; from 0.98 on a hash says nothing of its picture. NaN where that is not known.
    flatness: npt.NDArray[np.float64]

    def __repr__(self) -> str:
        return f"<Hashes: {len(self.hashes)} of {self.kind}>"


Picture = Union[bytes, str, "os.PathLike[str]"]


@dataclass
class Asked:
    """What is looked for, of the arguments of `Client.similar`."""

    timeline: Optional[str]
    profile: Optional[str]
    sequence: Optional[int] = None
    hash: Union[None, str, int] = None
    picture: Optional[Picture] = None
    kind: str = "phash"
    distance: Optional[int] = None
    mirrored: bool = False
    everywhere: bool = False
    limit: Optional[int] = None

    def request(self) -> Any:
        given = [self.sequence, self.hash, self.picture]
        if sum(value is not None for value in given) != 1:
            raise invalid("give one of sequence, hash and picture", "hash")
        if self.limit is not None and self.limit < 1:
            raise invalid(f"limit must be at least 1: limit={self.limit}", "limit")
        searched = None if self.everywhere else self.timeline
        request = pb.GetSimilarRequest(
            kind=_requests.choice(self.kind, common.Hash, "HASH_", "kind"), mirrored=self.mirrored
        )
        if self.limit is not None:
            request.page_size = min(self.limit, 1000)
        _requests.fill(request, timeline=searched, profile=self.profile, distance=self.distance)
        if self.sequence is not None:
            if self.timeline is None:
                raise invalid("a sequence is of a timeline", "timeline")
            name = pb.FrameName(timeline=self.timeline)
            request.frame.CopyFrom(_requests.fill(name, profile=self.profile, sequence=self.sequence))
        elif self.picture is not None:
            request.picture = _bytes(self.picture)
        else:
            request.hash = _hex(self.hash)
        return request

    def cut(self, found: List[Similar]) -> bool:
        """Whether there are as many as are asked for; more are let go."""
        if self.limit is None or len(found) < self.limit:
            return False
        del found[self.limit:]
        return True


def _hex(value: Any) -> str:
    """ImageHash's own, too."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        if not 0 <= int(value) < 2**64:
            raise invalid(f"a hash has 64 bits: hash={value}", "hash")
        return f"{int(value):016x}"
    return str(value)


def _bytes(picture: Picture) -> bytes:
    if isinstance(picture, (str, os.PathLike)):
        with open(picture, "rb") as file:
            return file.read()
    return bytes(picture)


def similar(message: Any) -> Similar:
    timestamp = optional(message, "timestamp")
    return Similar(message.timeline, message.sequence, timestamp, message.distance, message.mirrored)


def duplicates_request(
    timeline: str, profile: Optional[str], other: Optional[str], kind: str, distance: Optional[int], mirrored: bool,
    limit: Optional[int],
) -> Any:
    request = pb.GetDuplicatesRequest(
        timeline=timeline, kind=_requests.choice(kind, common.Hash, "HASH_", "kind"), mirrored=mirrored
    )
    if limit is not None and limit < 1:
        raise invalid(f"limit must be at least 1: limit={limit}", "limit")
    return _requests.fill(request, profile=profile, other=other, distance=distance, limit=limit)


def duplicates(response: Any) -> List[Duplicate]:
    return [
        Duplicate(
            run.timeline, run.offset, getattr(run, "from"), run.to, run.frames, run.compared, run.share, run.mirrored
        )
        for run in response.runs
    ]


def cuts_request(timeline: str, profile: Optional[str], threshold: Optional[float]) -> Any:
    return _requests.fill(pb.GetCutsRequest(timeline=timeline), profile=profile, threshold=threshold)


@dataclass
class Gathered:
    """Changes as they come."""

    sequences: List[Any] = field(default_factory=list)
    timestamps: List[Any] = field(default_factory=list)
    changes: List[Any] = field(default_factory=list)
    cuts: List[Any] = field(default_factory=list)
    threshold: Optional[float] = None

    def add(self, response: Any) -> None:
        if response.WhichOneof("event") == "summary":
            self.threshold = response.summary.threshold
            return
        part = response.changes
        self.sequences.append(np.array(part.sequences, np.uint64))
        self.timestamps.append(np.array(part.timestamps, np.float64))
        self.changes.append(np.array(part.changes, np.float32))
        self.cuts.append(np.array(part.cuts, np.uint64))

    def all(self) -> Cuts:
        if self.threshold is None:
            raise Error("cuts ended without a summary", "INTERNAL")
        return Cuts(
            _joined(self.sequences, np.uint64), _joined(self.timestamps, np.float64),
            _joined(self.changes, np.float32), _joined(self.cuts, np.uint64), self.threshold,
        )


def _joined(parts: List[Any], kind: Any) -> Any:
    return np.concatenate([np.empty(0, kind), *parts])


def check_kind(kind: str) -> str:
    if kind not in KINDS:
        raise invalid(f"kind is one of {', '.join(KINDS)}: kind={kind!r}", "kind")
    return kind


def hashes(known: Iterable[Facts], kind: str) -> Hashes:
    rows = [
        (facts.sequence, int(getattr(facts, kind), 16), facts.timestamp, facts.flatness)
        for facts in known if getattr(facts, kind) is not None
    ]
    columns = list(zip(*rows)) if rows else [(), (), (), ()]
    unknown = [[np.nan if value is None else value for value in column] for column in columns[2:]]
    return Hashes(
        kind, np.array(columns[0], np.uint64), np.array(columns[1], np.uint64),
        np.array(unknown[0], np.float64), np.array(unknown[1], np.float64),
    )
