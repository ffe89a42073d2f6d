"""What lies in the cache, and what commands do to it."""

import hashlib
import io
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from .support.framecache import ROOT, Framecache, assert_same_store, clean_environment, tree
from .support.oracle import probe


@pytest.fixture
def source(clip):
    return clip("h264_bframes.mp4")


@pytest.mark.loose
def test_the_keys_are_the_contracts(fc, source):
    fc.extract("t", "--fps", "2", source)
    names = sorted(str(p.relative_to(fc.store)) for p in fc.store.rglob("*") if p.is_file())
    below = "cache/timelines/t/"
    assert names == sorted([f"{below}plan.json", f"{below}chunks/0/0.json", *(f"{below}frames/{k}.jpg" for k in range(4))])


def test_facts_are_those_of_the_stored_bytes(fc, source):
    fc.extract("t", "--all", source)
    stream, jpegs = probe(source), fc.jpegs("t")
    for k, fact in enumerate(fc.frames("t")):
        assert fact["seq"] == k and fact["chunk_id"] == "0"
        assert fact["sha256"] == hashlib.sha256(jpegs[k]).hexdigest()
        assert fact["bytes"] == len(jpegs[k])
        assert Image.open(io.BytesIO(jpegs[k])).size == (fact["width"], fact["height"])
        assert (fact["content_type"], fact["quality"], fact["backend"]) == ("image/jpeg", 85, "cpu")
        assert fact["pts"] == stream.frames[k]["pts"] and fact["time_base"] == "1/12800"
        assert fact["keyframe"] == bool(stream.frames[k]["key_frame"])
        assert not {"damaged", "missing", "repeats", "fallback_reason"} & {k for k, v in fact.items() if v}
        assert "" not in fact.values() and None not in fact.values()


def test_the_same_command_again_writes_nothing_and_reuses_all(fc, source):
    first = fc.extract("t", "--fps", "5", source).json
    before = {p: p.stat().st_mtime_ns for p in fc.store.rglob("*") if p.is_file()}
    again = fc.extract("t", "--fps", "5", source).json
    assert (first["written"], first["reused"]) == (10, 0)
    assert (again["written"], again["reused"], again["frames"]) == (0, 10, 10)
    assert {p: p.stat().st_mtime_ns for p in fc.store.rglob("*") if p.is_file()} == before


def test_two_stores_filled_by_the_same_command_are_the_same(new_store, source):
    one, other = new_store(), new_store()
    for fc in (one, other):
        fc.extract("t", "--fps", "5", source)
    assert_same_store(one.store, other.store)


def test_another_plan_is_refused_saying_what_differs_and_changes_nothing(fc, source):
    fc.extract("t", "--fps", "2", source)
    before = tree(fc.store)
    done = fc.extract("t", "--fps", "3", source, code=5)
    assert "fps" in done.err and "replace" in done.err
    done = fc.extract("t", "--fps", "2", "--quality", "90", source, code=5)
    assert "quality" in done.err
    assert tree(fc.store) == before


def test_replace_leaves_what_a_fresh_run_leaves(new_store, source):
    fc, fresh = new_store(), new_store()
    fc.extract("t", "--all", source)
    fc.extract("t", "--fps", "2", "--quality", "70", "--replace", source)
    fresh.extract("t", "--fps", "2", "--quality", "70", source)
    assert_same_store(fc.store, fresh.store)


def test_a_changed_source_is_refused_until_replace(fc, clip, source, tmp_path):
    moving = tmp_path / "moving.mp4"
    shutil.copy(source, moving)
    fc.extract("t", "--fps", "2", moving)
    cached = fc.jpegs("t")
    shutil.copy(clip("vfr.mp4"), moving)
    done = fc.extract("t", "--fps", "2", moving, code=5)
    assert "replace" in done.err
    assert fc.jpegs("t") == cached
    fc.extract("t", "--fps", "2", "--replace", moving)
    assert fc.jpegs("t") != cached


def test_profiles_lie_side_by_side(fc, source):
    fc.extract("t", "--fps", "2", source)
    fc.extract("t", "--all", "--profile", "dense", source)
    assert (len(fc.frames("t")), len(fc.frames("t", "--profile", "dense"))) == (4, 50)
    assert len(fc.jpegs("t", "dense")) == 50
    fc.run("clear", "t", "--profile", "dense")
    assert (len(fc.jpegs("t")), fc.jpegs("t", "dense")) == (4, {})


