"""Media in processes of their own: the same frames, nobody hurt by a process that dies, and nothing within its reach."""

import contextlib
import os
import signal
import threading

import grpc
import pytest

from .support import framecache as runner
from .support.neighbours import SOON, media_processes, until

KINDS = ["h264_bframes.mp4", "hevc_opengop.mp4", "vp9.webm", "av1_svt.mp4", "mpeg2.ts"]
# Linux's words for a process of which seccomp(2) filters what it asks, and that no program gives more rights.
FILTERED, NO_MORE = ("Seccomp", "2"), ("NoNewPrivs", "1")


def status_of(pid):
    with open(f"/proc/{pid}/status") as status:
        return {key: value.strip() for key, value in (line.split(":", 1) for line in status)}


def is_gone(pid):
    try:
        return status_of(pid)["State"].startswith("Z")
    except FileNotFoundError:
        return True


def extracted(v1, channel, timeline, source, **more):
    """The summary of an extraction of all frames."""
    request = v1.ExtractFramesRequest(
        timeline=timeline, chunks=[v1.Chunk(uri=str(source))], sampling=v1.Sampling(all=True), **more
    )
    answers = list(v1.FrameServiceStub(channel).ExtractFrames(request, timeout=SOON * 12))
    return answers[-1].summary


def test_frames_facts_and_hashes_are_those_of_one_process(clip, tmp_path):
    stores = [runner.Framecache(tmp_path / where, options=["--isolation", where]) for where in ("none", "process")]
    for kind in KINDS:
        for store in stores:
            store.extract(kind.replace(".", "-"), "--all", clip(kind))
    runner.assert_same_store(stores[0].store, stores[1].store)


def test_what_a_source_is_and_what_is_wrong_with_it_is_said_in_the_same_words(clip, tmp_path):
    text, cut = tmp_path / "text.mp4", tmp_path / "cut.mp4"
    text.write_bytes(b"no media at all, but words " * 99)
    cut.write_bytes(clip("h264_bframes.mp4").read_bytes()[:3000])
    for source in [clip("h264_bframes.mp4"), text, cut, tmp_path / "absent.mp4"]:
        for command in ("probe", "framemd5"):
            one, other = [
                runner.run([runner.BINARY, command, "--isolation", where, source]) for where in ("none", "process")
            ]
            assert (one.code, one.out, one.err) == (other.code, other.out, other.err), (command, source)


def test_a_server_decodes_in_a_process_that_reaches_nothing_and_says_so(serve, v1, clip, tmp_path):
    source = tmp_path / "a.mp4"
    source.write_bytes(clip("h264_bframes.mp4").read_bytes())
    server = serve()
    with server.channel() as channel:
        media = v1.MediaServiceStub(channel).GetServerInfo(v1.GetServerInfoRequest(), timeout=SOON).media
        assert media.isolation == "process"
        assert extracted(v1, channel, "t", source).frames > 0
        (process,) = media_processes(server.process.pid)
        status = status_of(process)
        assert media.held == (media.says == "held by Landlock and seccomp")
        if media.held:
            assert [status[name] for name, _ in (FILTERED, NO_MORE)] == [value for _, value in (FILTERED, NO_MORE)]
        # What it holds are sockets and its standard output: the source that it read is closed.
        until(lambda: str(source) not in open_files(process), "it lets the source go")
        assert server.metric("framecache_media_processes") == 1


def open_files(pid):
    folder = f"/proc/{pid}/fd"
    names = []
    for name in os.listdir(folder):
        try:
            names.append(os.readlink(f"{folder}/{name}"))
        except FileNotFoundError:
            pass
    return names


def test_a_server_that_is_told_to_decodes_in_its_own_process(serve, v1, clip, tmp_path):
    source = tmp_path / "a.mp4"
    source.write_bytes(clip("h264_bframes.mp4").read_bytes())
    server = serve("--isolation", "none")
    with server.channel() as channel:
        assert v1.MediaServiceStub(channel).GetServerInfo(v1.GetServerInfoRequest(), timeout=SOON).media.isolation == "none"
        assert extracted(v1, channel, "t", source).frames > 0
        assert media_processes(server.process.pid) == []


@pytest.mark.parametrize("sig", [signal.SIGSEGV, signal.SIGKILL])
def test_processes_that_die_while_they_decode_cost_nobody_a_frame(serve, v1, clip, tmp_path, sig):
    source = tmp_path / "a.mp4"
    source.write_bytes(clip("h264_bframes.mp4").read_bytes())
    expected = runner.Framecache(tmp_path / "alone")
    expected.extract("t", "--all", source)
    server = serve()
    over, killed = threading.Event(), []

    def kill():
        while not over.wait(0.01) and len(killed) < 6:
            for process in media_processes(server.process.pid):
                # Of those that work, which have threads for it; it may have ended by itself meanwhile.
                with contextlib.suppress(ProcessLookupError, FileNotFoundError, KeyError):
                    if int(status_of(process)["Threads"]) > 1:
                        os.kill(process, sig)
                        killed.append(process)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with server.channel() as channel:
            for n in range(6):
                try:
                    assert extracted(v1, channel, f"t{n}", source).frames in (0, len(expected.jpegs("t")))
                except grpc.RpcError as error:
                    # Killed twice for one span: then it is said of that.
                    assert error.code() in (grpc.StatusCode.DATA_LOSS, grpc.StatusCode.RESOURCE_EXHAUSTED), error
    finally:
        over.set()
        killer.join()
    with server.channel() as channel:
        assert extracted(v1, channel, "after", source).frames == len(expected.jpegs("t"))
    assert killed and server.metric("framecache_media_process_deaths_total", cause="crash" if sig == signal.SIGSEGV else "killed") > 0
    after = runner.Framecache(tmp_path / "store")
    assert after.jpegs("after") == expected.jpegs("t")


def test_a_server_that_is_killed_leaves_no_process_behind(serve):
    server = serve()
    (process,) = media_processes(server.process.pid)
    server.process.kill()
    until(lambda: is_gone(process), "its process ends with it")
