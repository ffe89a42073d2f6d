"""Overlays: PNGs that a pipeline's stages drew for frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Literal, Mapping, Optional

from . import _base, _methods, _requests, _upload
from ._connection import Connection, collected, pages
from ._errors import Error, NotFound, broken_stream, from_status
from .frames import Parts
from .options import Errors
from .results import Tally, tally
from .v1 import overlay_service_pb2 as pb


@dataclass(frozen=True)
class OverlayEntry:
    """An overlay that is there, and its bytes."""

    job: str
    stage: str
    sequence: int
    name: str
    bytes: int


@dataclass(frozen=True)
class Overlay:
    """An overlay's picture, or why it could not be had."""

    sequence: int
    name: str
    #: The file's bytes; with payload="base64" their text instead.
    png: Optional[bytes] = field(default=None, repr=False)
    base64: Optional[str] = field(default=None, repr=False)
    #: With errors="yield".
    error: Optional[Error] = None


class Overlays:
    """Of a server; reached as `Client.overlays`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(
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
        """Stores overlays: {sequence: {name: picture}}, a picture being PNG bytes, their base64 or a uint8 array.

        Names are UTF-8 of 1 to 200 bytes and come back as they were given.

        Args:
            timeline: The timeline's id.
            job: Id of the run that drew them.
            stage: Id of the part of it that did.
            overlays: The pictures.
            profile: Which of the timeline's profiles; default: "default".
            errors: "raise" the first overlay's error (the others are stored), or "yield" them in the results.
            create: The timeline or profile need not be there; else that is `NotFound`, and nothing is sent.
        """
        items = _upload.overlay_items(overlays)
        if not items:
            return []
        if not create:
            check_known(self._connection.unary(_methods.GET_TIMELINE, known_request(timeline)), timeline, profile)
        response = self._connection.upload(
            _methods.PUT_OVERLAYS,
            lambda: _upload.overlay_messages((timeline, profile, job, stage), items),
            repeatable=True,
        )
        results = _upload.put_results(items, response)
        if errors == "raise":
            raise_first(results)
        return results

    def get(
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
    ) -> Iterator[Overlay]:
        """Overlays of frames, in the order of the sequences asked (default: all), then of the names."""
        request = get_request(timeline, job, stage, profile, payload)
        if not restrict(request, sequences, names):
            return iter(())
        return self._get(request, errors)

    def jobs(self, timeline: str, profile: Optional[str] = None) -> List[str]:
        """Jobs that have overlays."""
        return collected(self._list(timeline, profile, "JOBS"), "jobs")

    def stages(self, timeline: str, job: str, profile: Optional[str] = None) -> List[str]:
        """Stages of a job that have overlays."""
        return collected(self._list(timeline, profile, "STAGES", job=job), "stages")

    def frames(self, timeline: str, job: str, stage: str, profile: Optional[str] = None) -> List[int]:
        """Sequences that have overlays, ascending."""
        return collected(self._list(timeline, profile, "FRAMES", job=job, stage=stage), "sequences")

    def list(
        self, timeline: str, job: str, stage: str, sequence: Optional[int] = None, profile: Optional[str] = None
    ) -> List[OverlayEntry]:
        """Overlays of a stage, or of one frame of it, with their sizes."""
        found = collected(self._list(timeline, profile, "ITEMS", job=job, stage=stage, sequence=sequence), "items")
        return [entry(item) for item in found]

    def delete(
        self,
        timeline: str,
        job: str,
        stage: Optional[str] = None,
        sequence: Optional[int] = None,
        profile: Optional[str] = None,
        *,
        dry_run: bool = False,
    ) -> Tally:
        """Removes a job's overlays, or one stage's, or one frame's; returns what was (or would be) removed."""
        request = pb.DeleteOverlaysRequest(timeline=timeline, job=job, dry_run=dry_run)
        _requests.fill(request, profile=profile, stage=stage, sequence=sequence)
        return tally(self._connection.unary(_methods.DELETE_OVERLAYS, request).deleted)

    def _get(self, request: Any, errors: str) -> Iterator[Overlay]:
        joiner = OverlayJoiner()
        for response in self._connection.stream(_methods.GET_OVERLAYS, request):
            overlay = joiner.add(response)
            if overlay is not None:
                yield checked(overlay, errors)
        joiner.finish()

    def _list(self, timeline: str, profile: Optional[str], level: str, **where: Any) -> Iterator[Any]:
        request = list_request(timeline, profile, level, where)
        return pages(lambda page: self._connection.unary(_methods.LIST_OVERLAYS, page), request)


