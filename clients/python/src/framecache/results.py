"""What calls return, as plain objects. Seconds are floats; what is unknown is None."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from ._errors import Error, from_status
from ._html import facts_table, rows_table


@dataclass(frozen=True)
class Colour:
    """What a frame's colour was taken to be (ITU-T H.273)."""

    #: "rgb", "bt601", "bt709", "bt2020".
    matrix: str
    #: "limited" or "full".
    range: str
    primaries: Optional[str] = None
    transfer: Optional[str] = None
    #: Which of matrix and range neither the bitstream nor the container said.
    assumed: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Everything that is known of one frame. What is unknown is None, never 0 or ""."""

    #: Number on the timeline, from 0.
    sequence: int
    chunk_id: Optional[str] = None
    #: Presentation timestamp in time_base ("n/d" seconds), the container's own.
    pts: Optional[int] = None
    time_base: Optional[str] = None
    #: Timeline seconds at which the frame is shown, and for how long.
    timestamp: Optional[float] = None
    duration: Optional[float] = None
    #: Decoding can start here.
    keyframe: Optional[bool] = None
    #: Of the stored JPEG, in pixels.
    width: Optional[int] = None
    height: Optional[int] = None
    #: Of the picture as coded, before rotation and max_side.
    source_width: Optional[int] = None
    source_height: Optional[int] = None
    #: Left-right, before the rotation of so many degrees clockwise.
    mirrored: Optional[bool] = None
    rotation: Optional[int] = None
    #: "n:d".
    sample_aspect_ratio: Optional[str] = None
    interlaced: Optional[bool] = None
    #: Of the stored JPEG: bytes, lower-case hex.
    bytes: Optional[int] = None
    sha256: Optional[str] = None
    content_type: Optional[str] = None
    #: JPEG quality.
    quality: Optional[int] = None
    #: 16 hex digits, as ImageHash prints them.
    phash: Optional[str] = None
    dhash: Optional[str] = None
    average_hash: Optional[str] = None
    #: 1.0 for a picture of one tone; hashes of pictures of 0.98 and more say nothing of them.
    flatness: Optional[float] = None
    #: How luma is spread: 32 hex digits, of 16 even steps from dark to bright 256ths of the picture.
    luma: Optional[str] = None
    colour: Optional[Colour] = None
    #: What decoded it: "cpu" or "nvdec"; and why another than the one chosen.
    backend: Optional[str] = None
    fallback_reason: Optional[str] = None
    #: The decoder reported damage that may reach this frame.
    damaged: Optional[bool] = None
    #: The decoder did not deliver it: there are no bytes.
    missing: Optional[bool] = None
    #: The frame whose bytes answer for this one (dedup).
    repeats: Optional[int] = None


_FACTS = {item.name for item in dataclasses.fields(Facts)}


def facts(message: Any) -> Facts:
    found: Dict[str, Any] = {"sequence": 0}
    for descriptor, value in message.ListFields():
        if descriptor.name == "colour":
            found["colour"] = _colour(value)
        elif descriptor.name in _FACTS:
            found[descriptor.name] = value
    return Facts(**found)


def facts_fields(known: Facts) -> Dict[str, Any]:
    """Of a Facts the fields that are known, as the message wants them."""
    values = {name: getattr(known, name) for name in _FACTS if getattr(known, name) is not None}
    if known.colour is not None:
        values["colour"] = {key: value for key, value in dataclasses.asdict(known.colour).items() if value is not None}
    return values


def _colour(message: Any) -> Colour:
    return Colour(
        message.matrix, message.range, optional(message, "primaries"), optional(message, "transfer"),
        tuple(message.assumed),
    )


def optional(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def error_of(message: Any, name: str = "error") -> Optional[Error]:
    return from_status(getattr(message, name)) if message.HasField(name) else None


@dataclass(frozen=True)
class Progress:
    """How far an extraction is."""

    #: "index" (done and total count chunks) or "extract" (they count frames).
    stage: str
    chunk_id: str
    done: int
    total: int
    #: Timeline seconds of the spans made so far.
    media_seconds: float
    #: Since the stage began.
    frames_per_second: float
    #: Seconds until it is done, at this rate.
    eta: Optional[float] = None


@dataclass(frozen=True)
class ChunkResult:
    """What became of one chunk."""

    index: int
    chunk_id: str
    #: Frames of it in the cache now, reused ones too; of those, marked as damaged; and never delivered.
    frames: int
    damaged: int
    missing: int
    backend: Optional[str] = None
    fallback_reason: Optional[str] = None
    error: Optional[Error] = None


@dataclass(repr=False)
class Extraction:
    """What an extraction did."""

    timeline: str
    profile: str
    #: "created", "unchanged", "covered", "appended" or "replaced"; empty if it was never planned.
    claim: str = ""
    #: Of the plan.
    planned_frames: int = 0
    planned_spans: int = 0
    planned_seconds: float = 0.0
    #: Frames in the cache now, of what was asked for; of those made by this call; and found.
    frames: int = 0
    written: int = 0
    reused: int = 0
    #: Seconds that the call took, and timeline seconds of what it made.
    seconds: float = 0.0
    media_seconds: float = 0.0
    failed_chunks: int = 0
    missing_frames: int = 0
    chunks: List[ChunkResult] = field(default_factory=list)
    #: Of frames that this call committed; and where those are read that were there before.
    _facts: List[Facts] = field(default_factory=list)
    _reader: Optional[Callable[[], Iterable[Facts]]] = field(default=None, compare=False)

    @property
    def ok(self) -> bool:
        """No chunk failed, and no frame is missing."""
        return not self.failed_chunks and not self.missing_frames

    @property
    def facts(self) -> List[Facts]:
        """Of the profile's frames that are there, by sequence. Where some were there before, they are read now."""
        if self._reader is not None:
            self._facts, self._reader = list(self._reader()), None
        return self._facts

    def __repr__(self) -> str:
        chunks = f"{len(self.chunks)} chunks, {self.failed_chunks} failed, " if self.failed_chunks else ""
        missing = f"{self.missing_frames} missing, " if self.missing_frames else ""
        return (
            f"<Extraction {self.timeline!r}, profile {self.profile!r}: {self.frames} frames, {self.written} written, "
            f"{self.reused} reused, {missing}{chunks}plan {self.claim or 'never claimed'}, {self.seconds:.2f} s>"
        )

    def _repr_html_(self) -> str:
        names = ("claim", "planned_frames", "frames", "written", "reused", "missing_frames", "seconds")
        head = ("chunk", "frames", "damaged", "missing", "backend", "fallback_reason", "error")
        rows = [
            (c.chunk_id, c.frames, c.damaged, c.missing, c.backend, c.fallback_reason, c.error) for c in self.chunks
        ]
        title = f"Extraction of {self.timeline}, profile {self.profile}"
        return facts_table(title, {name: getattr(self, name) for name in names}) + rows_table(head, rows)


