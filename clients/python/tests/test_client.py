"""The client against a real server."""

import asyncio
import base64
import hashlib
import io
import math
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import framecache

from .conftest import make_clip


def test_an_extraction_says_what_it_did_and_costs_nothing_again(client, clip):
    seen = []
    made = client.extract("clip", clip, fps=2, progress=seen.append)
    assert (made.claim, made.frames, made.written, made.reused, made.ok) == ("created", 8, 8, 0, True)
    assert made.planned_frames == 8 and made.planned_seconds == pytest.approx(4)
    assert [known.sequence for known in made.facts] == list(range(8))
    # At half a second the 25 frames a second show the one that began at 0.48.
    assert [known.timestamp for known in made.facts] == [0, 0.48, 1, 1.48, 2, 2.48, 3, 3.48]
    (chunk,) = made.chunks
    assert (chunk.chunk_id, chunk.frames, chunk.backend, chunk.error) == ("0", 8, "cpu", None)
    assert {progress.stage for progress in seen} <= {"index", "extract"}
    again = client.extract("clip", clip, fps="2")
    assert (again.claim, again.written, again.reused) == ("unchanged", 0, 8)
    assert client.extract("clip").reused == 8, "chunks and sampling may be left out when the timeline is known"


def test_a_bar_is_shown_where_tqdm_is_installed(client, clip, capsys):
    pytest.importorskip("tqdm")
    assert client.extract("clip", clip, all=True, progress=True).ok
    assert "extract: 100%" in capsys.readouterr().err


def test_a_relative_path_means_the_same_to_a_server_of_ones_own(clip, monkeypatch):
    monkeypatch.chdir(clip.parent)
    with framecache.Client() as client:
        assert client.extract("clip", clip.name, count=2).frames == 2


def test_refusals_name_their_reason(extracted, clip):
    with pytest.raises(framecache.Refused) as caught:
        extracted.extract("clip", clip, fps=3)
    assert caught.value.reason == "PLAN_DIFFERS" and caught.value.hint
    assert extracted.extract("clip", clip, fps=3, replace=True).claim == "replaced"
    with pytest.raises(framecache.Invalid) as caught:
        extracted.extract("other", clip, fps=0)
    assert caught.value.field == "sampling.fps"
    with pytest.raises(framecache.Denied) as caught:
        extracted.extract("other", "/etc/passwd", fps=1)
    assert caught.value.reason == "SOURCE_DENIED"
    with pytest.raises(framecache.NotFound) as caught:
        list(extracted.frames("nothing"))
    assert caught.value.reason == "TIMELINE_NOT_FOUND"
    with pytest.raises(framecache.OutOfRange):
        list(extracted.frames("clip", times=[99]))


def test_chunks_that_fail_are_in_the_result(client, clip, tmp_path):
    bad = clip.parent / "bad.mp4"
    bad.write_bytes(b"not a video")
    made = client.extract("two", [clip, bad], fps=1, skip_bad=True)
    assert made.frames == 4 and not made.ok
    assert made.chunks[0].error is None and isinstance(made.chunks[1].error, framecache.Error)


def test_frames_come_as_stored_with_their_facts(extracted):
    frames = list(extracted.frames("clip", decode=True))
    assert [frame.sequence for frame in frames] == list(range(8))
    for frame in frames:
        assert hashlib.sha256(frame.jpeg).hexdigest() == frame.facts.sha256
        assert len(frame.jpeg) == frame.facts.bytes
        assert frame.timestamp == frame.sequence * 25 // 2 / 25
        assert len(frame.facts.phash) == 16 and frame.facts.chunk_id == "0" and frame.facts.backend == "cpu"
        assert frame.facts.colour.matrix == "bt601" and "matrix" in frame.facts.colour.assumed
        assert frame.image.shape == (240, 320, 3) and frame.image.flags.writeable
        assert np.array_equal(frame.image, np.array(Image.open(io.BytesIO(frame.jpeg)).convert("RGB")))
    texts = list(extracted.frames("clip", payload="base64"))
    assert [base64.b64decode(frame.base64) for frame in texts] == [frame.jpeg for frame in frames]
    bare = list(extracted.frames("clip", payload="none"))
    assert [frame.jpeg for frame in bare] == [None] * 8 and bare[3].facts == frames[3].facts
    assert list(extracted.facts("clip")) == [frame.facts for frame in frames]


