"""A user's module that uses everything, for type checkers: never run."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
import numpy.typing as npt

import framecache
from framecache import samplers
from framecache.compat import frames as compat


def extraction(client: framecache.Client, path: Path) -> List[str]:
    made: framecache.Extraction = client.extract(
        "match", [path, framecache.Chunk("s3://b/x.mp4", source_start=0.5), {"uri": "/y.mp4"}],
        fps=Fraction(30000, 1001), window=(None, 20), hashes=["phash"], max_side=640, progress=print,
    )
    known: List[framecache.Facts] = made.facts
    assert made.ok
    found: framecache.Timeline = client.timeline("match", check_sources=True)
    chunks: List[framecache.ChunkStatus] = found.chunks
    return [facts.phash or "" for facts in known] + [chunk.chunk_id for chunk in chunks] + list(client.timelines())


def reading(client: framecache.Client) -> float:
    total = 0.0
    for frame in client.frames("match", times=[1, "2.5"], decode=True, errors="yield"):
        if frame.error is None and frame.image is not None:
            total += float(frame.image.mean()) + (frame.timestamp or 0)
    for batch in client.tensors("match", width=224, height=224, fit="crop", datatype=np.float32, normalize="imagenet"):
        array: npt.NDArray[np.float32] = batch.array
        boxes: npt.NDArray[np.float64] = batch.to_source([[0, 0, 1, 1]], 0)
        total += float(array.sum() + boxes.sum()) + len(batch.errors)
    return total


def sequence(client: framecache.Client) -> npt.NDArray[np.float64]:
    video: framecache.Video = client.video("match", prefetch=8, errors="yield")
    first: framecache.Frame = video[0]
    part: framecache.Video = video[10:-1:2].between(1, 5)
    batch: framecache.Batch = part.get_batch([0, -1], layout="nchw")
    played: framecache.Batch = video.get_frames_played_in_range(0, 1.5, datatype="fp16")
    told: framecache.VideoMetadata = video.metadata
    rate: Optional[float] = told.average_fps
    clips: samplers.Clips = samplers.clips_at_random_indices(video, num_clips=2, num_frames_per_clip=4, rng=7)
    regular = samplers.clips_at_regular_timestamps(video, seconds_between_clip_starts=2, policy="wrap")
    pictures = [frame.image for frame in video.between(None, 3) if frame.image is not None]
    seconds = [first.timestamp or 0.0, rate or 0.0, float(len(pictures))]
    return np.concatenate([
        batch.timestamps, played.pts_seconds, clips.timestamps[0], regular.timestamps[0], np.array(seconds),
    ])


def writing(client: framecache.Client, png: bytes, picture: npt.NDArray[np.uint8]) -> int:
    results: List[framecache.PutResult] = client.overlays.put("match", "job", "stage", {0: {"a": png, "b": picture}})
    overlays = {overlay.name: overlay.png for overlay in client.overlays.get("match", "job", "stage", [0])}
    put: framecache.Put = client.put("made", [framecache.PutFrame(0, picture, framecache.Facts(0, timestamp=1.5))])
    cleared: List[framecache.Cleared] = client.clear("made", plan=True, dry_run=True)
    return len(results) + len(overlays) + put.frames + len(cleared) + client.overlays.delete("match", "job").objects


def failing(client: framecache.Client) -> str:
    try:
        client.video("nothing")
    except framecache.NotFound as error:
        return f"{error.reason} {error.hint or ''} {error.retry_after or 0:.1f}"
    except framecache.Error as error:
        return error.code
    return ""


def tables(client: framecache.Client) -> object:
    return client.table("match").to_pandas(), client.sheet("match", count=4).size


async def asynchronous() -> Dict[int, Optional[float]]:
    async with framecache.AsyncClient("localhost:50051", token="t", timeout=3.5) as client:
        await client.extract("match", "/a.mp4", every=5)
        found = {frame.sequence: frame.timestamp async for frame in client.frames("match")}
        async for batch in client.tensors("match", batch=8, transfer="jpeg"):
            found[int(batch.sequences[0])] = float(batch.timestamps[0])
        return found


def old(picture: npt.NDArray[np.uint8]) -> bool:
    compat.cache_frames("t", [compat.Frame(0, 0, 0.0, picture)])
    shapes = [frame.image.shape for frame in compat.load_cached_frames("t")]
    return compat.cache_exists("t") and bool(shapes)
