from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

BACKEND_AUTO: Backend
BACKEND_CPU: Backend
BACKEND_GPU: Backend
BACKEND_UNSPECIFIED: Backend
DESCRIPTOR: _descriptor.FileDescriptor
HASH_AVERAGE_HASH: Hash
HASH_DHASH: Hash
HASH_PHASH: Hash
HASH_UNSPECIFIED: Hash
ON_MISS_EXTRACT: OnMiss
ON_MISS_FAIL: OnMiss
ON_MISS_SKIP: OnMiss
ON_MISS_UNSPECIFIED: OnMiss

class Chunk(_message.Message):
    __slots__ = ["chunk_id", "init_uri", "source_end", "source_start", "start", "stream", "uri"]
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    INIT_URI_FIELD_NUMBER: _ClassVar[int]
    SOURCE_END_FIELD_NUMBER: _ClassVar[int]
    SOURCE_START_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    chunk_id: str
    init_uri: str
    source_end: str
    source_start: str
    start: str
    stream: int
    uri: str
    def __init__(self, chunk_id: _Optional[str] = ..., uri: _Optional[str] = ..., init_uri: _Optional[str] = ..., source_start: _Optional[str] = ..., source_end: _Optional[str] = ..., start: _Optional[str] = ..., stream: _Optional[int] = ...) -> None: ...

