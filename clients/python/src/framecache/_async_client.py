"""The client for asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, AsyncIterator, Dict, Iterable, List, Literal, Optional, Sequence, Union

from . import _base, _jpeg, _methods, _requests, _upload
from ._arrays import Arrays
from ._async_connection import AsyncConnection, pages, run_ahead
from ._async_overlays import AsyncOverlays
from ._client import _check_errors
from ._decode import Filling, Recipe, chosen
from ._errors import invalid
from ._extract import Callback, Collector
from ._plain import plain
from ._signatures import spelled_out
from ._similar import (
    Asked,
    Cuts,
    Duplicate,
    Gathered,
    Hashes,
    Picture,
    Similar,
    check_kind,
    cuts_request,
    duplicates,
    duplicates_request,
    hashes,
    similar,
)
from ._table import table as facts_table
from ._timeline import timeline as read_timeline
from .frames import Frame, Joiner, decoded
from .options import Errors, ExtractOptions, FramesOptions, TensorOptions
from .results import Cleared, Extraction, Facts, Put, Timeline, cleared, facts
from .tensors import Assembler, Batch, first_error
from .v1 import frame_service_pb2 as pb
from .v1 import media_service_pb2 as media

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Pictures that are decoded at once.
AHEAD = 16


class AsyncClient(_base.Base):
    """`Client` for asyncio: the same methods and arguments, awaited or iterated with `async for`.

    It pickles. gRPC's asyncio side cannot be forked: start processes with multiprocessing's spawn.
    """

    def _begin(self, *args: Any, **named: Any) -> None:
        super()._begin(*args, **named)
        self._connection = AsyncConnection(self._settings, self._target, self._ended)
        #: What pipeline stages drew for frames.
        self.overlays = AsyncOverlays(self._connection)

    @spelled_out(ExtractOptions)
    async def extract(
        self,
        timeline: str,
        sources: Optional[_requests.Sources] = None,
        *,
        progress: Union[None, bool, Callback] = None,
        **options: Unpack[ExtractOptions],
    ) -> Extraction:
        """See `Client.extract`."""
        request = _requests.extract(timeline, sources, self._local, options)
        collector = Collector(timeline, options.get("profile"), progress)
        try:
            async for event in self._connection.stream(_methods.EXTRACT, request):
                collector.add(event)
        finally:
            collector.close()
        if collector.result.reused:
            # Nobody can await them when they are asked for.
            collector.facts = [known async for known in self.facts(timeline, options.get("profile"))]
        return collector.finished()

    @spelled_out(FramesOptions)
    async def frames(
        self,
        timeline: str,
        *,
        decode: bool = False,
        errors: Errors = "raise",
        **options: Unpack[FramesOptions],
    ) -> AsyncIterator[Frame]:
        """See `Client.frames`."""
        if decode and options.get("payload") not in (None, "jpeg"):
            raise invalid(f"only JPEGs are decoded: payload={options.get('payload')}", "decode")
        _check_errors(errors, ("raise", "yield"))
        found = self._frames(_requests.frames(timeline, options))
        async for frame in _decoded(found) if decode else found:
            if frame.error is not None and errors == "raise":
                raise frame.error
            yield frame

    @spelled_out(TensorOptions)
    async def tensors(
        self,
        timeline: str,
        *,
        transfer: Literal["auto", "raw", "jpeg"] = "auto",
        errors: Literal["raise", "mask"] = "raise",
        **options: Unpack[TensorOptions],
    ) -> AsyncIterator[Batch]:
        """See `Client.tensors`."""
        _check_errors(errors, ("raise", "mask"))
        arrays, asked = Arrays(), _requests.arrays(options)
        if chosen(transfer, asked, self._near) == "jpeg":
            recipe = Recipe(asked, arrays)
            found = _batches(recipe, self._frames(_requests.frames(timeline, recipe.frames)))
        else:
            found = self._batches(_requests.tensors(timeline, asked), arrays)
        async for batch in found:
            error = first_error(batch) if errors == "raise" else None
            if error is not None:
                raise error
            yield batch

    async def facts(self, timeline: str, profile: Optional[str] = None) -> AsyncIterator[Facts]:
        """Facts of the frames that are there, by sequence."""
        async for page in pages(self._call(_methods.LIST_FRAMES), _base.list_request(timeline, profile)):
            for message in page.frames:
                yield facts(message)

    async def table(self, timeline: str, profile: Optional[str] = None) -> Any:
        """See `Client.table`."""
        return facts_table([known async for known in self.facts(timeline, profile)])

    async def hashes(
        self, timeline: str, profile: Optional[str] = None, *, kind: Literal["phash", "dhash", "average_hash"] = "phash"
    ) -> Hashes:
        """See `Client.hashes`."""
        return hashes([known async for known in self.facts(timeline, profile)], check_kind(kind))

    async def similar(
        self,
        timeline: Optional[str] = None,
        profile: Optional[str] = None,
        *,
        sequence: Optional[int] = None,
        hash: Union[None, str, int] = None,
        picture: Optional[Picture] = None,
        kind: Literal["phash", "dhash", "average_hash"] = "phash",
        distance: int = 8,
        mirrored: bool = False,
        everywhere: bool = False,
        limit: Optional[int] = None,
    ) -> List[Similar]:
        """See `Client.similar`."""
        asked = Asked(timeline, profile, sequence, hash, picture, kind, distance, mirrored, everywhere, limit)
        found: List[Similar] = []
        async for page in pages(self._call(_methods.GET_SIMILAR), asked.request()):
            found.extend(map(similar, page.frames))
            if asked.cut(found):
                break
        return found

    async def duplicates(
        self,
        timeline: str,
        profile: Optional[str] = None,
        *,
        other: Optional[str] = None,
        kind: Literal["phash", "dhash", "average_hash"] = "phash",
        distance: int = 8,
        mirrored: bool = False,
        limit: Optional[int] = None,
    ) -> List[Duplicate]:
        """See `Client.duplicates`."""
        request = duplicates_request(timeline, profile, other, kind, distance, mirrored, limit)
        return duplicates(await self._call(_methods.GET_DUPLICATES)(request))

    async def cuts(self, timeline: str, profile: Optional[str] = None, *, threshold: Optional[float] = None) -> Cuts:
        """See `Client.cuts`."""
        gathered = Gathered()
        async for response in self._connection.stream(_methods.GET_CUTS, cuts_request(timeline, profile, threshold)):
            gathered.add(response)
        return gathered.all()

    async def timeline(self, timeline: str, profile: Optional[str] = None, *, check_sources: bool = False) -> Timeline:
        """See `Client.timeline`."""
        request = _base.timeline_request(timeline, profile, check_sources)
        return read_timeline([page async for page in pages(self._call(_methods.GET_TIMELINE), request)])

    async def timelines(self) -> AsyncIterator[str]:
        """Ids of the store's timelines, in order."""
        async for page in pages(self._call(_methods.LIST_TIMELINES), pb.ListTimelinesRequest()):
            for timeline in page.timelines:
                yield timeline

    async def clear(
        self,
        timeline: str,
        profile: Optional[str] = None,
        *,
        all_profiles: bool = False,
        overlays: bool = False,
        plan: bool = False,
        dry_run: bool = False,
        older_than: Optional[int] = None,
    ) -> List[Cleared]:
        """See `Client.clear`."""
        options: Dict[str, Any] = {
            "all_profiles": all_profiles, "overlays": overlays, "plan": plan, "dry_run": dry_run,
            "older_than": older_than,
        }
        response = await self._connection.unary(_methods.CLEAR, _base.clear_request(timeline, profile, options))
        return [cleared(message) for message in response.profiles]

    async def put(
        self,
        timeline: str,
        frames: Iterable[_upload.PutFrame],
        profile: Optional[str] = None,
        *,
        quality: Optional[int] = None,
    ) -> Put:
        """See `Client.put`."""
        response = await self._connection.upload(
            _methods.PUT_FRAMES,
            lambda: _upload.frame_messages(timeline, profile, quality, frames),
            repeatable=isinstance(frames, Sequence),
        )
        return Put(response.frames, response.bytes, response.record)

    async def probe(self, source: _requests.Source) -> Dict[str, Any]:
        """See `Client.probe`."""
        return plain(await self._connection.unary(_methods.PROBE, _base.probe_request(source, self._local)))

    async def server_info(self) -> Dict[str, Any]:
        """See `Client.server_info`."""
        return plain(await self._connection.unary(_methods.SERVER_INFO, media.GetServerInfoRequest()))

    async def close(self) -> None:
        """Closes this loop's connection, and ends the server that was started for this client. Idempotent."""
        await self._connection.close()
        if self._server is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._server.stop)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _call(self, method: _methods.Method) -> Any:
        return lambda request: self._connection.unary(method, request)

    async def _frames(self, request: Optional[Any]) -> AsyncIterator[Frame]:
        if request is None:
            return
        joiner = Joiner()
        async for response in self._connection.stream(_methods.GET_FRAMES, request):
            frame = joiner.add(response)
            if frame is not None:
                yield frame
        joiner.finish()

    async def _batches(self, request: Optional[Any], arrays: Arrays) -> AsyncIterator[Batch]:
        if request is None:
            return
        assembler = Assembler(arrays)
        async for response in self._connection.stream(_methods.GET_TENSORS, request):
            for batch in assembler.add(response):
                yield batch
        assembler.finish()


async def _groups(frames: AsyncIterator[Frame], size: int) -> AsyncIterator[List[Frame]]:
    group: List[Frame] = []
    async for frame in frames:
        group.append(frame)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


async def _decoded(frames: AsyncIterator[Frame]) -> AsyncIterator[Frame]:
    async for group in _groups(frames, AHEAD):
        for frame in await run_ahead(asyncio.get_running_loop(), decoded, group):
            yield frame


async def _batches(recipe: Recipe, frames: AsyncIterator[Frame]) -> AsyncIterator[Batch]:
    """As `Recipe.batches`: one is decoded while the one before it is used."""
    with _jpeg.pool() as pool:
        waiting: List[Filling] = []
        async for frame in frames:
            if not waiting or waiting[-1].full:
                waiting.append(Filling(recipe, pool))
            waiting[-1].add(frame)
            if waiting[0].full and (len(waiting) > 1 or waiting[0].done):
                yield await _whole(waiting.pop(0))
        for filling in waiting:
            yield await _whole(filling)


async def _whole(filling: Filling) -> Batch:
    await asyncio.gather(*map(asyncio.wrap_future, filling.work))
    return filling.batch()
