"""What is told to processes of other machines, and how frames are cut into parts and blocks for them."""

import pickle

import numpy as np
import pytest

import framecache
from framecache import _blocks, _elsewhere


def wanted(**more):
    told = {"payload": "jpeg", "profile": None, "on_miss": "fail", "errors": "raise", "rows": 3, "options": {}, **more}
    return _blocks.Wanted(**told).checked()


def test_what_variables_and_the_folder_say_of_a_client_goes_with_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRAMECACHE_STORE", "here")
    sources = ["/videos/a.mp4", "/videos/b.mp4", "s3://bucket/c.mp4"]
    assert dict(_elsewhere.made_of(None, sources, 2)) == {
        "store": str(tmp_path / "here"), "source_roots": ("/videos",), "source_buckets": ("bucket",), "workers": 2,
    }
    given = {"store": "s3://frames", "source_roots": ["/a"], "workers": 7}
    assert dict(_elsewhere.made_of(given, sources, 2)) == {**given, "source_roots": ("/a",)}
    monkeypatch.setenv("FRAMECACHE_SERVER", "frames:50051")
    monkeypatch.setenv("FRAMECACHE_TOKEN", "t")
    assert dict(_elsewhere.made_of(None, sources, 2)) == {"target": "frames:50051", "token": "t"}
    with pytest.raises(TypeError, match="stroe"):
        _elsewhere.made_of({"stroe": "x"})


def test_sources_are_named_so_that_they_mean_the_same_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    chunk = framecache.Chunk("b.mp4", chunk_id="second", source_start=0.5, stream=1)
    found = _elsewhere.sources_of(["a.mp4", chunk, "s3://bucket/c.mp4"], _elsewhere.made_of({"store": "s3://x"}))
    assert [each.uri for each in found] == [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"), "s3://bucket/c.mp4"]
    assert (found[1].chunk_id, found[1].source_start, found[1].stream) == ("second", "0.5", 1)
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(framecache.Invalid, match="relative"):
        _elsewhere.sources_of("a.mp4", _elsewhere.made_of({"target": "frames:50051"}))


def test_a_process_keeps_a_client_and_its_server(clip, tmp_path):
    made = _elsewhere.made_of({"store": str(tmp_path / "own")}, [str(clip)], 1)
    client = _elsewhere.client_of(made)
    assert _elsewhere.client_of(pickle.loads(pickle.dumps(made))) is client
    assert client.extract("t", clip, fps=2).frames == 8 and client.server_info()["workers"] == 1
    client.close()


def test_a_server_of_ones_own_may_read_the_buckets_that_are_named(clip, tmp_path):
    with framecache.Client(source_buckets=["videos", "more"], workers=2) as client:
        told = client.server_info()
        assert sorted(told["source_buckets"]) == ["more", "videos"] and told["workers"] == 2
        with pytest.raises(framecache.Denied):
            client.probe(str(clip))
    with pytest.raises(framecache.Invalid, match="workers"):
        framecache.Client(workers=True)
    with pytest.raises(framecache.Invalid, match="of one's own"):
        framecache.Client("localhost:1", workers=2)


@pytest.mark.parametrize("tasks", [1, 2, 5, 100])
def test_parts_have_every_frame_once_and_whole_blocks(client, clip, tasks):
    client.extract("long", clip, every=5)
    client.extract("short", clip, timestamps=[0, 1])
    videos = [client.video("long"), client.video("short")]
    found = _blocks.parts(videos, tasks, 3)
    for name, count in (("long", 20), ("short", 2)):
        mine = [part for part in found if part.timeline == name]
        assert [number for part in mine for number in part.sequences] == list(range(count))
        assert all(len(part.sequences) % 3 == 0 for part in mine[:-1])
    assert tasks > 1 or len(found) == 2
    assert len(found) <= 8


def test_blocks_have_facts_and_jpegs_and_name_the_timeline_of_an_error(client, clip):
    pytest.importorskip("pyarrow")
    client.extract("t", clip, fps=2)
    (part,) = _blocks.parts([client.video("t")], 1, 3)
    found = list(_blocks.blocks(client, part, wanted()))
    assert [block.num_rows for block in found] == [3, 3, 2]
    rows = [row for block in found for row in block.to_pylist()]
    for row, frame in zip(rows, client.frames("t")):
        assert (row["timeline"], row["sequence"], row["timestamp"]) == ("t", frame.sequence, frame.timestamp)
        assert row["jpeg"] == frame.jpeg and row["phash"] == frame.facts.phash
    client.clear("t")
    with pytest.raises(framecache.NotFound, match="timeline=t"):
        list(_blocks.blocks(client, part, wanted()))
    (missing, *_) = _blocks.blocks(client, part, wanted(errors="yield"))
    assert missing.column("jpeg").to_pylist() == [None] * 3 and "FRAME_NOT_CACHED" in missing.column("error")[0].as_py()
    made = _blocks.blocks(client, part, wanted(payload="none", on_miss="extract"))
    assert np.isfinite(next(made).column("timestamp").to_numpy()).all()


def test_what_cannot_be_meant_is_refused():
    for wrong in ({"payload": "png"}, {"errors": "mask"}, {"rows": 0}, {"options": {"width": 3}}):
        with pytest.raises(framecache.Invalid):
            wanted(**wrong)