def test_selections_are_answered_in_the_order_asked(extracted):
    def sequences(**selection):
        return [frame.sequence for frame in extracted.frames("clip", payload="none", **selection)]

    assert sequences(sequences=[5, 1, 5]) == [5, 1, 5]
    assert sequences(range=(2, 4)) == [2, 3, 4]
    assert sequences(times=[1.6, "0", Fraction(1, 3)]) == [3, 0, 0]
    assert sequences(window=(1, "5/2")) == [2, 3, 4, 5]
    assert sequences(window=(None, 1)) == [0, 1]
    assert sequences(step=3, limit=2) == [0, 3]
    assert sequences(sequences=[]) == []


def test_a_size_or_quality_gives_another_picture(extracted):
    (frame,) = extracted.frames("clip", sequences=[0], width=160)
    assert (frame.width, frame.height) == (160, 120) and frame.decode().shape == (120, 160, 3)
    assert frame.facts.width == 320
    (small,) = extracted.frames("clip", sequences=[0], quality=10)
    assert len(small.jpeg) < frame.facts.bytes


def test_what_is_missing_is_extracted_skipped_or_named(client, clip):
    client.extract("clip", clip, fps=2, plan_only=True)
    assert list(client.frames("clip", on_miss="skip")) == []
    with pytest.raises(framecache.NotFound) as caught:
        list(client.frames("clip", on_miss="fail"))
    assert caught.value.reason == "FRAME_NOT_CACHED"
    assert len(list(client.frames("clip"))) == 8


def test_timelines_are_listed_described_and_cleared(extracted):
    assert list(extracted.timelines()) == ["clip"]
    found = extracted.timeline("clip", check_sources=True)
    assert (found.state, found.kind, found.profiles) == ("complete", "extract", ["default"])
    assert found.counts["stored"] == found.counts["planned"] == 8 and found.plan["sampling"]["fps"] == "2"
    assert found.plan["quality"] == 85 and found.plan["window"]["to"] is None
    assert [(c.chunk_id, c.cached, c.error) for c in found.chunks] == [("0", 8, None)] and found.stale_chunk_ids == []
    assert extracted.timeline("nothing").state == "absent"
    (would,) = extracted.clear("clip", dry_run=True)
    assert would.frames.objects + would.packs.objects in (8, 1) and extracted.timeline("clip").state == "complete"
    (gone,) = extracted.clear("clip", plan=True)
    assert (gone.profile, gone.frames, gone.packs, gone.plans.objects) == ("default", would.frames, would.packs, 1)
    assert extracted.timeline("clip").state == "absent"


def test_pictures_made_elsewhere_are_stored(client):
    rng = np.random.default_rng(7)
    image = np.repeat(np.repeat(rng.integers(0, 256, (12, 16, 3), np.uint8), 8, 0), 8, 1)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG")
    facts = framecache.Facts(0, chunk_id="cam", timestamp=2.5, phash="0123456789abcdef")
    put = client.put("made", [
        framecache.PutFrame(3, buffer.getvalue(), facts),
        framecache.PutFrame(4, image),
        framecache.PutFrame(9, image[:, :, 0].copy()),
    ])
    assert put.frames == 3
    jpeg, rgb, gray = client.frames("made", decode=True)
    assert [jpeg.sequence, rgb.sequence, gray.sequence] == [3, 4, 9]
    assert jpeg.jpeg == buffer.getvalue()
    assert (jpeg.facts.chunk_id, jpeg.facts.timestamp, jpeg.facts.phash) == ("cam", 2.5, "0123456789abcdef")
    assert rgb.facts.timestamp is None and rgb.facts.phash is None
    assert np.abs(rgb.image.astype(int) - image).mean() < 12
    assert gray.image.shape == (96, 128, 3)
    assert client.timeline("made").kind == "put"


