"""The keyword arguments that several methods share, with their units and defaults. None is what was not said."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, Iterable, List, Literal, Mapping, Optional, Sequence, Tuple, Type, TypedDict, Union

import numpy as np

#: Seconds or a rate. str ("12.5", "30000/1001"), int, Fraction and Decimal are taken exactly; a float
#: is taken as it prints: 0.1 is one tenth.
Time = Union[str, int, float, Fraction, Decimal]
#: [from, to) in timeline seconds; None: the timeline's own end.
Window = Tuple[Optional[Time], Optional[Time]]
Errors = Literal["raise", "yield"]
OnMiss = Literal["extract", "skip", "fail"]
#: Of an array.
Datatype = Union[Literal["uint8", "fp16", "fp32", "float16", "float32"], Type[np.generic], "np.dtype[Any]", Any]


class SamplingOptions(TypedDict, total=False):
    """Which frames of a video: exactly one of the first six."""

    #: Frames a second; sample k is the frame shown at k/fps, and has sequence k.
    fps: Optional[Time]
    #: Each n-th frame of the timeline, from 1.
    every: Optional[int]
    #: Every frame.
    all: Optional[bool]
    #: Frames at which decoding can start.
    keyframes: Optional[bool]
    #: The frames shown at these timeline seconds.
    timestamps: Optional[Iterable[Time]]
    #: So many frames: the midpoints of equal parts of the window.
    count: Optional[int]
    #: Only this part of the timeline.
    window: Optional[Window]


class ExtractOptions(SamplingOptions, total=False):
    """How a timeline is extracted; which frames is `SamplingOptions`'."""

    #: Which of the timeline's profiles. Default "default".
    profile: Optional[str]
    #: JPEG quality, 1 to 100. Default 85.
    quality: Optional[int]
    #: "phash" (default), "dhash", "average_hash"; an empty list: none.
    hashes: Optional[Iterable[str]]
    #: What an untagged matrix is taken for: "bt601" (default), "bt709", "bt2020" or "by-height".
    colour: Optional[str]
    #: Longest side of the stored frames, pixels; never enlarges.
    max_side: Optional[int]
    #: Store no frame whose phash is within so many bits (0 to 64) of the last one kept.
    dedup: Optional[int]
    #: How new frames lie in the store: an object each, or "packed" in tar archives, which takes far fewer requests.
    #: They are read alike. Default: as the profile has it, else "frames".
    layout: Optional[Literal["frames", "packed"]]
    #: What decodes. Default "auto": what is faster; "gpu" refuses rather than fall back.
    backend: Optional[Literal["auto", "cpu", "gpu"]]
    #: Make every frame anew, even over another plan.
    replace: Optional[bool]
    #: What becomes of the profile's overlays under `replace`.
    overlays: Optional[Literal["keep", "delete"]]
    #: Only these chunk ids.
    only: Optional[Iterable[Union[str, int]]]
    #: (index, count): only this part of the plan's spans, index from 0.
    shard: Optional[Tuple[int, int]]
    #: Count a chunk that cannot be indexed as empty.
    skip_bad: Optional[bool]
    #: Try again what is recorded as undecodable.
    retry_failed: Optional[bool]
    #: Plan, and extract nothing.
    plan_only: Optional[bool]


class SelectionOptions(TypedDict, total=False):
    """Which frames of a profile: at most one of the first five; none is all of them."""

    #: Answered in this order, repeats kept.
    sequences: Optional[Iterable[int]]
    #: (first, last), both included.
    range: Optional[Tuple[int, int]]
    #: The planned frame shown at each of these timeline seconds.
    times: Optional[Iterable[Time]]
    #: Frames whose timestamp lies in [from, to).
    window: Optional[Window]
    #: All of them; so it is where nothing is said.
    all: Optional[bool]
    #: Of those each step-th.
    step: Optional[int]
    #: Of those at most so many.
    limit: Optional[int]
    #: Before step and limit: only frames whose hash is more than so many bits from that of the last one kept.
    distinct: Optional[int]
    #: Before distinct: so many of each scene, spread evenly.
    per_scene: Optional[int]


class FramesOptions(SelectionOptions, total=False):
    """How frames come; which is `SelectionOptions`'."""

    #: Which of the timeline's profiles. Default "default".
    profile: Optional[str]
    #: What comes with the facts. Default "jpeg".
    payload: Optional[Literal["jpeg", "base64", "none"]]
    #: What becomes of planned frames that are not cached. Default "extract".
    on_miss: Optional[OnMiss]
    #: Resize to this, in pixels; one alone keeps the aspect.
    width: Optional[int]
    #: As `width`.
    height: Optional[int]
    #: Encode again at this quality.
    quality: Optional[int]


class ArrayOptions(TypedDict, total=False):
    """What becomes of frames in an array."""

    #: "uint8" (default), "fp16", "fp32"; numpy.uint8, numpy.float16 and numpy.float32 mean the same, and torch's.
    datatype: Optional[Datatype]
    #: "nhwc" (default) or "nchw".
    layout: Optional[Literal["nhwc", "nchw"]]
    #: "rgb" (default), "bgr", "gray".
    channels: Optional[Literal["rgb", "bgr", "gray"]]
    #: Of the output, in pixels: both, or neither (then all frames must have one size).
    width: Optional[int]
    #: As `width`.
    height: Optional[int]
    #: How a picture of another aspect is made to fit: "stretch" (default), "letterbox" (bars of `pad_value`), "crop".
    fit: Optional[Literal["stretch", "letterbox", "crop"]]
    #: Pillow's, with antialiasing. Default "bilinear".
    filter: Optional[Literal["bilinear", "bicubic"]]
    #: Around a letterboxed picture, 0 to 255. Default 114.
    pad_value: Optional[int]
    #: {"scale": s, "mean": m, "std": d}: y = (x * s - m) / d; numbers, or one a channel; or "imagenet": torchvision's
    #: means and deviations of pixels from 0 to 1. fp16 and fp32 only.
    normalize: Optional[Union[Literal["imagenet"], Mapping[str, Union[float, Sequence[float]]]]]


class TensorOptions(SelectionOptions, ArrayOptions, total=False):
    """Which frames come as arrays (`SelectionOptions`), and as what (`ArrayOptions`)."""

    #: Which of the timeline's profiles. Default "default".
    profile: Optional[str]
    #: Instead of a selection, with origin="source": sampling options, as `extract` takes them.
    sampling: Optional[SamplingOptions]
    #: "cache" (the stored JPEG, default) or "source" (the video again, without JPEG loss).
    origin: Optional[Literal["cache", "source"]]
    #: What becomes of planned frames that are not cached. Default "extract".
    on_miss: Optional[OnMiss]
    #: Frames in a batch. Default 16.
    batch: Optional[int]


class ClientOptions(TypedDict, total=False):
    """What a `Client` is made of, where it is made elsewhere: `Client` explains them."""

    target: Optional[str]
    token: Optional[str]
    tls_ca: Optional[str]
    tls_cert: Optional[str]
    tls_key: Optional[str]
    timeout: Optional[float]
    store: Optional[str]
    source_roots: Union[None, str, List[str]]
    source_buckets: Union[None, str, List[str]]
    workers: Optional[int]
