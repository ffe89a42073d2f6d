"""`framecache serve` as its clients and its operator meet it: listening, access, limits, health, its end."""

import contextlib
import hashlib
import json
import os
import queue
import signal
import socket
import stat
import time

import grpc
import pytest
import trustme
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from .support import rpc

SERVICES = ["framecache.v1.FrameService", "framecache.v1.OverlayService", "framecache.v1.MediaService"]
CODE = grpc.StatusCode
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def until(fact, what, timeout=30):
    """Waits for a fact."""
    end = time.monotonic() + timeout
    while not fact():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.02)


def info(v1, channel, **more):
    return v1.MediaServiceStub(channel).GetServerInfo(v1.GetServerInfoRequest(), timeout=10, **more)


def health(channel, service="", **more):
    stub = health_pb2_grpc.HealthStub(channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10, **more).status


def failed_start(store, *options, **more):
    """(exit status, stderr) of a server that does not start."""
    server = rpc.launch(store, *options, **more)
    try:
        return server.wait(30), server.log
    finally:
        server.process.kill()


class Upload:
    """A PutFrames call that stays open until it is told to finish: a call as long as a test wants."""

    def __init__(self, v1, channel, **more):
        self.requests = queue.SimpleQueue()
        self.call = v1.FrameServiceStub(channel).PutFrames.future(iter(self.requests.get, None), **more)

    def finish(self):
        self.requests.put(None)

    def refusal(self):
        """How it was ended."""
        error = self.call.exception(timeout=30)
        assert error is not None
        return rpc.refusal(error)


@pytest.fixture
def upload(v1):
    """Opens such calls, and ends them."""
    with contextlib.ExitStack() as opened:

        def start(channel, **more):
            made = Upload(v1, channel, **more)
            opened.callback(made.finish)
            return made

        yield start


def calls_inside(server, code, method="PutFrames"):
    return server.metric("grpc_server_handled_total", grpc_method=method, grpc_code=code)


@pytest.fixture
def big_answer(fc, clip, v1):
    """A store, and a request for far more bytes of it than connections buffer."""
    fc.extract("t", "--fps", "5", clip("h264_bframes.mp4"))
    largest = max(fc.frames("t"), key=lambda facts: facts["bytes"])
    times = (64 << 20) // largest["bytes"] + 1
    selection = v1.Selection(sequences=[largest["seq"]] * times)
    return fc.store, v1.GetFramesRequest(timeline="t", selection=selection, payload=v1.PAYLOAD_JPEG), times


# Listening


def test_a_call_is_answered_over_tcp_and_over_a_unix_socket(serve, v1, tmp_path):
    for server in (serve(), serve("--listen", f"unix:{tmp_path}/s.sock")):
        with server.channel() as channel:
            answer = info(v1, channel)
        assert answer.store.kind == "directory" and answer.limits.concurrent_calls == 512
        assert answer.source_roots == 1 and not answer.source_buckets
        assert [d.name for d in answer.devices] == ["cpu"] and "h264" in answer.devices[0].codecs


