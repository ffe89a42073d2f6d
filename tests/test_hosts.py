"""Workers on a queue, over hosts that die and are cut off: the long forms.

Hosts are network namespaces, joined by a bridge.
"""

import json
import subprocess
import threading
import time

import pytest

from .support import framecache as runner
from .support import nats
from .support.framecache import assert_same_store
from .support.neighbours import until
from .test_workers import queue, records, store, submit  # noqa: F401  (fixtures)

HOSTS, WORKERS, SPANS = 4, 8, 1000
BRIDGE, NETWORK = "fcqueue", "10.77.31"


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Names of network namespaces that reach one address of this machine, and no other."""
    names = [f"{BRIDGE}{n}" for n in range(HOSTS)]

    def remove():
        for name in names:
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


class Fleet:
    """Workers on hosts, each started anew when it ended."""

    def __init__(self, fc, queue, hosts):
        self.fc, self.queue, self.hosts = fc, queue, hosts
        self.logs, self.processes, self.kills = [], [None] * WORKERS, 0
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
            self.processes[place].kill()
            self.processes[place].wait(30)
            self.start(place)
            self.kills += 1
            place = (place + 3) % WORKERS

    def ends(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            assert process.wait(60) == 0

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
        until(lambda: queue.orders()["messages"] == 0, "nothing is left in the queue", timeout=120)
        fleet.ends()
        assert submit(store, queue, "--dead").json == []
    made = fleet.lines("an order was made")
    print(f"\n{SPANS} spans in {took:.0f} s, {fleet.kills} kills, {len(made)} made, {len(made) - len(set(made))} twice")
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
