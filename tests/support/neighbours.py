"""A greedy client, a neighbour who must not notice it, and what the server holds meanwhile."""

import contextlib
import os
import queue
import threading
import time

import grpc
import pytest

from . import rpc

MIB = 1 << 20
# A neighbour is answered within this many seconds even on a busy machine; what it is protected from takes 30 s and more.
SOON = 15


def until(fact, what, timeout=60):
    """Waits for a fact."""
    end = time.monotonic() + timeout
    while not fact():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.05)


def media_processes(parent):
    """The processes of this server that decode, whichever of its threads started them."""
    while True:
        found = []
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as listed:
                    found += [int(pid) for pid in listed.read().split()]
            return found
        except FileNotFoundError:
            # A thread that ends leaves its children to another, which may have been looked at already.
            if not os.path.exists(f"/proc/{parent}"):
                return []


def processes(parent):
    """A server and what it started to decode."""
    return [parent, *media_processes(parent)]


def resident(server):
    """MiB of the memory of the server and its media processes that are in RAM, now and at most."""
    return [kib // 1024 for kib in resident_kib(server.process.pid)]


def resident_kib(parent):
    now, most = 0, 0
    for pid in processes(parent):
        # One may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, KeyError), open(f"/proc/{pid}/status") as status:
            found = dict(line.split(":", 1) for line in status)
            now += int(found["VmRSS"].split()[0])
            most += int(found["VmHWM"].split()[0])
    return now, most


def cpu_secs(parent):
    """CPU seconds of the server and its media processes, of those too that have ended."""
    ticks = 0
    for pid in processes(parent):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat") as stat:
            # utime, stime, cutime and cstime: proc_pid_stat(5).
            ticks += sum(int(word) for word in stat.read().rpartition(")")[2].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def children(server):
    with open(f"/proc/{server.process.pid}/task/{server.process.pid}/children") as found:
        return found.read().split()


class Neighbour:
    """A client with a connection of its own, who knows what it is to be answered."""

    def __init__(self, server, v1):
        self.channel = server.channel(use_local_subchannel_pool=1)
        self.stub, self.v1 = v1.FrameServiceStub(self.channel), v1
        self.known = self.read()

    def read(self):
        request = self.v1.GetFramesRequest(timeline="t", selection=self.v1.Selection(all=True, limit=3))
        answers = list(self.stub.GetFrames(request, timeout=SOON))
        assert answers[-1].summary.frames == 3, answers
        return [a.frame.data.jpeg for a in answers[:-1]]

    def is_served(self):
        """Its frames come, unchanged; gives the seconds."""
        begun = time.monotonic()
        assert self.read() == self.known
        return time.monotonic() - begun


@pytest.fixture
def planned(fc, clip):
    """A store with a timeline `t`."""
    fc.extract("t", "--fps", "5", clip("h264_bframes.mp4"))
    return fc.store


@pytest.fixture
def started(serve, planned, v1):
    """Starts a server over it, and gives the neighbour too."""
    with contextlib.ExitStack() as open_channels:

        def start(*options, **more):
            server = serve(*options, store=planned, **more)
            neighbour = Neighbour(server, v1)
            open_channels.callback(neighbour.channel.close)
            return server, neighbour

        yield start


@pytest.fixture
def greedy(v1):
    """A stub of a further connection, which is the greedy client's."""
    with contextlib.ExitStack() as open_channels:

        def connect(server, **options):
            channel = open_channels.enter_context(server.channel(use_local_subchannel_pool=1, **options))
            return v1.FrameServiceStub(channel)

        yield connect


class Silent:
    """A PutFrames call that sends so many bytes of one raw picture, and then nothing."""

    def __init__(self, stub, v1, size, timeline="p"):
        self.rest = queue.SimpleQueue()
        self.sent = threading.Event()
        self.call = stub.PutFrames.future(self._messages(v1, size, timeline))

    def _messages(self, v1, size, timeline):
        part = bytes(MIB)
        for offset in range(0, size, MIB):
            facts = v1.Facts(width=8000, height=8000)
            data = part[: size - offset]
            yield v1.PutFramesRequest(timeline=timeline, frame=v1.PutFrame(sequence=0, rgb=data, offset=offset, facts=facts))
        self.sent.set()
        yield from iter(self.rest.get, None)

    def end(self):
        self.call.cancel()
        self.rest.put(None)


@pytest.fixture
def silent(v1):
    with contextlib.ExitStack() as calls:

        def start(stub, size=0, **more):
            made = Silent(stub, v1, size, **more)
            calls.callback(made.end)
            return made

        yield start


def outcome(call):
    """How a GetFrames call ended: `whole`, or the reason that its first frame or it itself failed for."""
    try:
        for answer in call:
            if answer.HasField("frame") and answer.frame.HasField("error"):
                return rpc.details(answer.frame.error)["ErrorInfo"].reason
    except grpc.RpcError as error:
        return rpc.refusal(error).reason
    return "whole"