def test_a_large_picture_travels_in_parts(client):
    noise = np.random.default_rng(1).integers(0, 256, (2160, 3840, 3), np.uint8)
    client.put("big", [framecache.PutFrame(0, noise)], quality=100)
    (frame,) = client.frames("big", decode=True)
    assert len(frame.jpeg) > 4 << 20 and frame.image.shape == noise.shape
    (batch,) = client.tensors("big")
    assert np.array_equal(batch.array[0], frame.image)


def test_media_and_the_server_are_described(client, clip):
    probe = client.probe(clip)
    assert probe["video"]["width"] == 320 and probe["video"]["frames"] == 100
    info = client.server_info()
    assert info["devices"][0]["backend"] == "cpu" and info["limits"]["side"] == 16384


OVERLAY = np.zeros((8, 8, 4), np.uint8)
NAMES = ["plain", "a/b\\c", "x.png", "100%", "naïve 名前", "_", "0_1", "n" * 200]


def test_overlay_names_come_back_as_they_were_given(client):
    png = io.BytesIO()
    Image.fromarray(OVERLAY).save(png, "PNG")
    images = {1: {name: OVERLAY for name in NAMES}, 10: {"plain": png.getvalue()}}
    client.overlays.put("t", "job", "stage", images, create=True)
    assert sorted(o.name for o in client.overlays.get("t", "job", "stage", [1])) == sorted(NAMES)
    (one,) = client.overlays.get("t", "job", "stage", [10])
    assert one.png == png.getvalue()
    (text,) = client.overlays.get("t", "job", "stage", [1], ["100%"], payload="base64")
    assert np.array_equal(np.array(Image.open(io.BytesIO(base64.b64decode(text.base64)))), OVERLAY)
    assert client.overlays.jobs("t") == ["job"] and client.overlays.stages("t", "job") == ["stage"]
    assert client.overlays.frames("t", "job", "stage") == [1, 10]
    assert len(client.overlays.list("t", "job", "stage", 1)) == len(NAMES)
    assert client.overlays.list("t", "job", "stage", 10)[0].bytes == len(png.getvalue())
    assert list(client.overlays.get("t", "job", "stage", [])) == []
    assert client.overlays.delete("t", "job", sequence=1, dry_run=True).objects == len(NAMES)
    assert client.overlays.delete("t", "job", "stage", 1).objects == len(NAMES)
    assert client.overlays.frames("t", "job", "stage") == [10]


def test_pictures_of_pillows_are_taken(client):
    picture = Image.fromarray(OVERLAY)
    client.overlays.put("t", "job", "stage", {1: {"x": picture}}, create=True)
    (found,) = client.overlays.get("t", "job", "stage")
    assert np.array_equal(np.array(Image.open(io.BytesIO(found.png))), OVERLAY)
    gray = Image.fromarray(np.full((8, 8), 9, np.uint8))
    client.put("made", [framecache.PutFrame(0, picture), framecache.PutFrame(1, gray)])
    assert [int(frame.image.max()) for frame in client.frames("made", decode=True)] == [0, 9]


@pytest.mark.parametrize("frames", [[OVERLAY], [(0, OVERLAY)], [framecache.PutFrame(0, "no picture")]])
def test_what_is_no_frame_to_store_is_told_what_is(client, frames):
    with pytest.raises(framecache.Invalid, match="a (frame|picture)"):
        client.put("t", frames)


@pytest.mark.parametrize("overlays", [OVERLAY, {0: OVERLAY}, {0: {"x": 7}}])
def test_what_is_no_overlay_is_told_what_is(client, overlays):
    with pytest.raises(framecache.Invalid, match="overlay"):
        client.overlays.put("t", "job", "stage", overlays)


def test_overlays_of_a_timeline_or_profile_that_is_not_there_are_refused_before_they_are_sent(extracted):
    images = {0: {"x": OVERLAY}}
    with pytest.raises(framecache.NotFound, match="no such timeline, timeline=typo") as caught:
        extracted.overlays.put("typo", "job", "stage", images)
    assert caught.value.reason == "TIMELINE_NOT_FOUND" and "create=True" in caught.value.hint
    with pytest.raises(framecache.NotFound, match="no such profile, timeline=clip, profile=dense") as caught:
        extracted.overlays.put("clip", "job", "stage", images, "dense", errors="yield")
    assert "it has default" in caught.value.hint
    assert list(extracted.timelines()) == ["clip"] and extracted.timeline("clip").profiles == ["default"]
    assert extracted.overlays.put("typo", "job", "stage", {}) == []
    extracted.overlays.put("clip", "job", "stage", images)
    extracted.overlays.put("typo", "job", "stage", images, create=True)
    extracted.overlays.put("typo", "job", "stage", {1: {"x": OVERLAY}})
    assert extracted.overlays.frames("typo", "job", "stage") == [0, 1]


