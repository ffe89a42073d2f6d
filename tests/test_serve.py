"""`framecache serve` as its clients and its operator meet it."""

import grpc

from .support import rpc


def test_a_call_is_answered_over_tcp_and_over_a_unix_socket(serve, v1, tmp_path):
    for server in (serve(), serve("--listen", f"unix:{tmp_path}/s.sock")):
        with server.channel() as channel:
            try:
                v1.MediaServiceStub(channel).GetServerInfo(v1.GetServerInfoRequest(), timeout=10)
            except grpc.RpcError as e:
                assert rpc.refusal(e).reason == "INTERNAL"
