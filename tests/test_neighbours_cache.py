"""Two callers, two processes, on one cache: what the one was told stays true beside the other, and one more call heals
the rest. By progress: the second begins when the first has got so far, never after a while."""

import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import grpc
import pytest
from PIL import Image

from .support import framecache as runner
from .support.framecache import assert_same_store, clean_environment, tree

PATIENCE = 120
RACE = {"tasks": 8, "processes": 4, "spans": 40}
LONG_RACE = {"tasks": 64, "processes": 8, "spans": 1000}


def until(is_so, what):
    """Waits for progress; `what` is said where there is none for long."""
    last = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < last, f"still not: {what}"
        time.sleep(0.005)


def jpegs_there(fc, timeline="t"):
    folder = fc.folder(timeline) / "frames"
    return len(list(folder.glob("*.jpg"))) if folder.is_dir() else 0


def assert_whole(fc, frames, timeline="t"):
    """Every frame is there and as its record says."""
    assert jpegs_there(fc, timeline) == frames
    assert fc.run("verify", timeline, "--json").json["clean"]


@pytest.fixture
def source(clip):
    return clip("two_minutes.mp4")


@pytest.fixture
def whole(new_store, source):
    """What one quiet run leaves, and how many frames that are."""
    fc = new_store("quiet")
    frames = fc.extract("t", "--fps", "5", source).json["frames"]
    return fc, frames


def extraction(fc, *arguments):
    return fc.start("extract", "--timeline", "t", "--backend", "cpu", "--json", *arguments)


def begun(fc, source, after):
    """An extraction of which so many frames are there."""
    running = extraction(fc, "--fps", "5", source)
    until(lambda: jpegs_there(fc) >= after, f"{after} frames")
    return running


@contextlib.contextmanager
def standing_still(process):
    """All its threads, unless it has ended."""
    process.send_signal(signal.SIGSTOP)
    try:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def told(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err.decode()
    return json.loads(out)


def assert_made_again(quiet, fc, source, frames):
    """One more run has all that a quiet one has."""
    again = fc.extract("t", "--fps", "5", source).json
    assert (again["frames"], again["written"] + again["reused"]) == (frames, frames)
    assert_whole(fc, frames)
    assert_same_store(quiet.store, fc.store)


@pytest.mark.parametrize("after", [1, 50, 250, 400])
def test_an_extraction_that_is_cleared_before_its_end_is_whole_when_it_is_done(whole, new_store, source, after):
    quiet, frames = whole
    fc = new_store()
    running = begun(fc, source, after)
    # So that it ends after the clear.
    with standing_still(running):
        mid_way = jpegs_there(fc) < frames
        fc.run("clear", "t")
    assert told(running)["frames"] == frames
    if mid_way:
        assert_whole(fc, frames)
    assert_made_again(quiet, fc, source, frames)


@pytest.mark.parametrize("after", [1, 50, 250, 400])
def test_an_extraction_beside_a_clear_leaves_all_its_frames_or_none(whole, new_store, source, after):
    quiet, frames = whole
    fc = new_store()
    running = begun(fc, source, after)
    fc.run("clear", "t")
    assert told(running)["frames"] == frames
    # All, where the extraction was done last; none, where the clear was.
    if jpegs_there(fc) or fc.records("t"):
        assert_whole(fc, frames)
    assert_made_again(quiet, fc, source, frames)


@pytest.mark.parametrize("after", [1, 50, 250])
def test_what_a_killed_extraction_puts_behind_a_clear_of_its_plan_is_in_nobodys_way(whole, new_store, source, after):
    quiet, frames = whole
    fc = new_store()
    running = begun(fc, source, after)
    with standing_still(running):
        fc.run("clear", "t", "--plan")
    until(lambda: jpegs_there(fc) or running.poll() is not None, "a frame behind the clear")
    running.kill()
    running.wait(PATIENCE)
    assert_made_again(quiet, fc, source, frames)


def left_behind(quiet, fc, sequences):
    """Frames of a quiet run in a store that has no plan of them."""
    folder = fc.folder("t") / "frames"
    folder.mkdir(parents=True)
    for sequence in sequences:
        shutil.copy(quiet.folder("t") / "frames" / f"{sequence}.jpg", folder)


def test_frames_without_a_plan_that_are_the_plans_own_are_taken_over_by_one_of_two_or_both(whole, new_store, source):
    quiet, frames = whole
    fc = new_store()
    left_behind(quiet, fc, [0, 3, *range(100, 140), frames - 1])
    both = [extraction(fc, "--fps", "5", source) for _ in range(2)]
    assert [told(one)["frames"] for one in both] == [frames, frames]
    assert_whole(fc, frames)
    assert_same_store(quiet.store, fc.store)


@pytest.mark.parametrize("whose", ["another picture", "other bytes of one", "a number past the end", "another sampling"])
def test_frames_without_a_plan_that_the_plan_does_not_give_are_refused_and_stay(whole, new_store, source, whose):
    quiet, frames = whole
    fc = new_store()
    left_behind(quiet, fc, range(40))
    folder = fc.folder("t") / "frames"
    last = folder / "39.jpg"
    if whose == "another picture":
        last.write_bytes((folder / "0.jpg").read_bytes())
    elif whose == "other bytes of one":
        last.write_bytes(last.read_bytes() + b"\0")
    elif whose == "a number past the end":
        last.rename(folder / f"{frames}.jpg")
    fps = "1" if whose == "another sampling" else "5"
    before = tree(fc.store)
    refused = fc.extract("t", "--fps", fps, source, code=5)
    assert "without a plan" in refused.err
    assert tree(fc.store) == before


@pytest.mark.parametrize("way", ["rm", "ancestor", "one", "cut"])
def test_frames_that_somebody_removed_are_made_again_by_the_next_extraction(whole, source, way):
    fc, frames = whole
    before = tree(fc.store)
    folder = fc.folder("t") / "frames"
    if way == "rm":
        shutil.rmtree(folder)
    elif way == "ancestor":
        for path in folder.glob("*.jpg"):
            path.unlink()
    elif way == "one":
        (folder / "333.jpg").unlink()
    else:
        (folder / "333.jpg").write_bytes((folder / "333.jpg").read_bytes()[:-1])
    again = fc.extract("t", "--fps", "5", source).json
    assert again["written"] > 0 and again["frames"] == frames
    assert (again["reused"] > 0) == (way in ("one", "cut"))
    assert tree(fc.store).keys() == before.keys()
    assert fc.jpegs("t") == {int(k.rsplit("/", 1)[1][:-4]): v for k, v in before.items() if k.endswith(".jpg")}
    # And what is there is reused.
    assert fc.extract("t", "--fps", "5", source).json["reused"] == frames


def test_frames_that_somebody_removed_from_a_bucket_are_made_again_and_one_listing_finds_them(s3, s3_fc, bucket, clip):
    source = clip("h264_bframes.mp4")
    frames = s3_fc.extract("t", "--fps", "5", source).json["frames"]
    key = "cache/timelines/t/frames/3.jpg"
    before = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=key)
    again = s3_fc.extract("t", "--fps", "5", source).json
    assert (again["frames"], again["written"]) == (frames, frames)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == before


