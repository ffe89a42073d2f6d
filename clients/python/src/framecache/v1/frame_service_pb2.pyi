from framecache.v1 import frames_pb2 as _frames_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

CHANNELS_BGR: Channels
CHANNELS_GRAY: Channels
CHANNELS_RGB: Channels
CHANNELS_UNSPECIFIED: Channels
DATATYPE_FP16: Datatype
DATATYPE_FP32: Datatype
DATATYPE_UINT8: Datatype
DATATYPE_UNSPECIFIED: Datatype
DESCRIPTOR: _descriptor.FileDescriptor
FILTER_BICUBIC: Filter
FILTER_BILINEAR: Filter
FILTER_UNSPECIFIED: Filter
FIT_CROP: Fit
FIT_LETTERBOX: Fit
FIT_STRETCH: Fit
FIT_UNSPECIFIED: Fit
FRAME_LAYOUT_FRAMES: FrameLayout
FRAME_LAYOUT_PACKED: FrameLayout
FRAME_LAYOUT_UNSPECIFIED: FrameLayout
LAYOUT_NCHW: Layout
LAYOUT_NHWC: Layout
LAYOUT_UNSPECIFIED: Layout
ORIGIN_CACHE: Origin
ORIGIN_SOURCE: Origin
ORIGIN_UNSPECIFIED: Origin
PAYLOAD_BASE64: Payload
PAYLOAD_JPEG: Payload
PAYLOAD_NONE: Payload
PAYLOAD_UNSPECIFIED: Payload
PROFILE_STATE_ABSENT: ProfileState
PROFILE_STATE_COMPLETE: ProfileState
PROFILE_STATE_LEGACY: ProfileState
PROFILE_STATE_PARTIAL: ProfileState
PROFILE_STATE_UNSPECIFIED: ProfileState

class ChunkStatus(_message.Message):
    __slots__ = ["begin", "cached", "chunk", "clock_breaks", "end", "error", "frames", "pauses", "planned", "spans", "spans_complete", "times_counted", "unshown", "untimed"]
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CLOCK_BREAKS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    PAUSES_FIELD_NUMBER: _ClassVar[int]
    PLANNED_FIELD_NUMBER: _ClassVar[int]
    SPANS_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    TIMES_COUNTED_FIELD_NUMBER: _ClassVar[int]
    UNSHOWN_FIELD_NUMBER: _ClassVar[int]
    UNTIMED_FIELD_NUMBER: _ClassVar[int]
    begin: float
    cached: int
    chunk: _frames_pb2.Chunk
    clock_breaks: _containers.RepeatedCompositeFieldContainer[_frames_pb2.ClockBreak]
    end: float
    error: _status_pb2.Status
    frames: int
    pauses: _containers.RepeatedCompositeFieldContainer[_frames_pb2.Pause]
    planned: int
    spans: int
    spans_complete: int
    times_counted: bool
    unshown: _frames_pb2.Unshown
    untimed: int
    def __init__(self, chunk: _Optional[_Union[_frames_pb2.Chunk, _Mapping]] = ..., begin: _Optional[float] = ..., end: _Optional[float] = ..., planned: _Optional[int] = ..., cached: _Optional[int] = ..., spans: _Optional[int] = ..., spans_complete: _Optional[int] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., unshown: _Optional[_Union[_frames_pb2.Unshown, _Mapping]] = ..., frames: _Optional[int] = ..., clock_breaks: _Optional[_Iterable[_Union[_frames_pb2.ClockBreak, _Mapping]]] = ..., pauses: _Optional[_Iterable[_Union[_frames_pb2.Pause, _Mapping]]] = ..., untimed: _Optional[int] = ..., times_counted: bool = ...) -> None: ...

class ClearTimelineRequest(_message.Message):
    __slots__ = ["all_profiles", "dry_run", "older_than_seconds", "overlays", "plan", "profile", "timeline"]
    ALL_PROFILES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    OLDER_THAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OVERLAYS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    all_profiles: bool
    dry_run: bool
    older_than_seconds: int
    overlays: bool
    plan: bool
    profile: str
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., all_profiles: bool = ..., overlays: bool = ..., plan: bool = ..., dry_run: bool = ..., older_than_seconds: _Optional[int] = ...) -> None: ...