def test_a_socket_is_its_owners_alone_and_goes_with_its_server(serve, tmp_path):
    path = tmp_path / "s.sock"
    server = serve("--listen", f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    code, said = failed_start(tmp_path / "other", "--listen", f"unix:{path}")
    assert code == 2 and "another server has this socket" in said
    server.stop()
    assert not path.exists()


def test_a_socket_left_behind_by_a_killed_server_is_taken_over(serve, v1, tmp_path):
    path = tmp_path / "s.sock"
    killed = serve("--listen", f"unix:{path}")
    killed.process.kill()
    killed.wait()
    assert path.exists()
    with serve("--listen", f"unix:{path}").channel() as channel:
        assert info(v1, channel).version


def test_an_address_that_is_taken_is_said_to_be(serve, tmp_path):
    server = serve()
    code, said = failed_start(tmp_path / "other", "--listen", server.target)
    assert code == 2 and "another program has it" in said and server.target in said


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_an_open_listener_that_nothing_protects_is_refused_saying_how_to_mend_it(listen, tmp_path):
    code, said = failed_start(tmp_path / "store", "--listen", listen)
    assert code == 2
    for way in ("--tls-cert", "--tokens", "--insecure-listen", "127.0.0.1"):
        assert way in said
    assert not (tmp_path / "store").exists()


def test_an_open_listener_is_served_with_the_word_and_has_no_sources(serve, v1, clip):
    server = serve("--listen", "0.0.0.0:0", "--insecure-listen")
    with grpc.insecure_channel(server.target.replace("0.0.0.0", "127.0.0.1")) as channel:
        assert info(v1, channel).source_roots == 0
        with rpc.refused(CODE.PERMISSION_DENIED, "SOURCE_DENIED"):
            v1.MediaServiceStub(channel).ProbeMedia(v1.ProbeMediaRequest(uri=str(clip("h264_bframes.mp4"))))


def test_settings_come_from_flags_then_environment_then_the_file(serve, v1, tmp_path):
    config = tmp_path / "framecache.toml"
    config.write_text("[serve]\nmax_calls = 7\nmemory = '64MiB'\nsource_bucket = ['media']\nsource_root = '/'\n")
    server = serve("--max-calls", "5", environment={"FRAMECACHE_CONFIG": str(config), "FRAMECACHE_MEMORY": "1GiB"})
    with server.channel() as channel:
        answer = info(v1, channel)
    assert (answer.limits.concurrent_calls, answer.limits.memory_bytes) == (5, 1 << 30)
    assert (answer.source_roots, list(answer.source_buckets)) == (1, ["media"])
    config.write_text("[serve]\nmax_cals = 7\n")
    code, said = failed_start(tmp_path / "store", "--config", str(config))
    assert code == 2 and "max_cals" in said


# Access


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def certificate(authority, tmp_path):
    """Options of a server with a certificate of the authority."""
    made = authority.issue_cert("localhost", "127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return ["--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem"]


def credentials(authority, client=None):
    roots = authority.cert_pem.bytes()
    if client is None:
        return grpc.ssl_channel_credentials(roots)
    return grpc.ssl_channel_credentials(roots, client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes())


def assert_not_let_in(v1, channel):
    with channel, pytest.raises(grpc.RpcError) as refused:
        info(v1, channel)
    assert refused.value.code() == CODE.UNAVAILABLE


def test_over_tls_only_clients_that_trust_it_and_speak_it_are_served(serve, v1, authority, certificate):
    server = serve(*certificate)
    with server.channel(credentials(authority)) as channel:
        assert info(v1, channel).version
    assert_not_let_in(v1, server.channel())
    assert_not_let_in(v1, server.channel(credentials(trustme.CA())))


def test_with_a_client_authority_only_its_clients_are_let_in(serve, v1, authority, certificate, tmp_path):
    server = serve(*certificate, "--tls-client-ca", tmp_path / "ca.pem")
    with server.channel(credentials(authority, authority.issue_cert("client@x.org"))) as channel:
        assert info(v1, channel).version
    assert_not_let_in(v1, server.channel(credentials(authority)))
    assert_not_let_in(v1, server.channel(credentials(authority, trustme.CA().issue_cert("client@x.org"))))


def test_tls_files_that_do_not_fit_are_refused_at_the_start(certificate, tmp_path):
    cert, key = certificate[1], certificate[3]
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(other)
    for options in (
        ["--tls-cert", cert],
        ["--tls-cert", cert, "--tls-key", cert],
        ["--tls-cert", cert, "--tls-key", tmp_path / "absent"],
        ["--tls-cert", cert, "--tls-key", other],
        ["--tls-cert", key, "--tls-key", key],
    ):
        code, said = failed_start(tmp_path / "store", *options)
        assert code == 2 and said.startswith("framecache: "), said


def sha256_of(token):
    return hashlib.sha256(token.encode()).hexdigest()


def bearing(token):
    return {"metadata": [("authorization", f"Bearer {token}")]}


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# callers\n{sha256_of('first-secret')}  pipeline\n{sha256_of('second-secret')}\n")
    return path


def test_only_calls_with_a_known_token_are_served_and_health_needs_none(serve, v1, tokens):
    server = serve("--tokens", tokens, "--verbose")
    with server.channel() as channel:
        for token in ("first-secret", "second-secret"):
            assert info(v1, channel, **bearing(token)).version
        for wrong in ({}, bearing("third-secret"), bearing(sha256_of("first-secret"))):
            with rpc.refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
                info(v1, channel, **wrong)
        with pytest.raises(grpc.RpcError) as refused:
            list(reflected(channel, "v1", list_services=""))
        assert refused.value.code() == CODE.UNAUTHENTICATED
        until(lambda: health(channel) == SERVING, "health without a token")
    server.stop()
    assert "secret" not in server.log and sha256_of("first-secret") not in server.log


def test_a_changed_token_file_counts_without_a_restart_and_a_broken_one_does_not(serve, v1, tokens):
    server = serve("--tokens", tokens)

    def let_in(token):
        try:
            return bool(info(v1, channel, **bearing(token)).version)
        except grpc.RpcError as error:
            assert error.code() == CODE.UNAUTHENTICATED
            return False

    with server.channel() as channel:
        assert let_in("first-secret") and not let_in("new-secret")
        tokens.write_text(sha256_of("new-secret") + "\n")
        until(lambda: let_in("new-secret"), "the new token is let in")
        assert not let_in("first-secret")
        tokens.write_text("new-secret, in plain\n")
        until(lambda: "stay as they were" in server.log, "the broken file is logged")
        assert let_in("new-secret") and "in plain" not in server.log
        tokens.write_text(sha256_of("hup-secret") + "\n")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: let_in("hup-secret"), "the token read at SIGHUP is let in")


@pytest.mark.parametrize("text", ["", "# nobody\n", "secret\n", None])
def test_a_token_file_that_is_none_is_refused_at_the_start(text, tmp_path):
    path = tmp_path / "tokens"
    if text is not None:
        path.write_text(text)
    code, said = failed_start(tmp_path / "store", "--tokens", path)
    assert code == 2 and "sha256" in said and "secret" not in said


def test_sources_are_read_only_where_they_are_allowed(serve, v1, clip, tmp_path):
    source = clip("h264_bframes.mp4")
    (tmp_path / "here.mp4").write_bytes(source.read_bytes())
    asked = lambda uri: v1.ProbeMediaRequest(uri=str(uri))
    with serve().channel() as channel:
        stub = v1.MediaServiceStub(channel)
        video = stub.ProbeMedia(asked(tmp_path / "here.mp4")).video
        assert (video.codec, video.frames_exact, video.backend) == ("h264", True, "cpu")
        for outside in (source, "/etc/passwd", "/no/such/file", f"{tmp_path}/../../x.mp4", "s3://media/a.mp4"):
            with rpc.refused(CODE.PERMISSION_DENIED, "SOURCE_DENIED"):
                stub.ProbeMedia(asked(outside))
        with rpc.refused(CODE.NOT_FOUND, "SOURCE_NOT_FOUND"):
            stub.ProbeMedia(asked(tmp_path / "absent.mp4"))
    with serve("--source-root", source.parent, store=tmp_path / "two").channel() as channel:
        assert v1.MediaServiceStub(channel).ProbeMedia(asked(source)).video.frames == video.frames


# Health, reflection, the side port


def test_health_is_told_for_the_server_and_each_service_and_turns_at_the_end(serve, upload):
    server = serve()
    with server.channel() as channel:
        for service in ["", *SERVICES]:
            until(lambda: health(channel, service) == SERVING, f"{service!r} serves")
        with pytest.raises(grpc.RpcError) as unknown:
            health(channel, "framecache.v1.Nothing")
        assert unknown.value.code() == CODE.NOT_FOUND
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICES[0]))
        assert next(watch).status == SERVING
        running = upload(channel)
        until(lambda: not running.call.done(), "a call runs")
        server.terminate()
        assert next(watch).status == NOT_SERVING