def extract_request(v1, source, **more):
    return v1.ExtractFramesRequest(timeline="t", chunks=[v1.Chunk(uri=str(source))], sampling=v1.Sampling(fps="5"), **more)


def summary_of(events):
    return next(e.summary for e in events if e.WhichOneof("event") == "summary")


def test_a_client_that_clears_beside_another_ones_extraction_leaves_it_true(whole, serve, new_store, source, v1):
    quiet, frames = whole
    fc = new_store()
    server = serve(store=fc.store, cwd=source.parent)
    with server.channel() as one, server.channel() as other:
        stubs = [v1.FrameServiceStub(channel) for channel in (one, other)]
        done = []
        request = extract_request(v1, source)
        running = threading.Thread(target=lambda: done.append(summary_of(stubs[0].ExtractFrames(request, timeout=PATIENCE))))
        running.start()
        until(lambda: jpegs_there(fc) >= 100 or done, "100 frames")
        stubs[1].ClearTimeline(v1.ClearTimelineRequest(timeline="t"), timeout=PATIENCE)
        running.join(PATIENCE)
        assert done[0].frames == frames
        # All, where the extraction was done last; none, where the clear was.
        if jpegs_there(fc) or fc.records("t"):
            assert_whole(fc, frames)
        again = summary_of(stubs[1].ExtractFrames(request, timeout=PATIENCE))
        state = stubs[1].GetTimeline(v1.GetTimelineRequest(timeline="t"), timeout=PATIENCE).state
    assert again.frames == frames and state == v1.PROFILE_STATE_COMPLETE
    assert_whole(fc, frames)
    assert_same_store(quiet.store, fc.store)