class ChunkResult(_message.Message):
    __slots__ = ["backend", "chunk_id", "clock_breaks", "damaged", "error", "fallback_reason", "frames", "index", "missing", "pauses", "times_counted", "unshown", "untimed"]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    CLOCK_BREAKS_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_REASON_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    PAUSES_FIELD_NUMBER: _ClassVar[int]
    TIMES_COUNTED_FIELD_NUMBER: _ClassVar[int]
    UNSHOWN_FIELD_NUMBER: _ClassVar[int]
    UNTIMED_FIELD_NUMBER: _ClassVar[int]
    backend: str
    chunk_id: str
    clock_breaks: _containers.RepeatedCompositeFieldContainer[ClockBreak]
    damaged: int
    error: _status_pb2.Status
    fallback_reason: str
    frames: int
    index: int
    missing: int
    pauses: _containers.RepeatedCompositeFieldContainer[Pause]
    times_counted: bool
    unshown: Unshown
    untimed: int
    def __init__(self, index: _Optional[int] = ..., chunk_id: _Optional[str] = ..., frames: _Optional[int] = ..., backend: _Optional[str] = ..., fallback_reason: _Optional[str] = ..., damaged: _Optional[int] = ..., missing: _Optional[int] = ..., unshown: _Optional[_Union[Unshown, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., clock_breaks: _Optional[_Iterable[_Union[ClockBreak, _Mapping]]] = ..., pauses: _Optional[_Iterable[_Union[Pause, _Mapping]]] = ..., untimed: _Optional[int] = ..., times_counted: bool = ...) -> None: ...

class ClockBreak(_message.Message):
    __slots__ = ["at", "pts_before", "pts_behind"]
    AT_FIELD_NUMBER: _ClassVar[int]
    PTS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PTS_BEHIND_FIELD_NUMBER: _ClassVar[int]
    at: float
    pts_before: int
    pts_behind: int
    def __init__(self, at: _Optional[float] = ..., pts_before: _Optional[int] = ..., pts_behind: _Optional[int] = ...) -> None: ...

class Colour(_message.Message):
    __slots__ = ["assumed", "matrix", "primaries", "range", "transfer"]
    ASSUMED_FIELD_NUMBER: _ClassVar[int]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    PRIMARIES_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    assumed: _containers.RepeatedScalarFieldContainer[str]
    matrix: str
    primaries: str
    range: str
    transfer: str
    def __init__(self, matrix: _Optional[str] = ..., range: _Optional[str] = ..., primaries: _Optional[str] = ..., transfer: _Optional[str] = ..., assumed: _Optional[_Iterable[str]] = ...) -> None: ...

class Facts(_message.Message):
    __slots__ = ["average_hash", "backend", "bytes", "chunk_id", "colour", "content_type", "damaged", "dhash", "duration", "fallback_reason", "flatness", "height", "interlaced", "keyframe", "luma", "mirrored", "missing", "phash", "pts", "quality", "repeats", "rotation", "sample_aspect_ratio", "sequence", "sha256", "source_height", "source_width", "time_base", "timestamp", "width"]
    AVERAGE_HASH_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    DHASH_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_REASON_FIELD_NUMBER: _ClassVar[int]
    FLATNESS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    INTERLACED_FIELD_NUMBER: _ClassVar[int]
    KEYFRAME_FIELD_NUMBER: _ClassVar[int]
    LUMA_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    PHASH_FIELD_NUMBER: _ClassVar[int]
    PTS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    REPEATS_FIELD_NUMBER: _ClassVar[int]
    ROTATION_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_ASPECT_RATIO_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SOURCE_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    TIME_BASE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    average_hash: str
    backend: str
    bytes: int
    chunk_id: str
    colour: Colour
    content_type: str
    damaged: bool
    dhash: str
    duration: float
    fallback_reason: str
    flatness: float
    height: int
    interlaced: bool
    keyframe: bool
    luma: str
    mirrored: bool
    missing: bool
    phash: str
    pts: int
    quality: int
    repeats: int
    rotation: int
    sample_aspect_ratio: str
    sequence: int
    sha256: str
    source_height: int
    source_width: int
    time_base: str
    timestamp: float
    width: int
    def __init__(self, sequence: _Optional[int] = ..., chunk_id: _Optional[str] = ..., pts: _Optional[int] = ..., time_base: _Optional[str] = ..., timestamp: _Optional[float] = ..., duration: _Optional[float] = ..., keyframe: bool = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., source_width: _Optional[int] = ..., source_height: _Optional[int] = ..., mirrored: bool = ..., rotation: _Optional[int] = ..., sample_aspect_ratio: _Optional[str] = ..., interlaced: bool = ..., bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., content_type: _Optional[str] = ..., quality: _Optional[int] = ..., phash: _Optional[str] = ..., dhash: _Optional[str] = ..., average_hash: _Optional[str] = ..., colour: _Optional[_Union[Colour, _Mapping]] = ..., backend: _Optional[str] = ..., fallback_reason: _Optional[str] = ..., damaged: bool = ..., missing: bool = ..., repeats: _Optional[int] = ..., flatness: _Optional[float] = ..., luma: _Optional[str] = ...) -> None: ...

class Pause(_message.Message):
    __slots__ = ["to"]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    to: float
    def __init__(self, to: _Optional[float] = ..., **kwargs) -> None: ...

class Sampling(_message.Message):
    __slots__ = ["all", "count", "every", "fps", "keyframes", "timestamps"]
    ALL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    FPS_FIELD_NUMBER: _ClassVar[int]
    KEYFRAMES_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    all: bool
    count: int
    every: int
    fps: str
    keyframes: bool
    timestamps: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, fps: _Optional[str] = ..., every: _Optional[int] = ..., all: bool = ..., keyframes: bool = ..., timestamps: _Optional[_Iterable[str]] = ..., count: _Optional[int] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ["all", "distinct", "limit", "per_scene", "range", "sequences", "step", "times", "window"]
    ALL_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PER_SCENE_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    all: bool
    distinct: int
    limit: int
    per_scene: int
    range: SequenceRange
    sequences: _containers.RepeatedScalarFieldContainer[int]
    step: int
    times: _containers.RepeatedScalarFieldContainer[str]
    window: Window
    def __init__(self, sequences: _Optional[_Iterable[int]] = ..., range: _Optional[_Union[SequenceRange, _Mapping]] = ..., times: _Optional[_Iterable[str]] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., all: bool = ..., step: _Optional[int] = ..., limit: _Optional[int] = ..., distinct: _Optional[int] = ..., per_scene: _Optional[int] = ...) -> None: ...

class SequenceRange(_message.Message):
    __slots__ = ["first", "last"]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class Tally(_message.Message):
    __slots__ = ["bytes", "objects"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    objects: int
    def __init__(self, objects: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class Unshown(_message.Message):
    __slots__ = ["before_first_cut", "discarded", "invisible", "undecodable_leading"]
    BEFORE_FIRST_CUT_FIELD_NUMBER: _ClassVar[int]
    DISCARDED_FIELD_NUMBER: _ClassVar[int]
    INVISIBLE_FIELD_NUMBER: _ClassVar[int]
    UNDECODABLE_LEADING_FIELD_NUMBER: _ClassVar[int]
    before_first_cut: int
    discarded: int
    invisible: int
    undecodable_leading: int
    def __init__(self, discarded: _Optional[int] = ..., invisible: _Optional[int] = ..., before_first_cut: _Optional[int] = ..., undecodable_leading: _Optional[int] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ["to"]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    to: str
    def __init__(self, to: _Optional[str] = ..., **kwargs) -> None: ...

class Hash(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Backend(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class OnMiss(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