#: A profile's name that nobody gives one: its answer counts nothing, and names those that are there.
_NOBODY = "~"


def known_request(timeline: str) -> Any:
    return _base.timeline_request(timeline, _NOBODY, False)


def check_known(answer: Any, timeline: str, profile: Optional[str]) -> None:
    """As the command line has it: a name that was mistyped makes no timeline."""
    if not answer.profiles:
        raise _unknown(
            f"the store has no such timeline, timeline={timeline}",
            "client.timelines() lists what it holds; create=True keeps overlays where no frames are yet",
        )
    if (profile or "default") not in answer.profiles:
        raise _unknown(
            f"the timeline has no such profile, timeline={timeline}, profile={profile or 'default'}",
            f"it has {', '.join(answer.profiles)}; create=True makes another",
        )


def _unknown(message: str, hint: str) -> NotFound:
    return NotFound(message, "TIMELINE_NOT_FOUND", "NOT_FOUND", hint)


class OverlayJoiner:
    """Takes the messages of GetOverlays and gives whole overlays."""

    def __init__(self) -> None:
        self._item: Any = None
        self._parts = Parts()

    def add(self, response: Any) -> Optional[Overlay]:
        if response.WhichOneof("event") != "overlay":
            return None
        item = response.overlay
        if item.WhichOneof("result") == "error":
            return Overlay(item.sequence, item.name, error=from_status(item.error))
        if self._item is None:
            self._item, self._parts = item, Parts()
        elif item.index != self._item.index:
            raise broken_stream(f"overlay {item.index} came within overlay {self._item.index}")
        return self._data(item.data)

    def finish(self) -> None:
        if self._item is not None:
            raise broken_stream(f"it ended within overlay {self._item.index}")

    def _data(self, data: Any) -> Optional[Overlay]:
        kind = data.WhichOneof("payload")
        if kind is not None:
            self._parts.add(getattr(data, kind), data.offset)
        if not data.last:
            return None
        first, self._item = self._item, None
        if kind == "base64":
            return Overlay(first.sequence, first.name, base64=self._parts.joined("", data.total))
        return Overlay(first.sequence, first.name, png=self._parts.joined(b"", data.total))


def get_request(timeline: str, job: str, stage: str, profile: Optional[str], payload: str) -> Any:
    request = pb.GetOverlaysRequest(timeline=timeline, job=job, stage=stage)
    request.payload = _requests.choice(payload, pb.OverlayPayload, "OVERLAY_PAYLOAD_", "payload")
    return _requests.fill(request, profile=profile)


def restrict(request: Any, sequences: Optional[Iterable[int]], names: Optional[Iterable[str]]) -> bool:
    """False: an empty list was asked for, which must not be sent, because there it means all."""
    for field_name, values in (("sequences", sequences), ("names", names)):
        if values is not None:
            _requests.fill(request, **{field_name: list(values)})
            if not getattr(request, field_name):
                return False
    return True


def list_request(timeline: str, profile: Optional[str], level: str, where: Dict[str, Any]) -> Any:
    request = pb.ListOverlaysRequest(timeline=timeline, level=f"OVERLAY_LEVEL_{level}")
    return _requests.fill(request, profile=profile, **where)


def entry(item: Any) -> OverlayEntry:
    return OverlayEntry(item.job, item.stage, item.sequence, item.name, item.bytes)


def checked(overlay: Overlay, errors: str) -> Overlay:
    if overlay.error is not None and errors == "raise":
        raise overlay.error
    return overlay


def raise_first(results: Iterable[_upload.PutResult]) -> None:
    for result in results:
        if result.error is not None:
            raise result.error
