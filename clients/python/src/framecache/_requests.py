"""Requests from Python's arguments."""

from __future__ import annotations

import builtins
import dataclasses
import os
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Rational, Real
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union, cast

import numpy as np

from ._errors import invalid
from .options import Time, Window
from .v1 import frame_service_pb2 as pb
from .v1 import frames_pb2 as common


@dataclass(frozen=True)
class Chunk:
    """One media source of a timeline, or a stretch of it. Times are seconds."""

    #: A file as the server sees it (absolute), or s3://bucket/key.
    uri: Union[str, "os.PathLike[str]"]
    #: Default: its place in the list: "0", "1", …
    chunk_id: Optional[str] = None
    #: The header of bare fragments (an fMP4 init segment).
    init_uri: Union[None, str, "os.PathLike[str]"] = None
    #: The stretch [source_start, source_end) in the source's own time, which is zero at its first frame.
    source_start: Optional[Time] = None
    source_end: Optional[Time] = None
    #: Where it starts on the timeline's clock. Default: the end of the chunk before.
    start: Optional[Time] = None
    #: Index of the video stream.
    stream: Optional[int] = None


Source = Union[str, "os.PathLike[str]", Chunk, Mapping[str, Any]]
Sources = Union[Source, Iterable[Source]]


def exact(value: Time, field: str) -> str:
    """A time or rate as text that is read exactly; floats as they print."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        raise invalid(f"a time is a number or its text: {field}={value!r}", field)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Rational):
        return f"{value.numerator}/{value.denominator}"
    number = value if isinstance(value, Decimal) else Decimal(float.__repr__(float(value)))
    if not number.is_finite():
        raise invalid(f"a time is finite: {field}={value!r}", field)
    return format(number, "f")


def choice(value: str, enum: Any, prefix: str, field: str) -> Any:
    """The number of an enum's value: "letterbox" -> FIT_LETTERBOX."""
    names = {name[len(prefix):].lower(): number for name, number in enum.items() if number}
    if value not in names:
        raise invalid(f"{field} is one of {', '.join(names)}: {field}={value!r}", field)
    return names[value]


def fill(message: Any, **values: Any) -> Any:
    """Sets the fields that were given; a value that does not fit is named."""
    for name, value in values.items():
        if value is None:
            continue
        try:
            field = getattr(message, name)
            if hasattr(field, "extend"):
                field.extend(value)
            else:
                setattr(message, name, value)
        except (TypeError, ValueError) as error:
            raise invalid(f"{name} cannot be {value!r}: {error}", name) from None
    return message


def window(value: Optional[Window], field: str = "window") -> Optional[common.Window]:
    if value is None:
        return None
    try:
        begin, end = value
    except (TypeError, ValueError):
        raise invalid(f"a window is (from, to): {field}={value!r}", field) from None
    message = common.Window()
    if begin is not None:
        setattr(message, "from", exact(begin, f"{field}.from"))
    if end is not None:
        message.to = exact(end, f"{field}.to")
    return message


def sampling(
    fps: Optional[Time] = None,
    every: Optional[int] = None,
    all: bool = False,
    keyframes: bool = False,
    timestamps: Optional[Iterable[Time]] = None,
    count: Optional[int] = None,
) -> Optional[common.Sampling]:
    """None where nothing was given: the timeline is known."""
    given = [fps, every, all or None, keyframes or None, timestamps, count]
    chosen = sum(value is not None for value in given)
    if chosen == 0:
        return None
    if chosen > 1:
        raise invalid("give one of fps, every, all, keyframes, timestamps and count", "sampling")
    message = common.Sampling(all=all, keyframes=keyframes)
    return fill(  # type: ignore[no-any-return]
        message,
        fps=None if fps is None else exact(fps, "fps"),
        every=every,
        timestamps=None if timestamps is None else [exact(time, "timestamps") for time in timestamps],
        count=count,
    )


def selection(
    sequences: Optional[Iterable[int]] = None,
    range: Optional[Tuple[int, int]] = None,
    times: Optional[Iterable[Time]] = None,
    window: Optional[Window] = None,
    all: bool = False,
    step: Optional[int] = None,
    limit: Optional[int] = None,
    distinct: Optional[int] = None,
    per_scene: Optional[int] = None,
) -> Optional[common.Selection]:
    """None where an empty list was asked for: there is nothing to ask."""
    if builtins.sum(value is not None for value in (sequences, range, times, window, all or None)) > 1:
        raise invalid("give one of sequences, range, times, window and all", "selection")
    message: common.Selection = fill(
        common.Selection(), step=step, limit=limit, distinct=distinct, per_scene=per_scene
    )
    if sequences is not None:
        message.sequences.extend(_sequence(number, "sequences") for number in sequences)
        return message if message.sequences else None
    if times is not None:
        message.times.extend(exact(time, "times") for time in times)
        return message if message.times else None
    if range is not None:
        first, last = range
        message.range.first = _sequence(first, "range.first")
        message.range.last = _sequence(last, "range.last")
    elif window is not None:
        message.window.CopyFrom(cast(common.Window, _window(window)))
    else:
        message.all = True
    return message