def test_dedup_stores_a_still_picture_once_and_answers_it_for_its_repeats(fc, tmp_path):
    from .media.make import X264, ffmpeg

    still = tmp_path / "still.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=0.04", "-vf", "loop=24:1:0", *X264, still)
    fc.extract("t", "--all", "--dedup", "2", still)
    facts = fc.frames("t")
    assert [f["seq"] for f in facts] == list(range(25))
    assert sorted(fc.jpegs("t")) == [0]
    assert [f.get("repeats") for f in facts] == [None] + [0] * 24
    fc.run("get", "t", "--seq", "7", "--format", "jpeg", "--out", tmp_path)
    assert (tmp_path / "7.jpg").read_bytes() == fc.jpegs("t")[0]


def test_get_writes_the_stored_bytes_by_number_and_by_time(fc, source, tmp_path):
    fc.extract("t", "--fps", "5", source)
    jpegs = fc.jpegs("t")
    fc.run("get", "t", "--seq", "2-4,7", "--format", "jpeg", "--out", tmp_path)
    assert {int(p.stem): p.read_bytes() for p in tmp_path.glob("*.jpg")} == {k: jpegs[k] for k in (2, 3, 4, 7)}
    out = fc.run("get", "t", "--at", "1.3", "--format", "jpeg", "--out", "-").out
    assert out == jpegs[6]


def test_base64_lines_hold_the_stored_bytes_in_the_order_asked(fc, source):
    import base64

    fc.extract("t", "--fps", "5", source)
    lines = [json.loads(line) for line in fc.run("get", "t", "--seq", "3,1,1", "--format", "base64", "--out", "-").text.splitlines()]
    assert [line["seq"] for line in lines] == [3, 1, 1]
    texts = [next(v for k, v in line.items() if "b64" in k or "base64" in k or k == "data") for line in lines]
    assert [base64.b64decode(t) for t in texts] == [fc.jpegs("t")[k] for k in (3, 1, 1)]


def test_a_lost_frame_is_extracted_again_when_read(fc, source, tmp_path):
    fc.extract("t", "--fps", "2", source)
    bytes_before = fc.jpegs("t")[1]
    fc.place("t", 1)[0].unlink()
    fc.run("get", "t", "--seq", "1", "--format", "jpeg", "--out", tmp_path)
    assert (tmp_path / "1.jpg").read_bytes() == bytes_before


@pytest.mark.loose
def test_verify_finds_every_flipped_byte_and_repair_mends_it(fc, source):
    fc.extract("t", "--all", source)
    before = fc.jpegs("t")
    assert fc.run("verify", "t", "--json").code == 0
    for k in (3, 17, 40):
        path = fc.folder("t") / "frames" / f"{k}.jpg"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    told = fc.run("verify", "t", code=6)
    assert all(str(k) in told.text + told.err for k in (3, 17, 40))
    fc.run("verify", "t", "--repair")
    assert fc.jpegs("t") == before
    fc.run("verify", "t")


def test_a_damaged_frame_is_never_served(fc, clip, source, tmp_path):
    moving = tmp_path / "moving.mp4"
    shutil.copy(source, moving)
    fc.extract("t", "--fps", "2", moving)
    good = fc.jpegs("t")[1]
    fc.damage("t", 1)
    fc.run("get", "t", "--seq", "1", "--format", "jpeg", "--out", tmp_path)
    assert (tmp_path / "1.jpg").read_bytes() == good
    fc.damage("t", 1)
    moving.unlink()
    fc.run("get", "t", "--seq", "1", "--format", "jpeg", "--out", tmp_path / "gone", code=None)
    assert not (tmp_path / "gone" / "1.jpg").exists()


def test_clear_leaves_the_plan_or_with_plan_nothing_and_others_untouched(fc, source):
    fc.extract("t", "--fps", "2", source)
    fc.extract("t1", "--fps", "2", source)
    other = {k: v for k, v in tree(fc.store).items() if "/t1/" in k}
    fc.run("clear", "t")
    assert [k for k in tree(fc.store) if "/t/" in k] == ["cache/timelines/t/plan.json"]
    fc.run("clear", "t", "--plan")
    assert tree(fc.store) == other


def test_a_cleared_timeline_is_extracted_again_by_its_name_alone(fc, source):
    fc.extract("t", "--fps", "2", source)
    before = tree(fc.store)
    fc.run("clear", "t")
    fc.extract("t")
    after = tree(fc.store)
    assert {k: v for k, v in after.items() if k.endswith(".jpg")} == {k: v for k, v in before.items() if k.endswith(".jpg")}


def test_timelines_are_listed(fc, source):
    for name in ("b", "a", "a.2"):
        fc.extract(name, "--count", "1", source)
    told = fc.run("timelines", "--json").json
    rows = told if isinstance(told, list) else told["timelines"]
    assert sorted(r["timeline"] for r in rows) == ["a", "a.2", "b"]