def test_reads_beside_clears_are_answered_or_told_to_come_again_and_never_that_data_is_lost(whole, serve, source, v1):
    fc, frames = whole
    server = serve(store=fc.store, cwd=source.parent)
    stop = threading.Event()

    def clear():
        with server.channel() as channel:
            stub = v1.FrameServiceStub(channel)
            while not stop.is_set():
                stub.ClearTimeline(v1.ClearTimelineRequest(timeline="t"), timeout=PATIENCE)
                stop.wait(0.3)

    clearing = threading.Thread(target=clear)
    clearing.start()
    seen = {}
    try:
        with server.channel() as channel:
            stub = v1.FrameServiceStub(channel)
            for n in range(12):
                some = [(n * 37 + k * 61) % frames for k in range(8)]
                request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=some))
                for event in stub.GetFrames(request, timeout=PATIENCE):
                    if event.WhichOneof("event") == "frame" and event.frame.WhichOneof("result") == "error":
                        code = event.frame.error.code
                        seen[code] = seen.get(code, 0) + 1
                    elif event.WhichOneof("event") == "frame":
                        seen["ok"] = seen.get("ok", 0) + 1
    finally:
        stop.set()
        clearing.join(PATIENCE)
    print("reads beside clears:", seen)
    assert set(seen) <= {"ok", grpc.StatusCode.UNAVAILABLE.value[0]} and seen["ok"] > 0, seen


def picture(colour):
    data = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(data, "JPEG")
    return data.getvalue()


RED, BLUE = picture((255, 0, 0)), picture((0, 0, 255))
NAMES = {hashlib.sha256(data).hexdigest(): name for data, name in ((RED, "red"), (BLUE, "blue"))}


def put(stub, v1, timeline, seqs, jpeg):
    frames = [v1.PutFramesRequest(timeline=timeline, frame=v1.PutFrame(sequence=q, jpeg=jpeg, last=True)) for q in seqs]
    return stub.PutFrames(iter(frames), timeout=PATIENCE).record


def served(stub, v1, timeline, seq, **more):
    request = v1.GetFramesRequest(timeline=timeline, selection=v1.Selection(sequences=[seq]), **more)
    answer = next(e.frame for e in stub.GetFrames(request, timeout=PATIENCE) if e.WhichOneof("event") == "frame")
    return answer.data


def test_of_two_clients_that_put_a_frame_at_once_the_higher_record_is_served_with_its_facts(serve, new_store, v1):
    fc = new_store()
    server = serve(store=fc.store)
    with server.channel() as one, server.channel() as other:
        stubs = [v1.FrameServiceStub(channel) for channel in (one, other)]
        for n in range(12):
            timeline, records = f"r{n}", {}

            def put_many(timeline=timeline, records=records):
                records["blue"] = put(stubs[1], v1, timeline, range(300), BLUE)

            many = threading.Thread(target=put_many)
            many.start()
            # From before it has put its first to when it has put most.
            until(lambda: jpegs_there(fc, timeline) >= n * 25 or not many.is_alive(), "frames of the other")  # noqa: B023
            records["red"] = put(stubs[0], v1, timeline, [0], RED)
            many.join(PATIENCE)
            latest = max(records, key=records.get)
            data = served(stubs[0], v1, timeline, 0)
            facts = served(stubs[0], v1, timeline, 0, payload=v1.PAYLOAD_NONE)
            assert NAMES[hashlib.sha256(data.jpeg).hexdigest()] == latest, records
            assert NAMES[facts.facts.sha256] == NAMES[data.facts.sha256] == latest, records
            assert fc.run("verify", timeline, "--json").json["clean"]


def test_a_put_after_six_hundred_costs_what_one_after_a_few_costs(serve, new_store, v1):
    server = serve(store=new_store().store)
    requests = lambda: sum(server.metric("framecache_store_requests_total", operation=o, outcome="ok") for o in ("get", "list", "put"))
    with server.channel() as channel:
        stub = v1.FrameServiceStub(channel)
        asked = []
        for seq in range(600):
            put(stub, v1, "p", [seq], RED)
            if seq % 100 == 20:
                before = requests()
                put(stub, v1, "p", [seq], RED)
                asked.append(requests() - before)
    print("requests a put, after 20, 120, … puts:", asked)
    assert max(asked[1:]) <= asked[0] + 2


def racer(words, environment, times, failures):
    for _ in range(times):
        done = subprocess.run(words, env=environment, capture_output=True, timeout=1800)
        if done.returncode:
            failures.put(done.stderr.decode())


