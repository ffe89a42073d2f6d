from framecache.v1 import frames_pb2 as _frames_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
OVERLAY_LEVEL_FRAMES: OverlayLevel
OVERLAY_LEVEL_ITEMS: OverlayLevel
OVERLAY_LEVEL_JOBS: OverlayLevel
OVERLAY_LEVEL_STAGES: OverlayLevel
OVERLAY_LEVEL_UNSPECIFIED: OverlayLevel
OVERLAY_PAYLOAD_BASE64: OverlayPayload
OVERLAY_PAYLOAD_PNG: OverlayPayload
OVERLAY_PAYLOAD_UNSPECIFIED: OverlayPayload

class DeleteOverlaysRequest(_message.Message):
    __slots__ = ["dry_run", "job", "profile", "sequence", "stage", "timeline"]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    dry_run: bool
    job: str
    profile: str
    sequence: int
    stage: str
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., job: _Optional[str] = ..., stage: _Optional[str] = ..., sequence: _Optional[int] = ..., dry_run: bool = ...) -> None: ...

class DeleteOverlaysResponse(_message.Message):
    __slots__ = ["deleted"]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: _frames_pb2.Tally
    def __init__(self, deleted: _Optional[_Union[_frames_pb2.Tally, _Mapping]] = ...) -> None: ...

class GetOverlaysRequest(_message.Message):
    __slots__ = ["job", "names", "payload", "profile", "sequences", "stage", "timeline"]
    JOB_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    job: str
    names: _containers.RepeatedScalarFieldContainer[str]
    payload: OverlayPayload
    profile: str
    sequences: _containers.RepeatedScalarFieldContainer[int]
    stage: str
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., job: _Optional[str] = ..., stage: _Optional[str] = ..., sequences: _Optional[_Iterable[int]] = ..., names: _Optional[_Iterable[str]] = ..., payload: _Optional[_Union[OverlayPayload, str]] = ...) -> None: ...

class GetOverlaysResponse(_message.Message):
    __slots__ = ["overlay", "summary"]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    overlay: OverlayItem
    summary: GetOverlaysSummary
    def __init__(self, overlay: _Optional[_Union[OverlayItem, _Mapping]] = ..., summary: _Optional[_Union[GetOverlaysSummary, _Mapping]] = ...) -> None: ...

class GetOverlaysSummary(_message.Message):
    __slots__ = ["failed", "overlays"]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    OVERLAYS_FIELD_NUMBER: _ClassVar[int]
    failed: int
    overlays: int
    def __init__(self, overlays: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class ListOverlaysRequest(_message.Message):
    __slots__ = ["job", "level", "page_size", "page_token", "profile", "sequence", "stage", "timeline"]
    JOB_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    job: str
    level: OverlayLevel
    page_size: int
    page_token: str
    profile: str
    sequence: int
    stage: str
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., level: _Optional[_Union[OverlayLevel, str]] = ..., job: _Optional[str] = ..., stage: _Optional[str] = ..., sequence: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListOverlaysResponse(_message.Message):
    __slots__ = ["items", "jobs", "next_page_token", "sequences", "stages"]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[OverlayEntry]
    jobs: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    sequences: _containers.RepeatedScalarFieldContainer[int]
    stages: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, jobs: _Optional[_Iterable[str]] = ..., stages: _Optional[_Iterable[str]] = ..., sequences: _Optional[_Iterable[int]] = ..., items: _Optional[_Iterable[_Union[OverlayEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class OverlayData(_message.Message):
    __slots__ = ["base64", "last", "offset", "png", "total"]
    BASE64_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PNG_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    base64: str
    last: bool
    offset: int
    png: bytes
    total: int
    def __init__(self, png: _Optional[bytes] = ..., base64: _Optional[str] = ..., offset: _Optional[int] = ..., total: _Optional[int] = ..., last: bool = ...) -> None: ...

class OverlayEntry(_message.Message):
    __slots__ = ["bytes", "job", "name", "sequence", "stage"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    job: str
    name: str
    sequence: int
    stage: str
    def __init__(self, job: _Optional[str] = ..., stage: _Optional[str] = ..., sequence: _Optional[int] = ..., name: _Optional[str] = ..., bytes: _Optional[int] = ...) -> None: ...

class OverlayItem(_message.Message):
    __slots__ = ["data", "error", "index", "name", "sequence"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    data: OverlayData
    error: _status_pb2.Status
    index: int
    name: str
    sequence: int
    def __init__(self, index: _Optional[int] = ..., sequence: _Optional[int] = ..., name: _Optional[str] = ..., data: _Optional[_Union[OverlayData, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class PutOverlay(_message.Message):
    __slots__ = ["base64", "job", "last", "name", "offset", "png", "sequence", "stage"]
    BASE64_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PNG_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    base64: str
    job: str
    last: bool
    name: str
    offset: int
    png: bytes
    sequence: int
    stage: str
    def __init__(self, job: _Optional[str] = ..., stage: _Optional[str] = ..., sequence: _Optional[int] = ..., name: _Optional[str] = ..., png: _Optional[bytes] = ..., base64: _Optional[str] = ..., offset: _Optional[int] = ..., last: bool = ...) -> None: ...

class PutOverlayResult(_message.Message):
    __slots__ = ["error", "index"]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    error: _status_pb2.Status
    index: int
    def __init__(self, index: _Optional[int] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class PutOverlaysRequest(_message.Message):
    __slots__ = ["overlay", "profile", "timeline"]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    overlay: PutOverlay
    profile: str
    timeline: str
    def __init__(self, timeline: _Optional[str] = ..., profile: _Optional[str] = ..., overlay: _Optional[_Union[PutOverlay, _Mapping]] = ...) -> None: ...

class PutOverlaysResponse(_message.Message):
    __slots__ = ["results"]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[PutOverlayResult]
    def __init__(self, results: _Optional[_Iterable[_Union[PutOverlayResult, _Mapping]]] = ...) -> None: ...

class OverlayPayload(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class OverlayLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
