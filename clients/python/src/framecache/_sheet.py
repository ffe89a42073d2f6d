"""Contact sheets."""

from __future__ import annotations

import io
from typing import Any, Iterable, List

from . import _jpeg
from ._errors import Refused, invalid
from .frames import Frame

#: Pixels between pictures, and the lines of their captions.
GAP = 4
CAPTION = 14


def places(length: int, count: int) -> List[int]:
    """So many of them, spread evenly, the first and the last among them."""
    if count < 1:
        raise invalid(f"a sheet has at least one picture: count={count}", "count")
    if not length:
        raise Refused("a timeline without frames makes no sheet", "TIMELINE_EMPTY", "FAILED_PRECONDITION")
    count = min(count, length)
    return [round(place * (length - 1) / max(1, count - 1)) for place in range(count)]


def sheet(frames: Iterable[Frame], columns: int) -> Any:
    """An image of Pillow's, of pictures with their times; one that cannot be had is left gray."""
    if columns < 1:
        raise invalid(f"a sheet has at least one column: columns={columns}", "columns")
    pillow = _jpeg.pillow()
    from PIL import ImageDraw

    shown = list(frames)
    pictures = [pillow.open(io.BytesIO(frame.jpeg)) if frame.jpeg else None for frame in shown]
    width = max((picture.width for picture in pictures if picture), default=1)
    height = max((picture.height for picture in pictures if picture), default=1) + CAPTION
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    canvas = pillow.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), (64, 64, 64))
    draw = ImageDraw.Draw(canvas)
    for number, (frame, picture) in enumerate(zip(shown, pictures)):
        left, top = GAP + number % columns * (width + GAP), GAP + number // columns * (height + GAP)
        if picture is not None:
            canvas.paste(picture, (left, top + CAPTION))
        draw.text((left, top), _caption(frame), fill=(255, 255, 255))
    return canvas


def _caption(frame: Frame) -> str:
    time = "" if frame.timestamp is None else f"  {frame.timestamp:.3f} s"
    return f"{frame.sequence}{time}" if frame.error is None else f"{frame.sequence}  {frame.error.reason}"
