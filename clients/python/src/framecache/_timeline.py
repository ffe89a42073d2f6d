"""Timeline from the pages of GetTimeline."""

from __future__ import annotations

from typing import Any, Iterable, Optional

from ._plain import plain
from .results import ChunkStatus, Timeline, error_of
from .v1 import frame_service_pb2 as pb

_COUNTS = ("planned", "frames", "stored", "repeats", "missing", "damaged", "bytes")


def timeline(pages: Iterable[Any]) -> Timeline:
    found: Optional[Timeline] = None
    for page in pages:
        if found is None:
            found = _head(page)
        found.chunks += [_chunk(chunk) for chunk in page.chunks]
        found.failed_chunk_ids += page.failed_chunk_ids
        found.stale_chunk_ids += page.stale_chunk_ids
    assert found is not None, "there is always a first page"
    return found


def _head(page: Any) -> Timeline:
    planned = page.HasField("plan")
    return Timeline(
        timeline=page.timeline,
        profile=page.profile,
        state=_word(pb.ProfileState.Name(page.state), "PROFILE_STATE_"),
        kind=_word(pb.PlanInfo.Kind.Name(page.plan.kind), "KIND_") if planned else None,
        plan=plain(page.plan) if planned else None,
        counts={name: getattr(page.counts, name) for name in _COUNTS} if page.HasField("counts") else None,
        profiles=list(page.profiles),
    )


def _word(name: str, prefix: str) -> str:
    return name[len(prefix):].lower()


def _chunk(message: Any) -> ChunkStatus:
    return ChunkStatus(
        message.chunk.chunk_id, message.chunk.uri, message.begin, message.end, message.planned, message.cached,
        message.spans, message.spans_complete, message.frames, error_of(message),
    )
