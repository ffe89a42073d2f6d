"""A connection to a server for asyncio: one channel for each event loop."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncGenerator, AsyncIterator, Awaitable, Callable, Dict, Iterable, List, NamedTuple, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from . import _retry
from ._connection import Ended, Requests, explained, open_channel
from ._errors import Error, from_rpc
from ._methods import Method
from ._settings import Settings, metadata

T = TypeVar("T")


class Opened(NamedTuple):
    channel: Any
    #: Closes the channel when it is closed.
    keeper: AsyncGenerator[None, None]
    target: str


class AsyncConnection:
    """Opens a channel at first use in an event loop, and closes it when the loop ends."""

    def __init__(self, settings: Settings, target: Callable[[], str], ended: Ended) -> None:
        self._settings = settings
        self._target = target
        self._ended = ended
        self._opened: Dict[asyncio.AbstractEventLoop, Opened] = {}

    async def unary(self, method: Method, request: Message) -> Any:
        async def attempt() -> Any:
            call = await self._callable(method, "unary_unary")
            return await self._checked(call(request, **self._options()))

        return await _retried(attempt)

    async def upload(self, method: Method, requests: Requests, repeatable: bool) -> Any:
        """A client stream; `requests` makes the messages, anew for each attempt where it is repeatable."""
        if repeatable:
            return await _retried(lambda: self._upload(method, requests))
        return await self._upload(method, requests)

    async def stream(self, method: Method, request: Message) -> AsyncIterator[Any]:
        """A server stream; tried again only while nothing of it has come."""
        for factor in [*_retry.waits(), None]:
            began = False
            try:
                async for message in self._stream(method, request):
                    began = True
                    yield message
                return
            except Error as error:
                wait = None if began else _retry.delay(error, factor)
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    async def close(self) -> None:
        opened = self._opened.get(asyncio.get_running_loop())
        if opened is not None:
            await opened.keeper.aclose()

    async def _upload(self, method: Method, requests: Requests) -> Any:
        failures: List[BaseException] = []

        async def guarded() -> AsyncIterator[Message]:
            # gRPC swallows what its request iterator raises.
            try:
                for message in requests():
                    yield message
            except Exception as error:
                failures.append(error)
                raise

        call = await self._callable(method, "stream_unary")
        try:
            return await self._checked(call(guarded(), **self._options()))
        except (Error, asyncio.CancelledError):
            if failures:
                raise failures[0] from None
            raise

    async def _stream(self, method: Method, request: Message) -> AsyncIterator[Any]:
        call = (await self._callable(method, "unary_stream"))(request, **self._options())
        try:
            async for message in call:
                yield message
        except grpc.RpcError as error:
            raise explained(from_rpc(error), self._ended, 0) from None
        finally:
            call.cancel()

    async def _checked(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except grpc.RpcError as error:
            raise explained(from_rpc(error), self._ended, 0) from None

    async def _callable(self, method: Method, shape: str) -> Any:
        return getattr(await self._open(), shape)(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )

    def _options(self) -> dict[str, Any]:
        return {"metadata": metadata(self._settings), "timeout": self._settings.timeout}

    async def _open(self) -> Any:
        loop = asyncio.get_running_loop()
        opened = self._opened.get(loop)
        if opened is None or self._ended(0) is not None:
            # Starting a server of one's own takes a moment that the loop must not wait.
            target = await loop.run_in_executor(None, self._target)
            opened = self._opened.get(loop)
            if opened is None or opened.target != target:
                self._forget_ended_loops()
                channel = open_channel(self._settings, target, grpc.aio)
                keeper = self._keep(loop, channel)
                self._opened[loop] = Opened(channel, keeper, target)
                await keeper.__anext__()
        return self._opened[loop].channel

    async def _keep(self, loop: asyncio.AbstractEventLoop, channel: Any) -> AsyncGenerator[None, None]:
        """A loop closes its generators before it ends (asyncio.run does), and so the channel, while it can."""
        try:
            yield
        finally:
            self._opened.pop(loop, None)
            await channel.close()

    def _forget_ended_loops(self) -> None:
        """Those that ended without it: a channel that nobody holds closes by itself."""
        for loop in list(self._opened):
            if loop.is_closed():
                self._opened.pop(loop, None)


async def _retried(attempt: Callable[[], Awaitable[T]]) -> T:
    for factor in _retry.waits():
        try:
            return await attempt()
        except Error as error:
            wait = _retry.delay(error, factor)
            if wait is None:
                raise
        await asyncio.sleep(wait)
    return await attempt()


async def pages(call: Callable[[Message], Awaitable[Any]], request: Any) -> AsyncIterator[Any]:
    """All pages of a List… call."""
    while True:
        response = await call(request)
        yield response
        if not response.next_page_token:
            return
        request.page_token = response.next_page_token


async def collected(responses: AsyncIterator[Any], field: str) -> List[Any]:
    return [item async for response in responses for item in getattr(response, field)]


async def run_ahead(loop: asyncio.AbstractEventLoop, work: Callable[[Any], T], items: Iterable[Any]) -> List[T]:
    """work(item) for each item on the loop's threads."""
    return list(await asyncio.gather(*(loop.run_in_executor(None, work, item) for item in items)))
