"""Client streams: pictures and overlays in messages that fit a server's limits."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass, field
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Protocol, Tuple, Union

import numpy as np
import numpy.typing as npt

from . import _jpeg, _requests
from ._errors import Error, from_status, invalid
from .results import Facts, facts_fields
from .v1 import frame_service_pb2 as frames_pb
from .v1 import overlay_service_pb2 as overlays_pb

#: Payload bytes in one message.
PART_BYTES = 3 << 20

#: A picture: JPEG bytes, or an array: (height, width, 3) RGB or (height, width) gray, uint8, or one of Pillow's.
Image = Union[bytes, npt.NDArray[np.uint8], "PillowImage"]
#: An overlay: PNG bytes, their base64 text, an array: gray, RGB or RGBA, uint8 (needs Pillow), or one of Pillow's.
Png = Union[bytes, str, npt.NDArray[np.uint8], "PillowImage"]


class PillowImage(Protocol):
    """PIL.Image.Image, of which this is needed."""

    @property
    def mode(self) -> str: ...

    def save(self, fp: Any, format: Optional[str] = None) -> None: ...

    def convert(self, mode: Any) -> Any: ...


@dataclass
class PutFrame:
    """A picture made elsewhere, to be stored."""

    sequence: int
    image: Image = field(repr=False)
    #: What its maker knows; sequence, bytes, sha256, content_type, width and height are taken from the picture.
    facts: Optional[Facts] = None


@dataclass(frozen=True)
class PutResult:
    """What became of one overlay."""

    sequence: int
    name: str
    #: None if it was stored.
    error: Optional[Error] = None


def frame_messages(
    timeline: str, profile: Optional[str], quality: Optional[int], frames: Iterable[PutFrame]
) -> Iterator[Any]:
    yield _requests.fill(frames_pb.PutFramesRequest(timeline=timeline), profile=profile, quality=quality)
    for frame in frames:
        if not isinstance(frame, PutFrame):
            raise invalid(
                f"a frame to be stored is a PutFrame, which says its number: frame={type(frame).__name__}", "frames",
                "give [PutFrame(number, image) for number, image in enumerate(images)]",
            )
        kind, data, known = _picture(frame)
        for offset, last in _offsets(len(data)):
            part = _requests.fill(frames_pb.PutFrame(offset=offset, last=last), sequence=frame.sequence)
            if offset == 0:
                _fill_facts(part, known)
            setattr(part, kind, data[offset:offset + PART_BYTES])
            yield frames_pb.PutFramesRequest(frame=part)


def _fill_facts(part: Any, known: Mapping[str, Any]) -> None:
    try:
        part.facts.CopyFrom(frames_pb.PutFrame(facts=known).facts)
    except (TypeError, ValueError) as error:
        raise invalid(f"facts cannot be {dict(known)}: {error}", "facts") from None


def _picture(frame: PutFrame) -> Tuple[str, bytes, Mapping[str, Any]]:
    known = facts_fields(frame.facts) if frame.facts is not None else {}
    known["sequence"] = frame.sequence
    image: Any = frame.image
    if _is_pillows(image):
        image = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    if isinstance(image, np.ndarray):
        color = image.ndim == 3 and image.shape[2] == 3
        if image.dtype != np.uint8 or not (color or image.ndim == 2):
            raise invalid(
                f"a picture is (height, width, 3) or (height, width) uint8: shape={image.shape}, dtype={image.dtype}, "
                f"sequence={frame.sequence}", "frames",
            )
        known["height"], known["width"] = image.shape[:2]
        return ("rgb" if color else "gray"), image.tobytes(), known
    if not isinstance(image, (bytes, bytearray, memoryview)):
        raise invalid(
            f"a picture is JPEG bytes, an array or an image of Pillow's: image={type(image).__name__}, "
            f"sequence={frame.sequence}", "frames",
        )
    return "jpeg", bytes(image), known


def _is_pillows(image: Any) -> bool:
    return hasattr(image, "mode") and hasattr(image, "save")


def overlay_items(
    overlays: Mapping[int, Mapping[str, Png]]
) -> List[Tuple[int, str, bytes]]:
    for level in (overlays, *overlays.values()) if isinstance(overlays, Mapping) else (overlays,):
        if not isinstance(level, Mapping):
            raise invalid(
                f"overlays are {{sequence: {{name: picture}}}}: overlays={type(level).__name__}", "overlays",
                'give {0: {"boxes": png}}',
            )
    return [
        (sequence, name, _png(image, name))
        for sequence, images in overlays.items()
        for name, image in images.items()
    ]


def _png(image: Any, name: str) -> bytes:
    if isinstance(image, str):
        try:
            return base64.b64decode(image)
        except (binascii.Error, ValueError) as error:
            raise invalid(f"an overlay is not base64: {error}, name={name!r}", "overlays") from None
    if isinstance(image, np.ndarray):
        return _jpeg.png(image)
    if _is_pillows(image):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()
    if not isinstance(image, (bytes, bytearray, memoryview)):
        raise invalid(
            f"an overlay is PNG bytes, their base64, an array or an image of Pillow's: image={type(image).__name__}, "
            f"name={name!r}", "overlays",
        )
    return bytes(image)


def overlay_messages(
    place: Tuple[str, Optional[str], str, str], items: Iterable[Tuple[int, str, bytes]]
) -> Iterator[Any]:
    """place: timeline, profile, job, stage."""
    timeline, profile, job, stage = place
    yield _requests.fill(overlays_pb.PutOverlaysRequest(timeline=timeline), profile=profile)
    for sequence, name, data in items:
        for offset, last in _offsets(len(data)):
            part = overlays_pb.PutOverlay(png=data[offset:offset + PART_BYTES], offset=offset, last=last)
            if offset == 0:
                _requests.fill(part, job=job, stage=stage, sequence=sequence, name=name)
            yield overlays_pb.PutOverlaysRequest(overlay=part)


def put_results(items: List[Tuple[int, str, bytes]], response: Any) -> List[PutResult]:
    errors = {result.index: from_status(result.error) for result in response.results if result.HasField("error")}
    return [PutResult(sequence, name, errors.get(index)) for index, (sequence, name, _) in enumerate(items)]


def _offsets(length: int) -> Iterator[Tuple[int, bool]]:
    """Where each part begins, and whether it is the last; one part of nothing for nothing."""
    for offset in range(0, max(length, 1), PART_BYTES):
        yield offset, offset + PART_BYTES >= length