@dataclass(frozen=True)
class Tally:
    """Objects and their bytes."""

    objects: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Cleared:
    """What was removed of one profile."""

    profile: str
    frames: Tally
    records: Tally
    overlays: Tally
    plans: Tally
    #: Not old enough: nothing was touched.
    kept_as_newer: bool
    #: Archives of frames that lay packed.
    packs: Tally = Tally()


@dataclass(frozen=True)
class Put:
    """What a call of `put` stored."""

    frames: int
    bytes: int
    #: Number of its record under chunk "put".
    record: int


def tally(message: Any) -> Tally:
    return Tally(message.objects, message.bytes)


def cleared(message: Any) -> Cleared:
    return Cleared(
        message.profile, tally(message.frames), tally(message.records), tally(message.overlays), tally(message.plans),
        message.kept_as_newer, tally(message.packs),
    )


def chunk_result(message: Any) -> ChunkResult:
    return ChunkResult(
        message.index, message.chunk_id, message.frames, message.damaged, message.missing,
        optional(message, "backend"), optional(message, "fallback_reason"), error_of(message),
    )


@dataclass(frozen=True)
class ChunkStatus:
    """How much of one chunk is cached."""

    chunk_id: str
    uri: str
    #: On the timeline, in seconds.
    begin: float
    end: float
    #: Frames planned, and those with facts.
    planned: int
    cached: int
    spans: int
    spans_complete: int
    #: Frames that are its own, sampled or not.
    frames: int
    error: Optional[Error] = None


@dataclass(repr=False)
class Timeline:
    """How much of a timeline's profile is there."""

    timeline: str
    profile: str
    #: "absent", "legacy" (frames without a plan), "partial" or "complete".
    state: str
    #: "extract", "put", or None without a plan.
    kind: Optional[str]
    #: The profile's parameters, by the contract's names; None without a plan.
    plan: Optional[Dict[str, Any]]
    #: planned, frames (with facts), stored (with an object), repeats, missing, damaged, bytes; None for "legacy",
    #: whose frames only a listing could count.
    counts: Optional[Dict[str, int]]
    #: All profiles of the timeline that have anything.
    profiles: List[str]
    chunks: List[ChunkStatus] = field(default_factory=list)
    failed_chunk_ids: List[str] = field(default_factory=list)
    #: With check_sources: chunks whose source is not what was planned.
    stale_chunk_ids: List[str] = field(default_factory=list)

    def __repr__(self) -> str:
        counts = self.counts or {}
        frames = f"{counts.get('frames')} of {counts.get('planned')} frames, " if counts else ""
        failed = f", {len(self.failed_chunk_ids)} failed" if self.failed_chunk_ids else ""
        return (
            f"<Timeline {self.timeline!r}, profile {self.profile!r}: {self.state}, {frames}"
            f"{len(self.chunks)} chunks{failed}>"
        )

    def _repr_html_(self) -> str:
        values = {"state": self.state, "kind": self.kind, **(self.counts or {}), "profiles": ", ".join(self.profiles)}
        head = ("chunk", "uri", "begin", "end", "planned", "cached", "error")
        rows = [(c.chunk_id, c.uri, c.begin, c.end, c.planned, c.cached, c.error) for c in self.chunks]
        title = f"Timeline {self.timeline}, profile {self.profile}"
        return facts_table(title, values) + rows_table(head, rows)
