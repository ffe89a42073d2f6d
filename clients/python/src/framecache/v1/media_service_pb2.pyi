from framecache.v1 import frames_pb2 as _frames_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ColourTags(_message.Message):
    __slots__ = ["matrix", "primaries", "range", "transfer"]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    PRIMARIES_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    matrix: str
    primaries: str
    range: str
    transfer: str
    def __init__(self, matrix: _Optional[str] = ..., range: _Optional[str] = ..., primaries: _Optional[str] = ..., transfer: _Optional[str] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ["backend", "codecs", "engines", "name"]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    backend: str
    codecs: _containers.RepeatedScalarFieldContainer[str]
    engines: int
    name: str
    def __init__(self, name: _Optional[str] = ..., backend: _Optional[str] = ..., engines: _Optional[int] = ..., codecs: _Optional[_Iterable[str]] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ["devices", "devices_reason", "libavcodec", "limits", "media", "source_buckets", "source_roots", "store", "version", "workers"]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    DEVICES_REASON_FIELD_NUMBER: _ClassVar[int]
    LIBAVCODEC_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    SOURCE_BUCKETS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ROOTS_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    devices_reason: str
    libavcodec: str
    limits: Limits
    media: Media
    source_buckets: _containers.RepeatedScalarFieldContainer[str]
    source_roots: int
    store: Store
    version: str
    workers: int
    def __init__(self, version: _Optional[str] = ..., libavcodec: _Optional[str] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., devices_reason: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., store: _Optional[_Union[Store, _Mapping]] = ..., workers: _Optional[int] = ..., source_roots: _Optional[int] = ..., source_buckets: _Optional[_Iterable[str]] = ..., media: _Optional[_Union[Media, _Mapping]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ["chunks_per_timeline", "concurrent_calls", "frames_per_profile", "memory_bytes", "part_bytes", "pixels_per_frame", "side"]
    CHUNKS_PER_TIMELINE_FIELD_NUMBER: _ClassVar[int]
    CONCURRENT_CALLS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_PER_PROFILE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    PART_BYTES_FIELD_NUMBER: _ClassVar[int]
    PIXELS_PER_FRAME_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    chunks_per_timeline: int
    concurrent_calls: int
    frames_per_profile: int
    memory_bytes: int
    part_bytes: int
    pixels_per_frame: int
    side: int
    def __init__(self, pixels_per_frame: _Optional[int] = ..., side: _Optional[int] = ..., chunks_per_timeline: _Optional[int] = ..., frames_per_profile: _Optional[int] = ..., part_bytes: _Optional[int] = ..., concurrent_calls: _Optional[int] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class Media(_message.Message):
    __slots__ = ["held", "isolation", "says"]
    HELD_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    SAYS_FIELD_NUMBER: _ClassVar[int]
    held: bool
    isolation: str
    says: str
    def __init__(self, isolation: _Optional[str] = ..., held: bool = ..., says: _Optional[str] = ...) -> None: ...

class ProbeMediaRequest(_message.Message):
    __slots__ = ["init_uri", "stream", "uri"]
    INIT_URI_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    init_uri: str
    stream: int
    uri: str
    def __init__(self, uri: _Optional[str] = ..., init_uri: _Optional[str] = ..., stream: _Optional[int] = ...) -> None: ...

class ProbeMediaResponse(_message.Message):
    __slots__ = ["bytes", "container", "streams", "video"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    container: str
    streams: _containers.RepeatedCompositeFieldContainer[Stream]
    video: Video
    def __init__(self, container: _Optional[str] = ..., bytes: _Optional[int] = ..., streams: _Optional[_Iterable[_Union[Stream, _Mapping]]] = ..., video: _Optional[_Union[Video, _Mapping]] = ...) -> None: ...

class Store(_message.Message):
    __slots__ = ["bucket", "conditional_put", "kind"]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    CONDITIONAL_PUT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    bucket: str
    conditional_put: bool
    kind: str
    def __init__(self, kind: _Optional[str] = ..., bucket: _Optional[str] = ..., conditional_put: bool = ...) -> None: ...

class Stream(_message.Message):
    __slots__ = ["codec", "index", "kind"]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    codec: str
    index: int
    kind: str
    def __init__(self, index: _Optional[int] = ..., kind: _Optional[str] = ..., codec: _Optional[str] = ...) -> None: ...

class Video(_message.Message):
    __slots__ = ["backend", "backend_reason", "chroma", "clock_breaks", "codec", "codec_profile", "colour", "depth", "duration", "frame_rate", "frames", "frames_exact", "has_timestamps", "height", "interlaced", "keyframes", "mirrored", "pauses", "pixel_format", "rotation", "sample_aspect_ratio", "start", "stated_frame_rate", "stream", "time_base", "times_counted", "unshown", "untimed", "variable_frame_rate", "width"]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BACKEND_REASON_FIELD_NUMBER: _ClassVar[int]
    CHROMA_FIELD_NUMBER: _ClassVar[int]
    CLOCK_BREAKS_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    CODEC_PROFILE_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    FRAMES_EXACT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    HAS_TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    INTERLACED_FIELD_NUMBER: _ClassVar[int]
    KEYFRAMES_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_FIELD_NUMBER: _ClassVar[int]
    PAUSES_FIELD_NUMBER: _ClassVar[int]
    PIXEL_FORMAT_FIELD_NUMBER: _ClassVar[int]
    ROTATION_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_ASPECT_RATIO_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STATED_FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TIMES_COUNTED_FIELD_NUMBER: _ClassVar[int]
    TIME_BASE_FIELD_NUMBER: _ClassVar[int]
    UNSHOWN_FIELD_NUMBER: _ClassVar[int]
    UNTIMED_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    backend: str
    backend_reason: str
    chroma: str
    clock_breaks: _containers.RepeatedCompositeFieldContainer[_frames_pb2.ClockBreak]
    codec: str
    codec_profile: str
    colour: ColourTags
    depth: int
    duration: float
    frame_rate: float
    frames: int
    frames_exact: bool
    has_timestamps: bool
    height: int
    interlaced: bool
    keyframes: int
    mirrored: bool
    pauses: _containers.RepeatedCompositeFieldContainer[_frames_pb2.Pause]
    pixel_format: str
    rotation: int
    sample_aspect_ratio: str
    start: float
    stated_frame_rate: str
    stream: int
    time_base: str
    times_counted: bool
    unshown: _frames_pb2.Unshown
    untimed: int
    variable_frame_rate: bool
    width: int
    def __init__(self, stream: _Optional[int] = ..., codec: _Optional[str] = ..., codec_profile: _Optional[str] = ..., pixel_format: _Optional[str] = ..., depth: _Optional[int] = ..., chroma: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., sample_aspect_ratio: _Optional[str] = ..., mirrored: bool = ..., rotation: _Optional[int] = ..., colour: _Optional[_Union[ColourTags, _Mapping]] = ..., frame_rate: _Optional[float] = ..., stated_frame_rate: _Optional[str] = ..., variable_frame_rate: bool = ..., interlaced: bool = ..., time_base: _Optional[str] = ..., start: _Optional[float] = ..., duration: _Optional[float] = ..., frames: _Optional[int] = ..., frames_exact: bool = ..., keyframes: _Optional[int] = ..., has_timestamps: bool = ..., unshown: _Optional[_Union[_frames_pb2.Unshown, _Mapping]] = ..., backend: _Optional[str] = ..., backend_reason: _Optional[str] = ..., clock_breaks: _Optional[_Iterable[_Union[_frames_pb2.ClockBreak, _Mapping]]] = ..., pauses: _Optional[_Iterable[_Union[_frames_pb2.Pause, _Mapping]]] = ..., untimed: _Optional[int] = ..., times_counted: bool = ...) -> None: ...