def reflected(channel, version, **asked):
    """Answers of the reflection service; v1 and v1alpha differ in their name alone."""
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    request, response = reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
    call = channel.stream_stream(path, request.SerializeToString, response.FromString)
    return call(iter([request(**asked)]), timeout=10)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_the_services_and_knows_every_message(serve, version):
    with serve().channel() as channel:
        (answer,) = reflected(channel, version, list_services="")
        names = {s.name for s in answer.list_services_response.service}
        assert {*SERVICES, "grpc.health.v1.Health", f"grpc.reflection.{version}.ServerReflection"} <= names
        for symbol in ("google.rpc.Status", "framecache.v1.GetFramesRequest", SERVICES[0]):
            (answer,) = reflected(channel, version, file_containing_symbol=symbol)
            assert answer.WhichOneof("message_response") == "file_descriptor_response", answer


def test_a_client_that_knows_nothing_can_call_by_reflection(serve):
    with serve().channel() as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName("framecache.v1.MediaService").FindMethodByName("GetServerInfo")
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        call = channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}", request.SerializeToString, response.FromString
        )
        assert call(request(), timeout=10).limits.part_bytes == 3 << 20


def test_a_store_that_is_down_keeps_the_server_from_being_ready_only_for_the_start(serve, v1, tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        server = serve("--endpoint", endpoint, store="s3://frames")
        assert server.get("/livez")[0] == 200
        assert server.get("/readyz") == (503, "starting\n")
        with server.channel() as channel:
            assert health(channel) == NOT_SERVING
            until(lambda: server.get("/readyz")[0] == 200, "it is ready without its store")
            until(lambda: health(channel) == SERVING, "health follows")
            answer = info(v1, channel)
        assert not answer.store.HasField("conditional_put")
        assert (answer.store.kind, answer.store.bucket) == ("s3", "frames")


def test_the_store_is_tried_once_and_what_it_does_is_known(serve, v1, s3_endpoint, bucket):
    server = serve("--endpoint", s3_endpoint, store=f"s3://{bucket}")
    until(lambda: server.get("/readyz")[0] == 200, "it is ready")
    with server.channel() as channel:
        assert info(v1, channel).store.conditional_put is True
    assert server.metric("framecache_store_requests_total", operation="put", outcome="condition_failed") == 1


def test_metrics_count_calls_at_their_end_and_no_label_is_what_a_client_made_up(serve, v1, big_answer):
    store, request, _ = big_answer
    server = serve(store=store)
    with server.channel() as channel:
        info(v1, channel)
        answers = v1.FrameServiceStub(channel).GetFrames(request)
        next(answers)
        assert server.metric("framecache_queue_depth", queue="calls") == 1
        assert calls_inside(server, "OK", "GetFrames") == calls_inside(server, "CANCELLED", "GetFrames") == 0
        answers.cancel()
        until(lambda: calls_inside(server, "CANCELLED", "GetFrames") == 1, "the cancelled stream is counted")
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/framecache.v1.FrameService/made-up-by-me")(b"")
    assert server.metric("framecache_queue_depth", queue="calls") == 0
    assert server.metric("framecache_memory_bytes", of="kept") > 0
    text = server.get("/metrics")[1]
    assert "made-up-by-me" not in text and text.endswith("# EOF\n")
    assert calls_inside(server, "OK", "GetServerInfo") == 1
    assert calls_inside(server, "UNIMPLEMENTED", "unknown") == 1
    assert server.metric("grpc_server_handling_seconds_count", grpc_method="GetFrames") == 1
    assert server.metric("framecache_store_requests_total", operation="get", outcome="ok") > 0
    assert server.metric("framecache_store_request_duration_seconds_count", operation="get") > 0
    assert server.metric("framecache_build_info") == 1


def test_there_is_no_side_port_where_none_is_asked_for(serve, v1):
    server = serve("--metrics", "none")
    with server.channel() as channel:
        assert info(v1, channel).version
    assert rpc.METRICS not in server.log


# Ids, deadlines, limits


def test_the_request_id_comes_back_and_is_in_the_log_with_the_trace(serve, v1):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    given = [("x-request-id", "job-7/call.3"), ("traceparent", f"00-{trace}-00f067aa0ba902b7-01")]
    server = serve("--log-format", "json")
    with server.channel() as channel:
        method = v1.MediaServiceStub(channel).GetServerInfo

        def id_of(metadata):
            _, call = method.with_call(v1.GetServerInfoRequest(), metadata=metadata, timeout=10)
            return dict(call.initial_metadata())["x-request-id"]

        assert id_of(given) == "job-7/call.3"
        made, odd = id_of(()), id_of([("x-request-id", 'x" injected="')])
        assert len(made) == len(odd) == 32 and made != odd
        with pytest.raises(grpc.RpcError) as refused:
            v1.MediaServiceStub(channel).ProbeMedia(v1.ProbeMediaRequest(), metadata=given)
        ids = dict((*refused.value.initial_metadata(), *refused.value.trailing_metadata()))
        assert ids["x-request-id"] == "job-7/call.3"
    server.stop()
    lines = [json.loads(line) for line in server.lines if line.startswith("{")]
    ended = [line for line in lines if line.get("message") == "call ended"]
    assert [(e["method"].rpartition("/")[2], e["code"]) for e in ended] == [("GetServerInfo", "OK")] * 3 + [
        ("ProbeMedia", "INVALID_ARGUMENT")
    ]
    assert (ended[0]["request_id"], ended[0]["trace_id"]) == ("job-7/call.3", trace)
    assert ended[0]["seconds"] > 0 and ended[1]["request_id"] == made and "trace_id" not in ended[1]


def test_what_a_method_logs_carries_the_calls_request_id(serve, v1, tmp_path):
    server = serve("--log-format", "json", environment={"FRAMECACHE_LOG": "framecache=debug"})
    with server.channel() as channel, pytest.raises(grpc.RpcError):
        v1.MediaServiceStub(channel).ProbeMedia(
            v1.ProbeMediaRequest(uri=f"{tmp_path}/absent.mp4"), metadata=[("x-request-id", "find-me")]
        )
    server.stop()
    lines = [json.loads(line) for line in server.lines if line.startswith("{")]
    said = [line for line in lines if line.get("reason") == "SOURCE_NOT_FOUND"]
    assert said and all(line["span"]["request_id"] == "find-me" for line in said)


def test_a_deadline_ends_the_call_on_the_server_too(serve, upload):
    server = serve()
    with server.channel() as channel:
        call = upload(channel, timeout=0.5)
        assert call.call.exception(timeout=30).code() == CODE.DEADLINE_EXCEEDED
        until(lambda: calls_inside(server, "DEADLINE_EXCEEDED") == 1, "the server ended it")


def test_calls_over_the_limit_are_told_to_come_again_and_health_is_not_counted(serve, v1, upload):
    server = serve("--max-calls", "1")
    with server.channel() as channel:
        until(lambda: health(channel) == SERVING, "it serves")
        running = upload(channel)

        def full():
            try:
                info(v1, channel)
                return False
            except grpc.RpcError as error:
                said = rpc.refusal(error)
                assert (said.code, said.reason) == (CODE.RESOURCE_EXHAUSTED, "QUEUE_FULL")
                assert said.retry_secs > 0
                return True

        until(full, "the only place is taken")
        assert health(channel) == SERVING and list(reflected(channel, "v1", list_services=""))
        running.call.cancel()
        until(lambda: not full(), "its place is free again")


def test_a_stream_keeps_its_place_until_its_end(serve, v1, big_answer):
    store, request, times = big_answer
    server = serve("--max-calls", "1", store=store)
    with server.channel() as channel:
        answers = v1.FrameServiceStub(channel).GetFrames(request)
        next(answers)
        with rpc.refused(CODE.RESOURCE_EXHAUSTED, "QUEUE_FULL"):
            info(v1, channel)
        assert sum(answer.HasField("frame") for answer in answers) == times - 1
        until(lambda: calls_inside(server, "OK", "GetFrames") == 1, "the stream ended")
        assert info(v1, channel).version


def test_a_client_that_stops_reading_loses_its_stream_and_its_place(serve, v1, big_answer):
    store, request, times = big_answer
    server = serve("--max-calls", "1", "--stall-timeout", "1s", store=store)
    with server.channel() as channel:
        answers = v1.FrameServiceStub(channel).GetFrames(request)
        next(answers)
        until(lambda: calls_inside(server, "DEADLINE_EXCEEDED", "GetFrames") == 1, "the stream is ended")
        assert info(v1, channel).version
        with rpc.refused(CODE.DEADLINE_EXCEEDED, "CLIENT_STALLED"):
            assert sum(1 for _ in answers) < times


def test_what_the_grpc_library_refuses_is_said_in_our_words(serve):
    server = serve()
    with server.channel() as channel:
        probe = channel.unary_unary("/framecache.v1.MediaService/ProbeMedia")
        with rpc.refused(CODE.INVALID_ARGUMENT, "FIELD_INVALID") as malformed:
            probe(b"\x0a\xff\xff\xff\xff")
        with rpc.refused(CODE.INVALID_ARGUMENT, "LIMIT_EXCEEDED") as large:
            probe(b"\x0a" + b"\x80\x80\xc0\x02" + b"x" * (5 << 20))
        with rpc.refused(CODE.UNIMPLEMENTED, "METHOD_UNKNOWN"):
            channel.unary_unary("/framecache.v1.MediaService/Nothing")(b"")
        with rpc.refused(CODE.UNIMPLEMENTED, "METHOD_UNKNOWN"):
            channel.unary_unary("/other.Service/Nothing")(b"")
    for said in (malformed[0].message, large[0].message):
        assert "rotobuf" not in said and "decode" not in said


# The end


def test_at_sigterm_a_running_stream_ends_whole_and_new_connections_go_elsewhere(serve, v1, big_answer):
    store, request, times = big_answer
    server = serve(store=store)
    with server.channel() as channel:
        until(lambda: health(channel) == SERVING, "it serves")
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        answers = v1.FrameServiceStub(channel).GetFrames(request)
        first = next(answers)
        server.terminate()
        until(lambda: server.get("/readyz") == (503, "draining\n"), "it is not ready at once")
        assert server.get("/livez")[0] == 200
        assert NOT_SERVING in (said.status for said in watch)
        host, port = server.target.split(":")
        until(lambda: refuses(host, int(port)), "it listens no longer")
        rest = list(answers)
        assert sum(answer.HasField("frame") for answer in (first, *rest)) == times
        assert rest[-1].HasField("summary") and answers.code() == CODE.OK
    assert server.wait() == 0


def refuses(host, port):
    try:
        socket.create_connection((host, port), 5).close()
        return False
    except ConnectionRefusedError:
        return True


def test_what_is_not_done_within_the_drain_timeout_is_told_so(serve, upload):
    server = serve("--drain-timeout", "1s")
    with server.channel() as channel:
        running = upload(channel)
        until(lambda: health(channel) == SERVING, "it serves")
        server.terminate()
        said = running.refusal()
    assert (said.code, said.reason) == (CODE.UNAVAILABLE, "SERVER_DRAINING") and said.retry_secs > 0
    assert server.wait() == 0


def test_a_second_signal_does_not_wait(serve, upload):
    server = serve("--drain-timeout", "10m")
    with server.channel() as channel:
        running = upload(channel)
        until(lambda: health(channel) == SERVING, "it serves")
        server.process.send_signal(signal.SIGINT)
        until(lambda: "stopping" in server.log, "the first signal is taken")
        server.process.send_signal(signal.SIGINT)
        assert running.refusal().code == CODE.UNAVAILABLE
    assert server.wait(30) == 0


def test_a_server_without_calls_ends_at_once_with_status_0(serve):
    server = serve("--drain-timeout", "10m")
    server.terminate()
    assert server.wait(30) == 0
    assert not os.path.exists(f"/proc/{server.process.pid}")
