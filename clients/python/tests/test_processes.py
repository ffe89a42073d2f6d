"""Threads, forks, spawned processes, event loops that end, and the server that a client starts."""

import asyncio
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import framecache

from .conftest import BINARY
from .fake import stalling_server


def workers(how, method, clip):
    """In a process of its own: in this one other tests have run gRPC servers and event loops."""
    command = [sys.executable, "-m", "tests.workers", how, method, str(clip)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "all is well"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_four_workers_read_after_their_parent_did(clip, method):
    workers("after", method, clip)


def test_workers_are_forked_while_the_parent_is_in_the_middle_of_a_stream(clip):
    workers("amid", "fork", clip)


IMPORTED_FIRST = """
import grpc, multiprocessing, sys
import framecache
client = framecache.Client(sys.argv[1])
assert client.timeline("quick").state == "absent"
def work(queue):
    try:
        queue.put(client.timeline("quick").state)
    except framecache.Refused as error:
        queue.put(error.hint)
queue = multiprocessing.get_context("fork").Queue()
worker = multiprocessing.get_context("fork").Process(target=work, args=(queue,))
worker.start()
print(queue.get(timeout=30))
"""


def test_without_grpcs_fork_support_a_forked_child_is_told_what_to_do(script, monkeypatch):
    monkeypatch.delenv("GRPC_ENABLE_FORK_SUPPORT")
    with stalling_server() as target:
        assert "import framecache before grpc" in script(IMPORTED_FIRST, target)
        monkeypatch.setenv("GRPC_ENABLE_FORK_SUPPORT", "1")
        assert script(IMPORTED_FIRST, target) == "absent\n"


def test_one_client_serves_many_threads(extracted):
    results = []

    def read():
        results.append([frame.facts.sha256 for frame in extracted.frames("clip")])

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 16 and all(result == results[0] for result in results)


def test_settings_pickle_and_a_connection_does_not(fake):
    client = framecache.Client(fake.target, token="t", timeout=3)
    again = pickle.loads(pickle.dumps(client))
    assert again._settings == client._settings and again._connection._channel is None
    asynchronous = pickle.loads(pickle.dumps(framecache.AsyncClient(fake.target, token="t")))
    assert asynchronous._settings.token == "t"


def test_a_client_from_a_pickle_shares_the_server_and_does_not_end_it(extracted):
    again = pickle.loads(pickle.dumps(extracted))
    assert again.timeline("clip").state == "complete"
    again.close()
    assert extracted.timeline("clip").state == "complete"


def connections_to(target):
    """Of this process: what /proc lists as established to the port."""
    port = f":{int(target.rpartition(':')[2]):04X}"
    mine = set()
    for entry in os.listdir("/proc/self/fd"):
        # The folder's own is closed by now, and gRPC's threads close some.
        with contextlib.suppress(FileNotFoundError):
            mine.add(os.readlink(f"/proc/self/fd/{entry}"))
    # gRPC speaks IPv4 by sockets of IPv6 where it can.
    tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables if table.exists() for row in table.read_text().splitlines()[1:]]
    return sum(row[2].endswith(port) and row[3] == "01" and f"socket:[{row[9]}]" in mine for row in rows)


LOOPS = """
import asyncio, sys, time
import framecache
from tests.test_processes import connections_to
client = framecache.AsyncClient(sys.argv[1])
async def once():
    assert (await client.timeline("quick")).state == "absent"
    assert connections_to(sys.argv[1]) >= 1
def by_hand():
    # As code of before asyncio.run does it: nothing is closed but the loop.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(once())
    loop.close()
def settled(limit):
    # A channel is closed in a thread of gRPC's, soon after it was told.
    end = time.monotonic() + 20
    while connections_to(sys.argv[1]) > limit:
        assert time.monotonic() < end, connections_to(sys.argv[1])
        time.sleep(0.01)
for _ in range(20):
    asyncio.run(once())
    settled(0)
for _ in range(20):
    by_hand()
    settled(1)
print("all is well")
"""


def test_a_loop_that_ended_leaves_no_connection():
    with stalling_server() as target:
        command, folder = [sys.executable, "-c", LOOPS, target], Path(__file__).parents[1]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
    assert done.stdout == "all is well\n", done.stderr


