"""Stores that fail, lie, stall, fill up and vanish: what was answered is right, and what goes wrong is said."""

import json
import os
import random
import shutil
import subprocess
import time
import uuid
from contextlib import contextmanager

import pytest

from .media.make import ffmpeg
from .support.fault_proxy import SEED, Answer, Rule, altered, cut, delay, error, fault_proxy, page, reset, stall, throttle
from .support.framecache import Framecache, open_files, run, tree

#: Of one store operation with its retries, and what a busy machine may add.
DEADLINE, LATE = 60, 15
FRAMES = ["--all"]
PLAN = "cache/timelines/t/plan.json"


@pytest.fixture
def proxy(s3_endpoint):
    with fault_proxy(s3_endpoint) as proxy:
        yield proxy


@pytest.fixture
def over(proxy, s3):
    """Makes framecache over fresh buckets, through the proxy."""

    def make():
        name = f"test-{uuid.uuid4().hex[:16]}"
        s3.create_bucket(Bucket=name)
        return Framecache(f"s3://{name}", options=["--endpoint", proxy.url])

    return make


def video(target, frames, rate):
    """Small frames, no two of them alike; what is equal is read once."""
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=64x48:rate={rate}", "-frames:v", str(frames), "-c:v", "libx264", "-preset", "ultrafast", target)
    return target


@pytest.fixture
def source(tmp_path):
    """300 frames in two spans."""
    return video(tmp_path / "source.mp4", 300, 4)


@pytest.fixture
def whole(new_store, source):
    """What a directory without faults holds of it: {sequence: JPEG}."""
    fc = new_store("whole")
    fc.extract("t", *FRAMES, source)
    return fc.jpegs("t")


def taken(fc, folder, *arguments, **more):
    """What `get` writes: {sequence: bytes}, and how it ended."""
    done = fc.run("get", "t", *arguments, "--format", "jpeg", "--out", folder, **more)
    return {int(p.stem): p.read_bytes() for p in folder.glob("*.jpg")}, done


# errors of the service


def all_succeeds_within_three_calls(proxy, over, source, whole, rate, tmp_path):
    """Extracting, reading and clearing, with so many of all requests failing."""
    counts = []
    for part in (0, rate):
        proxy.rules = [Rule(error(500, "InternalError"), part / 2), Rule(error(503, "SlowDown"), part / (2 - part))]
        before, fc = len(proxy.calls), over()
        told = fc.extract("t", *FRAMES, source, timeout=1800).json
        assert told["frames"] == told["written"] == len(whole)
        got, _ = taken(fc, tmp_path / f"out{part}", "--seq", f"0-{len(whole) - 1}", timeout=1800)
        assert got == whole
        fc.run("clear", "t", timeout=600)
        counts.append(len(proxy.calls) - before)
        assert fc.run("frames", "t", "--json").json == [] or not any(f.get("bytes") for f in fc.frames("t"))
    print(f"{rate:.0%} errors: {len(whole)} frames, {counts[1]} calls in place of {counts[0]}, seed {proxy.seed}")
    assert counts[1] <= 3 * counts[0]


@pytest.mark.parametrize("rate", [pytest.param(0.1, marks=pytest.mark.slow), 0.3])
def test_with_errors_at_a_rate_all_succeeds_within_three_times_the_calls(proxy, over, source, whole, rate, tmp_path):
    all_succeeds_within_three_calls(proxy, over, source, whole, rate, tmp_path)


def until(holds, secs=60):
    last = time.monotonic() + secs
    while not holds():
        assert time.monotonic() < last, "it did not come to that"
        time.sleep(0.02)


def test_a_call_that_an_outage_catches_is_answered_soon_after_it(proxy, over, source):
    fc = over()
    fc.extract("t", *FRAMES, source)
    proxy.rules = [Rule(error(503, "SlowDown"))]
    process = fc.start("frames", "t", "--json")
    until(lambda: proxy.hits() >= 4)
    proxy.rules, over_at = [], time.monotonic()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and len(json.loads(out)) == 300, err.decode()
    assert time.monotonic() - over_at < 10 + LATE