class ClearTimelineResponse(_message.Message):
    __slots__ = ["profiles"]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    profiles: _containers.RepeatedCompositeFieldContainer[ClearedProfile]
    def __init__(self, profiles: _Optional[_Iterable[_Union[ClearedProfile, _Mapping]]] = ...) -> None: ...

class ClearedProfile(_message.Message):
    __slots__ = ["frames", "kept_as_newer", "overlays", "packs", "plans", "profile", "records"]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    KEPT_AS_NEWER_FIELD_NUMBER: _ClassVar[int]
    OVERLAYS_FIELD_NUMBER: _ClassVar[int]
    PACKS_FIELD_NUMBER: _ClassVar[int]
    PLANS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    frames: _frames_pb2.Tally
    kept_as_newer: bool
    overlays: _frames_pb2.Tally
    packs: _frames_pb2.Tally
    plans: _frames_pb2.Tally
    profile: str
    records: _frames_pb2.Tally
    def __init__(self, profile: _Optional[str] = ..., frames: _Optional[_Union[_frames_pb2.Tally, _Mapping]] = ..., records: _Optional[_Union[_frames_pb2.Tally, _Mapping]] = ..., overlays: _Optional[_Union[_frames_pb2.Tally, _Mapping]] = ..., plans: _Optional[_Union[_frames_pb2.Tally, _Mapping]] = ..., kept_as_newer: bool = ..., packs: _Optional[_Union[_frames_pb2.Tally, _Mapping]] = ...) -> None: ...

class CommittedFrames(_message.Message):
    __slots__ = ["frames"]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[_frames_pb2.Facts]
    def __init__(self, frames: _Optional[_Iterable[_Union[_frames_pb2.Facts, _Mapping]]] = ...) -> None: ...

class CutsSummary(_message.Message):
    __slots__ = ["cuts", "frames", "threshold", "unknown"]
    CUTS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    cuts: int
    frames: int
    threshold: float
    unknown: int
    def __init__(self, frames: _Optional[int] = ..., unknown: _Optional[int] = ..., cuts: _Optional[int] = ..., threshold: _Optional[float] = ...) -> None: ...

class DuplicateRun(_message.Message):
    __slots__ = ["compared", "frames", "mirrored", "offset", "share", "timeline", "to"]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    compared: int
    frames: int
    mirrored: bool
    offset: float
    share: float
    timeline: str
    to: float
    def __init__(self, timeline: _Optional[str] = ..., offset: _Optional[float] = ..., to: _Optional[float] = ..., frames: _Optional[int] = ..., compared: _Optional[int] = ..., share: _Optional[float] = ..., mirrored: bool = ..., **kwargs) -> None: ...

class ExtractFramesRequest(_message.Message):
    __slots__ = ["backend", "chunks", "colour", "dedup", "frame_layout", "hashes", "jpeg", "max_side", "no_hashes", "only_chunk_ids", "plan_only", "profile", "replace", "retry_failed", "sampling", "shard", "skip_bad", "timeline", "window"]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    DEDUP_FIELD_NUMBER: _ClassVar[int]
    FRAME_LAYOUT_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    JPEG_FIELD_NUMBER: _ClassVar[int]
    MAX_SIDE_FIELD_NUMBER: _ClassVar[int]
    NO_HASHES_FIELD_NUMBER: _ClassVar[int]
    ONLY_CHUNK_IDS_FIELD_NUMBER: _ClassVar[int]
    PLAN_ONLY_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FAILED_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    SKIP_BAD_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    backend: _frames_pb2.Backend
    chunks: _containers.RepeatedCompositeFieldContainer[_frames_pb2.Chunk]
    colour: str
    dedup: int
    frame_layout: FrameLayout
    hashes: _containers.RepeatedScalarFieldContainer[_frames_pb2.Hash]
    jpeg: JpegOptions
    max_side: int
    no_hashes: bool
    only_chunk_ids: _containers.RepeatedScalarFieldContainer[str]
    plan_only: bool
    profile: str
    replace: Replace
    retry_failed: bool
    sampling: _frames_pb2.Sampling
    shard: Shard
    skip_bad: bool
    timeline: str
    window: _frames_pb2.Window
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., chunks: _Optional[_Iterable[_Union[_frames_pb2.Chunk, _Mapping]]] = ..., sampling: _Optional[_Union[_frames_pb2.Sampling, _Mapping]] = ..., window: _Optional[_Union[_frames_pb2.Window, _Mapping]] = ..., jpeg: _Optional[_Union[JpegOptions, _Mapping]] = ..., hashes: _Optional[_Iterable[_Union[_frames_pb2.Hash, str]]] = ..., no_hashes: bool = ..., colour: _Optional[str] = ..., max_side: _Optional[int] = ..., dedup: _Optional[int] = ..., backend: _Optional[_Union[_frames_pb2.Backend, str]] = ..., only_chunk_ids: _Optional[_Iterable[str]] = ..., shard: _Optional[_Union[Shard, _Mapping]] = ..., plan_only: bool = ..., replace: _Optional[_Union[Replace, _Mapping]] = ..., retry_failed: bool = ..., skip_bad: bool = ..., frame_layout: _Optional[_Union[FrameLayout, str]] = ...) -> None: ...

