"""The calls of framecache.v1: their paths and messages."""

from __future__ import annotations

from typing import Any, NamedTuple, Type

from google.protobuf.message import Message

from .v1 import frame_service_pb2 as frames
from .v1 import media_service_pb2 as media
from .v1 import overlay_service_pb2 as overlays


class Method(NamedTuple):
    path: str
    request: Type[Message]
    response: Type[Message]


def _method(module: Any, service: str, name: str) -> Method:
    path = f"/framecache.v1.{service}/{name}"
    return Method(path, getattr(module, f"{name}Request"), getattr(module, f"{name}Response"))


EXTRACT = _method(frames, "FrameService", "ExtractFrames")
GET_FRAMES = _method(frames, "FrameService", "GetFrames")
GET_TENSORS = _method(frames, "FrameService", "GetTensors")
GET_SIMILAR = _method(frames, "FrameService", "GetSimilar")
GET_CUTS = _method(frames, "FrameService", "GetCuts")
GET_DUPLICATES = _method(frames, "FrameService", "GetDuplicates")
LIST_FRAMES = _method(frames, "FrameService", "ListFrames")
GET_TIMELINE = _method(frames, "FrameService", "GetTimeline")
LIST_TIMELINES = _method(frames, "FrameService", "ListTimelines")
CLEAR = _method(frames, "FrameService", "ClearTimeline")
PUT_FRAMES = _method(frames, "FrameService", "PutFrames")
PUT_OVERLAYS = _method(overlays, "OverlayService", "PutOverlays")
GET_OVERLAYS = _method(overlays, "OverlayService", "GetOverlays")
LIST_OVERLAYS = _method(overlays, "OverlayService", "ListOverlays")
DELETE_OVERLAYS = _method(overlays, "OverlayService", "DeleteOverlays")
PROBE = _method(media, "MediaService", "ProbeMedia")
SERVER_INFO = _method(media, "MediaService", "GetServerInfo")
