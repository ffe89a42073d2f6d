"""The nine functions of the frame cache that framecache replaces, with their names, arguments and results.

    from framecache.compat.frames import Frame, cache_exists, load_cached_frames

They talk to FRAMECACHE_SERVER, or to a server that they start (its store by FRAMECACHE_STORE, or S3_BUCKET as
before); `use(client)` names another. Frames that framecache extracted come with their true timestamps, chunks and
hashes. Frames that the old functions wrote come as before: timestamp 0.0, chunk 0, hash "", and `has_facts` False.

What differs, on purpose:
- only `{seq}.jpg` directly in frames/ is a frame: another file there is neither taken for one, nor an error;
- a frame's bytes must be a JPEG, an overlay's a PNG; sequences are not negative; timeline, job and stage are ids
  of 1 to 128 of A-Z a-z 0-9 . _ ~ -. What breaks this is a `framecache.Invalid`, not a broken object in the store;
- faults of the store or the server are `framecache.Error`;
- overlays, and frames of timelines that only the old functions wrote, come from the server's memory where a listing
  says that they are what they were; it lists again after five seconds, so that what another program overwrites is
  served old for so long at most. Frames that framecache extracted or stored are known by their sha256: what the old
  functions do to them is not seen while the server has them in memory, and is a `framecache.Damaged` after that.
  docs/beside-the-old-functions.md says who may write beside whom.
- `clear_cache` forgets how a timeline was extracted, so that `cache_frames` can fill it.
"""

from __future__ import annotations

import base64
import dataclasses
import logging
import threading
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Union

import numpy as np
import numpy.typing as npt

from .. import _jpeg
from .._client import Client
from .._errors import Error, NotFound
from .._upload import PutFrame
from ..frames import Frame as ServedFrame
from ..results import Facts

logger = logging.getLogger(__name__)

_FOREIGN = (
    "another program overwrote or removed it, see docs/beside-the-old-functions.md: clear_cache and cache_frames again"
)

_lock = threading.Lock()
_client: Optional[Client] = None


@dataclass
class Frame:
    """A frame with its picture."""

    sequence: int
    #: A number where the chunk's id is one, as all default ids are.
    chunk_id: Union[int, str]
    #: Timeline seconds.
    timestamp: float
    #: (height, width, 3) uint8 RGB.
    image: npt.NDArray[np.uint8]
    #: 16 hex digits, as ImageHash prints them.
    perceptual_hash: str = ""
    #: False: nothing is known but the picture, and chunk, timestamp and hash say nothing.
    has_facts: bool = True


def use(client: Client) -> None:
    """Makes all functions of this module speak to this client's server."""
    global _client
    with _lock:
        _client = client


def cache_exists(timeline_id: str) -> bool:
    """Whether there are frames of a timeline: of a planned one, whether one can be had."""
    if _server().timeline(timeline_id).state == "legacy":
        return True
    return any(frame.error is None for frame in _answers(timeline_id, "jpeg"))


def cache_frames(timeline_id: str, frames: List[Any], quality: int = 85) -> int:
    """Stores frames as JPEGs, in one commit; returns how many.

    frames: anything with sequence, chunk_id, timestamp, image and perceptual_hash.
    """
    if not frames:
        return 0
    made = [PutFrame(frame.sequence, _jpeg.encode(frame.image, quality), _facts(frame)) for frame in frames]
    _server().put(timeline_id, made)
    logger.info("Cached %d frames for timeline %s", len(frames), timeline_id)
    return len(frames)


def load_cached_frames(timeline_id: str) -> List[Frame]:
    """All cached frames with their pictures, by sequence; an empty list where there are none."""
    return list(_jpeg.ahead(_cached(timeline_id, "jpeg"), _frame))


def load_cached_frames_b64(timeline_id: str) -> List[Dict[str, Any]]:
    """All cached frames as {seq, timestamp, jpeg_b64}, by sequence."""
    return [
        {"seq": frame.sequence, "timestamp": frame.timestamp or 0.0, "jpeg_b64": frame.base64}
        for frame in _cached(timeline_id, "base64")
    ]