def race(fc, listing, tasks, processes, spans):
    """`tasks` extractions of one timeline of so many spans, in so many processes at a time."""
    words = fc.command("extract", "--timeline", "t", "--backend", "cpu", "--json", "--keyframes", "--max-side", "32", "--chunks", listing)
    failures = multiprocessing.Queue()
    each = tasks // processes
    workers = [multiprocessing.Process(target=racer, args=(words, clean_environment(), each, failures)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(3600)
        assert worker.exitcode == 0
    assert failures.empty(), failures.get()
    records = fc.records("t")
    assert len(records) == spans
    for name, record in records.items():
        for frame in record["frames"]:
            data = (fc.folder("t") / "frames" / f"{frame['seq']}.jpg").read_bytes()
            assert hashlib.sha256(data).hexdigest() == {**record["common"], **frame}["sha256"], name
    print(f"{tasks} extractions in {processes} processes over {spans} spans: one valid record each")


def chunk_list(tmp_path, clip, spans):
    listing = tmp_path / "chunks.jsonl"
    uri = str(clip("h264_bframes.mp4"))
    listing.write_text("".join(json.dumps({"chunk_id": f"c{n}", "uri": uri}) + "\n" for n in range(spans)))
    return listing


def test_writers_of_one_timeline_at_once_leave_one_valid_record_a_span(new_store, tmp_path, clip):
    fc = new_store()
    race(fc, chunk_list(tmp_path, clip, RACE["spans"]), **RACE)
    alone = new_store()
    race(alone, tmp_path / "chunks.jsonl", 1, 1, RACE["spans"])
    assert_same_store(alone.store, fc.store)


@pytest.mark.slow
def test_64_writers_of_1000_spans_leave_one_valid_record_each(new_store, tmp_path, clip):
    fc = new_store()
    race(fc, chunk_list(tmp_path, clip, LONG_RACE["spans"]), **LONG_RACE)


def traced(fc, log, *words):
    """The system calls of a command that concern when its writes are on disk, in order, with the files they are about."""
    calls = "rename,renameat,renameat2,link,linkat,fsync,fdatasync,syncfs"
    command = ["strace", "-f", "-y", "-qq", "-o", str(log), "-e", f"trace={calls}", *fc.command(*words)]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr.decode()
    # One that was interrupted by another thread ends where it is resumed.
    started, ended = {}, []
    for line in log.read_text().splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            started[thread] = call.removesuffix("<unfinished ...>")
        elif call.startswith("<..."):
            ended.append(started.pop(thread) + re.sub(r"^<\.\.\. \w+ resumed>", "", call))
        elif "(" in call:
            ended.append(call)
    return [call for call in ended if " = 0" in call]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_frames_are_on_disk_before_their_record_has_its_name_and_plan_and_record_before_theirs(new_store, tmp_path, clip):
    fc = new_store()
    calls = traced(fc, tmp_path / "calls", "extract", "--timeline", "t", "--backend", "cpu", "--fps", "5", clip("h264_bframes.mp4"))
    place = lambda wanted: [n for n, call in enumerate(calls) if wanted(call)]
    named = lambda name: place(lambda c: c.startswith(("rename", "link")) and f'"{name}"' in c)
    frames = place(lambda c: c.startswith(("rename", "link")) and re.search(r'"\d+\.jpg"', c))
    synced = place(lambda c: c.startswith("syncfs"))
    (record,), (plan,) = named("0.json"), named("plan.json")
    assert frames and len(frames) == jpegs_there(fc)
    # All frames have their names, then the file system is synced, then the record gets its own.
    assert any(max(frames) < sync < record for sync in synced), calls
    for published in (plan, record):
        written = re.search(r'"([0-9a-f]+-\d+)"', calls[published]).group(1)
        data = place(lambda c: c.startswith("fdatasync") and written in c)  # noqa: B023
        assert any(n < published for n in data), "its bytes are on disk before it has its name"
    folders = {fc.folder("t"): plan, fc.folder("t") / "chunks" / "0": record}
    for folder, published in folders.items():
        names = place(lambda c: c.startswith("fsync") and f"<{folder}>" in c)  # noqa: B023
        assert any(n > published for n in names), f"the names in {folder} are on disk before the command ends"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_leftovers_that_cannot_be_removed_stop_no_extraction(new_store, tmp_path, clip):
    fc = new_store()
    leftover = fc.store / ".tmp"
    leftover.mkdir(parents=True)
    (leftover / "0123456789abcdef-0").write_bytes(b"of a writer that died")
    refuse = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=unlinkat", "-e", "inject=unlinkat:error=EIO:when=1"]
    words = fc.command("extract", "--timeline", "t", "--backend", "cpu", "--json", "--fps", "5", clip("h264_bframes.mp4"))
    done = runner.run([*refuse, *words])
    assert done.code == 0 and done.json["written"] > 0, done.describe()
    assert (leftover / "0123456789abcdef-0").exists()
