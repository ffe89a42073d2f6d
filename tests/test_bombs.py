"""Small files that ask for much memory or time cost neither, and no neighbour notices them."""

import contextlib
import os
import threading
import time

import grpc
import pytest

from .media import make
from .support import bombs, rpc
from .support import framecache as runner
from .support.neighbours import cpu_secs, resident_kib
from .test_serve import until

CODE = grpc.StatusCode
# Over what the file itself needs.
ROOM_MIB = 64
# H.264's tables for 256 megapixels, which libavcodec makes before it looks at max_pixels: 90 MiB seen, of each decoder.
TABLES_MIB = 128
# What a read that finds its frame in memory may take beside a bomb, on a busy machine.
READ_SECS = 3


def resident_mib(pid):
    return resident_kib(pid)[0] / 1024


class Neighbour:
    """Another client that reads one cached frame over and over, and what the server takes meanwhile."""

    def __init__(self, v1, server):
        self.v1, self.pid = v1, server.process.pid
        self.slowest, self.peak, self.reads, self.failed = 0.0, 0.0, 0, None
        self.channel = server.channel()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._watch)]

    def _read(self):
        stub = self.v1.FrameServiceStub(self.channel)
        request = self.v1.GetFramesRequest(timeline="neighbour", selection=self.v1.Selection(sequences=[0]))
        while not self.ended.is_set():
            begun = time.monotonic()
            try:
                found = [r.frame for r in stub.GetFrames(request, timeout=60) if r.HasField("frame")]
                assert found[0].HasField("data"), found
            except (grpc.RpcError, AssertionError) as why:
                self.failed = why
                return
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.reads += 1
            time.sleep(0.01)

    def _watch(self):
        while not self.ended.is_set():
            self.peak = max(self.peak, resident_mib(self.pid))
            time.sleep(0.005)

    @contextlib.contextmanager
    def beside(self, room_mib=ROOM_MIB):
        """What happens inside costs little memory and no reads."""
        before = resident_mib(self.pid)
        for thread in self.threads:
            thread.start()
        until(lambda: self.reads or self.failed, "the neighbour reads")
        yield
        self.ended.set()
        for thread in self.threads:
            thread.join()
        assert self.failed is None, self.failed
        assert self.slowest < READ_SECS, self.slowest
        assert self.peak - before < room_mib, (before, self.peak)


@pytest.fixture
def bombed(v1, serve, tmp_path, clip):
    """A server with a neighbour's frames in its cache, and a warmed-up probe."""
    server = serve("--workers", "2")
    (tmp_path / "neighbour.mp4").write_bytes(clip("h264_bframes.mp4").read_bytes())
    with server.channel() as channel:
        request = v1.ExtractFramesRequest(
            timeline="neighbour", chunks=[v1.Chunk(uri=str(tmp_path / "neighbour.mp4"))], sampling=v1.Sampling(every=10)
        )
        for _ in v1.FrameServiceStub(channel).ExtractFrames(request, timeout=60):
            pass
    return server


def probe(v1, server, uri, timeout=20):
    with server.channel() as channel:
        return v1.MediaServiceStub(channel).ProbeMedia(v1.ProbeMediaRequest(uri=str(uri)), timeout=timeout)


def extract(v1, server, uri, timeout=60, timeline="bomb", **more):
    """The chunk's result; the call's error is the caller's."""
    more = more or {"sampling": v1.Sampling(all=True)}
    request = v1.ExtractFramesRequest(timeline=timeline, chunks=[v1.Chunk(uri=str(uri))], **more)
    with server.channel() as channel:
        events = list(v1.FrameServiceStub(channel).ExtractFrames(request, timeout=timeout))
    return next(event.chunk for event in events if event.HasField("chunk"))


def made(target, *options, **picture):
    make.ffmpeg(*make.pattern(**picture), *make.X264, *options, target)
    return target.read_bytes()


def fragmented(folder):
    sound = ["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"]
    options = ["-g", "1", "-movflags", "frag_keyframe+empty_moov+default_base_moof"]
    make.ffmpeg(*make.pattern(size="64x64", seconds=1), *sound, *make.X264, *options, folder / "fragmented.mp4")
    return (folder / "fragmented.mp4").read_bytes()


def whole(folder):
    return made(folder / "whole.mp4", size="64x64", seconds=1)