# answers that are wrong


@pytest.mark.parametrize("layout, bodies", [("frames", 100), ("packed", 30)])
def test_no_wrong_body_of_a_hundred_is_served(proxy, over, source, whole, layout, bodies, tmp_path):
    no_wrong_body_is_served(proxy, over, source, whole, bodies, tmp_path, layout)


def no_wrong_body_is_served(proxy, over, source, whole, bodies, tmp_path, layout="frames"):
    """Each body one bit off, cut with the right length said, another frame's, or a page; the source is gone."""
    fc, chance = over(), random.Random(SEED)
    fc.extract("t", *FRAMES, "--layout", layout, source)
    os.rename(source, tmp_path / "away.mp4")

    def one_bit(body):
        at = chance.randrange(8 * len(body))
        return body[: at // 8] + bytes([body[at // 8] ^ 1 << at % 8]) + body[at // 8 + 1 :]

    changes = [one_bit, lambda body: body[: chance.randrange(len(body))], lambda body: whole[0] + body, lambda _: b"<html>Please log in</html>"]
    last = len(whole) - 1
    frames = {"matching": r"/(frames/\d+\.jpg|packs/\d+/[^/]+\.tar)", "methods": "GET"}
    proxy.rules = [Rule(altered(change), 1 / (len(changes) - n), **frames) for n, change in enumerate(changes)]
    while proxy.hits() < bodies:
        before, first = proxy.hits(), chance.randrange(1, last)
        got, done = taken(fc, tmp_path / f"wrong{before}", "--seq", f"{first}-{last}", code=None, timeout=600)
        if layout == "packed":
            # What is hit may lie between frames, or in one of many: those beside it are right.
            assert got == {seq: whole[seq] for seq in got} and done.code in (0, 3, 6, 75), done.describe()
            assert (done.code == 0) == (len(got) == last - first + 1), done.describe()
        else:
            assert got == {} and done.code in (6, 75), done.describe()
        assert str(tmp_path) not in done.err, "the path of a source is told"
        assert proxy.hits() > before
    assert all(rule.hits for rule in proxy.rules)
    print(f"{proxy.hits()} wrong bodies, none served, seed {proxy.seed}")
    proxy.rules = []
    got, _ = taken(fc, tmp_path / "right", "--seq", f"0-{last}")
    assert got == whole


def test_a_login_page_is_an_outage_of_the_store_and_nothing_to_replace(proxy, over, source):
    fc = over()
    fc.extract("t", *FRAMES, source)
    calls = len(proxy.calls)
    for status in (200, 403, 404):
        proxy.rules = [Rule(page(status))]
        for words in (["frames", "t"], ["get", "t", "--seq", "0", "--out", "-"], ["timelines"], ["extract", "--timeline", "t", *FRAMES, source]):
            done = fc.run(*words, code=75, timeout=DEADLINE)
            assert "login page" in done.err and "replace" not in done.err, done.describe()
    assert len(proxy.calls) - calls < 40, "it is not tried again and again"
    proxy.rules = []
    assert len(fc.frames("t")) == 300


def test_answers_cut_in_the_middle_are_read_again(proxy, over, source, whole, tmp_path):
    fc = over()
    proxy.rules = [Rule(cut(), 0.3, methods="GET")]
    fc.extract("t", *FRAMES, source, timeout=300)
    got, _ = taken(fc, tmp_path / "out", "--seq", "0-299", timeout=300)
    assert got == whole and proxy.hits() > 50


def test_resets_after_the_work_was_done_lose_nothing_and_claim_nothing_twice(proxy, over, source, whole, tmp_path):
    fc = over()
    proxy.rules = [
        Rule(reset(after=True), matching="plan.json|/chunks/", methods="PUT", times=8),
        Rule(reset(after=True), 0.2, methods="PUT DELETE"),
        Rule(reset(), 0.1),
    ]
    told = fc.extract("t", *FRAMES, source, timeout=300).json
    assert told["written"] == 300
    got, _ = taken(fc, tmp_path / "out", "--seq", "0-299", timeout=300)
    assert got == whole
    proxy.rules = []
    assert fc.run("verify", "t", "--json").json["clean"]


def test_slow_answers_and_slow_bodies_are_waited_for(proxy, over, source):
    fc = over()
    proxy.rules = [Rule(delay(2), 1, times=6), Rule(throttle(64_000), matching="plan.json|/chunks/", methods="GET")]
    assert fc.extract("t", *FRAMES, source, timeout=300).json["written"] == 300
    assert len(fc.frames("t")) == 300


# listings


def test_listings_of_more_than_a_page_are_whole_or_refused_whatever_tokens_say(proxy, over, s3):
    fc = over()
    bucket = fc.store.removeprefix("s3://")
    for seq in range(1100):
        s3.put_object(Bucket=bucket, Key=f"cache/timelines/old/frames/{seq}.jpg", Body=b"\xff\xd8x")
    listings = {"matching": "list-type=2", "methods": "GET"}
    without = lambda body: replaced_token(body, b"")
    proxy.rules = [Rule(altered(without), **listings)]
    assert len(fc.frames("old")) == 1100
    assert proxy.hits() > 1
    first = []

    def always_the_first(call):
        if not first:
            answer = call.forward()
            first.append(Answer(answer.status, answer.headers, replaced_token(answer.body, b"<NextContinuationToken>same</NextContinuationToken>")))
        call.send(first[0])

    proxy.rules = [Rule(always_the_first, **listings)]
    done = fc.run("frames", "old", code=75, timeout=DEADLINE)
    assert "listing" in done.err, done.describe()
    assert proxy.hits() < 20


def replaced_token(body, new):
    before, mark, rest = body.partition(b"<NextContinuationToken>")
    return before + new + rest.partition(b"</NextContinuationToken>")[2] if mark else body


def test_a_bulk_delete_that_is_refused_in_any_words_clears_all_the_same(proxy, over, s3):
    refusals = [(400, "MissingContentMD5"), (400, "InvalidRequest"), (400, "InvalidArgument"), (400, "UnsupportedOperation"), (405, "MethodNotAllowed")]
    for refusal in refusals:
        fc = over()
        bucket = fc.store.removeprefix("s3://")
        for seq in range(5):
            s3.put_object(Bucket=bucket, Key=f"cache/timelines/old/frames/{seq}.jpg", Body=b"x")
        proxy.rules = [Rule(error(*refusal), matching=r"\?delete", methods="POST")]
        done = fc.run("clear", "old", "-v")
        assert not s3.list_objects_v2(Bucket=bucket).get("Contents"), refusal
        assert done.err.count("one by one") == 1, done.describe()


# directories


@contextmanager
def small_disk(folder, options):
    """A file system of its own, in this test's own view of the machine; skipped where that may not be had."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "fault-test", folder], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False, capture_output=True)


def test_a_store_whose_file_system_went_is_unavailable_and_nothing_is_written_below_the_mount_point(serve, v1, source, tmp_path):
    import grpc

    from .support.rpc import refused

    with small_disk(tmp_path / "mount", "size=64m") as mount:
        Framecache(mount / "s").extract("t", "--count", "3", source)
        server = serve("--source-root", tmp_path, store=mount / "s").wait_until_it_is_ready()
        with server.channel() as channel:
            stub = v1.FrameServiceStub(channel)
            ask = lambda: stub.ListTimelines(v1.ListTimelinesRequest(), timeout=20)
            assert len(ask().timelines) == 1
            subprocess.run(["umount", "-l", mount], check=True)
            with refused(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"):
                ask()
            with refused(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"):
                stub.GetTimeline(v1.GetTimelineRequest(timeline="other"), timeout=20)
            chunk = v1.Chunk(uri=str(source))
            request = v1.ExtractFramesRequest(timeline="b", chunks=[chunk], sampling=v1.Sampling(count=3))
            with refused(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"):
                list(stub.ExtractFrames(request, timeout=30))
        assert tree(mount) == {} and list(mount.iterdir()) == []
        assert server.get("/readyz")[0] == 200


@pytest.mark.parametrize(("options", "filler"), [("size=400k", 300_000), ("size=64m,nr_inodes=60", 0)])
def test_a_full_disk_is_told_as_that_and_what_is_there_is_still_read(source, tmp_path, options, filler):
    with small_disk(tmp_path / "disk", options) as disk:
        fc = Framecache(disk / "s")
        fc.extract("t", "--count", "3", source)
        if filler:
            (disk / "filler").write_bytes(b"x" * filler)
        done = fc.run("extract", "--timeline", "b", "--backend", "cpu", *FRAMES, source, code=75)
        assert "disk" in done.err, done.describe()
        got, _ = taken(fc, tmp_path / "out", "--seq", "0-2")
        assert got == fc.jpegs("t") and len(got) == 3
        (disk / "filler").unlink(missing_ok=True)


def test_a_store_that_turned_read_only_is_unavailable_to_writers_and_read_on(source, tmp_path):
    with small_disk(tmp_path / "disk", "size=64m") as disk:
        fc = Framecache(disk / "s")
        fc.extract("t", "--count", "3", source)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        done = fc.run("extract", "--timeline", "b", "--backend", "cpu", "--count", "3", source, code=75)
        assert "read-only" in done.err, done.describe()
        assert len(taken(fc, tmp_path / "out", "--seq", "0-2")[0]) == 3


def test_too_many_open_files_are_no_lost_frames(fc, source, whole, tmp_path):
    fc.extract("t", *FRAMES, source)
    refused = 0
    for limit in range(12, 60, 4):
        out = tmp_path / f"out{limit}"
        done = run(fc.command("get", "t", "--seq", "0-299", "--format", "jpeg", "--out", out), under=open_files(limit))
        got = {int(p.stem): p.read_bytes() for p in out.glob("*.jpg")}
        assert all(whole[seq] == data for seq, data in got.items())
        assert done.code in (0, 1, 75), done.describe()
        refused += done.code != 0
    assert refused, "no limit was low enough to prove anything"
    assert fc.run("verify", "t", "--json").json["clean"]


@pytest.mark.skipif(not shutil.which("strace"), reason="strace, which plays file systems without locks, is not there")
@pytest.mark.parametrize("errno", ["EBADF", "ENOSYS", "ENOLCK"])
def test_a_file_system_without_locks_is_written_to_and_keeps_leftovers(fc, source, errno):
    fc.extract("t", "--count", "3", source)
    left = fc.store / ".tmp" / "0123456789abcdef-7"
    left.write_text("half")
    plays = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", f"inject=flock:error={errno}"]
    for words in (["extract", "--timeline", "b", "--backend", "cpu", "--count", "4", source], ["verify", "t", "--repair"]):
        done = fc.run(*words, command=[*plays, *fc.command(*words), "-v"])
        assert done.err.count("no locks") == 1, done.describe()
        assert left.exists()
    assert len(fc.jpegs("b")) == 4
    fc.run("verify", "t", "--repair")
    assert not left.exists()


# damage in what is stored


def test_damage_in_290_of_303_objects_is_all_found_and_mended(new_store, source):
    damage_is_found_and_mended(new_store, source, 290)


def damage_is_found_and_mended(new_store, source, count):
    """One bit of each flipped, or its tail cut: frames, records, the plan."""
    fc, chance = new_store("damaged"), random.Random(SEED)
    fc.extract("t", *FRAMES, source, timeout=600)
    before = tree(fc.store)
    names = [name for name in before if not name.startswith(".tmp")]
    assert len(names) > count
    records = [name for name in names if "/chunks/" in name]
    hit = records + chance.sample([name for name in names if name.endswith(".jpg")], count - len(records))
    print(f"{len(hit)} of {len(names)} objects damaged, FRAMECACHE_TEST_SEED={SEED}")
    for name in hit:
        data = bytearray(before[name])
        # An attempt's own name may be any.
        first = 60 if name in records else 0
        if chance.random() < 0.5:
            del data[chance.randrange(first, len(data)) :]
        else:
            data[chance.randrange(first, len(data))] ^= 1 << chance.randrange(8)
        (fc.store / name).write_bytes(data)
    told = fc.run("verify", "t", "--json", code=None).json
    assert not told["clean"]
    out = fc.store.parent / "out"
    last = sum(name.endswith(".jpg") for name in names) - 1
    got, _ = taken(fc, out, "--seq", f"0-{last}", timeout=600)
    assert got == {int(os.path.basename(n)[:-4]): d for n, d in before.items() if n.endswith(".jpg")}
    fc.run("verify", "t", "--repair", timeout=600)
    assert fc.run("verify", "t", "--json").json["clean"]


def test_a_damaged_plan_is_reported_wherever_it_is_hit(fc, source):
    fc.extract("t", "--count", "3", source)
    path, chance = fc.store / PLAN, random.Random(SEED)
    whole = path.read_bytes()
    for n in range(20):
        data = bytearray(whole)
        if n % 2:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        else:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(data)
        fc.run("frames", "t", code=6)
    path.write_bytes(whole)
    assert len(fc.frames("t")) == 3


# the same in full


@pytest.fixture
def long_source(tmp_path):
    """10,000 frames in seven spans."""
    return video(tmp_path / "long.mp4", 10_000, 25)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_10000_frames_with_errors_at_a_rate_all_succeed(proxy, over, new_store, long_source, rate, tmp_path):
    fc = new_store("whole")
    fc.extract("t", "--all", long_source, timeout=600)
    all_succeeds_within_three_calls(proxy, over, long_source, fc.jpegs("t"), rate, tmp_path)


@pytest.mark.slow
def test_an_outage_of_more_than_a_minute_fails_in_time_and_is_over_when_it_is_over(proxy, over, source):
    fc = over()
    fc.extract("t", *FRAMES, source)
    proxy.rules, began = [Rule(error(503, "SlowDown"))], time.monotonic()
    done = fc.run("frames", "t", code=75, timeout=DEADLINE + LATE)
    took = time.monotonic() - began
    print(f"failed after {took:.1f} s, {proxy.hits()} calls")
    assert "did not answer in time" in done.err
    proxy.rules = []
    assert len(fc.frames("t", timeout=10 + LATE)) == 300


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, None])
def test_bodies_that_stall_are_given_up_and_asked_for_again(proxy, over, source, whole, times, tmp_path):
    fc = over()
    fc.extract("t", *FRAMES, source)
    os.rename(source, tmp_path / "away.mp4")
    proxy.rules = [Rule(stall(), matching="/frames/7.jpg", methods="GET", times=times)]
    began = time.monotonic()
    got, done = taken(fc, tmp_path / "out", "--seq", "7", code=None, timeout=DEADLINE + LATE)
    print(f"exit {done.code} after {time.monotonic() - began:.1f} s")
    assert (got, done.code) == (({7: whole[7]}, 0) if times else ({}, 75)), done.describe()


@pytest.mark.slow
def test_no_wrong_body_of_a_thousand_is_served(proxy, over, source, whole, tmp_path):
    no_wrong_body_is_served(proxy, over, source, whole, 1000, tmp_path)


@pytest.mark.slow
def test_damage_in_1000_of_10000_objects_is_all_found_and_mended(new_store, long_source):
    damage_is_found_and_mended(new_store, long_source, 1000)
