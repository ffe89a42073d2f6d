"""Clients that stop reading: soon given up, and, where slow tests are asked for, with the limits that the server has by
default.

The figures are printed: `pytest -s -m "slow or not slow" tests/test_stalled.py`.
"""

import time

import grpc
import pytest

from .support import rpc
from .support.neighbours import resident_kib

CLIENTS = 32
MIB = 1 << 20

# What a test waits for has happened long before, or will not.
NEVER_SECS = 300


def resident(server):
    """Bytes of the memory of the server and its media processes that are in RAM."""
    return resident_kib(server.process.pid)[0] * 1024


def stalled(server):
    return server.metric("grpc_server_handled_total", grpc_method="GetFrames", grpc_code="DEADLINE_EXCEEDED")


@pytest.mark.parametrize("limit_secs", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_clients_that_stop_reading_cost_bounded_memory_and_lose_their_streams(serve, fc, clip, v1, limit_secs):
    fc.extract("t", "--all", "--quality", "100", clip("h264_gop250.mp4"))
    seqs = [f["seq"] for f in fc.frames("t") if f.get("bytes")]
    times = 128 * MIB // sum(f["bytes"] for f in fc.frames("t")) + 1
    request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=seqs * times))
    server = serve("--stall-timeout", f"{limit_secs}s", store=fc.store)
    # A window that grpcio widens by itself takes more now and then, although nobody reads.
    fixed = {"http2.bdp_probe": 0, "use_local_subchannel_pool": 1}
    channels = [server.channel(**fixed) for _ in range(CLIENTS)]
    try:
        with server.channel() as channel:
            whole = v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True))
            frames = len(list(v1.FrameServiceStub(channel).GetFrames(whole))) - 1
            before, begun = resident(server), time.monotonic()
            answers = [v1.FrameServiceStub(channel).GetFrames(request) for channel in channels]
            for each in answers:
                next(each)
            peak, ended, served = before, {}, 0
            while CLIENTS not in ended:
                passed = time.monotonic() - begun
                assert passed < NEVER_SECS, f"streams ended: {ended}"
                peak = max(peak, resident(server))
                ended.setdefault(int(stalled(server)), round(passed, 1))
                # Others are served meanwhile.
                served += len(list(v1.FrameServiceStub(channel).GetFrames(whole))) - 1
                time.sleep(0.1)
            after = resident(server)
        for each in answers:
            with rpc.refused(grpc.StatusCode.DEADLINE_EXCEEDED, "CLIENT_STALLED"):
                assert sum(1 for _ in each) < len(seqs) * times
    finally:
        for channel in channels:
            channel.close()
    shown = {f"{count} streams ended": f"{at} s" for count, at in ended.items() if count}
    mib = [round(bytes / MIB) for bytes in (before, peak, after)]
    print(f"\nresident before, at most, afterwards: {mib} MiB; {shown}; served to another: {served} frames")
    # Not before their time.
    assert all(at >= limit_secs for count, at in ended.items() if count)
    assert served > 0 and served % frames == 0
    # What the server may keep and have in flight by default, and 200 MiB beside it.
    assert peak < (512 + 200) * MIB