def test_an_overlay_that_is_refused_does_not_hide_the_others(client):
    images = {1: {"bad": b"not a png", "good": OVERLAY}}
    results = client.overlays.put("t", "job", "stage", images, errors="yield", create=True)
    assert [(r.name, r.error is None) for r in results] == [("bad", False), ("good", True)]
    with pytest.raises(framecache.Invalid):
        client.overlays.put("t", "job", "stage", images)
    with pytest.raises(framecache.Invalid):
        client.overlays.put("t", "job", "stage", {1: {"bad": "no base64!"}})
    assert client.overlays.put("t", "job", "stage", {}) == []


def test_asyncio_gives_the_same(clip):
    async def run():
        async with framecache.AsyncClient(source_roots=str(clip.parent)) as client:
            made = await client.extract("clip", clip, fps=2)
            frames = [frame async for frame in client.frames("clip", decode=True)]
            raw = [batch async for batch in client.tensors("clip", batch=5, transfer="raw")]
            jpeg = [batch async for batch in client.tensors("clip", batch=5, transfer="jpeg")]
            await client.overlays.put("clip", "job", "stage", {3: {"x": OVERLAY}})
            overlays = [o.name async for o in client.overlays.get("clip", "job", "stage")]
            lists = (await client.overlays.jobs("clip"), await client.overlays.frames("clip", "job", "stage"))
            listed = [known async for known in client.facts("clip")]
            both = await asyncio.gather(*(client.timeline("clip") for _ in range(5)))
            ids = [timeline async for timeline in client.timelines()]
            with pytest.raises(framecache.NotFound):
                [frame async for frame in client.frames("nothing")]
            with pytest.raises(framecache.NotFound, match="create=True"):
                await client.overlays.put("typo", "job", "stage", {3: {"x": OVERLAY}})
            await client.overlays.put("drawn", "job", "stage", {3: {"x": OVERLAY}}, create=True)
            await client.put("made", [framecache.PutFrame(0, frames[0].jpeg)])
            entries = await client.overlays.list("clip", "job", "stage")
            deleted = await client.overlays.delete("clip", "job")
            cleared = await client.clear("clip")
            return made, frames, raw, jpeg, overlays, lists, listed, both, ids, entries, deleted, cleared

    made, frames, raw, jpeg, overlays, lists, listed, both, ids, entries, deleted, cleared = asyncio.run(run())
    assert made.frames == 8 and [f.sequence for f in frames] == list(range(8)) and listed == [f.facts for f in frames]
    assert [len(batch) for batch in raw] == [len(batch) for batch in jpeg] == [5, 3]
    for one, other in zip(raw, jpeg):
        assert np.array_equal(one.array, other.array)
    assert overlays == ["x"] and lists == (["job"], [3]) and {t.state for t in both} == {"complete"} and ids == ["clip"]
    assert entries[0].name == "x" and deleted.objects == 1
    assert cleared[0].frames.objects + cleared[0].packs.objects in (1, 8)


