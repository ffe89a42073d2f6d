"""What strips cost, and a frame by address beside a frame by gRPC: all out of memory, in CPU seconds of the server.

usage: addresses.py VIDEO [--rounds N]

FRAMECACHE_BIN names the program, which is that of target/release else. The first 300 frames of VIDEO are extracted, and
then asked for by one client, one after the other. CPU seconds say little of who else is at work.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients" / "python" / "src"))

from framecache.v1 import frame_service_pb2 as v1  # noqa: E402
from framecache.v1 import frame_service_pb2_grpc as services  # noqa: E402
from framecache.v1 import frames_pb2 as common  # noqa: E402

from tests.support import rpc  # noqa: E402
from tests.support.framecache import Framecache  # noqa: E402
from tests.support.neighbours import cpu_secs  # noqa: E402
from tests.support.web import Web, of  # noqa: E402

FRAMES, TILES = 300, 100


def measured(server, what, count, work):
    """Prints how many of them a CPU second and a second give."""
    cpu, begun = cpu_secs(server.process.pid), time.monotonic()
    work()
    cpu, wall = cpu_secs(server.process.pid) - cpu, time.monotonic() - begun
    print(f"{what}: {count / cpu:.0f} a CPU second, {count / wall:.0f} a second", flush=True)
    return count / cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        fc = Framecache(Path(folder) / "store")
        fc.extract("t", "--all", "--to", "12", args.video)
        frames = min(FRAMES, len(fc.frames("t")))
        with rpc.start_server(fc.store, "--http", "127.0.0.1:0") as server, grpc.insecure_channel(server.target) as channel:
            web, get = Web(server.http), services.FrameServiceStub(channel).GetFrames
            pages = range(frames // TILES)
            by_address = lambda: [web.ok(of("t", "frames", f"{seq}.jpg")) for seq in range(frames)]
            by_grpc = lambda: [
                list(get(v1.GetFramesRequest(timeline="t", selection=common.Selection(sequences=[seq])))) for seq in range(frames)]
            by_address()
            by_grpc()
            # Made once, and kept.
            strips = lambda: [web.ok(of("t", "strips", f"{page}.jpg"), h=90) for page in pages]
            measured(server, "tiles of height 90", TILES * len(pages), strips)
            told = {"by address": [], "by gRPC": []}
            for _ in range(args.rounds):
                told["by address"].append(measured(server, "frames by address", frames, by_address))
                told["by gRPC"].append(measured(server, "frames by gRPC", frames, by_grpc))
            for what, rates in told.items():
                print(f"median: {statistics.median(rates):.0f} frames {what} a CPU second")


main()
