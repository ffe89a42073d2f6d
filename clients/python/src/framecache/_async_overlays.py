"""Overlays, for asyncio."""

from __future__ import annotations

from typing import Any, AsyncIterator, Iterable, List, Literal, Mapping, Optional

from . import _methods, _overlays, _requests, _upload
from ._async_connection import AsyncConnection, collected, pages
from ._overlays import Overlay, OverlayEntry
from .options import Errors
from .results import Tally, tally
from .v1 import overlay_service_pb2 as pb


class AsyncOverlays:
    """Of a server; reached as `AsyncClient.overlays`. Its methods are those of `Overlays`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(
        self,
        timeline: str,
        job: str,
        stage: str,
        overlays: Mapping[int, Mapping[str, _upload.Png]],
        profile: Optional[str] = None,
        *,
        errors: Errors = "raise",
        create: bool = False,
    ) -> List[_upload.PutResult]:
        """See `Overlays.put`."""
        items = _upload.overlay_items(overlays)
        if not items:
            return []
        if not create:
            answer = await self._connection.unary(_methods.GET_TIMELINE, _overlays.known_request(timeline))
            _overlays.check_known(answer, timeline, profile)
        response = await self._connection.upload(
            _methods.PUT_OVERLAYS,
            lambda: _upload.overlay_messages((timeline, profile, job, stage), items),
            repeatable=True,
        )
        results = _upload.put_results(items, response)
        if errors == "raise":
            _overlays.raise_first(results)
        return results

    async def get(
        self,
        timeline: str,
        job: str,
        stage: str,
        sequences: Optional[Iterable[int]] = None,
        names: Optional[Iterable[str]] = None,
        profile: Optional[str] = None,
        *,
        payload: Literal["png", "base64"] = "png",
        errors: Errors = "raise",
    ) -> AsyncIterator[Overlay]:
        """See `Overlays.get`."""
        request = _overlays.get_request(timeline, job, stage, profile, payload)
        if not _overlays.restrict(request, sequences, names):
            return
        joiner = _overlays.OverlayJoiner()
        async for response in self._connection.stream(_methods.GET_OVERLAYS, request):
            overlay = joiner.add(response)
            if overlay is not None:
                yield _overlays.checked(overlay, errors)
        joiner.finish()

    async def jobs(self, timeline: str, profile: Optional[str] = None) -> List[str]:
        return await collected(self._list(timeline, profile, "JOBS"), "jobs")

    async def stages(self, timeline: str, job: str, profile: Optional[str] = None) -> List[str]:
        return await collected(self._list(timeline, profile, "STAGES", job=job), "stages")

    async def frames(self, timeline: str, job: str, stage: str, profile: Optional[str] = None) -> List[int]:
        """Sequences that have overlays, ascending."""
        return await collected(self._list(timeline, profile, "FRAMES", job=job, stage=stage), "sequences")

    async def list(
        self, timeline: str, job: str, stage: str, sequence: Optional[int] = None, profile: Optional[str] = None
    ) -> List[OverlayEntry]:
        """Overlays of a stage, or of one frame of it, with their sizes."""
        listed = self._list(timeline, profile, "ITEMS", job=job, stage=stage, sequence=sequence)
        return [_overlays.entry(item) for item in await collected(listed, "items")]

    async def delete(
        self,
        timeline: str,
        job: str,
        stage: Optional[str] = None,
        sequence: Optional[int] = None,
        profile: Optional[str] = None,
        *,
        dry_run: bool = False,
    ) -> Tally:
        """See `Overlays.delete`."""
        request = pb.DeleteOverlaysRequest(timeline=timeline, job=job, dry_run=dry_run)
        _requests.fill(request, profile=profile, stage=stage, sequence=sequence)
        return tally((await self._connection.unary(_methods.DELETE_OVERLAYS, request)).deleted)

    def _list(self, timeline: str, profile: Optional[str], level: str, **where: Any) -> AsyncIterator[Any]:
        request = _overlays.list_request(timeline, profile, level, where)
        return pages(lambda page: self._connection.unary(_methods.LIST_OVERLAYS, page), request)
