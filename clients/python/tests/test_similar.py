"""Frames that are alike and scenes, from Python: arrays that NumPy agrees with."""

import asyncio
import os
import shutil
import subprocess

import numpy as np
import pytest

import framecache

from .conftest import BINARY


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two scenes of three seconds, the first of which comes again."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    folder = tmp_path_factory.mktemp("film")
    parts = "[0]split[a][c];[1]trim=duration=3[b];[a]setsar=1[x];[b]setsar=1[y];[c]setsar=1[z];[x][y][z]concat=n=3"
    words = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10:duration=3"]
    words += ["-f", "lavfi", "-i", "mandelbrot=size=320x180:rate=10", "-filter_complex", parts]
    subprocess.run([*words, str(folder / "film.mp4")], check=True, timeout=60)
    return folder / "film.mp4"


@pytest.fixture(scope="module")
def client(film):
    bin = film.parent / "bin"
    bin.mkdir()
    (bin / "framecache").symlink_to(BINARY)
    with pytest.MonkeyPatch.context() as own:
        own.setenv("PATH", f"{bin}:{os.environ['PATH']}")
        yield from started(film)


def started(film):
    with framecache.Client(store=str(film.parent / "store"), source_roots=str(film.parent)) as client:
        for timeline in ("film", "other"):
            assert client.extract(timeline, str(film), all=True, hashes=["phash", "average_hash"]).ok
        yield client


def test_hashes_are_arrays_and_what_is_similar_is_what_numpy_finds_in_them(client):
    hashes = client.hashes("film")
    assert hashes.hashes.dtype == hashes.sequences.dtype == np.uint64 and len(hashes.hashes) == 90
    differing = (hashes.hashes ^ hashes.hashes[7]).view(np.uint8).reshape(90, 8)
    apart = np.unpackbits(differing, axis=1).sum(axis=1)
    order = sorted((int(d), int(s)) for d, s in zip(apart, hashes.sequences) if d <= 12 and s != 7)
    found = client.similar("film", sequence=7, distance=12)
    assert [(each.distance, each.sequence) for each in found] == order and order
    assert {each.timeline for each in found} == {"film"} and found[0].timestamp == found[0].sequence / 10
    for like in (int(hashes.hashes[7]), hashes.hashes[7], f"{int(hashes.hashes[7]):016x}"):
        everywhere = client.similar(hash=like, distance=0)
        assert {(each.timeline, each.sequence) for each in everywhere} >= {("film", 7), ("other", 7), ("film", 67)}
    assert client.similar("film", sequence=7, everywhere=True, distance=64, limit=3) == client.similar(
        "film", sequence=7, everywhere=True, distance=64)[:3]


def test_a_picture_is_looked_for_by_its_bytes_or_its_path(client, tmp_path):
    (frame,) = client.frames("film", sequences=[40])
    path = tmp_path / "40.jpg"
    path.write_bytes(frame.jpeg)
    found = client.similar("film", picture=frame.jpeg, kind="average_hash", limit=5)
    assert found == client.similar("film", picture=path, kind="average_hash", limit=5)
    assert found[0].distance <= 2


def test_a_timeline_that_shows_the_same_is_found_with_its_offset(client):
    found = client.duplicates("film")
    assert {each.timeline for each in found} == {"other"} and found == client.duplicates("film", other="other")
    whole = found[0]
    assert abs(whole.offset) < 0.1 and (whole.frames, whole.share) == (90, 1.0) and not whole.mirrored
    assert (whole.start, whole.end) == (0.0, 8.9)
    assert client.duplicates("film", limit=1) == found[:1]
    wrong = {"limit": {"limit": 0}, "kind": {"kind": "md5"}, "distance": {"distance": 21}, "other": {"other": "film"}}
    for field, words in wrong.items():
        with pytest.raises(framecache.Invalid) as refused:
            client.duplicates("film", **words)
        assert refused.value.field == field, refused.value


def test_cuts_are_where_the_scenes_meet(client):
    cuts = client.cuts("film")
    assert cuts.cuts.tolist() == [30, 60] and cuts.threshold == 0.15
    assert len(cuts.changes) == len(cuts.sequences) == len(cuts.timestamps) == 90
    assert np.isnan(cuts.changes[0]) and cuts.changes[30] == np.nanmax(cuts.changes[20:40])
    assert client.cuts("film", threshold=1).cuts.size == 0


def test_selections_take_distinct_frames_and_some_of_each_scene(client):
    sequences = [frame.facts.sequence for frame in client.frames("film", per_scene=1, payload="none")]
    assert sequences == [15, 45, 75]
    some = [frame.facts.sequence for frame in client.frames("film", distinct=12, payload="none")]
    assert some[0] == 0 and len(some) < 90
    (batch,) = client.tensors("film", distinct=12, batch=90)
    assert batch.sequences.tolist() == some


def test_what_cannot_be_looked_for_is_refused_by_field(client):
    for field, words in {
        "hash": {}, "limit": {"hash": 1, "limit": 0}, "kind": {"hash": 1, "kind": "md5"}, "timeline": {"sequence": 1},
        "distance": {"hash": 1, "distance": 65}, "picture": {"picture": b"no picture"},
    }.items():
        with pytest.raises(framecache.Invalid) as refused:
            client.similar(**words)
        assert refused.value.field == field, refused.value
    with pytest.raises(framecache.Invalid) as refused:
        client.cuts("film", threshold=2)
    assert refused.value.field == "threshold"
    with pytest.raises(framecache.NotFound):
        client.similar("film", sequence=9999)


def test_the_asyncio_client_says_the_same(client):
    async def ask():
        other = framecache.AsyncClient(client._target())
        try:
            return (
                await other.similar("film", sequence=7), await other.cuts("film"), await other.hashes("film"),
                await other.duplicates("film"),
            )
        finally:
            await other.close()

    similar, cuts, hashes, duplicates = asyncio.run(ask())
    assert duplicates == client.duplicates("film") != []
    assert similar == client.similar("film", sequence=7)
    assert cuts.cuts.tolist() == client.cuts("film").cuts.tolist()
    assert hashes.hashes.tolist() == client.hashes("film").hashes.tolist()
