"""Media in processes of their own: the same frames, nobody hurt by a process that dies, and nothing within its reach."""

import contextlib
import itertools
import os
import random
import signal
import threading

import grpc
import pytest

from .support import framecache as runner
from .support.neighbours import SOON, descriptors, media_processes, until

KINDS = ["h264_bframes.mp4", "hevc_opengop.mp4", "vp9.webm", "av1_svt.mp4", "mpeg2.ts"]
# Linux's words for a process of which seccomp(2) filters what it asks, and that no program gives more rights.
FILTERED, NO_MORE = ("Seccomp", "2"), ("NoNewPrivs", "1")


def status_of(pid):
    with open(f"/proc/{pid}/status") as status:
        return {key: value.strip() for key, value in (line.split(":", 1) for line in status)}


def is_gone(pid):
    try:
        return status_of(pid)["State"].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def extracted(v1, channel, timeline, source, **more):
    """The summary of an extraction, of all frames unless told otherwise."""
    more = {"sampling": v1.Sampling(all=True), **more}
    request = v1.ExtractFramesRequest(timeline=timeline, chunks=[v1.Chunk(uri=str(source))], **more)
    answers = list(v1.FrameServiceStub(channel).ExtractFrames(request, timeout=SOON * 12))
    return answers[-1].summary


def test_frames_facts_and_hashes_are_those_of_one_process(clip, tmp_path):
    stores = [runner.Framecache(tmp_path / where, options=["--isolation", where]) for where in ("none", "process")]
    for kind in KINDS:
        for store in stores:
            store.extract(kind.replace(".", "-"), "--all", clip(kind))
    runner.assert_same_store(stores[0].store, stores[1].store)


def assert_the_same_both_ways(make, source, backend="cpu"):
    """`make` makes framecache over a store of such a name."""
    one, other = make("none"), make("process")
    words = ["--timeline", "t", "--backend", backend, "--all", source, "--isolation"]
    codes = [fc.run("extract", *words, where, code=None).code for fc, where in ((one, "none"), (other, "process"))]
    assert codes[0] == codes[1]
    if one.folder("t").exists() or other.folder("t").exists():
        runner.assert_same_store(one.store, other.store)


@pytest.mark.slow
def test_every_clip_gives_the_same_bytes_both_ways(ordinary_clip, new_store):
    assert_the_same_both_ways(new_store, ordinary_clip)


@pytest.mark.slow
def test_every_video_gives_the_same_bytes_both_ways(video_file, media, new_store):
    assert_the_same_both_ways(new_store, media / video_file)


@pytest.mark.slow
def test_every_clip_gives_the_same_bytes_both_ways_on_a_card(ordinary_clip, on_card):
    assert_the_same_both_ways(lambda name: on_card(name=name), ordinary_clip, "auto")


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


def test_a_gpus_driver_is_loaded_where_media_is_decoded_and_not_where_it_is_served(serve, on_card, v1, clip, tmp_path):
    source = tmp_path / "a.mp4"
    source.write_bytes(clip("h264_bframes.mp4").read_bytes())
    server = serve(environment=on_card().environment)
    with server.channel() as channel:
        devices = v1.MediaServiceStub(channel).GetServerInfo(v1.GetServerInfoRequest(), timeout=SOON).devices
        assert [device.backend for device in devices] == ["cpu", "nvdec"]
        assert extracted(v1, channel, "t", source, backend=v1.BACKEND_GPU).frames > 0
        (process,) = media_processes(server.process.pid)
        assert "libcuda" in loaded(process) and "libcuda" not in loaded(server.process.pid)


def loaded(pid):
    with open(f"/proc/{pid}/maps") as maps:
        return maps.read()


SIGNALS = [(signal.SIGSEGV, 6), (signal.SIGKILL, 6), pytest.param(signal.SIGKILL, 200, marks=pytest.mark.slow)]


class Killer:
    """Kills media processes of a server that work, so many times, as soon as it sees one."""

    def __init__(self, server, sig, times):
        self.server, self.sig, self.times = server, sig, times
        self.over, self.killed = threading.Event(), []
        self.thread = threading.Thread(target=self._kill)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def is_done(self):
        return len(self.killed) >= self.times

    def _kill(self):
        chance = random.Random(self.times)
        while not self.over.wait(chance.uniform(0.005, 0.03)) and not self.is_done():
            for process in media_processes(self.server.process.pid):
                # Of those that work, which have threads for it; it may have ended by itself meanwhile.
                with contextlib.suppress(ProcessLookupError, FileNotFoundError, KeyError):
                    if int(status_of(process)["Threads"]) > 1:
                        os.kill(process, self.sig)
                        self.killed.append(process)


@pytest.mark.parametrize("sig, kills", SIGNALS)
def test_processes_that_die_while_they_decode_cost_nobody_a_frame(serve, v1, clip, tmp_path, sig, kills):
    source = tmp_path / "a.mp4"
    source.write_bytes(clip("h264_bframes.mp4").read_bytes())
    expected = runner.Framecache(tmp_path / "alone")
    expected.extract("t", "--all", source)
    server = serve()
    cause = "crash" if sig == signal.SIGSEGV else "killed"
    with server.channel() as channel, Killer(server, sig, kills) as killer:
        for n in itertools.count():
            if n >= 6 and (killer.is_done() or n > kills * 20):
                break
            try:
                assert extracted(v1, channel, f"t{n}", source).frames in (0, len(expected.jpegs("t")))
            except grpc.RpcError as error:
                # Killed twice for one span: then it is said of that.
                assert error.code() in (grpc.StatusCode.DATA_LOSS, grpc.StatusCode.RESOURCE_EXHAUSTED), error
    with server.channel() as channel:
        assert extracted(v1, channel, "after", source).frames == len(expected.jpegs("t"))
    print(f"\n{len(killer.killed)} kills beside {n} extractions")
    assert killer.killed and server.metric("framecache_media_process_deaths_total", cause=cause) > 0
    after = runner.Framecache(tmp_path / "store")
    assert after.jpegs("after") == expected.jpegs("t")


def left_behind(server):
    """What deaths could pile up: descriptors, children in any state, threads."""
    pid = server.process.pid
    return descriptors(server), len(media_processes(pid)), len(os.listdir(f"/proc/{pid}/task"))


@pytest.mark.parametrize("deaths", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_deaths_leave_nothing_behind(serve, v1, clip, tmp_path, deaths):
    source = tmp_path / "a.mp4"
    source.write_bytes(clip("h264_bframes.mp4").read_bytes())
    server = serve()
    with server.channel() as channel:
        extracted(v1, channel, "before", source)
        before = left_behind(server)
        dead = lambda: server.metric("framecache_media_process_deaths_total")
        n = 0
        while dead() < deaths:
            for process in media_processes(server.process.pid):
                # One that is only there for what was done again may end by itself first.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                until(lambda process=process: is_gone(process), "it ends")
            n += 1
            extracted(v1, channel, f"t{n}", source, sampling=v1.Sampling(count=1))
        assert n < 3 * deaths
        nothing = lambda: all(now <= then for now, then in zip(left_behind(server), before, strict=True))
        until(nothing, f"all of them is gone: {left_behind(server)}, {before} before")
        assert list((tmp_path / "store").rglob(".tmp/*")) == []


def test_a_server_that_is_killed_leaves_no_process_behind(serve):
    server = serve()
    (process,) = media_processes(server.process.pid)
    server.process.kill()
    until(lambda: is_gone(process), "its process ends with it")
