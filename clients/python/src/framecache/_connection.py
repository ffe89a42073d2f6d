"""One process's connection to a server, for any number of threads."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Callable, Iterable, Iterator, List, Optional, Set, TypeVar

import grpc
from google.protobuf.message import Message

from . import _retry
from ._errors import Error, Unavailable, from_rpc
from ._fork import Inheritable, register, usable
from ._methods import Method
from ._settings import Settings, address, channel_options, credentials, metadata

Requests = Callable[[], Iterable[Message]]
#: How a private server ended, after so many seconds at most; None: it did not, or there is none.
Ended = Callable[[float], Optional[str]]
#: A process that was killed is noticed sooner.
NOTICED_SECONDS = 1.0
T = TypeVar("T")


class Connection(Inheritable):
    """Opens its channel at first use, and again in each process that inherits it by a fork."""

    def __init__(self, settings: Settings, target: Callable[[], str], ended: Ended) -> None:
        self._settings = settings
        self._target = target
        self._ended = ended
        self._opened_target = ""
        self._lock = threading.Lock()
        self._channel: Optional[grpc.Channel] = None
        self._calls: Set[Any] = set()
        register(self)

    def unary(self, method: Method, request: Message) -> Any:
        return self._retried(lambda: self._unary(method, request))

    def upload(self, method: Method, requests: Requests, repeatable: bool) -> Any:
        """A client stream; `requests` makes the messages, anew for each attempt where it is repeatable."""
        return self._retried(lambda: self._upload(method, requests)) if repeatable else self._upload(method, requests)

    def stream(self, method: Method, request: Message) -> Iterator[Any]:
        """A server stream; tried again only while nothing of it has come."""
        for factor in [*_retry.waits(), None]:
            began = False
            try:
                for message in self._stream(method, request):
                    began = True
                    yield message
                return
            except Error as error:
                wait = None if began else _retry.delay(error, factor)
                if wait is None:
                    raise
            time.sleep(wait)

    def close(self) -> None:
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def forget(self) -> Any:
        inherited = (self._channel, self._calls) if self._channel is not None else None
        self._lock = threading.Lock()
        self._channel = None
        self._calls = set()
        return inherited

    def _unary(self, method: Method, request: Message) -> Any:
        return self._checked(lambda: self._callable(method, "unary_unary")(request, **self._options()))

    def _upload(self, method: Method, requests: Requests) -> Any:
        failures: List[BaseException] = []

        def guarded() -> Iterator[Message]:
            # gRPC swallows what its request iterator raises.
            try:
                yield from requests()
            except BaseException as error:
                failures.append(error)
                raise

        try:
            return self._checked(lambda: self._callable(method, "stream_unary")(guarded(), **self._options()))
        except Error:
            if failures:
                raise failures[0] from None
            raise

    def _stream(self, method: Method, request: Message) -> Iterator[Any]:
        owner = os.getpid()
        call = self._checked(lambda: self._callable(method, "unary_stream")(request, **self._options()))
        self._calls.add(call)
        try:
            while True:
                message = self._checked(lambda: next(call, None))
                if message is None:
                    return
                yield message
        finally:
            # A forked child has its own copy of this generator, and no say about the call.
            if os.getpid() == owner:
                self._calls.discard(call)
                call.cancel()

    def _retried(self, attempt: Callable[[], T]) -> T:
        for factor in _retry.waits():
            try:
                return attempt()
            except Error as error:
                wait = _retry.delay(error, factor)
                if wait is None:
                    raise
            time.sleep(wait)
        return attempt()

    def _checked(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except grpc.RpcError as error:
            raise explained(from_rpc(error), self._ended, NOTICED_SECONDS) from None

    def _callable(self, method: Method, shape: str) -> Any:
        return getattr(self._open(), shape)(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )

    def _options(self) -> dict[str, Any]:
        return {"metadata": metadata(self._settings), "timeout": self._settings.timeout}

    def _open(self) -> grpc.Channel:
        usable()
        with self._lock:
            target = self._target()
            if self._channel is None or target != self._opened_target:
                self._channel = open_channel(self._settings, target, grpc)
                self._opened_target = target
            return self._channel


def explained(error: Error, ended: Ended, seconds: float) -> Error:
    """Where the connection broke because a private server ended: that."""
    end = ended(seconds) if isinstance(error, Unavailable) and error.reason == "SERVER_UNAVAILABLE" else None
    if end is None:
        return error
    return Unavailable(end, "SERVER_UNAVAILABLE", "UNAVAILABLE", "call again: it is started anew")


def open_channel(settings: Settings, target: str, grpc_or_aio: Any) -> Any:
    where, secure = address(target)
    options = channel_options(where)
    proof = credentials(settings, secure)
    if proof is None:
        return grpc_or_aio.insecure_channel(where, options=options)
    return grpc_or_aio.secure_channel(where, proof, options=options)


def pages(call: Callable[[Message], Any], request: Any) -> Iterator[Any]:
    """All pages of a List… call."""
    while True:
        response = call(request)
        yield response
        if not response.next_page_token:
            return
        request.page_token = response.next_page_token


def collected(responses: Iterable[Any], field: str) -> List[Any]:
    return [item for response in responses for item in getattr(response, field)]
