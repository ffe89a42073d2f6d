"""A Ray cluster of this machine alone extracts timelines and reads them as datasets, where Ray is installed."""

import os
import shutil

import numpy as np
import pytest

import framecache

ray = pytest.importorskip("ray")
pytest.importorskip("pyarrow")

from .conftest import BINARY, make_clip  # noqa: E402

datasets = pytest.importorskip("framecache.ray", exc_type=ImportError)
CPUS = 4


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("path")
    (folder / "framecache").symlink_to(BINARY)
    # Its sockets' paths may have 107 bytes, which pytest's folders leave no room for.
    place = f"/tmp/framecache-ray-{os.getpid()}"
    before = dict(os.environ)
    # It would write a token into the home of whoever runs this.
    os.environ.update({"PATH": f"{folder}:{before['PATH']}", "RAY_AUTH_MODE": "disabled"})
    ray.init(
        num_cpus=CPUS, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20, _temp_dir=place
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        ray.shutdown()
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Twenty videos; the file of one more is no video."""
    folder = tmp_path_factory.mktemp("videos")
    first = make_clip(folder / "v00.mp4", seconds=2, size="64x48")
    found = {"v00": str(first)}
    for number in range(1, 20):
        path = folder / f"v{number:02}.mp4"
        shutil.copy(first, path)
        found[path.stem] = str(path)
    (folder / "broken.mp4").write_bytes(b"no video at all" * 100)
    return {**found, "broken": str(folder / "broken.mp4")}


@pytest.fixture(scope="module", params=["server", "program"])
def filled(request, cluster, clips, tmp_path_factory):
    """What became of all of them, and of what the tasks made their clients: a server, or programs of their own."""
    store = tmp_path_factory.mktemp(request.param) / "store"
    folder = os.path.dirname(clips["v00"])
    os.environ.pop("FRAMECACHE_SERVER", None)
    if request.param == "program":
        yield datasets.extract(clips, client={"store": str(store)}, every=5), {"store": str(store)}
        return
    with framecache.Client(store=str(store), source_roots=folder) as server:
        named = {"target": server._target()}
        yield datasets.extract(clips, client=named, every=5), named


def by_frame(rows):
    return {(row["timeline"], row["sequence"]): row for row in rows}


def test_twenty_timelines_are_extracted_and_the_one_that_fails_is_named(filled, clips):
    outcomes, _ = filled
    assert list(outcomes) == list(clips)
    bad = outcomes.pop("broken")
    assert not bad.ok and list(bad.failures) == [clips["broken"]] and bad.error.reason == "MEDIA_CORRUPT"
    assert "broken" in str(bad.error) and all(outcome.ok for outcome in outcomes.values())
    assert {(outcome.frames, outcome.written) for outcome in outcomes.values()} == {(10, 10)}


def test_a_dataset_has_the_frames_and_facts_that_a_client_reads(filled, clips):
    _, made = filled
    good = [name for name in clips if name != "broken"]
    with framecache.Client(**made) as client:
        rows = by_frame(datasets.read_frames(good, client=made).take_all())
        assert rows.keys() == {(name, number) for name in good for number in range(10)}
        for frame in client.frames("v07"):
            row = rows["v07", frame.sequence]
            assert row["jpeg"] == frame.jpeg and row["timestamp"] == frame.timestamp
            assert (row["phash"], row["sha256"]) == (frame.facts.phash, frame.facts.sha256)
        # Two at once, of other timelines and another kind.
        arrays = datasets.read_frames(good[:10], client=made, payload="tensor", width=32, height=24, rows=3)
        facts = datasets.read_frames(good[10:], client=made, payload="none", override_num_blocks=4)
        both = arrays.select_columns(["timeline", "sequence", "frame"]).iter_batches(batch_size=7)
        count = facts.count()
        found = {}
        for batch in both:
            assert batch["frame"].shape[1:] == (24, 32, 3) and batch["frame"].dtype == np.uint8
            found.update(zip(zip(batch["timeline"], map(int, batch["sequence"])), batch["frame"]))
        assert count == 100 == len(found)
        (expected,) = client.tensors("v03", width=32, height=24)
        assert all(np.array_equal(found["v03", number], expected.array[number]) for number in range(10))
        assert "jpeg" not in facts.schema().names and "frame" not in facts.schema().names


def test_what_is_not_there_is_an_error_or_a_row_of_its_own(filled, clips):
    _, made = filled
    with pytest.raises(framecache.NotFound, match="nothing-here"):
        datasets.read_frames(["v01", "nothing-here"], client=made).take_all()
    folder = {} if "target" in made else {"source_roots": os.path.dirname(clips["v00"])}
    with framecache.Client(**made, **folder) as client:
        client.extract("planned", clips["v02"], every=10, plan_only=True)
        rows = datasets.read_frames(["planned", "v02"], client=made, errors="yield").take_all()
        found = {row["timeline"]: row["error"] is None and row["jpeg"] is not None for row in rows}
        assert found == {"planned": False, "v02": True}
        with pytest.raises(Exception, match="timeline=planned"):
            datasets.read_frames("planned", client=made).take_all()


def test_what_cannot_be_meant_is_refused_before_any_task(cluster):
    with pytest.raises(framecache.Invalid, match="arrays"):
        datasets.read_frames("t", width=3, height=3)
    with pytest.raises(framecache.Invalid, match="payload"):
        datasets.read_frames("t", payload="png")
    with pytest.raises(TypeError, match="stroe"):
        datasets.read_frames("t", client={"stroe": "x"})
    with pytest.raises(framecache.Invalid, match="relative"):
        datasets.extract({"t": "a.mp4"}, client={"target": "localhost:1"}, fps=1)