def save_overlays(timeline_id: str, job_id: str, stage: str, seq: int, overlays: Dict[str, str]) -> None:
    """Stores a frame's overlays, {name: PNG as base64}; of a timeline that is not there, too, as it always was."""
    _server().overlays.put(timeline_id, job_id, stage, {seq: overlays}, create=True)
    logger.info(
        "Saved %d overlays for timeline %s job %s stage %s frame %d", len(overlays), timeline_id, job_id, stage, seq
    )


def load_overlays(timeline_id: str, job_id: str, stage: str, seq: int) -> Optional[Dict[str, str]]:
    """A frame's overlays as {name: PNG as base64}, or None where there are none."""
    try:
        found = _server().overlays.get(timeline_id, job_id, stage, [seq], payload="base64")
        return {overlay.name: overlay.base64 or "" for overlay in found} or None
    except NotFound:
        return None


def list_overlay_frames(timeline_id: str, job_id: str, stage: str) -> List[int]:
    """Sequences that have overlays of a job's stage, ascending."""
    try:
        return _server().overlays.frames(timeline_id, job_id, stage)
    except NotFound:
        return []


def clear_cache(timeline_id: str) -> None:
    """Removes a timeline's frames, and how they were extracted; overlays stay."""
    _server().clear(timeline_id, plan=True)
    logger.info("Cleared frame cache for timeline %s", timeline_id)


def frames_to_b64(frames: List[Any], quality: int = 75) -> List[Dict[str, Any]]:
    """Frames in memory as {seq, timestamp, jpeg_b64}, by sequence; encoded here, no server is asked."""
    result = [
        {
            "seq": frame.sequence,
            "timestamp": frame.timestamp,
            "jpeg_b64": base64.b64encode(_jpeg.encode(frame.image, quality)).decode(),
        }
        for frame in frames
    ]
    return sorted(result, key=lambda frame: frame["seq"])


def _server() -> Client:
    global _client
    with _lock:
        if _client is None:
            _client = Client()
        return _client


def _cached(timeline_id: str, payload: Any) -> Iterator[ServedFrame]:
    """What is in the cache, as the old functions saw it: nothing is extracted for them."""
    for frame in _answers(timeline_id, payload):
        if frame.error is None:
            yield frame
        elif frame.error.reason == "OBJECT_CORRUPT":
            raise dataclasses.replace(frame.error, hint=_FOREIGN)
        elif frame.error.reason != "FRAME_NOT_CACHED":
            raise frame.error


def _answers(timeline_id: str, payload: Any) -> Iterator[ServedFrame]:
    """Of all planned frames, cached or not."""
    try:
        yield from _server().frames(timeline_id, all=True, payload=payload, on_miss="fail", errors="yield")
    except NotFound as error:
        if error.reason != "TIMELINE_NOT_FOUND":
            raise


def _frame(served: ServedFrame) -> Frame:
    known = served.facts
    return Frame(
        sequence=served.sequence,
        chunk_id=_chunk(known.chunk_id),
        timestamp=_timestamp(known),
        image=served.decode(),
        perceptual_hash=known.phash or "",
        has_facts=known.chunk_id is not None or known.timestamp is not None,
    )


def _timestamp(known: Facts) -> float:
    return 0.0 if known.timestamp is None else known.timestamp


def _chunk(chunk_id: Optional[str]) -> Union[int, str]:
    if chunk_id is None:
        return 0
    return int(chunk_id) if chunk_id.isascii() and chunk_id.isdecimal() else chunk_id


def _facts(frame: Any) -> Optional[Facts]:
    if not getattr(frame, "has_facts", True):
        return None
    return Facts(
        sequence=frame.sequence,
        chunk_id=str(frame.chunk_id),
        timestamp=float(frame.timestamp),
        phash=frame.perceptual_hash or None,
    )


__all__ = [
    "Error", "Frame", "cache_exists", "cache_frames", "clear_cache", "frames_to_b64", "list_overlay_frames",
    "load_cached_frames", "load_cached_frames_b64", "load_overlays", "save_overlays", "use",
]
