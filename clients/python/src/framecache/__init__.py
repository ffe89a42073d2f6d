"""framecache: frames of videos, extracted once, served as JPEGs, arrays and tensors.

    import framecache

    with framecache.Client() as client:
        client.extract("match", "match.mp4", fps=2)
        for batch in client.tensors("match", width=640, height=640, fit="letterbox"):
            boxes = detect(batch.array)
            client.overlays.put("match", "job-1", "boxes", draw(batch, boxes))
"""

import os as _os

# gRPC reads this once, when it is imported; without it a forked process inherits connections it must not touch.
_os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")

from ._async_client import AsyncClient  # noqa: E402
from ._client import Client  # noqa: E402
from ._errors import (  # noqa: E402
    Busy,
    Cancelled,
    Damaged,
    Denied,
    Error,
    Invalid,
    NotFound,
    OutOfRange,
    Refused,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from ._overlays import Overlay, OverlayEntry  # noqa: E402
from ._requests import Chunk  # noqa: E402
from ._upload import PutFrame, PutResult  # noqa: E402
from .frames import Frame  # noqa: E402
from .results import (  # noqa: E402
    ChunkResult,
    ChunkStatus,
    Cleared,
    Colour,
    Extraction,
    Facts,
    Progress,
    Put,
    Tally,
    Timeline,
)
from .tensors import Batch, Transform  # noqa: E402

__version__ = "0.1.0"

__all__ = [
    "AsyncClient", "Batch", "Busy", "Cancelled", "Chunk", "ChunkResult", "ChunkStatus", "Cleared", "Client", "Colour",
    "Damaged", "Denied", "Error", "Extraction", "Facts", "Frame", "Invalid", "NotFound", "OutOfRange", "Overlay",
    "OverlayEntry", "Progress", "Put", "PutFrame", "PutResult", "Refused", "Tally", "TimedOut", "Timeline",
    "Transform", "Unauthenticated", "Unavailable",
]