def test_imagenets_arrays_are_the_same_whoever_makes_them(extracted):
    def arrays(**options):
        return np.concatenate([batch.array for batch in extracted.tensors("clip", datatype=np.float32, **options)])

    raw, jpeg = (arrays(normalize="imagenet", layout="nchw", transfer=way) for way in ("raw", "jpeg"))
    plain = arrays() / 255
    expected = (plain - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.array_equal(raw, jpeg) and np.allclose(raw.transpose(0, 2, 3, 1), expected, atol=1e-5)


NORMAL = {"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("channels", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize(
    "datatype, normalize",
    [("uint8", None), ("fp16", None), ("fp32", {"scale": 1 / 255}), ("fp32", NORMAL), ("fp16", NORMAL)],
)
def test_jpegs_decoded_here_make_the_servers_arrays(extracted, layout, channels, datatype, normalize):
    if channels == "gray" and normalize is NORMAL:
        normalize = {"scale": 1 / 255, "mean": 0.45, "std": 0.225}
    options = {"layout": layout, "channels": channels, "datatype": datatype, "normalize": normalize, "batch": 3}
    raw = list(extracted.tensors("clip", transfer="raw", **options))
    made = list(extracted.tensors("clip", transfer="jpeg", **options))
    assert [len(batch) for batch in raw] == [len(batch) for batch in made] == [3, 3, 2]
    for one, other in zip(raw, made):
        assert one.array.dtype == other.array.dtype and one.array.shape == other.array.shape
        assert one.array.tobytes() == other.array.tobytes()
        assert other.array.flags.writeable and other.array.flags.c_contiguous
        for name in ("sequences", "timestamps", "valid", "transforms"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        assert one.index == other.index


@pytest.mark.parametrize("transfer", ["auto", "raw", "jpeg"])
def test_arrays_are_pillows_pictures(extracted, transfer):
    frames = list(extracted.frames("clip", decode=True))
    (batch,) = extracted.tensors("clip", batch=100, transfer=transfer)
    assert batch.array.flags.writeable and batch.array.flags.c_contiguous
    assert np.array_equal(batch.array, np.stack([frame.image for frame in frames]))
    assert batch.timestamps.tolist() == [frame.timestamp for frame in frames] and batch.valid.all()


def test_boxes_in_a_letterboxed_picture_map_back_to_the_stored_one(extracted):
    (batch,) = extracted.tensors("clip", sequences=[0], width=200, height=200, fit="letterbox")
    # 320x240 becomes 200x150, 25 rows below the upper edge.
    assert batch.array.shape == (1, 200, 200, 3) and (batch.array[0, :25] == 114).all()
    assert np.allclose(batch.to_source([[0, 25, 200, 175]], 0), [[0, 0, 320, 240]])


def test_sources_are_sampled_without_storing(extracted):
    sampled = {"every": 50}
    (batch,) = extracted.tensors("clip", origin="source", sampling=sampled)
    assert batch.array.shape == (2, 240, 320, 3) and batch.timestamps.tolist() == pytest.approx([0, 2])
    assert extracted.timeline("clip").counts["planned"] == 8


@pytest.mark.parametrize(
    "options, field",
    [({"width": 10, "height": 10}, "width"), ({"origin": "source"}, "origin"), ({"batch": 0}, "batch"),
     ({"normalize": {"scale": 2}}, "normalize"), ({"datatype": "fp32", "normalize": {"std": 0}}, "normalize"),
     ({"datatype": "fp32", "normalize": {"mean": [1, 2]}}, "normalize")],
)
def test_what_jpeg_transfer_cannot_do_is_refused(extracted, options, field):
    with pytest.raises(framecache.Invalid) as caught:
        extracted.tensors("clip", transfer="jpeg", **options)
    assert caught.value.field == field


def test_frames_of_unlike_size_make_no_array(client, clip):
    other = make_clip(clip.parent / "small.mp4", seconds=1, size="64x48")
    client.extract("two", [clip, other], keyframes=True)
    for transfer in ("raw", "jpeg"):
        with pytest.raises(framecache.Error):
            list(client.tensors("two", transfer=transfer))
    (batch,) = client.tensors("two", width=32, height=32)
    assert batch.array.shape == (5, 32, 32, 3)


def test_the_same_memory_becomes_a_torch_tensor(extracted):
    torch = pytest.importorskip("torch")
    (batch,) = extracted.tensors("clip")
    tensor = batch.to_torch()
    tensor[0, 0, 0, 0] = 77
    assert batch.array[0, 0, 0, 0] == 77 and tensor.dtype == torch.uint8


def test_values_that_are_unknown_are_none_or_nan(client):
    client.put("made", [framecache.PutFrame(0, np.zeros((8, 8, 3), np.uint8))])
    (batch,) = client.tensors("made")
    assert math.isnan(batch.timestamps[0])
