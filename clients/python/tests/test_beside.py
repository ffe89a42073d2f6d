"""Old and new code on one store, as docs/beside-the-old-functions.md has it.

The old functions are what they left: objects under their keys, written and removed with nobody told.
"""

import base64
import io
from pathlib import PurePath

import numpy as np
import pytest
from PIL import Image

import framecache
from framecache.compat import frames as compat

GRAY = 20


def shade(sequence):
    return np.full((16, 16, 3), sequence * GRAY % 256, np.uint8)


class Old:
    """The old functions on a store: `cache_frames`, `load_cached_frames`, `clear_cache`, `cache_exists`."""

    def __init__(self, store, timeline):
        self._store = store
        self._frames = f"cache/timelines/{timeline}/frames/"

    def write(self, sequences, darker=0):
        for sequence in sequences:
            buffer = io.BytesIO()
            Image.fromarray(shade(sequence + darker)).save(buffer, "JPEG", quality=85)
            self._store.write(f"{self._frames}{sequence}.jpg", buffer.getvalue())

    def read(self):
        keys = self._store.keys(self._frames)
        found = {int(PurePath(key).stem): Image.open(io.BytesIO(self._store.read(key))) for key in keys}
        return {sequence: value(np.asarray(image)) for sequence, image in sorted(found.items())}

    def clear(self):
        for key in self._store.keys(self._frames):
            self._store.remove(key)


def value(image):
    return round(float(image.mean()) / GRAY)


def new_frames(sequences):
    return [compat.Frame(sequence, 0, sequence / 2, shade(sequence)) for sequence in sequences]


def loaded():
    return {frame.sequence: value(frame.image) for frame in compat.load_cached_frames("t")}


@pytest.fixture
def old(objects):
    return Old(objects, "t")


@pytest.fixture
def server(objects, clip):
    """Makes compat speak to a server that has nothing in memory."""
    started = []

    def start():
        client = framecache.Client(store=objects.location, source_roots=str(clip.parent), timeout=60)
        started.append(client)
        compat.use(client)
        return client

    yield start
    for client in started:
        client.close()


@pytest.mark.loose
def test_old_code_reads_what_new_code_writes_and_extracts(server, old, clip):
    client = server()
    compat.cache_frames("t", new_frames(range(4)))
    assert old.read() == {0: 0, 1: 1, 2: 2, 3: 3}
    compat.clear_cache("t")
    assert old.read() == {}
    client.extract("t", clip, count=3)
    assert list(old.read()) == [0, 1, 2]


def test_new_code_reads_what_old_code_writes_and_clears(server, old):
    old.write([1, 2])
    server()
    assert compat.cache_exists("t") and loaded() == {1: 1, 2: 2}
    old.write([2, 5], darker=3)
    server()
    assert loaded() == {1: 1, 2: 5, 5: 8}
    old.clear()
    server()
    assert not compat.cache_exists("t") and loaded() == {}


def test_new_code_that_adds_to_what_old_code_wrote_takes_it_over(server, old):
    old.write([1, 2])
    server()
    compat.cache_frames("t", new_frames([3]))
    server()
    assert loaded() == {1: 1, 2: 2, 3: 3} and old.read() == {1: 1, 2: 2, 3: 3}


def test_frames_that_old_code_overwrote_are_not_left_out_without_a_word(server, old):
    server()
    compat.cache_frames("t", new_frames(range(4)))
    old.write([1, 2], darker=3)
    client = server()
    assert compat.cache_exists("t")
    for load in (compat.load_cached_frames, compat.load_cached_frames_b64):
        with pytest.raises(framecache.Damaged) as caught:
            load("t")
        assert caught.value.reason == "OBJECT_CORRUPT" and "beside-the-old-functions" in str(caught.value)
    for on_miss in ("skip", "fail"):
        with pytest.raises(framecache.Damaged):
            list(client.frames("t", all=True, on_miss=on_miss))
    compat.cache_frames("t", new_frames([1, 2]))
    assert loaded() == {0: 0, 1: 1, 2: 2, 3: 3}, "who writes them again has them again"


def test_old_code_knows_nothing_of_packs_until_they_are_frames_again(server, old, clip):
    client = server()
    client.extract("t", clip, count=3, layout="packed")
    assert old.read() == {}
    old.clear()
    server()
    assert compat.cache_exists("t") and len(compat.load_cached_frames("t")) == 3


@pytest.mark.parametrize("extracted", [False, pytest.param(True, marks=pytest.mark.loose)])
def test_what_old_code_cleared_is_no_cache_and_can_be_filled_again(server, old, clip, extracted):
    client = server()
    if extracted:
        client.extract("t", clip, count=4)
    else:
        compat.cache_frames("t", new_frames(range(4)))
    assert compat.cache_exists("t")
    old.clear()
    server()
    assert not compat.cache_exists("t")
    with pytest.raises(framecache.Damaged):
        compat.load_cached_frames("t")
    compat.clear_cache("t")
    assert compat.load_cached_frames("t") == []
    compat.cache_frames("t", new_frames([0, 1]))
    assert compat.cache_exists("t") and loaded() == old.read() == {0: 0, 1: 1}


def test_clearing_by_new_code_removes_what_old_code_added(server, old):
    server()
    compat.cache_frames("t", new_frames([0, 1]))
    old.write([1, 7], darker=3)
    compat.clear_cache("t")
    assert old.read() == {} and not compat.cache_exists("t")
    server()
    assert not compat.cache_exists("t") and compat.load_cached_frames("t") == []


def test_overlays_may_be_written_by_both(server, objects):
    server()
    buffer = io.BytesIO()
    Image.fromarray(shade(1)).save(buffer, "PNG")
    png = base64.b64encode(buffer.getvalue()).decode()
    compat.save_overlays("t", "job", "stage", 1, {"new": png})
    stage = "cache/timelines/t/overlays/job/stage/"
    assert objects.keys(stage) == [f"{stage}1_new.png"]
    objects.write(f"{stage}1_old.png", buffer.getvalue())
    server()
    assert compat.load_overlays("t", "job", "stage", 1) == {"new": png, "old": png}
