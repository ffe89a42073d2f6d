"""The old functions, on what they wrote and on what framecache writes."""

import base64
import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

import framecache
from framecache.compat import frames as compat

from .stores import ROOT, Folder

MEDIA = Path(os.environ.get("FRAMECACHE_MEDIA", ROOT.parent / "shared/media"))
if not MEDIA.exists():
    MEDIA = ROOT.parents[1] / "shared/media"
EXAMPLE = MEDIA / "seed_cache_example"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def client(objects, client):
    """Over each kind of store."""
    return client


@pytest.fixture
def store(client, objects):
    """The client's store; the old functions speak to that client."""
    compat.use(client)
    yield objects
    compat.use(None)


@pytest.fixture
def example(store):
    """The store with what the old functions wrote, and what they returned."""
    if not EXAMPLE.is_dir():
        pytest.skip(f"the example of an old cache is not there: {EXAMPLE}")
    bucket = Folder(EXAMPLE / "bucket_mpr")
    for key in bucket.keys(""):
        store.write(key, bucket.read(key))
    return json.loads((EXAMPLE / "expected.json").read_text())


def test_an_old_cache_reads_as_it_did(example):
    timeline = example["timeline_id"]
    assert compat.cache_exists(timeline) is example["cache_exists_after"] is True
    texts = compat.load_cached_frames_b64(timeline)
    assert [set(frame) for frame in texts] == [{"seq", "timestamp", "jpeg_b64"}] * 12
    found = [
        {"seq": frame["seq"], "timestamp": frame["timestamp"], "jpeg_b64_len": len(frame["jpeg_b64"]),
         "jpeg_sha256": sha256(base64.b64decode(frame["jpeg_b64"]))}
        for frame in texts
    ]
    assert found == example["load_cached_frames_b64"]
    frames = compat.load_cached_frames(timeline)
    for frame, expected in zip(frames, example["load_cached_frames"]):
        for name in ("sequence", "chunk_id", "timestamp", "perceptual_hash"):
            assert getattr(frame, name) == expected[name], name
        assert list(frame.image.shape) == expected["shape"] and str(frame.image.dtype) == expected["dtype"]
        assert sha256(frame.image.tobytes()) == expected["decoded_rgb_sha256_pillow"]
        assert not frame.has_facts and frame.image.flags.writeable
    assert len(frames) == len(example["load_cached_frames"])


def test_old_overlays_read_as_they_did(example):
    where = (example["timeline_id"], "job-7", "detect_edges")
    assert compat.list_overlay_frames(*where) == example["list_overlay_frames"]
    for sequence, expected in example["load_overlays"].items():
        assert compat.load_overlays(*where, int(sequence)) == expected
    assert compat.load_overlays(*where, 55) is example["load_overlays_missing_frame"] is None
    assert sorted(compat.load_overlays(*where, 1)) == example["load_overlays_seq_1_is_not_10_or_100"]
    assert compat.list_overlay_frames(where[0], "nojob", "x") == example["list_overlay_frames_missing"]


def test_clearing_an_old_cache_leaves_its_overlays(example):
    timeline = example["timeline_id"]
    assert compat.clear_cache(timeline) is None
    assert compat.load_cached_frames_b64(timeline) == example["after_clear"]["frames"] == []
    assert compat.cache_exists(timeline) is False
    listed = compat.list_overlay_frames(timeline, "job-7", "detect_edges")
    assert listed == example["after_clear"]["overlays_still_listed"]


def test_frames_in_memory_are_encoded_as_they_were(example):
    frames = [
        compat.Frame(sequence, 0, example["frames_to_b64_q75"][sequence]["timestamp"],
                     np.array(Image.open(EXAMPLE / f"source_png/{sequence}.png")))
        for sequence in (2, 0, 1)
    ]
    found = compat.frames_to_b64(frames)
    assert [(frame["seq"], frame["timestamp"]) for frame in found] == [
        (expected["seq"], expected["timestamp"]) for expected in example["frames_to_b64_q75"][:3]
    ]
    # Another Pillow may bring another encoder.
    if PIL.__version__ == example["jpeg_facts"]["pillow"]:
        digests = [sha256(base64.b64decode(frame["jpeg_b64"])) for frame in found]
        assert digests == [expected["jpeg_sha256"] for expected in example["frames_to_b64_q75"][:3]]


