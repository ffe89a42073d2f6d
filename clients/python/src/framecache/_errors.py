"""What can go wrong, as exceptions that say what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple, Type

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "framecache"
DETAILS = "grpc-status-details-bin"


@dataclass
class Error(Exception):
    """A call, or one frame of it, failed. Subclasses say which kind of failure it was."""

    #: One sentence: what was attempted, with facts as key=value.
    message: str
    #: The word that names the cause: "PLAN_DIFFERS", "TIMELINE_NOT_FOUND", … Empty if the server gave none.
    reason: str = ""
    #: Name of the gRPC code: "NOT_FOUND", …
    code: str = "UNKNOWN"
    #: How to mend it, where somebody knows.
    hint: Optional[str] = None
    #: The request's field that is to blame: "sampling.fps".
    field: Optional[str] = None
    #: Seconds after which another attempt may succeed.
    retry_after: Optional[float] = None

    def __post_init__(self) -> None:
        super().__init__(self.message)

    def __str__(self) -> str:
        text = f"{self.reason}: {self.message}" if self.reason else self.message
        # Servers end the sentence with the hint already.
        return text if not self.hint or self.hint in text else f"{text}; {self.hint}"

    def __reduce__(self) -> Tuple[Any, ...]:
        return (type(self), (self.message, self.reason, self.code, self.hint, self.field, self.retry_after))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash((self.message, self.reason, self.code))


class Invalid(Error, ValueError):
    """The request cannot be meant so (INVALID_ARGUMENT); `field` says where."""


class NotFound(Error, LookupError):
    """No such timeline, frame, source or store (NOT_FOUND)."""


class OutOfRange(Error, LookupError):
    """A time past the end (OUT_OF_RANGE)."""


class Unauthenticated(Error):
    """The token or certificate is not one of the server's (UNAUTHENTICATED)."""


class Denied(Error):
    """The server may not read that source or use that store, or the token only reads (PERMISSION_DENIED)."""


class Refused(Error):
    """What is there forbids it: another plan, a changed source, media beyond limits, no GPU (FAILED_PRECONDITION)."""


class Damaged(Error):
    """Media or stored objects are broken and cannot be made anew (DATA_LOSS)."""


class Busy(Error):
    """A queue, the memory budget or the disk is full; time mends it (RESOURCE_EXHAUSTED)."""


class Unavailable(Error, ConnectionError):
    """The server, its store or a source cannot be reached (UNAVAILABLE)."""


class TimedOut(Error, TimeoutError):
    """The deadline passed, or a chunk stalled (DEADLINE_EXCEEDED)."""


class Cancelled(Error):
    """The call was cancelled (CANCELLED)."""


_KINDS: Dict[str, Type[Error]] = {
    "INVALID_ARGUMENT": Invalid,
    "NOT_FOUND": NotFound,
    "OUT_OF_RANGE": OutOfRange,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": Denied,
    "FAILED_PRECONDITION": Refused,
    "DATA_LOSS": Damaged,
    "RESOURCE_EXHAUSTED": Busy,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": TimedOut,
    "CANCELLED": Cancelled,
}
_NAMES: Dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


def invalid(message: str, field: Optional[str] = None, hint: Optional[str] = None) -> Invalid:
    """An argument that is refused before anything is sent."""
    return Invalid(message, "FIELD_INVALID", "INVALID_ARGUMENT", hint, field)


def broken_stream(what: str) -> Error:
    """The server's answer breaks the contract."""
    return Error(f"the answer cannot be read: {what}", code="INTERNAL")


@dataclass
class _Details:
    reason: str = ""
    hint: Optional[str] = None
    fields: List[str] = field(default_factory=list)
    retry_after: Optional[float] = None


def _details(status: status_pb2.Status) -> _Details:
    found = _Details()
    for packed in status.details:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if packed.Unpack(info) and info.domain == DOMAIN:
            found.reason = info.reason
            found.hint = info.metadata.get("hint")
        elif packed.Unpack(bad):
            found.fields = [violation.field for violation in bad.field_violations if violation.field]
        elif packed.Unpack(retry):
            found.retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return found


def from_status(status: Message) -> Error:
    """The exception of a google.rpc.Status that came inside a message."""
    assert isinstance(status, status_pb2.Status)
    code = _NAMES.get(status.code, "UNKNOWN")
    found = _details(status)
    field_path = found.fields[0] if found.fields else None
    kind = _KINDS.get(code, Error)
    return kind(status.message, found.reason, code, found.hint, field_path, found.retry_after)


def from_rpc(error: grpc.RpcError) -> Error:
    """The exception of a call that failed."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS:
            status = status_pb2.Status()
            try:
                status.ParseFromString(value)
            except DecodeError:
                break
            return from_status(status)
    code = error.code().name if error.code() is not None else "UNKNOWN"
    if code == "UNAVAILABLE":
        return _unreachable(error.details() or "")
    return _KINDS.get(code, Error)(error.details() or "the call failed", code=code)


#: Of what gRPC says: what it comes from, and how to mend it.
_UNREACHABLE = (
    ("CERTIFICATE_VERIFY_FAILED", "TLS_FAILED", "the server's certificate is of no authority that is known here",
     "name the authority's PEM file: tls_ca= or FRAMECACHE_TLS_CA"),
    ("Hostname Verification", "TLS_FAILED", "the server's certificate is for another name",
     "name the server as its certificate does"),
    # The same as grpcio 1.59 has it.
    ("not in peer certificate", "TLS_FAILED", "the server's certificate is for another name",
     "name the server as its certificate does"),
    ("WRONG_VERSION_NUMBER", "TLS_FAILED", "the server does not speak TLS",
     "name it host:port, without tls_ca and FRAMECACHE_TLS_CA"),
    ("handshake", "TLS_FAILED", "TLS with the server could not be begun",
     "look at the PEM files of tls_ca, tls_cert and tls_key, and whether the server asks for a certificate"),
    ("Socket closed", "SERVER_UNAVAILABLE", "the server closed the connection",
     "if it speaks TLS, name it https://host:port"),
    ("", "SERVER_UNAVAILABLE", "the server cannot be reached", None),
)


def _unreachable(said: str) -> Error:
    _, reason, what, hint = next(cause for cause in _UNREACHABLE if cause[0].lower() in said.lower())
    return Unavailable(f"{what}: {said.rpartition('last error: ')[2]}", reason, "UNAVAILABLE", hint)
