"""Floods: of connections, of frames, of readers that hardly read, of calls; and a neighbour who must not notice.

What each test saw is printed: `pytest -s`. Long ones run in full with `-m slow`.
"""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .support import http2
from .support.framecache import ROOT, open_files
from .support.neighbours import SOON, descriptors, outcome, resident, until


FEW = open_files(256)


# ---- connections


def test_connections_that_say_nothing_keep_nobody_out_and_are_closed(started, greedy, v1):
    server, neighbour = started(under=FEW)
    address = ("127.0.0.1", int(server.target.rpartition(":")[2]))
    silent = [socket.create_connection(address) for _ in range(300)]
    try:
        newcomer = greedy(server)
        request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[0]))
        assert outcome(newcomer.GetFrames(request, timeout=SOON, wait_for_ready=True)) == "whole"
        neighbour.is_served()
        assert server.get("/livez")[0] == 200
        assert descriptors(server) < 256
        until(lambda: descriptors(server) < 60, "the silent ones are closed")
    finally:
        for each in silent:
            each.close()


def test_idle_connections_give_way_to_those_that_call(started, greedy, v1):
    server, neighbour = started(under=FEW)
    idle = [http2.Connection(server.target) for _ in range(200)]
    try:
        for _ in range(3):
            request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[0]))
            assert outcome(greedy(server).GetFrames(request, timeout=SOON, wait_for_ready=True)) == "whole"
        neighbour.is_served()
        assert descriptors(server) < 256
    finally:
        for each in idle:
            each.close()


@contextlib.contextmanager
def flooded(server, v1, attack):
    """The server, under attack."""
    message = v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True)).SerializeToString()
    words = [sys.executable, "-m", "tests.support.flood", attack, server.target, message.hex()]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as attacker:
        try:
            assert attacker.stdout.readline() == b"begins\n"
            yield
            assert attacker.poll() is None
        finally:
            attacker.kill()


@pytest.mark.parametrize("attack", ["resets", "pings"])
def test_a_flood_of_frames_ends_its_connection_and_spoils_nobody(started, v1, attack):
    server, neighbour = started()
    with flooded(server, v1, attack):
        for _ in range(100):
            neighbour.is_served()
        if attack == "pings":
            until(lambda: server.metric("framecache_connections_slowed_total") > 0, "who floods is made to wait")
    until(lambda: server.metric("framecache_queue_depth", queue="calls") == 0, "no call is left")
    assert resident(server)[1] < 512


@pytest.mark.slow
@pytest.mark.parametrize("attack", ["resets", "pings"])
def test_a_flood_at_most_doubles_the_slowest_answers_of_others(started, v1, attack):
    server, neighbour = started()

    def p99():
        taken = sorted(neighbour.is_served() for _ in range(1000))
        return taken[989]

    quiet = p99()
    with flooded(server, v1, attack):
        beside = p99()
    print(f"\np99 in ms: {quiet * 1e3:.1f} alone, {beside * 1e3:.1f} beside the flood")
    assert beside < 2 * quiet


def slow_reader(server, message, stop):
    """Takes a kilobyte a second; gives whether the server ended it."""
    connection = http2.Connection(server.target, receive_bytes=4096)
    connection.send(http2.call(1, "FrameService/GetFrames", message))
    due = time.monotonic()
    try:
        for kind, _, _, payload in connection.frames():
            if kind in (http2.GOAWAY, http2.RST_STREAM):
                return True
            if kind == http2.DATA:
                due += len(payload) / 1024
                if stop.wait(max(0, due - time.monotonic())):
                    return False
    finally:
        connection.close()
    return True


def best(neighbour, seconds):
    """The quickest of its answers in that time: what else the machine does is not in it."""
    end, taken = time.monotonic() + seconds, [neighbour.is_served()]
    while time.monotonic() < end:
        taken.append(neighbour.is_served())
    return min(taken)