_window = window


def _sequence(number: Any, field: str) -> int:
    if isinstance(number, bool) or not isinstance(number, Integral) or not 0 <= int(number) < 2**64:
        raise invalid(f"a sequence is a whole number from 0: {field}={number!r}", field)
    return int(number)


def chunks(sources: Optional[Sources], local: bool) -> List[common.Chunk]:
    """`local`: the server is this process's own, so relative paths mean the same to both."""
    if sources is None:
        return []
    single = isinstance(sources, (str, bytes, os.PathLike, Chunk, Mapping)) or hasattr(sources, "read")
    listed: Iterable[Any] = [sources] if single else sources  # type: ignore[assignment]
    return [_chunk(source, local) for source in listed]


def _chunk(source: Source, local: bool) -> common.Chunk:
    if isinstance(source, Mapping):
        _known(source, [item.name for item in dataclasses.fields(Chunk)], "sources")
        source = Chunk(**source)
    elif not isinstance(source, Chunk):
        source = Chunk(source)
    message = common.Chunk(uri=_uri(source.uri, local))
    if source.chunk_id is not None:
        message.chunk_id = str(source.chunk_id)
    if source.init_uri is not None:
        message.init_uri = _uri(source.init_uri, local)
    for name in ("source_start", "source_end", "start"):
        value = getattr(source, name)
        if value is not None:
            setattr(message, name, exact(value, name))
    return fill(message, stream=source.stream)  # type: ignore[no-any-return]


def _uri(uri: Union[str, "os.PathLike[str]"], local: bool) -> str:
    if not isinstance(uri, (str, os.PathLike)):
        name = getattr(uri, "name", None)
        raise invalid(
            f"a source is a path or a uri, which the server reads itself: source={type(uri).__name__}", "sources",
            f"give its path: {name!r}" if isinstance(name, str) else "write it to a file, and give the file's path",
        )
    text = os.fspath(uri)
    if "://" in text or os.path.isabs(text):
        return text
    if not local:
        raise invalid(
            f"a relative path is nothing that the server knows: source={text}", "sources",
            "give the whole path as the server sees it, or s3://bucket/key",
        )
    return os.path.abspath(text)


def extract(timeline: str, sources: Optional[Sources], local: bool, options: Mapping[str, Any]) -> Any:
    rest = dict(options)
    request = pb.ExtractFramesRequest(timeline=timeline, chunks=chunks(sources, local))
    taken = _taken(rest, ("fps", "every", "all", "keyframes", "timestamps", "count"))
    asked = sampling(**taken)
    if asked is not None:
        request.sampling.CopyFrom(asked)
    within = window(rest.pop("window", None))
    if within is not None:
        request.window.CopyFrom(within)
    if rest.get("quality") is not None:
        fill(request.jpeg, quality=rest.pop("quality"))
    _hashes(request, rest.pop("hashes", None))
    _replace(request, rest.pop("replace", False), rest.pop("overlays", None))
    if rest.get("shard") is not None:
        index, count = rest.pop("shard")
        fill(request.shard, index=index, count=count)
        request.shard.SetInParent()
    if rest.get("backend") is not None:
        request.backend = choice(rest.pop("backend"), common.Backend, "BACKEND_", "backend")
    if rest.get("layout") is not None:
        request.frame_layout = choice(rest.pop("layout"), pb.FrameLayout, "FRAME_LAYOUT_", "layout")
    if rest.get("only") is not None:
        request.only_chunk_ids.extend(str(chunk) for chunk in rest.pop("only"))
    plain = ("profile", "colour", "max_side", "dedup", "skip_bad", "retry_failed", "plan_only")
    fill(request, **_taken(rest, plain))
    _nothing_left(rest)
    return request


def _hashes(request: Any, hashes: Optional[Iterable[str]]) -> None:
    if hashes is None:
        return
    names = [hashes] if isinstance(hashes, str) else list(hashes)
    request.hashes.extend(choice(name, common.Hash, "HASH_", "hashes") for name in names)
    request.no_hashes = not names


def _replace(request: Any, replace: bool, overlays: Optional[str]) -> None:
    if overlays is not None and not replace:
        raise invalid("overlays says what becomes of them under replace=True", "overlays")
    if replace:
        request.replace.SetInParent()
        if overlays is not None:
            request.replace.overlays = choice(overlays, pb.Replace.Overlays, "OVERLAYS_", "overlays")


def frames(timeline: str, options: Mapping[str, Any]) -> Optional[Any]:
    """None: an empty selection."""
    rest = dict(options)
    chosen = _selected(rest)
    if chosen is None:
        return None
    request = pb.GetFramesRequest(timeline=timeline, selection=chosen)
    _enums(request, rest, {"payload": (pb.Payload, "PAYLOAD_"), "on_miss": (common.OnMiss, "ON_MISS_")})
    fill(request, **_taken(rest, ("profile", "width", "height", "quality")))
    _nothing_left(rest)
    return request