def picture(seed, height=36, width=64):
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height)))


def as_written(image, quality=85):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def test_frames_are_stored_as_pillow_writes_them_and_keep_their_facts(store):
    assert compat.cache_exists("t") is False
    frames = [compat.Frame(n, n % 3, n / 4, picture(n), f"{n:016x}") for n in (10, 9, 100)]
    assert compat.cache_frames("t", frames) == 3
    assert compat.cache_exists("t") is True
    loaded = compat.load_cached_frames("t")
    assert [frame.sequence for frame in loaded] == [9, 10, 100]
    for frame in loaded:
        assert (frame.chunk_id, frame.timestamp) == (frame.sequence % 3, frame.sequence / 4)
        assert frame.perceptual_hash == f"{frame.sequence:016x}" and frame.has_facts
        written = as_written(picture(frame.sequence))
        assert np.array_equal(frame.image, np.array(Image.open(io.BytesIO(written))))
    texts = compat.load_cached_frames_b64("t")
    assert [base64.b64decode(frame["jpeg_b64"]) for frame in texts] == [as_written(picture(n)) for n in (9, 10, 100)]
    assert [frame["timestamp"] for frame in texts] == [9 / 4, 10 / 4, 25]
    compat.cache_frames("t", [compat.Frame(9, 0, 0.0, picture(1))], quality=30)
    assert base64.b64decode(compat.load_cached_frames_b64("t")[0]["jpeg_b64"]) == as_written(picture(1), 30)
    compat.clear_cache("t")
    assert compat.cache_exists("t") is False and compat.load_cached_frames("t") == []
    assert compat.cache_frames("t", frames[:1]) == 1 and compat.cache_exists("t") is True


def test_frames_that_framecache_extracted_have_true_facts(extracted, store):
    frames = compat.load_cached_frames("clip")
    known = list(extracted.facts("clip"))
    assert len(frames) == 8
    for frame, facts in zip(frames, known):
        assert (frame.sequence, frame.chunk_id, frame.timestamp) == (facts.sequence, 0, facts.timestamp)
        assert frame.perceptual_hash == facts.phash and frame.has_facts
    assert [frame["timestamp"] for frame in compat.load_cached_frames_b64("clip")] == [f.timestamp for f in known]
    compat.clear_cache("clip")
    assert compat.load_cached_frames("clip") == [], "nothing is extracted for a caller who asks what is cached"
    assert compat.cache_exists("clip") is False


def test_what_is_not_extracted_yet_is_no_frame_of_the_cache(client, clip):
    compat.use(client)
    client.extract("half", clip, fps=2, plan_only=True)
    assert compat.cache_exists("half") is False and compat.load_cached_frames("half") == []
    client.extract("two", [clip, clip], fps=2, only=[1])
    assert compat.cache_exists("two") is True
    assert [frame.sequence for frame in compat.load_cached_frames("two")] == list(range(8, 16))


def test_an_extracted_timeline_is_cleared_and_filled_as_the_old_functions_did(extracted, store):
    with pytest.raises(framecache.Refused):
        compat.cache_frames("clip", [compat.Frame(0, 0, 0.0, picture(0))])
    overlay = base64.b64encode(_png()).decode()
    compat.save_overlays("clip", "job", "stage", 1, {"kept": overlay})
    compat.clear_cache("clip")
    assert compat.cache_frames("clip", [compat.Frame(n, 0, n / 2, picture(n)) for n in range(3)]) == 3
    assert [frame.sequence for frame in compat.load_cached_frames("clip")] == [0, 1, 2]
    assert compat.load_overlays("clip", "job", "stage", 1) == {"kept": overlay}


