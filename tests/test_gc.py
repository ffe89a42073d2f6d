"""Letting go: what policies and ages say goes, nothing that lives does, and who is killed at it has lost nothing."""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from .media.make import ffmpeg
from .support.fault_proxy import SEED
from .support.framecache import Framecache, clean_environment, tree
from .support.neighbours import until
from .test_rpc_frames import collect as collected_items

DAY = 86400
PACKED = ["--layout", "packed"]
GARBAGE = "packs/0/0-0123abcd.tar"


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two minutes at 2 frames a second."""
    target = tmp_path_factory.mktemp("film") / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=2:duration=120", "-c:v", "libx264", "-preset", "ultrafast", "-g", "20", target)
    return target


@pytest.fixture(scope="module")
def seed(tmp_path_factory, film):
    """Timelines to copy: `loose` and `packed`."""
    fc = Framecache(tmp_path_factory.mktemp("seed") / "store")
    fc.extract("loose", "--fps", "1/5", "--dedup", "0", film)
    fc.extract("packed", "--fps", "1/5", *PACKED, film)
    return fc


@pytest.fixture
def many(tmp_path, seed):
    """A store, and a way to have timelines in it, so many days old."""
    fc = Framecache(tmp_path / "store")

    def add(name, kind="loose", days=0.0, used=None):
        shutil.copytree(seed.folder(kind), fc.folder(name))
        age(fc.folder(name), days)
        if used is not None:
            mark = Path(fc.store) / "cache" / "used" / f"{name}.json"
            mark.parent.mkdir(exist_ok=True)
            mark.write_text("{}")
            age(mark, used)
        return fc.folder(name)

    fc.add = add
    return fc


def age(path, days):
    """As if all of it had been written so many days ago."""
    then = time.time() - days * DAY
    for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(each, (then, then))


def policies(fc, **said):
    """In the store, `_` for the prefix of all."""
    path = Path(fc.store) / "cache" / "retention" / "policies.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f'"{"" if k == "_" else k}" = "{v}"\n' for k, v in said.items()))


def gc(fc, *arguments, **more):
    return fc.run("gc", "--json", *arguments, **more).json


def gone(told):
    return {each["timeline"]: each["why"]["policy"] for each in told["timelines"]}


def there(fc):
    return sorted(p.name for p in (Path(fc.store) / "cache" / "timelines").glob("*"))


def throw_in(folder, days):
    """What writers leave that died or lost a race: a pack that no record names, frames of a span that has none, a record
    and frames behind the end of the plan."""
    left = [folder / GARBAGE, folder / "chunks/0/77.json", folder / "frames/9999.jpg", folder / "packs/0/77-0123abcd.tar"]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nobody's")
        age(path, days)
    return left


def assert_lives(fc, *timelines):
    """No record names what is not there; that something else lies there, too, is no loss."""
    for name in timelines:
        found = fc.run("verify", name, "--json", code=None).json["findings"]
        assert not [f for f in found if f["fault"] in ("missing_frame", "wrong_size", "wrong_sha256", "damaged_record")], name


def test_timelines_go_by_age_use_and_size_and_the_longest_prefix_counts(many):
    many.add("game-old", days=31)
    many.add("game-new", days=29)
    many.add("game-read", days=31, used=0)
    many.add("film-old", days=31)
    many.add("film-read", days=31, used=3)
    many.add("film-young", days=5)
    many.add("film-x-old", days=400)
    policies(many, **{"game-": "keep 30d", "film-": "unused 14d", "film-x": "keep 500d"})
    would = gc(many, "--dry-run")
    want = {"game-old": "keep", "game-read": "keep", "film-old": "unused"}
    assert gone(would) == want and len(there(many)) == 7
    sizes = {t["timeline"]: (t["objects"], t["bytes"]) for t in would["timelines"]}
    files = tree(many.folder("film-old"))
    assert sizes["film-old"] == (len(files), sum(map(len, files.values())))
    did = gc(many)
    assert {**did, "dry_run": True} == would
    assert there(many) == ["film-read", "film-x-old", "film-young", "game-new"]
    assert not (Path(many.store) / "cache" / "used" / "game-read.json").exists()
    assert gone(gc(many)) == {}
    assert_lives(many, "game-new", "film-young")


def test_of_too_much_what_is_unused_longest_goes_and_nothing_young(many):
    for name, days, used in (("a", 40, None), ("b", 60, 2), ("c", 30, None), ("young", 0, None)):
        many.add(name, days=days, used=used)
    one = sum(map(len, tree(many.folder("a")).values()))
    policies(many, _=f"max {int(2.5 * one)}")
    assert list(gone(gc(many, "--dry-run"))) == ["a", "c"]
    did = gc(many)
    assert gone(did) == {"a": "max", "c": "max"} and there(many) == ["b", "young"] and did["over"] == []
    policies(many, _="max 1")
    did = gc(many)
    assert there(many) == ["young"] and did["over"][0]["bytes"] == one
    assert "still" in many.run("gc").text


def test_reading_is_noted_once_a_day_and_honoured(many, serve, v1):
    many.add("read", days=90)
    many.add("listed", days=90, used=50)
    many.add("served", days=90)
    many.add("asleep", days=90, used=50)
    used = Path(many.store) / "cache" / "used"
    many.run("get", "read", "--seq", "0", "--out", many.store.parent / "out")
    many.run("frames", "listed")
    first = (used / "read.json").stat().st_mtime_ns
    many.run("get", "read", "--seq", "0", "--out", many.store.parent / "out")
    assert (used / "read.json").stat().st_mtime_ns == first
    assert many.run("get", "nothere", "--seq", "0", code=4) and not (used / "nothere.json").exists()
    server = serve(store=many.store)
    with server.channel() as channel:
        request = v1.GetFramesRequest(timeline="served", selection=v1.Selection(all=True))
        assert list(v1.FrameServiceStub(channel).GetFrames(request, timeout=30))
    deadline = time.monotonic() + 20
    while not (used / "served.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    policies(many, _="unused 30d")
    assert gone(gc(many)) == {"asleep": "unused"}
    assert there(many) == ["listed", "read", "served"]


def test_a_store_that_takes_no_marks_is_read_all_the_same(many):
    many.add("t", days=9)
    (Path(many.store) / "cache" / "used").write_bytes(b"no folder")
    assert many.run("get", "t", "--seq", "0", "--out", many.store.parent / "out").code == 0
    assert many.frames("t")


@pytest.mark.parametrize("kind", ["loose", "packed"])
def test_what_no_record_names_goes_after_a_day_and_what_one_names_never(many, seed, kind):
    folder = many.add("t", kind, days=200)
    before = tree(folder)
    left = throw_in(folder, days=2)
    young = folder / "packs/0/78-0123abcd.tar"
    young.write_bytes(b"of somebody at work")
    would = gc(many, "--dry-run")
    assert would["leftovers"][0]["objects"] == len(left) == would["objects"] and all(p.exists() for p in left)
    did = gc(many)
    assert {**did, "dry_run": True} == would
    assert not any(p.exists() for p in left) and young.exists()
    after = tree(folder)
    after.pop("packs/0/78-0123abcd.tar")
    # The plan has another nonce.
    before.pop("plan.json"), after.pop("plan.json")
    assert after == before
    assert many.frames("t") == seed.frames(kind)
    assert_lives(many, "t")
    assert gc(many)["objects"] == 0


def test_a_span_with_anything_young_is_left_alone(many):
    folder = many.add("t", "packed", days=9)
    left = throw_in(folder, days=9)
    os.utime(folder / "chunks/0/0.json")
    gc(many)
    assert left[0].exists() and not left[1].exists()
    # Two days later it is looked at, though the walk before was whole.
    age(folder / "chunks/0/0.json", 2)
    place = Path(many.store) / "cache" / "retention" / "place.json"
    place.write_text(json.dumps({"finished": json.loads(place.read_text())["finished"] - 2 * DAY}))
    gc(many)
    assert not left[0].exists()
    assert_lives(many, "t")


def test_frames_of_a_span_without_a_record_go_and_come_again(many, film):
    folder = many.add("t", days=9)
    (folder / "chunks/0/1.json").unlink()
    stale = [p for p in (folder / "frames").iterdir() if int(p.stem) >= 12]
    assert gc(many)["objects"] == len(stale) > 0 and not any(p.exists() for p in stale)
    told = many.extract("t", "--fps", "1/5", "--dedup", "0", film).json
    assert told["reused"] > 0 and told["written"] > 0
    assert_lives(many, "t")


def test_frames_without_a_plan_go_only_when_told(many, seed):
    folder = many.add("t", days=900)
    shutil.rmtree(folder / "chunks")
    (folder / "plan.json").unlink()
    policies(many, _="keep 1d, max 1")
    did = gc(many)
    assert did["objects"] == 0 and len(many.frames("t")) == len(seed.jpegs("loose"))
    assert did["over"][0]["prefix"] == ""
    assert gone(gc(many, "--legacy", "--dry-run")) == {"t": "keep"}
    assert gone(gc(many, "--legacy")) == {"t": "keep"} and there(many) == []


def test_a_clock_of_the_machine_that_is_wrong_does_not_matter(many, tmp_path):
    library = tmp_path / "wrong_clock.so"
    source = Path(__file__).parent / "support" / "wrong_clock.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    for wrong in (400 * DAY, -400 * DAY):
        shutil.rmtree(many.store, ignore_errors=True)
        folder = many.add("young", days=5)
        many.add("old", days=31)
        many.add("read", days=31)
        fresh, stale = throw_in(folder, days=0.5), many.folder("old") / GARBAGE
        there_is = Framecache(many.store, environment={"LD_PRELOAD": str(library), "CLOCK_IS_WRONG": str(wrong)})
        there_is.run("get", "read", "--seq", "0", "--out", tmp_path / "out")
        policies(many, _="unused 14d")
        assert gone(gc(there_is)) == {"old": "unused"}, wrong
        assert all(p.exists() for p in fresh) and not stale.exists()
        assert_lives(many, "young", "read")


def test_policies_that_are_wrong_are_refused_with_the_way_to_write_them(many, tmp_path):
    many.add("t", days=900)
    for said, word in (("kepp 3d", "kepp 3d"), ("keep 3h", "1d or more"), ("max lots", "size"), ("keep 3d, keep 4d", "twice")):
        policies(many, _=said)
        done = many.run("gc", code=2)
        assert word in done.err and "policies.toml" in done.err and "keep 30d" in done.err, done.err
    policies(many)
    config = tmp_path / "framecache.toml"
    config.write_text('[retention]\n"a/" = "keep 3d"\n')
    assert "a/" in many.run("gc", "--config", config, code=2).err
    config.write_text('[retention]\n"" = "keep 3d"\n')
    policies(many, _="keep 1000d")
    assert gone(gc(many, "--config", config, "--dry-run")) == {"t": "keep"}
    assert gone(gc(many, "--dry-run")) == {}
    assert many.run("gc", "--server", "127.0.0.1:1", code=2).err


def test_a_damaged_timeline_is_named_and_the_others_are_looked_at(many):
    throw_in(many.add("a", days=9), days=9)
    (many.add("b", days=9) / "plan.json").write_bytes(b"{}")
    throw_in(many.add("c", days=9), days=9)
    did = json.loads(many.run("gc", "--json", code=3).out)
    assert [each["timeline"] for each in did["failed"]] == ["b"] and did["failed"][0]["reason"] == "OBJECT_CORRUPT"
    assert [each["timeline"] for each in did["leftovers"]] == ["a", "c"] and did["walked"] == 3


def walk_with_kills(many, timelines, kills):
    """Collects until a run comes to its end, killed at random moments before."""
    chance = random.Random(SEED)
    print(f"FRAMECACHE_TEST_SEED={SEED}")
    doomed = {n for n in range(timelines) if n % 3 == 0}
    left, kept, killed = [], {}, 0
    for n in range(timelines):
        name = f"{'old' if n in doomed else 'new'}-{n}"
        folder = many.add(name, "packed" if n % 2 else "loose", days=40)
        if n in doomed:
            continue
        left += throw_in(folder, days=3) if n % 5 == 1 else []
        kept[name] = "packed" if n % 2 else "loose"
    policies(many, old="keep 30d", new="keep 900d")
    # In the order of the walk: how far it came is where the first one lies that is there still.
    left.sort(key=lambda path: f"{path.relative_to(many.folder('').parent)}")
    done, unread = 0, {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for _ in range(kills):
        process = subprocess.Popen(many.command("gc", "--json"), env=clean_environment(), **unread)
        until = done + chance.randrange(1, 1 + max(1, len(left) // kills))
        while process.poll() is None and done < until:
            if done < len(left) and not left[done].exists():
                done += 1
            else:
                time.sleep(0.0005)
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    print(f"{killed} of {kills} killed, {done} of {len(left)} left objects gone by then")
    resumed = gc(many, timeout=900)
    print(f"resumed after {resumed.get('resumed_after')}, {resumed['walked']} of {timelines} timelines were left")
    again = gc(many, timeout=900)
    assert again["walked"] == len(kept) and again["objects"] == 0 and "resumed_after" not in again
    assert there(many) == sorted(kept) and not any(p.exists() for p in left)
    return kept


def test_a_collection_that_is_killed_loses_nothing_that_lives_and_comes_to_its_end(many, seed):
    kept = walk_with_kills(many, 150, 5)
    want = {kind: tree(seed.folder(kind)) for kind in ("loose", "packed")}
    for name, kind in kept.items():
        assert all(tree(many.folder(name)).get(path) == data for path, data in want[kind].items() if path != "plan.json"), name
    assert_lives(many, *random.Random(SEED).sample(sorted(kept), 5))


@pytest.mark.slow
def test_ten_thousand_timelines_and_fifty_kills(many, seed):
    kept = walk_with_kills(many, 10_000, 50)
    want = {kind: tree(seed.folder(kind)) for kind in ("loose", "packed")}
    for name, kind in kept.items():
        assert all(tree(many.folder(name)).get(path) == data for path, data in want[kind].items() if path != "plan.json"), name


def test_servers_let_go_by_themselves_one_of_them_at_a_time(many, serve):
    many.add("old", days=40)
    throw_in(many.add("new", days=5), days=3)
    lease = Path(many.store) / "cache" / "retention" / "lease.json"
    policies(many, _="keep 30d")
    every, begun = 6, time.monotonic()
    servers = [serve("--gc-every", f"{every}s", store=many.store) for _ in range(3)]
    gone = lambda: sum(server.log.count("is gone") for server in servers)
    until(lambda: there(many) == ["new"] and lease.exists() and json.loads(lease.read_text())["ended"], "what was old is gone")
    until(lambda: gone() > 1, "they do so again")
    assert gone() <= (time.monotonic() - begun) // every + 1
    assert_lives(many, "new")
    # Where one died at it, another goes on once it is known to have: not before.
    until(lambda: json.loads(lease.read_text())["ended"], "nobody is at it")
    lease.write_text(json.dumps({"holder": "dead", "began": int(time.time()) - DAY}))
    lease.with_name("place.json").write_text(json.dumps({"finished": int(time.time()) - DAY}))
    many.add("older", days=40)
    time.sleep(every / 2)
    assert "older" in there(many)
    os.utime(lease, (time.time() - 400,) * 2)
    until(lambda: there(many) == ["new"], "another went on")


def test_beside_a_reader_and_an_extraction_nothing_that_lives_goes(many, film, serve, v1):
    """The collections find old leftovers of the very spans that are extracted: of a run that died days ago."""
    server = serve(store=many.store)
    many.add("read", "packed", days=20)
    want = many.frames("read")
    stop, failures, collected = threading.Event(), [], []

    def read():
        with server.channel() as channel:
            stub = v1.FrameServiceStub(channel)
            while not stop.is_set():
                request = v1.GetFramesRequest(timeline="read", selection=v1.Selection(all=True), on_miss=v1.ON_MISS_FAIL)
                items, _ = collected_items(stub.GetFrames(request, timeout=60))
                failures.extend(item.error.message for item in items if item.error)

    def collect():
        while not stop.is_set():
            throw_in(many.folder("read"), days=3)
            collected.append(gc(many)["objects"])

    threads = [threading.Thread(target=read), threading.Thread(target=collect)]
    many.extract("want", "--all", film)
    wanted = many.frames("want")
    for each in threads:
        each.start()
    try:
        for n in range(4):
            name = f"again-{n}"
            shutil.copytree(many.folder("want"), many.folder(name))
            shutil.rmtree(many.folder(name) / "chunks")
            age(many.folder(name), 3)
            told = many.extract(name, "--all", film).json
            assert told["written"] + told["reused"] == len(wanted)
    finally:
        stop.set()
        for each in threads:
            each.join(timeout=60)
    assert failures == [] and len(collected) > 2 and sum(collected) > 0
    gc(many)
    for n in range(4):
        assert_lives(many, f"again-{n}")
        assert many.frames(f"again-{n}") == wanted
    assert many.frames("read") == want


def aged(bucket, matching, days):
    """moto's own objects, as if they had been written so many days ago."""
    import datetime

    from moto.s3.models import s3_backends

    then = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(days=days)
    for backends in s3_backends.values():
        for backend in backends.values():
            if bucket in backend.buckets:
                for key in backend.buckets[bucket].keys.values():
                    if matching in key.name:
                        key.last_modified = then