BOMBS = {
    "88,000,000 samples in a run": (
        lambda f: bombs.claimed_run(fragmented(f), 88_000_000),
        "MEDIA_CORRUPT",
        "=88000000 ",
    ),
    "10^9 samples, each of its size": (
        lambda f: bombs.claimed_table(whole(f), 10**9),
        "LIMIT_EXCEEDED",
        "=1000000000 ",
    ),
    "80,000,000 samples of one size": (
        lambda f: bombs.claimed_table(whole(f), 80_000_000, 1),
        "LIMIT_EXCEEDED",
        "=80000000 ",
    ),
    "3,900,000 samples of one size": (
        lambda f: bombs.claimed_table(whole(f), 3_900_000, 1),
        "LIMIT_EXCEEDED",
        "=3900000 ",
    ),
    "a track without an id": (lambda f: bombs.without_id(fragmented(f)), "MEDIA_CORRUPT", "no id"),
    "1,000 tracks": (lambda f: bombs.of_tracks(whole(f), 1000), "LIMIT_EXCEEDED", "limit=256"),
    "200,000 edits": (lambda f: bombs.edited(whole(f), 200_000), "LIMIT_EXCEEDED", "edits=200000 "),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_that_claims_more_than_its_file_is_refused_by_the_number(v1, bombed, tmp_path, name):
    recipe, reason, number = BOMBS[name]
    (tmp_path / "bomb.mp4").write_bytes(recipe(tmp_path))
    code = CODE.DATA_LOSS if reason == "MEDIA_CORRUPT" else CODE.FAILED_PRECONDITION
    with Neighbour(v1, bombed).beside():
        with rpc.refused(code, reason) as seen:
            probe(v1, bombed, tmp_path / "bomb.mp4")
        with rpc.refused(code, reason):
            extract(v1, bombed, tmp_path / "bomb.mp4")
    assert number in seen[0].message, seen[0].message


def test_a_table_that_asks_for_more_than_ffmpeg_ever_gives_is_damage_and_no_want_of_memory(v1, bombed, tmp_path):
    data = bytearray(fragmented(tmp_path))
    entries = data.index(b"stco") + 8
    data[entries : entries + 4] = (0x7400_0002).to_bytes(4, "big")
    (tmp_path / "bomb.mp4").write_bytes(data)
    with Neighbour(v1, bombed).beside(), rpc.refused(CODE.DATA_LOSS, "MEDIA_CORRUPT"):
        extract(v1, bombed, tmp_path / "bomb.mp4")


def test_an_edit_list_that_claims_a_thousand_million_edits_and_has_one_counts_as_one(v1, bombed, tmp_path):
    (tmp_path / "bomb.mp4").write_bytes(bombs.claimed_edits(whole(tmp_path), 10**9))
    with Neighbour(v1, bombed).beside():
        assert probe(v1, bombed, tmp_path / "bomb.mp4").video.frames == 25


def baseline(folder):
    options = ["-profile:v", "baseline", "-bsf:v", "h264_mp4toannexb", "-f", "h264"]
    return made(folder / "baseline.h264", *options, size="64x64", seconds=1)


def of_16000(folder, name):
    """Such a stream by itself, or in a transport stream."""
    stream = bombs.of_size(baseline(folder), 16000, 16000)
    if name.endswith(".ts"):
        (folder / "large.h264").write_bytes(stream)
        limit = ["-max_pixels", "65536"]
        make.ffmpeg(*limit, "-framerate", "25", "-i", folder / "large.h264", "-c", "copy", folder / "large.ts")
        return (folder / "large.ts").read_bytes()
    return stream


@pytest.mark.parametrize("name", ["bomb.h264", "bomb.ts"])
def test_pictures_of_16000x16000_in_the_parameter_sets_are_refused_before_memory_is_taken(v1, bombed, tmp_path, name):
    (tmp_path / name).write_bytes(of_16000(tmp_path, name))
    with Neighbour(v1, bombed).beside(TABLES_MIB), rpc.refused(CODE.FAILED_PRECONDITION, "LIMIT_EXCEEDED") as seen:
        extract(v1, bombed, tmp_path / name)
    assert "width=16000 height=16000" in seen[0].message and "max_pixels=67108864" in seen[0].message


def test_pictures_that_become_too_large_in_mid_stream_fail_their_span_alone(v1, bombed, tmp_path):
    small, large = baseline(tmp_path), bombs.of_size(baseline(tmp_path), 16000, 16000)
    (tmp_path / "grows.h264").write_bytes(70 * small + large)
    copy = ["-max_pixels", "65536", "-framerate", "25", "-i", tmp_path / "grows.h264", "-c", "copy"]
    make.ffmpeg(*copy, tmp_path / "grows.ts")
    with Neighbour(v1, bombed).beside(2 * TABLES_MIB):
        chunk = extract(v1, bombed, tmp_path / "grows.ts")
    assert chunk.frames >= 1500, chunk
    assert "width=16000 height=16000" in chunk.error.message, chunk


def jump(data, ticks):
    """A transport stream whose clock (PTS and DTS: ISO/IEC 13818-1, 2.4.3.7) jumps by so many ticks in the middle."""
    data = bytearray(data)
    starts = [at for at in range(0, len(data), 188) if data[at + 1] & 0x40]
    for at in starts:
        pes = data.find(b"\0\0\1\xe0", at, at + 188)
        if pes < 0 or at < len(data) // 2:
            continue
        flags = data[pes + 7] >> 6
        for n in range({2: 1, 3: 2}.get(flags, 0)):
            field = data[pes + 9 + 5 * n : pes + 14 + 5 * n]
            time = (field[0] >> 1 & 7) << 30 | field[1] << 22 | (field[2] >> 1) << 15 | field[3] << 7 | field[4] >> 1
            time += ticks
            data[pes + 9 + 5 * n : pes + 14 + 5 * n] = bytes(
                [
                    field[0] & 0xF0 | (time >> 30 & 7) << 1 | 1,
                    time >> 22 & 0xFF,
                    (time >> 15 & 0x7F) << 1 | 1,
                    time >> 7 & 0xFF,
                    (time & 0x7F) << 1 | 1,
                ]
            )
    return bytes(data)


def test_a_clock_that_jumps_by_a_day_under_fps_is_refused_with_the_jump_and_what_to_do(v1, bombed, tmp_path):
    day = 20 * 3600
    (tmp_path / "jump.ts").write_bytes(jump(made(tmp_path / "clip.ts", "-bf", "0"), day * 90_000))
    with Neighbour(v1, bombed).beside():
        with rpc.refused(CODE.FAILED_PRECONDITION, "LIMIT_EXCEEDED") as seen:
            extract(v1, bombed, tmp_path / "jump.ts", sampling=v1.Sampling(fps="20"))
        assert extract(v1, bombed, tmp_path / "jump.ts").frames == 50
    assert "jumps" in seen[0].message and "limit=100000" in seen[0].message, seen[0].message


# CPU seconds that each of them may take, on average.
SEEDS, SEED_SECS = 400, 0.1


def test_a_head_of_a_box_changed_at_random_costs_little_time_and_room(v1, bombed, tmp_path):
    sound = [fragmented(tmp_path), whole(tmp_path)]
    begun = cpu_secs(bombed.process.pid)
    with Neighbour(v1, bombed).beside():
        for seed in range(SEEDS):
            (tmp_path / f"{seed}.mp4").write_bytes(bombs.flipped(sound[seed % 2], seed))
            with contextlib.suppress(grpc.RpcError):
                probe(v1, bombed, tmp_path / f"{seed}.mp4", timeout=5)
    # What goes on after its deadline counts, too.
    assert until_quiet(bombed.process.pid) - begun < SEEDS * SEED_SECS


def copies(folder, count):
    """A transport stream repeated so often that reading it takes its time."""
    made(folder / "short.ts", "-muxrate", "2M", size="320x240", seconds=4)
    data = (folder / "short.ts").read_bytes()
    with (folder / "long.ts").open("wb") as out:
        for _ in range(count):
            out.write(data)
    os.link(folder / "long.ts", folder / "again.ts")


def until_quiet(pid):
    """CPU seconds at the time from which on the server takes hardly any."""
    before, quiet = cpu_secs(pid), 0
    while quiet < 5:
        time.sleep(0.1)
        now = cpu_secs(pid)
        quiet = quiet + 1 if now - before < 0.02 else 0
        before = now
    return before


def test_a_deadline_ends_the_reading_and_not_only_the_wait_for_it(v1, serve, tmp_path):
    copies(tmp_path, 400)
    server = serve("--workers", "2")
    pid = server.process.pid
    begun = cpu_secs(pid)
    probe(v1, server, tmp_path / "long.ts", timeout=300)
    whole_secs = until_quiet(pid) - begun
    begun = cpu_secs(pid)
    with pytest.raises(grpc.RpcError) as late:
        probe(v1, server, tmp_path / "again.ts", timeout=0.1)
    assert late.value.code() == CODE.DEADLINE_EXCEEDED
    spent = until_quiet(pid) - begun
    assert spent < whole_secs / 2, (spent, whole_secs)


@pytest.mark.parametrize("name", ["profile", "text", "size", "pixels"])
def test_a_png_that_inflates_to_a_gigabyte_does_not(fc, tmp_path, name):
    gigabyte = bombs.zeros(1024)
    png = {
        "profile": lambda: bombs.png(8, 8, bombs.chunk(b"iCCP", b"name\0\0" + gigabyte)),
        "text": lambda: bombs.png(8, 8, bombs.chunk(b"zTXt", b"word\0\0" + gigabyte)),
        "size": lambda: bombs.png(65535, 65535, mebibytes=1024),
        "pixels": lambda: bombs.png(8, 8, mebibytes=1024),
    }[name]()
    (tmp_path / "0.png").write_bytes(png)
    small = bombs.png(8, 8)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "0.png").write_bytes(small)
    usual = runner.Watched(fc.start("put", "small", tmp_path / "small" / "0.png"))
    assert usual.finish(60).code == 0
    watched = runner.Watched(fc.start("put", "large", tmp_path / "0.png"))
    assert watched.finish(60).code in (0, 2, 6)
    assert watched.peak_mib < usual.peak_mib + ROOM_MIB, (watched.peak_mib, usual.peak_mib)