def tensors(timeline: str, options: Mapping[str, Any]) -> Optional[Any]:
    """None: an empty selection."""
    rest = dict(options)
    request = pb.GetTensorsRequest(timeline=timeline)
    sampled = rest.pop("sampling", None)
    if sampled is not None:
        within = window(sampled.get("window"))
        asked = sampling(**{key: value for key, value in sampled.items() if key != "window"})
        if asked is not None:
            request.sampling.CopyFrom(asked)
        if within is not None:
            request.window.CopyFrom(within)
    elif not _select(request, rest):
        return None
    _enums(request, rest, _TENSOR_ENUMS)
    if rest.get("normalize") is not None:
        _normalize(request.normalize, rest.pop("normalize"))
    fill(request, **_taken(rest, ("profile", "width", "height", "pad_value", "batch")))
    _nothing_left(rest)
    return request


_TENSOR_ENUMS = {
    "datatype": (pb.Datatype, "DATATYPE_"),
    "layout": (pb.Layout, "LAYOUT_"),
    "channels": (pb.Channels, "CHANNELS_"),
    "fit": (pb.Fit, "FIT_"),
    "filter": (pb.Filter, "FILTER_"),
    "origin": (pb.Origin, "ORIGIN_"),
    "on_miss": (common.OnMiss, "ON_MISS_"),
}


def arrays(options: Mapping[str, Any]) -> Dict[str, Any]:
    """The options of arrays by the contract's words, where other ones are customary."""
    found = dict(options)
    if found.get("datatype") is not None:
        found["datatype"] = _datatype(found["datatype"])
    normalize = found.get("normalize")
    if normalize is not None:
        found["normalize"] = _imagenet(found.get("channels")) if normalize == "imagenet" else _normal(normalize)
    return found


def _datatype(value: Any) -> Any:
    """ "fp32" of numpy.float32, "float32" and torch.float32, too."""
    name = value if isinstance(value, str) else str(value).rpartition("torch.")[2]
    if not isinstance(value, str) and not str(value).startswith("torch."):
        try:
            name = np.dtype(value).name
        except TypeError:
            pass  # Its own name is in what is said of it.
    return {"float16": "fp16", "float32": "fp32"}.get(name, name)


def _imagenet(channels: Optional[str]) -> Dict[str, Any]:
    """torchvision's constants."""
    if channels == "gray":
        raise invalid("normalize='imagenet' is for three channels: channels=gray", "normalize")
    order = slice(None, None, -1 if channels == "bgr" else 1)
    return {"scale": 1 / 255, "mean": [0.485, 0.456, 0.406][order], "std": [0.229, 0.224, 0.225][order]}


def _normal(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise invalid(
            f"normalize is a dictionary of scale, mean and std: normalize={value!r}", "normalize",
            'give {"scale": 1 / 255, "mean": [r, g, b], "std": [r, g, b]}, or "imagenet"',
        )
    _known(value, ("scale", "mean", "std"), "normalize")
    return value


def _known(given: Mapping[str, Any], names: Sequence[str], field: str) -> None:
    unknown = next((key for key in given if key not in names), None)
    if unknown is not None:
        raise invalid(f"{field} has {', '.join(names)}: {unknown}", field)


def _normalize(message: Any, value: Mapping[str, Any]) -> None:
    message.SetInParent()
    scale = value.get("scale")
    fill(message, scale=scale, mean=_channelwise(value.get("mean")), std=_channelwise(value.get("std")))


def _channelwise(value: Union[None, float, Sequence[float]]) -> Optional[List[float]]:
    if value is None:
        return None
    if isinstance(value, Real):
        return [float(value)]
    return [float(number) for number in cast(Sequence[float], value)]


#: What says which frames.
SELECTING = ("sequences", "range", "times", "window", "all", "step", "limit", "distinct", "per_scene")


def _selected(rest: dict[str, Any]) -> Optional[common.Selection]:
    return selection(**_taken(rest, SELECTING))


def _select(request: Any, rest: dict[str, Any]) -> bool:
    chosen = _selected(rest)
    if chosen is not None:
        request.selection.CopyFrom(chosen)
    return chosen is not None


def _enums(request: Any, rest: dict[str, Any], enums: Mapping[str, Tuple[Any, str]]) -> None:
    for name, (enum, prefix) in enums.items():
        value = rest.pop(name, None)
        if value is not None:
            setattr(request, name, choice(value, enum, prefix, name))


def _taken(rest: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: rest.pop(name) for name in names if name in rest}


def _nothing_left(rest: Mapping[str, Any]) -> None:
    unknown = [name for name, value in rest.items() if value is not None]
    if unknown:
        raise TypeError(f"unknown arguments: {', '.join(unknown)}")
