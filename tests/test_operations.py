"""Serving as its operator meets it: logs that cannot be written, rolling restarts, signals, renewed certificates, and calls
that must not hang."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import grpc
import pytest
import trustme

from .support import framecache as runner
from .support.balancer import Balancer
from .test_serve import CODE, NOT_SERVING, SERVING, failed_start, health_pb2, health_pb2_grpc, info, until


@pytest.fixture
def cached(fc, clip):
    """A store that has ten frames of the timeline `t`."""
    fc.extract("t", "--fps", "5", clip("h264_bframes.mp4"))
    return fc


def frames_of(v1, channel, **more):
    """The frames that a call for all of `t` gave."""
    request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True), payload=v1.PAYLOAD_JPEG, **more)
    answers = list(v1.FrameServiceStub(channel).GetFrames(request, timeout=30))
    assert answers[-1].HasField("summary")
    return [a.frame for a in answers[:-1]]


# Standard error


@contextlib.contextmanager
def server_with_stderr(store, stderr, tmp_path):
    """(process, channel) of a server that says where it listens to nobody; ended with SIGTERM, which it obeys."""
    path = tmp_path / "s.sock"
    words = [runner.BINARY, "serve", "--store", store, "--listen", f"unix:{path}", "--metrics", "none", "--verbose"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen(words, env=runner.clean_environment(), cwd=tmp_path, stderr=stderr, **quiet)
    try:
        until(path.exists, "it listens")
        with grpc.insecure_channel(f"unix:{path}", options=[("grpc.default_authority", "localhost")]) as channel:
            yield process, channel
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_calls_are_answered_where_the_log_is_on_a_full_disk(cached, v1, tmp_path):
    with open("/dev/full", "wb") as full, server_with_stderr(cached.store, full, tmp_path) as (_, channel):
        assert len(frames_of(v1, channel)) == 10
        assert info(v1, channel).version


def test_calls_are_answered_when_whoever_read_the_log_is_gone(cached, v1, tmp_path):
    reader, writer = os.pipe()
    with server_with_stderr(cached.store, writer, tmp_path) as (_, channel):
        assert info(v1, channel).version
        os.close(writer)
        os.close(reader)
        for _ in range(3):
            assert len(frames_of(v1, channel)) == 10


def test_a_log_that_nobody_reads_holds_up_no_call_and_not_the_servers_end(cached, v1, tmp_path):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with server_with_stderr(cached.store, writer, tmp_path) as (_, channel):
        # A line each: far more than the pipe and the queue before it take.
        for _ in range(1500):
            assert info(v1, channel).version
    os.close(writer)
    os.close(reader)


def test_a_command_does_its_work_where_neither_its_messages_nor_its_log_can_be_written(cached, serve, clip):
    server = serve(store=cached.store)
    with open("/dev/full", "wb") as full:

        def run(*words):
            environment = runner.clean_environment(FRAMECACHE_LOG="trace")
            words = [runner.BINARY, *words, "--verbose"]
            return subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=full, timeout=60)

        on_disk = ["--store", cached.store]
        assert run("extract", "--timeline", "u", "--fps", "5", clip("h264_bframes.mp4"), *on_disk).returncode == 0
        assert run("frames", "nothing", *on_disk).returncode == 4
        # What speaks HTTP/2 logs much.
        for where in (on_disk, ["--server", server.target]):
            done = run("frames", "u", "--json", *where)
            assert (done.returncode, len(json.loads(done.stdout))) == (0, 10)


def test_a_command_goes_on_when_the_terminal_of_its_progress_bar_is_gone(fc, clip):
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        fc.command("extract", "--timeline", "t", "--all", clip("h264_gop250.mp4")),
        env=runner.clean_environment(TERM="xterm"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=its_end,
        start_new_session=True,
    )  # fmt: skip
    os.close(its_end)
    os.read(terminal, 1)
    os.close(terminal)
    assert process.wait(120) == 0
    assert len(fc.frames("t")) == 200


def test_a_reader_of_results_that_leaves_ends_a_command_quietly(fc, clip):
    fc.extract("t", "--all", clip("h264_gop250.mp4"))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        fc.command("frames", "t"), env=runner.clean_environment(), stdout=writer, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


# Restarts


class Callers:
    """Threads that call without a pause, on a channel of their own each, until they are stopped."""

    def __init__(self, target, call, count=4):
        self.done, self.failed, self._ended = 0, [], threading.Event()
        self._threads = [threading.Thread(target=self._go_on, args=(target, call)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _go_on(self, target, call):
        # Without a policy gRPC repeats only calls that it had not sent yet when it was told to connect anew.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(target, options=options) as channel:
            while not self._ended.is_set():
                try:
                    call(channel)
                    self.done += 1
                except grpc.RpcError as error:
                    self.failed.append(f"{error.code()} {error.details()}")

    def more(self, count):
        """Waits until so many further calls are done, or one failed."""
        wanted = self.done + count
        until(lambda: self.done >= wanted or self.failed, f"{count} more calls")

    def stop(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(30)


def test_a_rolling_restart_fails_no_call_and_cuts_no_stream(cached, serve, v1):
    large = v1.GetFramesRequest(
        timeline="t", selection=v1.Selection(sequences=[0] * 20_000), payload=v1.PAYLOAD_JPEG
    )
    old, new = serve(store=cached.store), serve(store=cached.store)
    with Balancer(old.target) as balancer, old.channel() as held:
        stream = v1.FrameServiceStub(held).GetFrames(large, timeout=120)
        first = next(stream)
        watch = health_pb2_grpc.HealthStub(held).Watch(health_pb2.HealthCheckRequest(), timeout=120)
        assert next(watch).status in (SERVING, NOT_SERVING)
        callers = Callers(balancer.target, lambda channel: frames_of(v1, channel))
        try:
            callers.more(20)
            balancer.to = new.target
            old.terminate()
            until(lambda: old.get("/readyz") == (503, "draining\n"), "it is not ready")
            assert next(said.status for said in watch if said.status == NOT_SERVING) == NOT_SERVING
            # All callers have gone over while the old server waits for its stream.
            until(lambda: balancer.went.count(new.target) == 4 or callers.failed, "they connect anew")
            callers.more(20)
            assert old.process.poll() is None
            assert sum(answer.HasField("frame") for answer in (first, *stream)) == 20_000
            assert old.wait() == 0
            callers.more(20)
        finally:
            callers.stop()
    assert not callers.failed and set(balancer.went) == {old.target, new.target}


def test_a_new_server_takes_the_same_socket_while_the_old_one_drains(cached, serve, v1, tmp_path):
    path = tmp_path / "s.sock"
    old = serve("--listen", f"unix:{path}", store=cached.store)
    with old.channel() as channel:
        stream = v1.FrameServiceStub(channel).GetFrames(
            v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[0] * 20_000), payload=v1.PAYLOAD_JPEG)
        )
        next(stream)
        old.terminate()
        until(lambda: not path.exists(), "it gave the socket up")
        new = serve("--listen", f"unix:{path}", store=cached.store)
        assert sum(answer.HasField("frame") for answer in stream) == 19_999
    assert old.wait() == 0
    with new.channel(use_local_subchannel_pool=1) as channel:
        assert info(v1, channel).version


def test_an_old_connection_is_replaced_and_what_runs_on_it_ends_whole(cached, serve, v1):
    server = serve("--max-connection-age", "1s", store=cached.store)
    with Balancer(server.target) as balancer:
        callers = Callers(balancer.target, lambda channel: info(v1, channel), count=1)
        with grpc.insecure_channel(balancer.target) as channel:
            stream = v1.FrameServiceStub(channel).GetFrames(
                v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[0] * 20_000), payload=v1.PAYLOAD_JPEG)
            )
            read = 0

            def replaced():
                # A caller that does not read for long would be ended for that.
                nonlocal read
                read += next(stream).HasField("frame")
                return len(balancer.went) >= 4 or callers.failed

            try:
                # Both callers' first connections, and two more of the one that goes on calling.
                until(replaced, "connections are replaced")
            finally:
                callers.stop()
            assert read + sum(answer.HasField("frame") for answer in stream) == 20_000
    assert not callers.failed


def test_a_connection_may_get_any_age_unless_a_limit_is_set_that_makes_sense(tmp_path):
    code, said = failed_start(tmp_path / "store", "--max-connection-age", "10ms")
    assert code == 2 and "max_connection_age" in said


# Signals


def catches(process, *signals):
    """Whether the process has handlers for these signals."""
    with open(f"/proc/{process.pid}/status") as status:
        caught = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
    return all(caught >> (number - 1) & 1 for number in signals)


@pytest.mark.parametrize("sent, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_work_began_ends_a_command_with_its_status(fc, clip, tmp_path, sent, code):
    """The command reads its settings from a pipe, and so does not get further than the test lets it."""
    settings = tmp_path / "settings.toml"
    os.mkfifo(settings)
    process = fc.start("extract", "--config", settings, "--timeline", "t", "--all", clip("h264_gop250.mp4"))
    try:
        until(lambda: catches(process, signal.SIGINT, signal.SIGTERM), "it is past its first moment")
        process.send_signal(sent)
        with open(settings, "w") as pipe:
            pipe.write("workers = 1\n")
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, said
    assert b"stopped" in said


def test_sighup_ends_no_server(serve, v1):
    server = serve()
    with server.channel() as channel:
        server.process.send_signal(signal.SIGHUP)
        for _ in range(3):
            assert info(v1, channel).version
    server.terminate()
    assert server.wait() == 0


# Certificates


@pytest.fixture
def authority():
    return trustme.CA()


def renew(authority, folder):
    """A new certificate of the authority, of another serial number, beside its key."""
    made = authority.issue_cert("localhost", "127.0.0.1")
    made.private_key_pem.write_to_path(folder / "key.pem")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return made.cert_chain_pems[0].bytes()


def trusts(v1, server, authority):
    """Whether a new client that trusts the authority alone is served."""
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    with server.channel(credentials, use_local_subchannel_pool=1) as channel:
        try:
            return bool(info(v1, channel).version)
        except grpc.RpcError as error:
            assert error.code() == CODE.UNAVAILABLE
            return False


def test_a_renewed_certificate_is_served_without_a_restart_and_a_broken_one_is_not(serve, v1, authority, tmp_path):
    renew(authority, tmp_path)
    server = serve("--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem")
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    with server.channel(credentials) as held:
        assert info(v1, held).version and trusts(v1, server, authority)
        successor = trustme.CA()
        renew(successor, tmp_path)
        until(lambda: trusts(v1, server, successor), "the new certificate is served")
        assert not trusts(v1, server, authority)
        # One that is connected already stays so.
        assert info(v1, held).version
        (tmp_path / "cert.pem").write_text("not of use\n")
        until(lambda: "the certificates stay as they were" in server.log, "the broken file is logged")
        assert trusts(v1, server, successor)
        renew(authority, tmp_path)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: trusts(v1, server, authority), "the one read at SIGHUP is served")
    assert "PRIVATE" not in server.log


# Clocks

LONG_AGO, FAR_AHEAD = 1, 4_102_444_800


def written_at(store, when):
    """Sets the times of all files of a store, those that are being written too."""
    for folder, _, names in os.walk(store):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.utime(os.path.join(folder, name), (when, when))


def test_a_clock_that_jumps_deletes_nothing_that_is_being_written(fc, new_store, clip):
    source = clip("h264_gop250.mp4")
    fc.extract("t", "--all", source)
    for when in (LONG_AGO, FAR_AHEAD):
        jumped = new_store()
        running = jumped.start("extract", "--timeline", "t", "--backend", "cpu", "--all", source)
        until(lambda: (jumped.folder("t") / "plan.json").exists() or running.poll() is not None, "it is planned")
        while running.poll() is None:
            written_at(jumped.store, when)
            # Sweeps what writers that died have left.
            jumped.extract("other", "--count", "1", source)
        assert running.returncode == 0, running.communicate()
        running.communicate()
        assert jumped.jpegs("t") == fc.jpegs("t")


def test_what_was_written_by_a_clock_that_is_ahead_is_not_old(cached):
    clear = lambda: cached.run("clear", "t", "--older-than", "1s", "--json").json["profiles"][0]
    written_at(cached.store, FAR_AHEAD)
    assert clear()["kept_as_newer"] and len(cached.jpegs("t")) == 10
    written_at(cached.store, LONG_AGO)
    assert clear()["frames"]["objects"] == 10


# The hang


def longest_silence(side, still):
    """The longest that /livez took, in seconds, asked again and again while `still()`."""
    longest = 0
    while still():
        asked = time.monotonic()
        with urllib.request.urlopen(f"http://{side}/livez", timeout=10) as answer:
            assert answer.status == 200
        longest = max(longest, time.monotonic() - asked)
    return longest


def ask_for_what_is_gone(cached_folder, serve, calls, deadline=10):
    """Two processes of 64 streams each; (answers of each, the longest silence of /livez)."""
    server = serve(store=cached_folder)
    words = [sys.executable, "-m", "tests.support.askers", server.target, "64", str(calls), str(deadline)]
    askers = [subprocess.Popen(words, cwd=runner.ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        silence = longest_silence(server.side, lambda: any(a.poll() is None for a in askers))
        return [json.loads(asker.communicate()[0]) for asker in askers], silence
    finally:
        for asker in askers:
            asker.kill()
            asker.wait()


@pytest.fixture
def gone(fc, clip, tmp_path):
    """A store with the plan of `t`, whose source is gone."""
    source = tmp_path / "gone.mp4"
    source.write_bytes(clip("h264_bframes.mp4").read_bytes())
    fc.run("extract", "--timeline", "t", "--fps", "1", "--plan-only", source)
    source.unlink()
    return fc.store


def assert_all_answered(answers, silence, calls):
    print(f"{answers}, the longest silence of /livez: {silence:.3f} s")
    assert answers == [{"answered": 64 * calls, "late": 0, "other": {}}] * 2
    assert silence < 1


def test_128_streams_that_ask_for_a_frame_whose_source_is_gone_are_all_answered(gone, serve):
    assert_all_answered(*ask_for_what_is_gone(gone, serve, calls=40), calls=40)


@pytest.mark.slow
def test_for_ten_minutes_128_streams_that_ask_for_a_frame_whose_source_is_gone_are_all_answered(gone, serve):
    calls, begun = 1000, time.monotonic()
    while time.monotonic() - begun < 600:
        assert_all_answered(*ask_for_what_is_gone(gone, serve, calls), calls=calls)
