"""Workers on a queue, over hosts that are unwell, die and are cut off.

Hosts are network namespaces, joined by a bridge.
"""

import json
import os
import shutil
import statistics
import subprocess
import threading
import time

import pytest

from .support import framecache as runner
from .support import nats
from .support.framecache import assert_same_store
from .support.neighbours import until
from .test_store_faults import small_disk
from .test_workers import queue, quiet, records, sources, status, store, submit, work  # noqa: F401  (fixtures)
from .test_workers import SAMPLING

HOSTS, WORKERS = 4, 8
SPANS = int(os.environ.get("FRAMECACHE_TEST_SPANS", 1000))
TRY_AGAIN = 75
BRIDGE, NETWORK = "fcqueue", "10.77.31"


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Names of network namespaces that reach one address of this machine, and no other."""
    names = [f"{BRIDGE}{n}" for n in range(HOSTS)]

    def remove():
        for name in names:
            # Its cable goes with it, but not at once.
            ip("link", "del", f"{name}v", check=False)
            ip("netns", "del", name, check=False)
        ip("link", "del", BRIDGE, check=False)

    remove()
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
    except (OSError, subprocess.CalledProcessError) as why:
        pytest.skip(f"no network namespaces can be made here: {why}")
    try:
        ip("addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for n, name in enumerate(names):
            ip("netns", "add", name)
            ip("link", "add", f"{name}v", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"{name}v", "master", BRIDGE, "up")
            ip("-n", name, "addr", "add", f"{NETWORK}.{n + 10}/24", "dev", "eth0")
            for link in ("eth0", "lo"):
                ip("-n", name, "link", "set", link, "up")
        yield names
    finally:
        remove()


def test_workers_of_one_name_and_number_with_clocks_that_are_years_apart_make_the_spans_of_one_run(store, quiet, queue, work, sources, tmp_path):
    """As in containers that are copies of each other, on hosts whose clocks nobody set."""
    library = tmp_path / "wrong_clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, runner.ROOT / "tests/support/wrong_clock.c", "-ldl"], check=True)
    apart = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces can be made here")
    submit(store, queue, "--timeline", "t", *SAMPLING, *sources)
    workers = []
    for wrong in (0, 400 * 86400, -400 * 86400):
        environment = {"LD_PRELOAD": str(library), "CLOCK_IS_WRONG": str(wrong)}
        there = runner.Framecache(store.store, environment=environment)
        workers.append(work("--idle-exit", "3s", fc=there, within=[*apart, "sh", "-c", 'hostname copy && exec "$@"', "sh"]))
    assert [worker.wait() for worker in workers] == [0, 0, 0], [worker.said for worker in workers]
    assert_same_store(quiet.store, store.store)
    assert submit(store, queue, "--dead").json == []


@pytest.mark.slow
def test_on_a_full_disk_workers_wait_and_go_on_once_there_is_room(quiet, queue, work, sources, tmp_path):
    with small_disk(tmp_path / "mount", "size=1m") as mount:
        fc = runner.Framecache(mount / "s")
        submit(fc, queue, "--timeline", "t", *SAMPLING, *sources)
        worker = work(fc=fc)
        until(lambda: "DISK_FULL" in worker.said, "it is full")
        assert submit(fc, queue, "--dead").json == [] and worker.process.poll() is None
        subprocess.run(["mount", "-o", "remount,size=200m", mount], check=True)
        until(lambda: records(fc) == len(quiet.records("t")), "all of them are made", timeout=240)
        worker.ends()
        assert submit(fc, queue, "--dead").json == [] and status(fc, queue)["waiting"] == 0
        assert_same_store(quiet.store, fc.store)


class Fleet:
    """Workers on hosts, each started anew when it ended."""

    def __init__(self, fc, queue, hosts):
        self.fc, self.queue, self.hosts = fc, queue, hosts
        self.logs, self.processes, self.kills, self.gone = [], [None] * WORKERS, 0, []
        self.over = threading.Event()

    def start(self, place):
        log = open(f"{self.queue.folder}.{len(self.logs)}.worker", "wb")  # noqa: SIM115  (closed at the end)
        self.logs.append(log)
        words = ["ip", "netns", "exec", self.hosts[place % HOSTS], *self.fc.command("work", "--queue", self.queue.url, "--workers", "1")]
        environment = runner.clean_environment(FRAMECACHE_LOG="framecache=debug")
        self.processes[place] = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

    def keep_killing(self, every):
        """Until it is over; all of them run meanwhile."""
        place = 0
        while not self.over.wait(every):
            for other, process in enumerate(self.processes):
                if process.poll() is not None:
                    self.gone.append(process.returncode)
                    self.start(other)
            self.processes[place].kill()
            self.processes[place].wait(30)
            self.start(place)
            self.kills += 1
            place = (place + 3) % WORKERS

    def ends(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            assert process.wait(60) in (0, TRY_AGAIN)
        # By themselves, where the queue was not to be reached when they began.
        assert set(self.gone) <= {TRY_AGAIN}

    def lines(self, what):
        found = []
        for log in self.logs:
            log.flush()
            with open(log.name) as lines:
                found += [line.split("order=", 1)[1].strip() for line in lines if what in line]
        return found


@pytest.mark.slow
def test_a_thousand_spans_over_hosts_that_die_and_are_cut_off_are_those_of_one_run(hosts, store, new_store, clip, tmp_path):
    chunks = tmp_path / "chunks.jsonl"
    chunks.write_text("".join(json.dumps({"uri": str(clip("h264_gop250.mp4")), "chunk_id": str(n)}) + "\n" for n in range(SPANS)))
    words = ["--timeline", "t", "--every", "2", "--chunks", chunks]
    quiet = new_store("quiet")
    quiet.run("extract", *words, "--json", timeout=600)
    with nats.running(tmp_path / "nats", host=f"{NETWORK}.1") as queue:
        begun = time.monotonic()
        assert submit(store, queue, *words).json["submitted"]["spans"] == SPANS
        fleet = Fleet(store, queue, hosts)
        for place in range(WORKERS):
            fleet.start(place)
        killer = threading.Thread(target=fleet.keep_killing, args=[2])
        killer.start()
        try:
            for part in (SPANS // 5, 2 * SPANS // 5):
                until(lambda part=part: records(store) >= part, f"{part} records are there", timeout=900)
                queue.kill()
                queue.start()
            until(lambda: records(store) >= 3 * SPANS // 5, "most of them are there", timeout=900)
            ip("link", "set", f"{hosts[0]}v", "down")
            time.sleep(30)
            ip("link", "set", f"{hosts[0]}v", "up")
            until(lambda: records(store) == SPANS, "all of them are there", timeout=900)
        finally:
            fleet.over.set()
            killer.join()
        took = time.monotonic() - begun
        until(lambda: [status(store, queue)[key] for key in ("waiting", "taken")] == [0, 0], "nothing is left to be done", timeout=120)
        fleet.ends()
        # What a killed queue forgot to remove nobody is given: the next `submit` takes it away.
        stuck = queue.orders()["messages"]
        assert submit(store, queue, *words).json["submitted"]["spans"] == 0
        assert submit(store, queue, "--dead").json == []
    made = fleet.lines("an order was made")
    print(f"\n{SPANS} spans in {took:.0f} s, {fleet.kills} kills, {len(made)} made, {len(made) - len(set(made))} of them twice, "
          f"{len(fleet.lines('had been made before'))} found made, {stuck} stuck, {len(fleet.gone)} began without a queue")
    assert len(made) - len(set(made)) <= SPANS // 20
    assert_same_store(quiet.store, store.store)


@pytest.mark.slow
def test_twenty_thousand_spans_are_planned_and_in_the_queue_within_ten_seconds(store, queue, clip, tmp_path):
    chunks, spans = tmp_path / "chunks.jsonl", 20_000
    chunks.write_text("".join(json.dumps({"uri": str(clip("h264_gop250.mp4")), "chunk_id": str(n)}) + "\n" for n in range(spans)))
    begun = time.monotonic()
    done = submit(store, queue, "--timeline", "t", "--count", str(spans), "--chunks", chunks)
    took = time.monotonic() - begun
    print(f"\n{spans} spans in {took:.1f} s")
    assert done.json["submitted"]["spans"] == spans == queue.orders()["messages"]
    assert took < 10


def cost(process, folder, begun):
    """CPU seconds of a command and of all that it started, and seconds until its last record."""
    _, code, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime, max(path.stat().st_mtime for path in (folder / "chunks").rglob("*.json")) - begun


@pytest.mark.slow
def test_the_queue_takes_at_most_two_hundredths_of_a_workers_time(new_store, queue, clip, tmp_path):
    """Pairs of `extract` and `work` on plans that are there, each first in turn."""
    chunks, pairs = tmp_path / "chunks.jsonl", int(os.environ.get("FRAMECACHE_TEST_PAIRS", 7))
    chunks.write_text("".join(json.dumps({"uri": str(clip("two_minutes.mp4")), "chunk_id": str(n)}) + "\n" for n in range(40)))
    words = ["--timeline", "t", "--all", "--chunks", str(chunks)]
    quietly = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def run(name):
        fc = new_store()
        fc.run("extract", *words, "--plan-only")
        if name == "work":
            submit(fc, queue, *words)
        more = ["--queue", queue.url, "--idle-exit", "1s"] if name == "work" else ["--isolation", "process", *words]
        begun = time.time()
        process = subprocess.Popen(fc.command(name, *more, "--workers", "2", "--backend", "cpu"), env=runner.clean_environment(), **quietly)
        spent = cost(process, fc.folder("t"), begun)
        shutil.rmtree(fc.store)
        return spent

    ratios = []
    for n in range(pairs):
        spent = {name: run(name) for name in (("extract", "work"), ("work", "extract"))[n % 2]}
        ratios.append([work / extract for work, extract in zip(spent["work"], spent["extract"])])
        print(f"\nextract {spent['extract']}, work {spent['work']} (CPU seconds, seconds)", end="")
    cpu, wall = (statistics.median(each) for each in zip(*ratios))
    print(f"\nwork / extract, medians of {pairs} pairs: CPU {cpu:.3f}, time {wall:.3f}")
    assert cpu <= 1.02
