"""The keyword arguments that several methods share, with their units and defaults."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, Iterable, Literal, Mapping, Optional, Sequence, Tuple, Type, TypedDict, Union

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
    fps: Time
    #: Each n-th frame of the timeline, from 1.
    every: int
    all: bool
    #: Frames at which decoding can start.
    keyframes: bool
    #: The frames shown at these timeline seconds.
    timestamps: Iterable[Time]
    #: So many frames: the midpoints of equal parts of the window.
    count: int
    #: Only this part of the timeline.
    window: Window


class ExtractOptions(SamplingOptions, total=False):
    profile: str
    #: JPEG quality, 1 to 100. Default 85.
    quality: int
    #: "phash" (default), "dhash", "average_hash"; an empty list: none.
    hashes: Iterable[str]
    #: What an untagged matrix is taken for: "bt601" (default), "bt709", "bt2020" or "by-height".
    colour: str
    #: Longest side of the stored frames, pixels; never enlarges.
    max_side: int
    #: Store no frame whose phash is within so many bits (0 to 64) of the last one kept.
    dedup: int
    backend: Literal["auto", "cpu", "gpu"]
    #: Make every frame anew, even over another plan.
    replace: bool
    #: What becomes of the profile's overlays under `replace`.
    overlays: Literal["keep", "delete"]
    #: Only these chunk ids.
    only: Iterable[Union[str, int]]
    #: (index, count): only this part of the plan's spans, index from 0.
    shard: Tuple[int, int]
    #: Count a chunk that cannot be indexed as empty.
    skip_bad: bool
    #: Try again what is recorded as undecodable.
    retry_failed: bool
    #: Plan, and extract nothing.
    plan_only: bool


class SelectionOptions(TypedDict, total=False):
    """Which frames of a profile: at most one of the first five; none is all of them."""

    #: Answered in this order, repeats kept.
    sequences: Iterable[int]
    #: (first, last), both included.
    range: Tuple[int, int]
    #: The planned frame shown at each of these timeline seconds.
    times: Iterable[Time]
    #: Frames whose timestamp lies in [from, to).
    window: Window
    all: bool
    #: Of those each step-th.
    step: int
    #: Of those at most so many.
    limit: int


class FramesOptions(SelectionOptions, total=False):
    profile: str
    payload: Literal["jpeg", "base64", "none"]
    #: What becomes of planned frames that are not cached. Default "extract".
    on_miss: OnMiss
    #: Resize to this, in pixels; one alone keeps the aspect.
    width: int
    height: int
    #: Encode again at this quality.
    quality: int


class ArrayOptions(TypedDict, total=False):
    """What becomes of frames in an array."""

    #: "uint8" (default), "fp16", "fp32"; numpy.uint8, numpy.float16 and numpy.float32 mean the same, and torch's.
    datatype: Datatype
    #: "nhwc" (default) or "nchw".
    layout: Literal["nhwc", "nchw"]
    #: "rgb" (default), "bgr", "gray".
    channels: Literal["rgb", "bgr", "gray"]
    #: Output size in pixels: both, or neither (then all frames must have one size).
    width: int
    height: int
    fit: Literal["stretch", "letterbox", "crop"]
    filter: Literal["bilinear", "bicubic"]
    #: Around a letterboxed picture, 0 to 255. Default 114.
    pad_value: int
    #: {"scale": s, "mean": m, "std": d}: y = (x * s - m) / d; numbers, or one a channel; or "imagenet": torchvision's
    #: means and deviations of pixels from 0 to 1. fp16 and fp32 only.
    normalize: Union[Literal["imagenet"], Mapping[str, Union[float, Sequence[float]]]]


class TensorOptions(SelectionOptions, ArrayOptions, total=False):
    profile: str
    #: Instead of a selection, with origin="source": sampling options, as `extract` takes them.
    sampling: SamplingOptions
    #: "cache" (the stored JPEG, default) or "source" (the video again, without JPEG loss).
    origin: Literal["cache", "source"]
    on_miss: OnMiss
    #: Frames in a batch. Default 16.
    batch: int


Json = Mapping[str, Any]