def test_frames_without_facts_stay_without_them(store):
    for sequence in (0, 9, 10):
        store.write(f"cache/timelines/old/frames/{sequence}.jpg", as_written(picture(sequence)))
    frames = compat.load_cached_frames("old")
    assert [(f.sequence, f.chunk_id, f.timestamp, f.perceptual_hash, f.has_facts) for f in frames] == [
        (sequence, 0, 0.0, "", False) for sequence in (0, 9, 10)
    ]
    compat.cache_frames("copy", frames)
    assert [frame.has_facts for frame in compat.load_cached_frames("copy")] == [False] * 3


def test_overlays_keep_their_names(store):
    png = base64.b64encode(_png()).decode()
    assert compat.save_overlays("t", "job", "stage", 1, {"a/b": png, "c.png": png, "under_score": png}) is None
    compat.save_overlays("t", "job", "stage", 10, {"only": png[:20] + "\n" + png[20:]})
    assert compat.load_overlays("t", "job", "stage", 1) == {"a/b": png, "c.png": png, "under_score": png}
    assert compat.load_overlays("t", "job", "stage", 10) == {"only": png}, "base64 with line ends is taken, as it was"
    assert compat.load_overlays("t", "job", "stage", 2) is None
    assert compat.load_overlays("t", "job", "other", 1) is None
    assert compat.list_overlay_frames("t", "job", "stage") == [1, 10]
    assert compat.save_overlays("t", "job", "stage", 3, {}) is None


def _png():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_missing_timelines_are_empty(store):
    assert compat.load_cached_frames("none") == [] and compat.load_cached_frames_b64("none") == []
    assert compat.cache_exists("none") is False and compat.clear_cache("none") is None
    assert compat.cache_frames("none", []) == 0


def test_edges_that_stay_as_they_were(store):
    gray = picture(0)[:, :, 0].copy()
    compat.cache_frames("gray", [compat.Frame(0, 0, 0.0, gray)])
    assert compat.load_cached_frames("gray")[0].image.shape == (36, 64, 3)
    assert Image.open(io.BytesIO(base64.b64decode(compat.load_cached_frames_b64("gray")[0]["jpeg_b64"]))).mode == "L"
    compat.cache_frames("odd", [compat.Frame(1, 0, 0.0, picture(0)[:9, :7].copy())])
    assert compat.load_cached_frames("odd")[0].image.shape == (9, 7, 3)
    with pytest.raises(OSError, match="cannot write mode RGBA as JPEG"):
        compat.cache_frames("rgba", [compat.Frame(0, 0, 0.0, np.zeros((8, 8, 4), np.uint8))])
    assert compat.cache_exists("rgba") is False


def test_edges_that_differ_on_purpose(store):
    for name, data in {"readme.txt": b"x", "abc.jpg": b"x", "sub/7.jpg": as_written(picture(7))}.items():
        store.write(f"cache/timelines/tl-edge/frames/{name}", data)
    assert compat.cache_exists("tl-edge") is True, "as it was for any object"
    assert compat.load_cached_frames_b64("tl-edge") == [], "it was a ValueError, and sub/7.jpg was frame 7"
    with pytest.raises(framecache.Invalid):
        compat.cache_frames("negative", [compat.Frame(-3, 0, 0.0, picture(0))])
    with pytest.raises(framecache.Invalid):
        compat.save_overlays("t", "job", "stage", 0, {"x": base64.b64encode(b"not a png").decode()})


def test_an_object_that_is_no_jpeg_cannot_be_decoded(store):
    store.write("cache/timelines/broken/frames/7.jpg", b"not a jpeg")
    with pytest.raises((OSError, framecache.Damaged)):
        compat.load_cached_frames("broken")


def test_without_a_client_the_functions_start_a_server_of_their_own(objects, script):
    assert script("""
from framecache.compat.frames import cache_exists, load_cached_frames
print(cache_exists("t"), load_cached_frames("t"))
""") == "False []\n"