def servers_of(folder):
    """Processes of this test's binary that listen in a folder of framecache's."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"serve" in command and any(str(folder).encode() in part for part in command):
            found.append(int(process.name))
    return found


def gone(folder, seconds=20):
    end = time.monotonic() + seconds
    while servers_of(folder):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_closing_ends_the_server_and_leaves_nothing(extracted):
    folder = Path(extracted._target().removeprefix("unix:")).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(servers_of(folder)) == 1
    extracted.close()
    extracted.close()
    assert not servers_of(folder) and not folder.exists()
    with pytest.raises(framecache.Error, match="closed"):
        extracted.timeline("clip")


OWNER = """
import framecache, os, sys, threading, time
client = framecache.Client()
# The thread that makes the first call may end long before the process does.
first = threading.Thread(target=lambda: list(client.timelines()))
first.start(); first.join()
time.sleep(0.3)
assert list(client.timelines()) == []
print(os.path.dirname(client._target()[5:]), flush=True)
if sys.argv[1] == "wait":
    time.sleep(600)
if sys.argv[1] == "raise":
    raise SystemExit(1)
"""


@pytest.mark.parametrize("end", ["exit", "raise", "SIGKILL", "SIGTERM"])
def test_no_server_outlives_the_process_that_started_it(end, tmp_path):
    path = tmp_path / "owner.py"
    path.write_text(OWNER)
    waits = end.startswith("SIG")
    owner = subprocess.Popen([sys.executable, str(path), "wait" if waits else end], stdout=subprocess.PIPE, text=True)
    folder = owner.stdout.readline().strip()
    assert folder
    if waits:
        assert len(servers_of(folder)) == 1
        os.kill(owner.pid, getattr(signal, end))
    owner.wait(60)
    assert gone(folder)
    assert waits or not Path(folder).exists()


def test_a_folder_that_was_left_behind_is_removed_by_the_next_who_starts_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "framecache-of-somebody").mkdir()
    path = tmp_path / "owner.py"
    path.write_text(OWNER)
    owners = [subprocess.Popen([sys.executable, path, "wait"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    killed, living = [Path(owner.stdout.readline().strip()) for owner in owners]
    owners[0].kill()
    owners[0].wait(60)
    assert gone(killed) and killed.exists()
    with framecache.Client() as client:
        client.timeline("t")
        assert not killed.exists() and living.exists() and (tmp_path / "framecache-of-somebody").exists()
    owners[1].kill()
    owners[1].wait(60)


def kill_server(client):
    (server,) = servers_of(Path(client._target().removeprefix("unix:")).parent)
    os.kill(server, signal.SIGKILL)
    assert client._ended(20) is not None


def test_a_server_that_was_killed_is_started_again(extracted, caplog):
    reader = extracted.frames("clip")
    next(reader)
    child = pickle.loads(pickle.dumps(extracted))
    for _ in range(2):
        kill_server(extracted)
        assert extracted.timeline("clip").state == "complete"
        assert len(list(extracted.frames("clip"))) == 8
    assert child.timeline("clip").state == "complete", "on the same socket"
    assert "exit=-9" in caplog.text


def test_a_call_that_breaks_because_its_server_ended_says_so(client):
    def frames():
        kill_server(client)
        yield framecache.PutFrame(0, np.zeros((8, 8, 3), np.uint8))

    with pytest.raises(framecache.Unavailable, match="exit=-9") as caught:
        client.put("t", frames())
    assert "call again" in caught.value.hint
    assert client.timeline("t").state == "absent"


def test_asyncio_starts_a_server_that_was_killed_again(clip):
    async def run():
        async with framecache.AsyncClient(source_roots=str(clip.parent)) as client:
            await client.timeline("t")
            kill_server(client)
            return (await client.timeline("t")).state

    assert asyncio.run(run()) == "absent"


def test_a_forked_child_that_ends_leaves_the_server_running(extracted):
    child = os.fork()
    if child == 0:
        extracted.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert extracted.timeline("clip").state == "complete"


def test_a_server_that_cannot_start_says_why(tmp_path):
    with pytest.raises(framecache.Unavailable, match="did not start"):
        framecache.Client(source_roots=str(tmp_path / "nothing here")).timeline("t")


def test_without_a_server_and_a_binary_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(framecache.Unavailable, match="FRAMECACHE_SERVER"):
        framecache.Client().timeline("t")


def test_the_program_of_a_wheel_is_found_where_it_is_on_no_path(tmp_path):
    scripts = tmp_path / "user" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "framecache").symlink_to(BINARY)
    code = "import framecache; print(list(framecache.Client(store='store').timelines()))"
    # Where `pip install --user` puts it.
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PATH": "", "PYTHONUSERBASE": str(scripts.parent)},
        capture_output=True, text=True, timeout=120,
    )
    assert found.stdout == "[]\n", found.stderr
