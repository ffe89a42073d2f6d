"""Damaged files of every container through a running server, beside somebody who reads.

Each is answered, in words that are about the media; the server is the same process afterwards and holds nothing of them,
and who reads meanwhile has its frames as fast as beside whole files. Where a media process dies, that is counted and said.
"""

import collections
import random
import threading

import grpc
import pytest

from .media.damage import damage
from .support import rpc
from .support.neighbours import SOON, descriptors, media_processes, until

FILES = ["h264_bframes.mp4", "h264_fragmented.mp4", "h264.ts", "h264.mkv", "h264.flv", "h264.h264", "hevc.ts", "hevc_opengop.mp4",
         "vp8.webm", "vp9.webm", "av1_svt.mp4", "mpeg2.ts", "mpeg1.mpg", "mpeg4.avi", "mjpeg.avi", "prores.mov", "png.mov", "flv1.flv"]
AT_ONCE = 2
# What can be said of a file by itself.
OF_MEDIA = {"whole", "damaged", "MEDIA_CORRUPT", "MEDIA_UNSUPPORTED", "LIMIT_EXCEEDED"}


class Feeder:
    """Sends files of a folder, a timeline each, and keeps how each was answered."""

    def __init__(self, server, v1, folder, clip):
        self.server, self.v1, self.folder, self.clip = server, v1, folder, clip
        self.answers = collections.Counter()
        self.odd = []

    def feed(self, seeds, damaged):
        """All of them, so many at once; gives threads that end by themselves."""
        threads = [threading.Thread(target=self._feed, args=(seeds[k::AT_ONCE], damaged)) for k in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        return threads

    def _feed(self, seeds, damaged):
        with self.server.channel(use_local_subchannel_pool=1) as channel:
            for seed in seeds:
                chance = random.Random(seed)
                source = self.clip(chance.choice(FILES))
                data = bytearray(source.read_bytes())
                kind = damage(data, chance) if damaged else "whole"
                path = self.folder / f"{seed}-{kind}{source.suffix}"
                path.write_bytes(data)
                answer = self._answer(channel, seed, path)
                self.answers[answer] += 1
                if answer not in OF_MEDIA:
                    self.odd.append((path.name, source.name, answer))
                else:
                    path.unlink()

    def _answer(self, channel, seed, path):
        """Of a probe and an extraction: `whole`, `damaged`, or the reason for which it failed."""
        v1 = self.v1
        frames = v1.FrameServiceStub(channel)
        timeline = f"f{seed}"
        request = v1.ExtractFramesRequest(timeline=timeline, chunks=[v1.Chunk(uri=str(path))], sampling=v1.Sampling(all=True))
        try:
            v1.MediaServiceStub(channel).ProbeMedia(v1.ProbeMediaRequest(uri=str(path)), timeout=SOON * 8)
            answers = list(frames.ExtractFrames(request, timeout=SOON * 8))
            frames.ClearTimeline(v1.ClearTimelineRequest(timeline=timeline), timeout=SOON * 8)
        except grpc.RpcError as error:
            return rpc.refusal(error).reason or str(error.code())
        (chunk,) = [answer.chunk for answer in answers if answer.HasField("chunk")]
        if chunk.HasField("error"):
            return rpc.details(chunk.error)["ErrorInfo"].reason
        return "damaged" if chunk.damaged or chunk.missing else "whole"


def read_beside(neighbour, threads):
    """Seconds of each of the neighbour's reads, sorted, until they have ended; it is served each time."""
    secs = []
    while any(thread.is_alive() for thread in threads):
        secs.append(neighbour.is_served())
    for thread in threads:
        thread.join()
    return sorted(secs)


def p99(secs):
    return secs[int(len(secs) * 0.99)]


@pytest.mark.parametrize("files", [120, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_files_are_answered_in_words_and_nobody_else_notices_them(started, v1, clip, tmp_path, files):
    server, neighbour = started("--source-root", tmp_path)
    feeder = Feeder(server, v1, tmp_path, clip)
    beside_whole = read_beside(neighbour, feeder.feed(range(-files // 10, 0), damaged=False))
    assert set(feeder.answers) == {"whole"}, feeder.odd
    feeder.answers.clear()
    (before,), held = media_processes(server.process.pid), descriptors(server)
    beside_damaged = read_beside(neighbour, feeder.feed(range(files), damaged=True))
    deaths = server.metric("framecache_media_process_deaths_total")
    print(f"\n{files} damaged files, seeds 0 to {files - 1}: {dict(feeder.answers)}; {deaths:.0f} media processes died")
    print(f"p99 of {len(beside_damaged)} reads: {p99(beside_damaged) * 1e3:.1f} ms, {p99(beside_whole) * 1e3:.1f} ms beside whole files")
    assert not feeder.odd, "\n".join([*map(str, feeder.odd), server.log[-3000:]])
    assert feeder.answers["damaged"] and feeder.answers["MEDIA_CORRUPT"], feeder.answers
    # Nothing of them stays, and their process is the one that was there unless one died.
    until(lambda: descriptors(server) <= held + 8, f"descriptors are closed: {descriptors(server)} and {held}")
    assert deaths or media_processes(server.process.pid) == [before]
    assert len(beside_damaged) > 99 and (files < 1000 or p99(beside_damaged) < 2 * p99(beside_whole))


def kept(runner, path, *how):
    """What an extraction of the file keeps: a number's bytes and facts of damage, or the refusal's words."""
    done = runner.extract("t", *how, path, code=None)
    if done.code not in (0, 3):
        return done.err
    return {f["seq"]: (f.get("sha256"), f.get("damaged"), f.get("missing"), f["timestamp"]) for f in runner.frames("t")}


@pytest.mark.parametrize("files", [len(FILES), pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_damaged_file_gives_the_same_frames_with_any_number_of_workers(new_store, clip, tmp_path, files):
    unlike = []
    for seed in range(files):
        source = clip(FILES[seed % len(FILES)])
        data = bytearray(source.read_bytes())
        kind = damage(data, random.Random(seed))
        path = tmp_path / f"{seed}-{kind}{source.suffix}"
        path.write_bytes(data)
        ways = [kept(new_store(f"{seed}-{workers}"), path, "--all", "--workers", workers) for workers in (1, 2, 4)]
        if any(way != ways[0] for way in ways):
            unlike.append((path.name, source.name))
        path.unlink()
    assert unlike == []