def slow_readers(started, fc, v1, count, stall):
    server, neighbour = started("--stall-timeout", f"{stall}s")
    seqs = [f["seq"] for f in fc.frames("t")]
    message = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=seqs * 200)).SerializeToString()
    ended = lambda: server.metric("grpc_server_handled_total", grpc_method="GetFrames", grpc_code="DEADLINE_EXCEEDED")
    alone = best(neighbour, stall / 6)
    stop = threading.Event()
    with ThreadPoolExecutor(count) as pool:
        readers = [pool.submit(slow_reader, server, message, stop) for _ in range(count)]
        try:
            until(lambda: server.metric("framecache_queue_depth", queue="calls") >= count, "all of them read", 120)
            beside = best(neighbour, stall / 6)
            until(lambda: ended() >= count, "all of them are dropped", 10 * stall + 120)
        finally:
            stop.set()
        assert len(readers) == count
    peak = resident(server)[1]
    print(f"\n{count} readers at 1 KB/s were dropped; at most {peak} MiB; a neighbour's best: {alone * 1e3:.1f} ms alone, {beside * 1e3:.1f} beside")
    return alone, beside, peak


def test_readers_that_take_a_kilobyte_a_second_are_dropped_and_slow_nobody(started, fc, v1):
    _, _, peak = slow_readers(started, fc, v1, 40, 2)
    assert peak < 512


@pytest.mark.slow
def test_200_readers_that_take_a_kilobyte_a_second_are_dropped_and_slow_nobody(started, fc, v1):
    alone, beside, peak = slow_readers(started, fc, v1, 200, 30)
    assert peak < 512 and alone / beside > 0.9


# ---- overload


@pytest.mark.parametrize("streams", [256, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_streams_at_once_end_whole_or_are_told_to_come_again(started, v1, streams):
    server, neighbour = started()
    channels = [server.channel(use_local_subchannel_pool=1) for _ in range(8)]
    request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True))
    stubs = [v1.FrameServiceStub(channel) for channel in channels]
    with ThreadPoolExecutor(streams) as pool:
        ends = list(pool.map(lambda n: outcome(stubs[n % 8].GetFrames(request, timeout=240)), range(streams)))
    neighbour.is_served()
    for channel in channels:
        channel.close()
    assert set(ends) <= {"whole", "QUEUE_FULL", "MEMORY_BUDGET"} and ends.count("whole") >= streams // 2


def test_memory_stays_within_its_bounds_under_sixteen_times_the_load(started, v1, fc):
    """Streams that together want sixteen times what may be on its way to clients."""
    overload(started, v1, fc, seconds=5)


@pytest.mark.slow
def test_memory_does_not_grow_in_five_minutes_of_overload(started, v1, fc):
    early, late = overload(started, v1, fc, seconds=300)
    # A mebibyte an hour, and what a heap of this size moves by itself.
    assert late < early + 8


def overload(started, v1, fc, seconds):
    budget = 64
    server, neighbour = started("--memory", f"{budget}MiB", "--max-calls", "400")
    channels = [server.channel(use_local_subchannel_pool=1) for _ in range(8)]
    stubs = [v1.FrameServiceStub(channel) for channel in channels]
    seqs = [f["seq"] for f in fc.frames("t")]
    request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=seqs * 20))
    ends, seen, stop = [], [], threading.Event()

    def ask(n):
        while not stop.is_set():
            ends.append(outcome(stubs[n % 8].GetFrames(request, timeout=240)))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        neighbour.is_served()
        seen.append(resident(server)[0])
        time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    for channel in channels:
        channel.close()
    third = len(seen) // 3
    early, late = sorted(seen[third : 2 * third])[third // 2], sorted(seen[2 * third :])[third // 2]
    print(f"\n{len(ends)} streams, {ends.count('whole')} whole; resident MiB: {early} in the second third, {late} in the last, {resident(server)[1]} at most")
    assert set(ends) <= {"whole", "QUEUE_FULL", "MEMORY_BUDGET"} and "whole" in ends
    assert resident(server)[1] < budget + 200
    return early, late