class ExtractFramesResponse(_message.Message):
    __slots__ = ["chunk", "committed", "plan", "progress", "summary"]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    chunk: _frames_pb2.ChunkResult
    committed: CommittedFrames
    plan: PlanClaimed
    progress: Progress
    summary: ExtractSummary
    def __init__(self, plan: _Optional[_Union[PlanClaimed, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., committed: _Optional[_Union[CommittedFrames, _Mapping]] = ..., chunk: _Optional[_Union[_frames_pb2.ChunkResult, _Mapping]] = ..., summary: _Optional[_Union[ExtractSummary, _Mapping]] = ...) -> None: ...

class ExtractSummary(_message.Message):
    __slots__ = ["failed_chunks", "frames", "media_seconds", "missing_frames", "reused", "seconds", "written"]
    FAILED_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    MEDIA_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REUSED_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    failed_chunks: int
    frames: int
    media_seconds: float
    missing_frames: int
    reused: int
    seconds: float
    written: int
    def __init__(self, frames: _Optional[int] = ..., written: _Optional[int] = ..., reused: _Optional[int] = ..., seconds: _Optional[float] = ..., media_seconds: _Optional[float] = ..., failed_chunks: _Optional[int] = ..., missing_frames: _Optional[int] = ...) -> None: ...

class FrameChanges(_message.Message):
    __slots__ = ["changes", "cuts", "sequences", "timestamps"]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CUTS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedScalarFieldContainer[float]
    cuts: _containers.RepeatedScalarFieldContainer[int]
    sequences: _containers.RepeatedScalarFieldContainer[int]
    timestamps: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, sequences: _Optional[_Iterable[int]] = ..., timestamps: _Optional[_Iterable[float]] = ..., changes: _Optional[_Iterable[float]] = ..., cuts: _Optional[_Iterable[int]] = ...) -> None: ...

class FrameCounts(_message.Message):
    __slots__ = ["bytes", "damaged", "frames", "missing", "planned", "repeats", "stored"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    PLANNED_FIELD_NUMBER: _ClassVar[int]
    REPEATS_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    damaged: int
    frames: int
    missing: int
    planned: int
    repeats: int
    stored: int
    def __init__(self, planned: _Optional[int] = ..., frames: _Optional[int] = ..., stored: _Optional[int] = ..., repeats: _Optional[int] = ..., missing: _Optional[int] = ..., damaged: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class FrameData(_message.Message):
    __slots__ = ["base64", "facts", "height", "jpeg", "last", "offset", "total", "width"]
    BASE64_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    JPEG_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    base64: str
    facts: _frames_pb2.Facts
    height: int
    jpeg: bytes
    last: bool
    offset: int
    total: int
    width: int
    def __init__(self, facts: _Optional[_Union[_frames_pb2.Facts, _Mapping]] = ..., jpeg: _Optional[bytes] = ..., base64: _Optional[str] = ..., offset: _Optional[int] = ..., total: _Optional[int] = ..., last: bool = ..., width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class FrameItem(_message.Message):
    __slots__ = ["data", "error", "index", "sequence"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    data: FrameData
    error: _status_pb2.Status
    index: int
    sequence: int
    def __init__(self, index: _Optional[int] = ..., sequence: _Optional[int] = ..., data: _Optional[_Union[FrameData, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class FrameName(_message.Message):
    __slots__ = ["profile", "sequence", "timeline"]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    profile: str
    sequence: int
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class GetCutsRequest(_message.Message):
    __slots__ = ["profile", "threshold", "timeline"]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    profile: str
    threshold: float
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., threshold: _Optional[float] = ...) -> None: ...

class GetCutsResponse(_message.Message):
    __slots__ = ["changes", "summary"]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    changes: FrameChanges
    summary: CutsSummary
    def __init__(self, changes: _Optional[_Union[FrameChanges, _Mapping]] = ..., summary: _Optional[_Union[CutsSummary, _Mapping]] = ...) -> None: ...

class GetDuplicatesRequest(_message.Message):
    __slots__ = ["distance", "kind", "limit", "mirrored", "other", "profile", "timeline"]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    distance: int
    kind: _frames_pb2.Hash
    limit: int
    mirrored: bool
    other: str
    profile: str
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., other: _Optional[str] = ..., kind: _Optional[_Union[_frames_pb2.Hash, str]] = ..., distance: _Optional[int] = ..., mirrored: bool = ..., limit: _Optional[int] = ...) -> None: ...

class GetDuplicatesResponse(_message.Message):
    __slots__ = ["more", "runs", "searched", "unread_timelines"]
    MORE_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_FIELD_NUMBER: _ClassVar[int]
    UNREAD_TIMELINES_FIELD_NUMBER: _ClassVar[int]
    more: bool
    runs: _containers.RepeatedCompositeFieldContainer[DuplicateRun]
    searched: int
    unread_timelines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, runs: _Optional[_Iterable[_Union[DuplicateRun, _Mapping]]] = ..., more: bool = ..., searched: _Optional[int] = ..., unread_timelines: _Optional[_Iterable[str]] = ...) -> None: ...

class GetFramesRequest(_message.Message):
    __slots__ = ["height", "on_miss", "payload", "profile", "quality", "selection", "timeline", "width"]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ON_MISS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    height: int
    on_miss: _frames_pb2.OnMiss
    payload: Payload
    profile: str
    quality: int
    selection: _frames_pb2.Selection
    timeline: str
    width: int
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., selection: _Optional[_Union[_frames_pb2.Selection, _Mapping]] = ..., payload: _Optional[_Union[Payload, str]] = ..., on_miss: _Optional[_Union[_frames_pb2.OnMiss, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., quality: _Optional[int] = ...) -> None: ...

class GetFramesResponse(_message.Message):
    __slots__ = ["frame", "summary"]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    frame: FrameItem
    summary: GetSummary
    def __init__(self, frame: _Optional[_Union[FrameItem, _Mapping]] = ..., summary: _Optional[_Union[GetSummary, _Mapping]] = ...) -> None: ...

class GetSimilarRequest(_message.Message):
    __slots__ = ["distance", "frame", "hash", "kind", "mirrored", "page_size", "page_token", "picture", "profile", "timeline"]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    distance: int
    frame: FrameName
    hash: str
    kind: _frames_pb2.Hash
    mirrored: bool
    page_size: int
    page_token: str
    picture: bytes
    profile: str
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., hash: _Optional[str] = ..., frame: _Optional[_Union[FrameName, _Mapping]] = ..., picture: _Optional[bytes] = ..., kind: _Optional[_Union[_frames_pb2.Hash, str]] = ..., distance: _Optional[int] = ..., mirrored: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetSimilarResponse(_message.Message):
    __slots__ = ["flat", "frames", "hash", "next_page_token", "searched", "unread_timelines"]
    FLAT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_FIELD_NUMBER: _ClassVar[int]
    UNREAD_TIMELINES_FIELD_NUMBER: _ClassVar[int]
    flat: bool
    frames: _containers.RepeatedCompositeFieldContainer[SimilarFrame]
    hash: str
    next_page_token: str
    searched: int
    unread_timelines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, frames: _Optional[_Iterable[_Union[SimilarFrame, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., hash: _Optional[str] = ..., flat: bool = ..., searched: _Optional[int] = ..., unread_timelines: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSummary(_message.Message):
    __slots__ = ["failed", "frames", "skipped"]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    failed: int
    frames: int
    skipped: int
    def __init__(self, frames: _Optional[int] = ..., failed: _Optional[int] = ..., skipped: _Optional[int] = ...) -> None: ...

class GetTensorsRequest(_message.Message):
    __slots__ = ["batch", "channels", "datatype", "filter", "fit", "height", "layout", "normalize", "on_miss", "origin", "pad_value", "profile", "sampling", "selection", "timeline", "width", "window"]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    DATATYPE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    NORMALIZE_FIELD_NUMBER: _ClassVar[int]
    ON_MISS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    PAD_VALUE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    batch: int
    channels: Channels
    datatype: Datatype
    filter: Filter
    fit: Fit
    height: int
    layout: Layout
    normalize: Normalize
    on_miss: _frames_pb2.OnMiss
    origin: Origin
    pad_value: int
    profile: str
    sampling: _frames_pb2.Sampling
    selection: _frames_pb2.Selection
    timeline: str
    width: int
    window: _frames_pb2.Window
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., selection: _Optional[_Union[_frames_pb2.Selection, _Mapping]] = ..., sampling: _Optional[_Union[_frames_pb2.Sampling, _Mapping]] = ..., window: _Optional[_Union[_frames_pb2.Window, _Mapping]] = ..., datatype: _Optional[_Union[Datatype, str]] = ..., layout: _Optional[_Union[Layout, str]] = ..., channels: _Optional[_Union[Channels, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., fit: _Optional[_Union[Fit, str]] = ..., filter: _Optional[_Union[Filter, str]] = ..., pad_value: _Optional[int] = ..., normalize: _Optional[_Union[Normalize, _Mapping]] = ..., origin: _Optional[_Union[Origin, str]] = ..., on_miss: _Optional[_Union[_frames_pb2.OnMiss, str]] = ..., batch: _Optional[int] = ...) -> None: ...

class GetTensorsResponse(_message.Message):
    __slots__ = ["header", "part", "summary"]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    header: TensorHeader
    part: TensorPart
    summary: GetSummary
    def __init__(self, header: _Optional[_Union[TensorHeader, _Mapping]] = ..., part: _Optional[_Union[TensorPart, _Mapping]] = ..., summary: _Optional[_Union[GetSummary, _Mapping]] = ...) -> None: ...

class GetTimelineRequest(_message.Message):
    __slots__ = ["check_sources", "page_size", "page_token", "profile", "timeline"]
    CHECK_SOURCES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    check_sources: bool
    page_size: int
    page_token: str
    profile: str
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., check_sources: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetTimelineResponse(_message.Message):
    __slots__ = ["chunks", "counts", "failed_chunk_ids", "next_page_token", "plan", "profile", "profiles", "stale_chunk_ids", "state", "timeline"]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    FAILED_CHUNK_IDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    STALE_CHUNK_IDS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    chunks: _containers.RepeatedCompositeFieldContainer[ChunkStatus]
    counts: FrameCounts
    failed_chunk_ids: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    plan: PlanInfo
    profile: str
    profiles: _containers.RepeatedScalarFieldContainer[str]
    stale_chunk_ids: _containers.RepeatedScalarFieldContainer[str]
    state: ProfileState
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., state: _Optional[_Union[ProfileState, str]] = ..., plan: _Optional[_Union[PlanInfo, _Mapping]] = ..., counts: _Optional[_Union[FrameCounts, _Mapping]] = ..., chunks: _Optional[_Iterable[_Union[ChunkStatus, _Mapping]]] = ..., failed_chunk_ids: _Optional[_Iterable[str]] = ..., stale_chunk_ids: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ..., profiles: _Optional[_Iterable[str]] = ...) -> None: ...

class JpegOptions(_message.Message):
    __slots__ = ["quality"]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    quality: int
    def __init__(self, quality: _Optional[int] = ...) -> None: ...

class ListFramesRequest(_message.Message):
    __slots__ = ["page_size", "page_token", "profile", "timeline"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    profile: str
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFramesResponse(_message.Message):
    __slots__ = ["frames", "next_page_token", "without"]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[_frames_pb2.Facts]
    next_page_token: str
    without: _containers.RepeatedCompositeFieldContainer[SpanWithout]
    def __init__(self, frames: _Optional[_Iterable[_Union[_frames_pb2.Facts, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., without: _Optional[_Iterable[_Union[SpanWithout, _Mapping]]] = ...) -> None: ...

class ListTimelinesRequest(_message.Message):
    __slots__ = ["page_size", "page_token"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTimelinesResponse(_message.Message):
    __slots__ = ["next_page_token", "timelines"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TIMELINES_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    timelines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, timelines: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Normalize(_message.Message):
    __slots__ = ["mean", "scale", "std"]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    STD_FIELD_NUMBER: _ClassVar[int]
    mean: _containers.RepeatedScalarFieldContainer[float]
    scale: float
    std: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, scale: _Optional[float] = ..., mean: _Optional[_Iterable[float]] = ..., std: _Optional[_Iterable[float]] = ...) -> None: ...

class PlanClaimed(_message.Message):
    __slots__ = ["chunks", "claim", "frames", "seconds", "spans"]
    class Claim(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    CLAIM_APPENDED: PlanClaimed.Claim
    CLAIM_COVERED: PlanClaimed.Claim
    CLAIM_CREATED: PlanClaimed.Claim
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    CLAIM_REPLACED: PlanClaimed.Claim
    CLAIM_UNCHANGED: PlanClaimed.Claim
    CLAIM_UNSPECIFIED: PlanClaimed.Claim
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    chunks: int
    claim: PlanClaimed.Claim
    frames: int
    seconds: float
    spans: int
    def __init__(self, claim: _Optional[_Union[PlanClaimed.Claim, str]] = ..., chunks: _Optional[int] = ..., spans: _Optional[int] = ..., frames: _Optional[int] = ..., seconds: _Optional[float] = ...) -> None: ...

class PlanInfo(_message.Message):
    __slots__ = ["chunks", "colour", "dedup", "encoder", "frames", "hashes", "kind", "layout", "max_side", "pixel_revision", "quality", "sampling", "schema", "spans", "window"]
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    DEDUP_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    KIND_EXTRACT: PlanInfo.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    KIND_PUT: PlanInfo.Kind
    KIND_UNSPECIFIED: PlanInfo.Kind
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_SIDE_FIELD_NUMBER: _ClassVar[int]
    PIXEL_REVISION_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    chunks: int
    colour: str
    dedup: int
    encoder: str
    frames: int
    hashes: _containers.RepeatedScalarFieldContainer[_frames_pb2.Hash]
    kind: PlanInfo.Kind
    layout: str
    max_side: int
    pixel_revision: int
    quality: int
    sampling: _frames_pb2.Sampling
    schema: int
    spans: int
    window: _frames_pb2.Window
    def __init__(self, kind: _Optional[_Union[PlanInfo.Kind, str]] = ..., sampling: _Optional[_Union[_frames_pb2.Sampling, _Mapping]] = ..., window: _Optional[_Union[_frames_pb2.Window, _Mapping]] = ..., quality: _Optional[int] = ..., encoder: _Optional[str] = ..., colour: _Optional[str] = ..., hashes: _Optional[_Iterable[_Union[_frames_pb2.Hash, str]]] = ..., max_side: _Optional[int] = ..., dedup: _Optional[int] = ..., pixel_revision: _Optional[int] = ..., schema: _Optional[int] = ..., layout: _Optional[str] = ..., chunks: _Optional[int] = ..., spans: _Optional[int] = ..., frames: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ["chunk_id", "done", "eta", "frames_per_second", "media_seconds", "stage", "total"]
    class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    ETA_FIELD_NUMBER: _ClassVar[int]
    FRAMES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    MEDIA_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STAGE_EXTRACT: Progress.Stage
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STAGE_INDEX: Progress.Stage
    STAGE_UNSPECIFIED: Progress.Stage
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    chunk_id: str
    done: int
    eta: float
    frames_per_second: float
    media_seconds: float
    stage: Progress.Stage
    total: int
    def __init__(self, stage: _Optional[_Union[Progress.Stage, str]] = ..., chunk_id: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., media_seconds: _Optional[float] = ..., frames_per_second: _Optional[float] = ..., eta: _Optional[float] = ...) -> None: ...

class PutFrame(_message.Message):
    __slots__ = ["facts", "gray", "jpeg", "last", "offset", "rgb", "sequence"]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    GRAY_FIELD_NUMBER: _ClassVar[int]
    JPEG_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    RGB_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    facts: _frames_pb2.Facts
    gray: bytes
    jpeg: bytes
    last: bool
    offset: int
    rgb: bytes
    sequence: int
    def __init__(self, sequence: _Optional[int] = ..., facts: _Optional[_Union[_frames_pb2.Facts, _Mapping]] = ..., jpeg: _Optional[bytes] = ..., rgb: _Optional[bytes] = ..., gray: _Optional[bytes] = ..., offset: _Optional[int] = ..., last: bool = ...) -> None: ...

class PutFramesRequest(_message.Message):
    __slots__ = ["frame", "profile", "quality", "timeline"]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    frame: PutFrame
    profile: str
    quality: int
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., quality: _Optional[int] = ..., frame: _Optional[_Union[PutFrame, _Mapping]] = ...) -> None: ...

class PutFramesResponse(_message.Message):
    __slots__ = ["bytes", "frames", "record"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    frames: int
    record: int
    def __init__(self, frames: _Optional[int] = ..., bytes: _Optional[int] = ..., record: _Optional[int] = ...) -> None: ...

class Replace(_message.Message):
    __slots__ = ["overlays"]
    class Overlays(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    OVERLAYS_DELETE: Replace.Overlays
    OVERLAYS_FIELD_NUMBER: _ClassVar[int]
    OVERLAYS_KEEP: Replace.Overlays
    OVERLAYS_UNSPECIFIED: Replace.Overlays
    overlays: Replace.Overlays
    def __init__(self, overlays: _Optional[_Union[Replace.Overlays, str]] = ...) -> None: ...

class Shard(_message.Message):
    __slots__ = ["count", "index"]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    count: int
    index: int
    def __init__(self, index: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class SimilarFrame(_message.Message):
    __slots__ = ["distance", "mirrored", "sequence", "timeline", "timestamp"]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    distance: int
    mirrored: bool
    sequence: int
    timeline: str
    timestamp: float
    def __init__(self, timeline: _Optional[str] = ..., sequence: _Optional[int] = ..., timestamp: _Optional[float] = ..., distance: _Optional[int] = ..., mirrored: bool = ...) -> None: ...

class SpanWithout(_message.Message):
    __slots__ = ["chunk_id", "count", "first", "span", "why"]
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    chunk_id: str
    count: int
    first: int
    span: int
    why: _status_pb2.Status
    def __init__(self, chunk_id: _Optional[str] = ..., span: _Optional[int] = ..., first: _Optional[int] = ..., count: _Optional[int] = ..., why: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class TensorError(_message.Message):
    __slots__ = ["place", "status"]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    place: int
    status: _status_pb2.Status
    def __init__(self, place: _Optional[int] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class TensorHeader(_message.Message):
    __slots__ = ["bytes", "datatype", "errors", "index", "name", "sequences", "shape", "timestamps", "transforms", "valid"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    DATATYPE_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    TRANSFORMS_FIELD_NUMBER: _ClassVar[int]
    VALID_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    datatype: str
    errors: _containers.RepeatedCompositeFieldContainer[TensorError]
    index: int
    name: str
    sequences: _containers.RepeatedScalarFieldContainer[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    timestamps: _containers.RepeatedScalarFieldContainer[float]
    transforms: _containers.RepeatedCompositeFieldContainer[Transform]
    valid: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, index: _Optional[int] = ..., name: _Optional[str] = ..., datatype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., sequences: _Optional[_Iterable[int]] = ..., timestamps: _Optional[_Iterable[float]] = ..., valid: _Optional[_Iterable[bool]] = ..., transforms: _Optional[_Iterable[_Union[Transform, _Mapping]]] = ..., errors: _Optional[_Iterable[_Union[TensorError, _Mapping]]] = ..., bytes: _Optional[int] = ...) -> None: ...

class TensorPart(_message.Message):
    __slots__ = ["data", "last", "offset"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    last: bool
    offset: int
    def __init__(self, data: _Optional[bytes] = ..., offset: _Optional[int] = ..., last: bool = ...) -> None: ...

class Transform(_message.Message):
    __slots__ = ["offset_x", "offset_y", "scale_x", "scale_y"]
    OFFSET_X_FIELD_NUMBER: _ClassVar[int]
    OFFSET_Y_FIELD_NUMBER: _ClassVar[int]
    SCALE_X_FIELD_NUMBER: _ClassVar[int]
    SCALE_Y_FIELD_NUMBER: _ClassVar[int]
    offset_x: float
    offset_y: float
    scale_x: float
    scale_y: float
    def __init__(self, scale_x: _Optional[float] = ..., scale_y: _Optional[float] = ..., offset_x: _Optional[float] = ..., offset_y: _Optional[float] = ...) -> None: ...

class FrameLayout(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Payload(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Datatype(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Layout(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Channels(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Fit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Filter(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Origin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ProfileState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