@pytest.mark.skipif(os.environ.get("FRAMECACHE_TEST_S3", "moto") != "moto", reason="only moto's objects can be made older")
def test_in_a_bucket_the_same_goes_and_stays(s3_fc, s3, bucket, film):
    for name in ("old-1", "old-2", "new-1"):
        s3_fc.extract(name, "--fps", "1/5", *PACKED, film)
    put = lambda key, data=b"nobody's": s3.put_object(Bucket=bucket, Key=f"cache/{key}", Body=data)
    put("timelines/new-1/packs/0/0-0123abcd.tar")
    put("retention/policies.toml", b'"old-" = "keep 30d"\n')
    aged(bucket, "timelines/", 40)
    put("timelines/new-1/packs/0/1-0123abcd.tar")
    want = s3_fc.frames("new-1")
    would = gc(s3_fc, "--dry-run")
    assert gone(would) == {"old-1": "keep", "old-2": "keep"} and would["leftovers"][0]["objects"] == 1
    assert {**gc(s3_fc), "dry_run": True} == would
    keys = [row["Key"] for row in s3.list_objects_v2(Bucket=bucket, Prefix="cache/timelines/")["Contents"]]
    assert {key.split("/")[2] for key in keys} == {"new-1"}
    assert "cache/timelines/new-1/packs/0/1-0123abcd.tar" in keys and "cache/timelines/new-1/packs/0/0-0123abcd.tar" not in keys
    assert s3_fc.frames("new-1") == want
    assert_lives(s3_fc, "new-1")