def test_a_sheet_is_a_picture_that_shows_every_frame(fc, clip, tmp_path):
    fc.extract("t", "--count", "6", clip("h264_bframes.mp4"))
    fc.run("sheet", "t", "-o", tmp_path / "sheet.jpg")
    sheet = Image.open(tmp_path / "sheet.jpg")
    sheet.load()
    assert sheet.width * sheet.height > 6 * 60 * 60


def test_pictures_made_elsewhere_can_be_put_and_read(fc, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    for k in (0, 5):
        Image.fromarray(np.full((40, 60, 3), 40 * k + 20, np.uint8)).save(folder / f"{k}.jpg")
    fc.run("put", "t", *sorted(folder.glob("*.jpg")))
    assert [f["seq"] for f in fc.frames("t")] == [0, 5]
    assert fc.jpegs("t") == {int(p.stem): p.read_bytes() for p in folder.glob("*.jpg")}


# The ancestor's caches.


@pytest.fixture
def legacy(media, tmp_path):
    """The example cache as it lay in the ancestor's bucket, in a directory store."""
    store = tmp_path / "legacy"
    shutil.copytree(media / "seed_cache_example" / "bucket_mpr", store, copy_function=shutil.copyfile)
    for path in [store, *store.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return Framecache(store)


@pytest.fixture
def legacy_told(media):
    return json.loads((media / "seed_cache_example" / "expected.json").read_text())


def test_the_example_cache_is_listed_as_legacy_with_unknown_facts_absent(legacy, legacy_told):
    facts = legacy.frames("tl-example-01")
    assert [f["seq"] for f in facts] == [f["sequence"] for f in legacy_told["load_cached_frames"]]
    for fact in facts:
        assert not {"timestamp", "chunk_id", "phash", "pts", "backend"} & set(fact)
    rows = legacy.run("timelines", "--json").json
    assert "legacy" in json.dumps(rows) and "tl-example-01" in json.dumps(rows)


def test_the_example_cache_is_read_byte_for_byte(legacy, legacy_told, tmp_path):
    legacy.run("get", "tl-example-01", "--seq", "0-3,5,8-12,100,1000", "--format", "jpeg", "--out", tmp_path / "out")
    got = {int(p.stem): hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "out").glob("*.jpg")}
    assert got == {f["seq"]: f["jpeg_sha256"] for f in legacy_told["load_cached_frames_b64"]}
    legacy.run("get", "tl-example-01", "--seq", "100", "--format", "npy", "--out", tmp_path)
    want = next(f for f in legacy_told["load_cached_frames"] if f["sequence"] == 100)
    assert hashlib.sha256(np.load(tmp_path / "100.npy").tobytes()).hexdigest() == want["decoded_rgb_sha256_pillow"]


def test_the_example_cache_is_cleared_but_for_its_overlays(legacy):
    legacy.run("clear", "tl-example-01")
    left = [p for p in legacy.store.rglob("*") if p.is_file()]
    assert left and all("overlays" in p.parts for p in left)
    assert len(left) == 12


def test_extraction_onto_a_legacy_cache_needs_replace(legacy, source):
    before = tree(legacy.store)
    done = legacy.extract("tl-example-01", "--fps", "2", source, code=5)
    assert "replace" in done.err
    assert tree(legacy.store) == before


@pytest.mark.loose
def test_the_ancestors_reader_reads_a_cache_that_framecache_wrote(media, s3, s3_endpoint, bucket, source, new_store):
    ancestor = media.parent / "ancestor"
    if not ancestor.is_dir():
        pytest.skip("the ancestor's code is not beside the media folder")
    fc = Framecache(f"s3://{bucket}", options=["--endpoint", s3_endpoint])
    fc.extract("t", "--fps", "5", source)
    code = (
        "import hashlib,json; from core.detect.checkpoint import frames as F\n"
        "x=F.load_cached_frames('t'); b=F.load_cached_frames_b64('t')\n"
        "print(json.dumps({'exists':F.cache_exists('t'),'seqs':[f.sequence for f in x],"
        "'rgb':[hashlib.sha256(f.image.tobytes()).hexdigest() for f in x],'b64':[d['jpeg_b64'] for d in b]}))"
    )
    import base64
    import subprocess

    environment = clean_environment(S3_BUCKET=bucket, S3_ENDPOINT=s3_endpoint, PYTHONPATH=str(ancestor), PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    here = new_store()
    here.extract("t", "--fps", "5", source)
    jpegs = here.jpegs("t")
    assert told["exists"] and told["seqs"] == sorted(jpegs)
    assert [base64.b64decode(t) for t in told["b64"]] == [jpegs[k] for k in sorted(jpegs)]
    want = [np.array(Image.open(io.BytesIO(jpegs[k])).convert("RGB")).tobytes() for k in sorted(jpegs)]
    assert told["rgb"] == [hashlib.sha256(w).hexdigest() for w in want]
