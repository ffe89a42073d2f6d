"""Frames and facts as files of other tools: what those read is what `frames` and `get` tell."""

import io
import json
import shutil
import tarfile

import pandas
import pyarrow.parquet
import pytest
import webdataset

from .media.make import ffmpeg
from .support.framecache import Framecache, Watched, cores
from .test_packed import packs

HASHES = ("phash", "dhash", "average_hash")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Three minutes at 2 frames a second, in which a minute stands still."""
    target = tmp_path_factory.mktemp("film") / "film.mp4"
    still = "[0]trim=0:60[a];[0]trim=60:60.5,tpad=stop_mode=clone:stop_duration=59.5,setpts=PTS-STARTPTS[b];[0]trim=120:180,setpts=PTS-STARTPTS[c];[a][b][c]concat=n=3"
    made = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=2:duration=180", "-filter_complex", still, "-r", "2"]
    ffmpeg(*made, "-c:v", "libx264", "-preset", "ultrafast", "-g", "20", target)
    return target


@pytest.fixture(scope="module")
def stored(tmp_path_factory, film):
    fc = Framecache(tmp_path_factory.mktemp("export") / "store")
    fc.extract("t", "--fps", "2", "--dedup", "2", "--hash", "phash,dhash,average_hash", film)
    fc.extract("packed", "--fps", "2", "--layout", "packed", film)
    return fc


def as_row(facts):
    """Facts as a table has them."""
    row = {k: v for k, v in facts.items() if k != "colour"}
    for name in HASHES:
        if name in row:
            row[name] = int(row[name], 16)
    row["sha256"] = bytes.fromhex(row["sha256"])
    for name, value in facts["colour"].items():
        row[f"colour_{name}"] = " ".join(value) if isinstance(value, list) else value
    return {"damaged": False, "missing": False, **row}


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(m.name, tar.extractfile(m).read()) for m in tar.getmembers()]


def test_a_table_has_every_fact_and_hash_as_frames_tells_them(stored, tmp_path):
    path = tmp_path / "t.parquet"
    told = stored.run("export", "t", "--format", "parquet", "-o", path, "--json").json
    facts = stored.frames("t")
    assert told == {"timeline": "t", "format": "parquet", "path": str(path), "frames": len(facts), "failed": 0}
    table = pyarrow.parquet.read_table(path)
    rows = [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    assert rows == [as_row(frame) for frame in facts] and any("repeats" in row for row in rows)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["seq"] == types["phash"] == types["bytes"] == "uint64" and types["sha256"] == "fixed_size_binary[32]"
    assert types["timestamp"] == "double" and types["pts"] == "int64" and types["width"] == "uint32" and types["quality"] == "uint8"
    frame = pandas.read_parquet(path)
    assert frame.seq.tolist() == [f["seq"] for f in facts] and frame.timestamp.tolist() == [f["timestamp"] for f in facts]
    assert frame.phash.tolist() == [int(f["phash"], 16) for f in facts]


def test_lines_are_those_of_frames_and_a_selection_is_that_of_get(stored, tmp_path):
    lines = stored.run("export", "t", "--format", "jsonl").text
    assert lines == stored.run("frames", "t", "--format", "jsonl").text
    for chosen in (["--from", "30", "--to", "70"], ["--seq", "7,3-9,3"], ["--at", "2.2,100"], ["--all", "--every", "7"]):
        told = [json.loads(line) for line in stored.run("export", "t", "--format", "jsonl", *chosen).text.splitlines()]
        listed = stored.run("frames", "t", "--json", *chosen).json
        assert [f["seq"] for f in told] == sorted(f["seq"] for f in listed) and told == sorted(listed, key=lambda f: f["seq"]), chosen


def test_an_archive_has_each_picture_with_its_facts_and_webdataset_reads_it_and_packs(stored, tmp_path):
    path = tmp_path / "t.tar"
    stored.run("export", "t", "--format", "tar", "--output", path)
    stored.run("get", "t", "--all", "--out", tmp_path / "out")
    facts = stored.frames("t")
    want = []
    for frame in facts:
        seq = frame["seq"]
        want += [(f"{seq}.jpg", (tmp_path / "out" / f"{seq}.jpg").read_bytes()), (f"{seq}.json", frame)]
    got = members(path.read_bytes())
    assert [(name, json.loads(data) if name.endswith(".json") else data) for name, data in got] == want
    samples = list(webdataset.WebDataset(str(path), shardshuffle=False))
    assert [(s["__key__"], s["jpg"], json.loads(s["json"])) for s in samples] == [(str(f["seq"]), want[2 * n][1], f) for n, f in enumerate(facts)]
    # The cache's own packs, as they lie.
    shards = [str(p) for p in packs(stored, "packed")]
    decoded = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil"))
    assert sorted(int(s["__key__"]) for s in decoded) == list(range(360))
    assert {(s["jpg"].size, s["json"]["seq"] == int(s["__key__"])) for s in decoded} == {((96, 64), True)}


def test_a_server_exports_what_its_store_would(stored, serve, tmp_path):
    server = serve(store=stored.store)
    remote = Framecache(stored.store)
    remote.command = lambda name, *rest: [*Framecache.command(remote, name, *rest)[:-2], "--server", server.target]
    for form in ("tar", "parquet", "jsonl"):
        one = stored.run("export", "t", "--format", form).out
        assert one == remote.run("export", "t", "--format", form).out, form


@pytest.mark.loose
def test_what_is_lost_damaged_or_never_extracted_is_said_and_the_rest_is_there(stored, tmp_path, film):
    fc = Framecache(tmp_path / "hurt")
    shutil.copytree(stored.store, fc.store)
    (fc.folder("t") / "frames" / "3.jpg").unlink()
    (fc.folder("t") / "frames" / "5.jpg").write_bytes(b"\xff\xd8 no more")
    out = tmp_path / "t.tar"
    done = fc.run("export", "t", "--format", "tar", "-o", out, "--seq", "0-9", code=3)
    assert "seq=3" in done.err and "seq=5" in done.err and "8 frames" in done.text
    assert [name for name, _ in members(out.read_bytes())][::2] == [f"{n}.jpg" for n in (0, 1, 2, 4, 6, 7, 8, 9)]
    # Nothing is extracted, though its source is there.
    assert not (fc.folder("t") / "frames" / "3.jpg").exists()
    for record in (fc.folder("t") / "chunks").rglob("1.json"):
        record.unlink()
    for form in ("tar", "jsonl", "parquet"):
        done = fc.run("export", "t", "--format", form, "-o", out, "--from", "30", code=3)
        assert "not in the cache" in done.err and "left out" in done.err, form
    assert fc.run("export", "t", "--format", "tar", "--seq", "3", "-o", out, code=6).err.count("\n") >= 1
    assert fc.run("export", "t", "--format", "jsonl", "--seq", "150", code=4).err
    assert fc.run("export", "gone", "--format", "jsonl", code=4).err


def test_a_file_is_whole_or_not_there_and_bad_asks_say_what_to_do(stored, tmp_path):
    full = stored.run("export", "t", "--format", "parquet", "-o", "/dev/full", code=75)
    assert "No space left" in full.err or "no space left" in full.err
    out = tmp_path / "nowhere" / "t.tar"
    assert "could not write" in stored.run("export", "t", "--format", "tar", "-o", out, code=2).err
    assert "--output" in stored.run("export", "t", "--format", "tar", "--json", code=2).err
    assert "--format" in stored.run("export", "t", code=2).err
    old = tmp_path / "old.tar"
    old.write_bytes(b"as it was")
    process = stored.start("export", "t", "--format", "tar", "-o", old)
    process.kill()
    process.wait(timeout=60)
    assert old.read_bytes() == b"as it was" or members(old.read_bytes())


@pytest.mark.slow
def test_memory_is_that_of_a_few_frames_however_many_are_exported(tmp_path):
    film = tmp_path / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=120", "-c:v", "libx264", "-preset", "ultrafast", film)
    fc = Framecache(tmp_path / "store")
    fc.extract("t", "--all", "--layout", "packed", film, timeout=600)
    for form in ("tar", "parquet", "jsonl"):
        process = fc.start("export", "t", "--format", form, "-o", tmp_path / "out", under=cores(2))
        watched = Watched(process)
        assert watched.finish(600).code == 0
        print(f"{form}: {watched.peak_mib:.0f} MiB of {(tmp_path / 'out').stat().st_size / 2**20:.0f}")
        assert watched.peak_mib < 250, form
