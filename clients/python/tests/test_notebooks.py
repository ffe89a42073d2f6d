"""What a notebook, a prompt and a log show of results."""

import asyncio
import pickle

import numpy as np
import pytest
from PIL import Image

import framecache
from framecache import _sheet
from framecache.frames import Frame
from framecache.results import ChunkResult, ChunkStatus, Facts


def test_a_frame_is_shown_as_its_picture(extracted):
    (frame,) = extracted.frames("clip", sequences=[3])
    assert frame._repr_jpeg_() == frame.jpeg
    (bare,) = extracted.frames("clip", sequences=[3], payload="none")
    assert bare._repr_jpeg_() is None


def test_results_print_in_a_line_however_many_frames_they_are_of(client, clip):
    made = client.extract("clip", clip, all=True)
    assert len(made.facts) == 100 and len(repr(made)) < 200 and "100 frames" in repr(made)
    found = client.timeline("clip")
    assert len(repr(found)) < 200 and "complete" in repr(found) and "100 of 100" in repr(found)
    assert "absent" in repr(client.timeline("nothing"))
    for result in (made, found):
        html = result._repr_html_()
        assert html.count("<table>") == 2 and "clip" in html and "<td>100</td>" in html


def test_tables_are_short_and_hold_no_markup_of_others():
    chunks = [ChunkStatus(f"<b>{n}", "/a & b.mp4", 0, 1, 1, 1, 1, 1, 1) for n in range(50)]
    timeline = framecache.Timeline("<i>", "default", "partial", "extract", None, {"planned": 50}, ["default"], chunks)
    html = timeline._repr_html_()
    assert "<b>" not in html and "<i>" not in html and "&amp; b" in html and "30 more" in html
    lost = framecache.Damaged("broken <x>", "MEDIA_CORRUPT", "DATA_LOSS")
    made = framecache.Extraction("t", "default", chunks=[ChunkResult(0, "0", 0, 0, 0, error=lost)], failed_chunks=1)
    assert "broken &lt;x&gt;" in made._repr_html_() and "1 failed" in repr(made)


def test_facts_are_there_on_reuse_too(client, clip):
    first = client.extract("clip", clip, fps=2)
    again = client.extract("clip", clip, fps=2)
    assert again.reused == 8 and pickle.loads(pickle.dumps(again)).facts == again.facts == first.facts
    assert len(first.facts) == 8

    async def run():
        async with framecache.AsyncClient(client._target()) as other:
            return (await other.extract("clip")).facts

    assert asyncio.run(run()) == first.facts


def test_a_sheet_shows_frames_spread_evenly(extracted):
    sheet = extracted.sheet("clip", count=6, columns=3, width=80)
    assert isinstance(sheet, Image.Image) and sheet.size == (3 * 84 + 4, 2 * (60 + 14 + 4) + 4)
    frames = list(extracted.frames("clip", sequences=[0, 7], width=80, decode=True))
    pixels = np.asarray(sheet).astype(int)
    assert np.array_equal(pixels[18:78, 4:84], frames[0].image), "the first is the first frame"
    assert np.array_equal(pixels[96:156, 172:252], frames[1].image), "and the last the last"
    assert extracted.sheet("clip", count=99).size[0] == 6 * 244 + 4
    with pytest.raises(framecache.Invalid):
        extracted.sheet("clip", count=0)


def test_a_sheet_leaves_gray_what_cannot_be_had():
    lost = Frame(0, 7, Facts(7), error=framecache.Damaged("m", "MEDIA_CORRUPT", "DATA_LOSS"))
    assert _sheet.sheet([lost], 3).size == (9, 23)
    with pytest.raises(framecache.Refused, match="without frames"):
        _sheet.places(0, 3)
