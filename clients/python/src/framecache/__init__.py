"""framecache: frames of videos, extracted once, served as JPEGs, arrays and tensors.

    import framecache

    with framecache.Client() as client:
        client.extract("match", "match.mp4", fps=2)
        for batch in client.tensors("match", width=640, height=640, fit="letterbox"):
            boxes = detect(batch.array)
            client.overlays.put("match", "job-1", "boxes", draw(batch, boxes))
"""

from . import _environment  # noqa: F401, I001 (before anything that imports gRPC)
from ._async_client import AsyncClient
from ._client import Client
from ._errors import (
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
from ._overlays import Overlay, OverlayEntry
from ._requests import Chunk
from ._similar import Cuts, Duplicate, Hashes, Similar
from ._upload import PutFrame, PutResult
from .frames import Frame
from .results import (
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
from .tensors import Batch, Transform
from .video import Video, VideoMetadata

#: The program's, too: Cargo.toml has the same.
__version__ = "0.1.0"

__all__ = [
    "AsyncClient", "Batch", "Busy", "Cancelled", "Chunk", "ChunkResult", "ChunkStatus", "Cleared", "Client", "Colour",
    "Cuts", "Damaged", "Denied", "Duplicate", "Error", "Extraction", "Facts", "Frame", "Hashes", "Invalid", "NotFound",
    "OutOfRange", "Overlay", "OverlayEntry", "Progress", "Put", "PutFrame", "PutResult", "Refused", "Similar",
    "Tally", "TimedOut", "Timeline", "Transform", "Unauthenticated", "Unavailable", "Video", "VideoMetadata",
]
