"""Workers on a queue: whatever dies, is cut off or deleted, the store ends as one run of `extract` leaves it."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from .support import framecache as runner
from .support import nats, rpc
from .support.framecache import assert_same_store
from .support.neighbours import media_processes, until

CHUNKS = ["h264_bframes.mp4", "vfr.mp4", "ntsc.mp4", "h264.ts", "two_minutes.mp4", "hevc_opengop.mp4"]
SAMPLING = ["--every", "2"]
# So soon a server of a test takes a worker for lost.
ACK_WAIT = 2


@pytest.fixture
def queue(tmp_path):
    with nats.running(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def hasty(queue):
    """A queue that takes workers for lost soon."""
    return queue.make(ack_wait_secs=ACK_WAIT)


@pytest.fixture
def sources(clip):
    return [clip(name) for name in CHUNKS]


@pytest.fixture
def quiet(new_store, sources):
    """A store that one run of `extract` filled."""
    fc = new_store("quiet")
    fc.extract("t", *SAMPLING, *sources)
    return fc


@pytest.fixture
def store(tmp_path):
    (tmp_path / "shared").mkdir()
    return runner.Framecache(tmp_path / "shared")


class Worker:
    """A running `framecache work`."""

    def __init__(self, fc, queue, *options, url=None, within=()):
        words = [*within, *fc.command("work", "--queue", url or queue.url, *options)]
        self.log = open(f"{queue.folder}.{time.monotonic_ns()}.worker", "w+b")  # noqa: SIM115  (closed with it)
        self.process = subprocess.Popen(
            words, env=runner.clean_environment(**fc.environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log
        )

    @property
    def said(self):
        self.log.flush()
        with open(self.log.name) as log:
            return log.read()

    def wait(self, timeout=60):
        """Its exit status."""
        return self.process.wait(timeout)

    def ends(self, timeout=60):
        """Asked to end it does, as it should."""
        self.process.terminate()
        assert self.wait(timeout) == 0, self.said

    def kill(self):
        self.process.kill()
        self.process.wait(30)


@pytest.fixture
def work(store, queue):
    """Starts workers, which end with the test."""
    with contextlib.ExitStack() as running:

        def start(*options, fc=store, **more):
            worker = Worker(fc, queue, "--workers", "1", *options, **more)
            running.callback(worker.log.close)
            running.callback(worker.kill)
            return worker

        yield start


def submit(fc, queue, *words, **more):
    return fc.run("submit", "--queue", queue.url, "--json", *words, **more)


def status(fc, queue):
    return submit(fc, queue, "--status").json


def records(fc):
    return len(fc.records("t")) if fc.folder("t").exists() else 0


def test_spans_made_by_several_workers_are_byte_for_byte_those_of_one_run(store, quiet, queue, work, sources):
    workers = [work() for _ in range(3)]
    done = submit(store, queue, "--timeline", "t", "--wait", *SAMPLING, *sources)
    assert done.json["frames"] == done.json["written"] == len(quiet.jpegs("t"))
    assert [c["frames"] for c in done.json["chunks"]] == [c["frames"] for c in quiet.extract("t").json["chunks"]]
    assert_same_store(quiet.store, store.store)
    # Once more it is there already.
    again = submit(store, queue, "--timeline", "t", "--wait", *SAMPLING, *sources)
    assert (again.json["reused"], again.json["written"]) == (done.json["frames"], 0)
    assert [submit(store, queue, "--dead").json, status(store, queue)["waiting"]] == [[], 0]
    for worker in workers:
        worker.ends()


def test_submitting_again_orders_nothing_twice_and_a_lost_queue_again(store, quiet, queue, work, sources):
    words = ["--timeline", "t", *SAMPLING, *sources]
    spans = submit(store, queue, *words).json["submitted"]["spans"]
    assert spans == len(quiet.records("t"))
    for _ in range(2):
        assert submit(store, queue, *words).json["submitted"]["spans"] == spans
        assert status(store, queue)["waiting"] == spans
    queue.delete()
    assert queue.orders() is None
    assert submit(store, queue, *words).json["submitted"]["spans"] == spans
    assert status(store, queue)["waiting"] == spans
    assert work("--idle-exit", "2s").wait() == 0
    assert_same_store(quiet.store, store.store)
    assert submit(store, queue, *words).json["submitted"] == {"spans": 0, "frames": 0}


def test_a_stream_that_is_deleted_under_workers_costs_one_submit(store, quiet, queue, work, sources):
    words = ["--timeline", "t", *SAMPLING, *sources]
    submit(store, queue, *words)
    worker = work()
    until(lambda: records(store) > 0, "a record is there")
    queue.delete()
    done = submit(store, queue, "--wait", *words)
    assert done.json["frames"] == len(quiet.jpegs("t"))
    worker.ends()
    assert_same_store(quiet.store, store.store)


def test_a_worker_that_is_killed_costs_nothing_but_its_own_spans_again(store, quiet, hasty, work, sources):
    submit(store, hasty, "--timeline", "t", *SAMPLING, *sources)
    for kills in range(1, 4):
        worker = work("--isolation", "none")
        until(lambda kills=kills: records(store) >= kills, "a record is there")
        worker.kill()
    assert records(store) < len(quiet.records("t"))
    assert work("--idle-exit", f"{ACK_WAIT * 3}s").wait() == 0
    assert_same_store(quiet.store, store.store)
    assert submit(store, hasty, "--dead").json == []


def test_a_queue_that_is_killed_and_comes_back_loses_no_order(store, quiet, queue, work, sources):
    workers = [work() for _ in range(2)]
    following = store.start("submit", "--queue", queue.url, "--timeline", "t", "--wait", "--json", *SAMPLING, *sources)
    for kills in range(1, 3):
        until(lambda kills=kills: records(store) >= kills, "a record is there")
        queue.kill()
        queue.start()
    out, err = following.communicate(timeout=120)
    assert following.returncode == 0, err.decode()
    assert json.loads(out)["frames"] == len(quiet.jpegs("t"))
    for worker in workers:
        worker.ends()
    assert_same_store(quiet.store, store.store)


def has_open(pid, path):
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{name}") == str(path):
                    return True
    return False


@contextlib.contextmanager
def poisonous(path, processes, sig):
    """Whatever process has this file open dies of it."""
    over, killed = threading.Event(), []

    def watch():
        while not over.wait(0.001):
            for pid in processes():
                if has_open(pid, path):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, sig)
                        killed.append(pid)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@pytest.fixture
def poison(clip, tmp_path):
    path = tmp_path / "poison.mp4"
    path.write_bytes(clip("h264_gop250.mp4").read_bytes())
    return path


def test_a_file_that_crashes_its_media_process_is_recorded_once_and_hurts_no_other(store, new_store, queue, work, clip, poison):
    good = [clip("h264_bframes.mp4"), clip("hevc_opengop.mp4")]
    words = ["--timeline", "t", "--all", good[0], poison, good[1]]
    workers = [work() for _ in range(2)]
    processes = lambda: [pid for worker in workers for pid in media_processes(worker.process.pid)]
    with poisonous(poison, processes, signal.SIGSEGV) as killed:
        done = submit(store, queue, "--wait", *words, code=3)
    assert killed
    whole, bad, other = done.json["chunks"]
    assert bad["error"]["reason"] == "MEDIA_CORRUPT" and "error" not in whole and "error" not in other
    failed = [name for name, record in store.records("t").items() if "error" in record]
    assert failed and all(name.startswith("1/") for name in failed)
    # It is tried no more: not by another submit, and nothing of it is in the queue.
    assert submit(store, queue, *words, code=3).json["submitted"]["spans"] == 0
    assert submit(store, queue, "--dead").json == [] and queue.orders()["messages"] == 0
    for worker in workers:
        worker.ends()
    quiet = new_store("quiet")
    quiet.extract("t", "--all", good[0], poison, good[1])
    mine = store.jpegs("t")
    assert {seq: quiet.jpegs("t")[seq] for seq in mine} == mine and len(mine) == whole["frames"] + other["frames"]
    # Asked to try it again, without what killed it, it is as any other.
    assert work("--idle-exit", "60s").process.poll() is None
    assert submit(store, queue, "--wait", "--retry-failed", *words).json["frames"] == len(quiet.jpegs("t"))
    assert store.jpegs("t") == quiet.jpegs("t")


def test_what_every_worker_is_lost_with_is_given_up_with_a_record_and_its_neighbours_are_not(store, hasty, work, clip, poison):
    good = [clip("h264_bframes.mp4"), clip("hevc_opengop.mp4"), clip("ntsc.mp4")]
    words = ["--timeline", "t", "--every", "5", *good[:2], poison, good[2]]
    spans = submit(store, hasty, *words).json["submitted"]["spans"]
    workers = [work("--isolation", "none")]
    with poisonous(poison, lambda: [workers[-1].process.pid], signal.SIGKILL) as killed:
        while records(store) < spans:
            if workers[-1].process.poll() is not None:
                workers.append(work("--isolation", "none"))
            time.sleep(0.01)
            assert len(workers) < 40, workers[-1].said
    assert killed
    failed = {name: record["error"] for name, record in store.records("t").items() if "error" in record}
    assert {name.split("/")[0] for name in failed} == {"2"}
    assert all(error["message"] == "its worker was lost each time, times=5" for error in failed.values())
    until(lambda: len(submit(store, hasty, "--dead").json) == len(failed), "they are listed")
    # Requeued, without what killed them, they are made.
    assert submit(store, hasty, "--requeue").json == {"requeued": len(failed)}
    until(lambda: not any("error" in record for record in store.records("t").values()), "they are made")
    assert submit(store, hasty, "--dead").json == []


def test_a_worker_that_is_told_to_end_hands_back_what_it_has(store, quiet, queue, work, sources):
    spans = submit(store, queue, "--timeline", "t", *SAMPLING, *sources).json["submitted"]["spans"]
    worker = work("--grace", "0s")
    until(lambda: status(store, queue)["taken"] > 0, "it has taken some")
    worker.ends(timeout=15)
    left = status(store, queue)
    assert left["dead"] == 0 and left["waiting"] + left["taken"] == spans - records(store)
    # What it handed back is there at once, not when the server takes it for lost.
    begun = time.monotonic()
    assert work("--idle-exit", "2s").wait() == 0
    assert records(store) == spans and time.monotonic() - begun < 25
    assert_same_store(quiet.store, store.store)


def test_a_worker_finishes_within_the_grace_what_it_has_begun(store, queue, work, clip):
    submit(store, queue, "--timeline", "t", "--all", clip("two_minutes.mp4"))
    worker = work()
    until(lambda: status(store, queue)["taken"] > 0, "it has taken some")
    taken = status(store, queue)["taken"]
    worker.ends(timeout=60)
    assert records(store) >= taken, worker.said
    assert status(store, queue)["handed_back"] == 0, worker.said


def test_a_worker_without_work_ends_when_it_is_told_to(store, queue, work):
    worker = work("--idle-exit", "1s")
    assert worker.wait(30) == 0 and "spans=0" in worker.said


def test_a_workers_side_port_says_whether_it_works_and_counts_what_became_of_orders(store, queue, work, sources):
    worker = work("--metrics", "127.0.0.1:0")
    until(lambda: "metrics on" in worker.said, "it listens")
    side = rpc.Server(subprocess.Popen("true", stderr=subprocess.PIPE), side=worker.said.split("metrics on ")[1].split()[0])
    until(lambda: side.get("/readyz") == (200, "ready\n"), "it is ready")
    spans = submit(store, queue, "--timeline", "t", *SAMPLING, *sources).json["submitted"]["spans"]
    until(lambda: side.metric("framecache_orders_total", outcome="made") == spans, "all are made")
    assert records(store) == spans == side.metric("framecache_span_decodes_total", outcome="ok")
    assert side.metric("framecache_orders_total") == spans and side.metric("framecache_queue_depth", queue="orders") == 0
    assert side.metric("framecache_store_requests_total", operation="put", outcome="ok") > spans
    assert (side.metric("framecache_queue_reached"), side.get("/livez")[0]) == (1, 200)
    queue.kill()
    until(lambda: side.get("/readyz") == (503, "the queue cannot be reached\n"), "it says so")
    assert (side.metric("framecache_queue_reached"), side.get("/livez")[0]) == (0, 200)
    queue.start()
    until(lambda: side.get("/readyz")[0] == 200, "it is back")
    worker.ends()
    refused = store.run("work", "--queue", queue.url, "--metrics", "0.0.0.0:0", code=2)
    assert "--insecure-metrics" in refused.err


def test_a_source_that_is_gone_makes_dead_letters_and_no_record_until_it_is_back(store, quiet, queue, work, sources, tmp_path, new_store):
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(sources[0].read_bytes())
    words = ["--timeline", "t", *SAMPLING, sources[1], gone]
    submit(store, queue, *words)
    away = gone.rename(tmp_path / "away.mp4")
    worker = work()
    until(lambda: submit(store, queue, "--dead").json, "it is given up")
    (dead,) = submit(store, queue, "--dead").json
    assert (dead["chunk_id"], dead["error"]["reason"], dead["refused"]) == ("1", "SOURCE_NOT_FOUND", 5)
    assert all("error" not in record for record in store.records("t").values())
    assert submit(store, queue, "--dead", "--timeline", "another").json == []
    away.rename(gone)
    assert submit(store, queue, "--requeue").json == {"requeued": 1}
    done = submit(store, queue, "--wait", *words)
    assert "error" not in done.json["chunks"][1] and submit(store, queue, "--dead").json == []
    worker.ends()


def test_a_full_queue_makes_submit_wait_for_workers_and_loses_nothing(store, quiet, queue, work, sources):
    queue.make(max_msgs=2)
    following = store.start("submit", "--queue", queue.url, "--timeline", "t", *SAMPLING, *sources)
    until(lambda: (queue.orders() or {}).get("messages") == 2, "it is full")
    assert following.poll() is None
    worker = work()
    _out, err = following.communicate(timeout=60)
    assert following.returncode == 0, err.decode()
    until(lambda: records(store) == len(quiet.records("t")), "all of it is made")
    worker.ends()
    assert_same_store(quiet.store, store.store)


def test_spans_that_nobody_wants_any_more_are_dropped(store, queue, work, sources):
    words = ["--timeline", "t", *SAMPLING, sources[0]]
    submit(store, queue, *words)
    store.run("clear", "t", "--plan")
    assert work("--idle-exit", "1s").wait(30) == 0
    assert queue.orders()["messages"] == 0 and records(store) == 0


def test_replacing_needs_somebody_who_waits_and_then_leaves_nothing_stale(store, new_store, queue, work, sources):
    work()
    submit(store, queue, "--timeline", "t", "--wait", "--fps", "5", "--quality", "60", *sources[:2])
    words = ["--timeline", "t", *SAMPLING, "--replace", *sources[:2]]
    refused = store.run("submit", "--queue", queue.url, *words, code=2)
    assert "--wait" in refused.err
    submit(store, queue, "--wait", *words)
    quiet = new_store()
    quiet.extract("t", *SAMPLING, *sources[:2])
    assert_same_store(quiet.store, store.store)


def frames_of(v1, server, timeline, **which):
    """{sequence: its JPEG, or why there is none} as the server answers."""
    with server.channel() as channel:
        request = v1.GetFramesRequest(timeline=timeline, selection=v1.Selection(**which))
        answers = list(v1.FrameServiceStub(channel).GetFrames(request, timeout=120))
    items = [answer.frame for answer in answers if answer.HasField("frame")]
    failed = {item.sequence: rpc.details(item.error)["ErrorInfo"].reason for item in items if item.HasField("error")}
    return {item.sequence: item.data.jpeg for item in items} | failed


def decoded(server):
    return server.metric("framecache_span_decodes_total", outcome="ok")


def test_a_server_with_a_queue_has_workers_decode_and_answers_what_they_made(store, quiet, queue, work, serve, v1, sources, tmp_path):
    server = serve("--queue", queue.url, "--source-root", sources[0].parent, store=store.store)
    work()
    with server.channel() as channel:
        chunks = [v1.Chunk(uri=str(source)) for source in sources]
        request = v1.ExtractFramesRequest(timeline="t", chunks=chunks, sampling=v1.Sampling(every=2), only_chunk_ids=["0"])
        summary = list(v1.FrameServiceStub(channel).ExtractFrames(request, timeout=120))[-1].summary
    assert summary.written == len([f for f in quiet.frames("t") if f["chunk_id"] == "0"])
    # The rest is missing, and read through.
    assert frames_of(v1, server, "t", all=True) == quiet.jpegs("t")
    assert (decoded(server), server.metric("framecache_queue_reached")) == (0, 1)
    assert_same_store(quiet.store, store.store)


def test_what_a_reader_waits_for_is_taken_before_what_was_submitted(store, queue, work, serve, v1, sources):
    backlog = ["--timeline", "backlog", "--all", *sources * 4]
    assert submit(store, queue, *backlog).json["submitted"]["spans"] > 20
    server = serve("--queue", queue.url, "--source-root", sources[0].parent, store=store.store)
    store.extract("t", "--plan-only", "--count", "1", sources[0])
    work()
    assert len(frames_of(v1, server, "t", all=True)) == 1
    assert status(store, queue)["waiting"] > 0 and decoded(server) == 0


@pytest.mark.parametrize("fallback", ["local", "refuse"])
def test_with_its_queue_down_a_server_says_so_and_decodes_itself_or_refuses(store, queue, serve, v1, sources, fallback):
    store.extract("t", "--plan-only", "--count", "2", sources[0])
    queue.kill()
    server = serve("--queue", queue.url, "--queue-fallback", fallback, store=store.store)
    server.wait_until_it_is_ready()
    assert "the queue cannot be reached" in server.get("/readyz")[1]
    assert server.metric("framecache_queue_reached") == 0
    if fallback == "local":
        server = serve("--queue", queue.url, "--source-root", sources[0].parent, store=store.store)
        assert len(frames_of(v1, server, "t", all=True)) == 2
        assert server.metric("framecache_fallbacks_total", reason="queue_unavailable") == decoded(server) == 1
        assert "spans are decoded here" in server.log
    else:
        assert frames_of(v1, server, "t", all=True) == {0: "QUEUE_UNAVAILABLE", 1: "QUEUE_UNAVAILABLE"}
    # Back again, it is taken.
    queue.start()
    until(lambda: server.metric("framecache_queue_reached") == 1, "it is reached again")


def test_what_cannot_be_meant_is_refused_and_a_queue_that_is_not_there_is_tried_again(store, clip, tmp_path):
    words = ["--timeline", "t", "--fps", "1", clip("h264_bframes.mp4")]
    assert "--queue" in store.run("submit", *words, code=2).err
    assert "--queue" in store.run("work", code=2).err
    for url in ("http://a", "nats://a:port", "nats://me:secret@a:port"):
        refused = store.run("submit", "--queue", url, *words, code=2)
        assert "secret" not in refused.err
    nobody = nats.Nats(tmp_path / "none").url
    for command in (["submit", *words], ["work"]):
        assert "nats-server" in store.run(*command[:1], "--queue", nobody, *command[1:], code=75).err
    assert "work" in store.run("submit", "--queue", nobody, "--backend", "cpu", *words, code=2).err
    absent = runner.Framecache(tmp_path / "absent")
    absent.run("work", "--queue", nobody, code=4)
