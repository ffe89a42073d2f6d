"""NVIDIA's own parser between us and libavcodec: what a card makes of videos is the CPU's, frame by frame.

The stand-in's decoder finds a picture's pixels by the bytes that the parser names (tests/standin/hybrid.cpp), so a frame
under another's label is seen. `make test-nvcuvid` fetches the parser; without FRAMECACHE_NVCUVID all is skipped.
"""

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.conftest import MEDIA
from tests.media import make
from tests.media.damage import damage
from tests.support.framecache import BINARY
from tests.support.oracle import Truth
from tests.test_gpu import assert_equal, compare, decoded, only_chunk

pytestmark = pytest.mark.skipif("FRAMECACHE_NVCUVID" not in os.environ, reason="NVIDIA's own parser is not here (scripts/nvcuvid.sh)")

# Sessions are as many as memory holds: one in 1 GiB, else two for each of seven engines.
SESSIONS = {1: "any_size", 14: "any_size,memory=32000000000"}
# Pictures, above which not all are extracted.
MANY = 400
# How a video is extracted, beside the whole of it in one session: sessions, and options (none: the whole again).
WAYS = [(1, ["--every", "7"]), (1, ["--count", "3"]), (14, None)]
DAMAGED_FILES = 300
TO_DAMAGE = ["h264_bframes.mp4", "hevc.ts", "vp9.webm", "hevc_12bit.mp4", "av1_svt.mp4", "h264_opengop.mp4"]
# Their codecs have no decode status.
NO_STATUS = ["vp9.webm", "av1_svt.mp4"]
# Of damage that it does not notice libavcodec leaves parts as a buffer's last user left them: by other threads, other pictures.
# framecache's decoder marks its buffers, and so sees what was never written; the stand-in's does not.
BY_BUFFERS = ["hevc.ts", "hevc_12bit.mp4"]


def videos():
    """Generated clips, each with one of the ways; only in `make test-nvcuvid` all ways, and where the media folder is what lies there and beside it."""
    found = [pytest.param(name, slice(k % len(WAYS), None, len(WAYS)), id=name) for k, name in enumerate(make.ORDINARY)]
    found += [pytest.param(name, slice(None), id=f"{name}-by_all", marks=pytest.mark.slow) for name in make.ORDINARY]
    if MEDIA:
        names = [name for folder in ("videos", "segments") for name in Truth(MEDIA).files(folder)]
        untidy = sorted((MEDIA.parent / "faults" / "media").glob("*.*"))
        names += [str(path) for path in untidy if path.suffix not in (".py", ".sh", ".json")]
        found += [pytest.param(name, slice(None), id=Path(name).name, marks=pytest.mark.slow) for name in names]
    return found


@pytest.fixture
def video(clip, request):
    name = request.param
    if name in make.ORDINARY:
        return clip(name)
    return MEDIA / name


def on_nvidias_parser(on_card, sessions=1):
    return lambda: on_card(SESSIONS[sessions], "hybrid")


def is_a_reason(refusal):
    """What no card takes is refused in its own words; neither the driver nor its parser is to blame."""
    blamed = ("NVIDIA's parser named", "could not", "panic", "pictures were wanted")
    return refusal is None or not any(words in refusal for words in blamed)


def planes(runner, path, backend):
    done = runner.run("framemd5", command=[str(BINARY), "framemd5", path, "--backend", backend], code=None, timeout=900)
    return done.text.splitlines() if done.code == 0 else done.err


@pytest.mark.parametrize("video, which", videos(), indirect=["video"])
def test_what_a_card_makes_of_every_video_is_the_cpus(on_card, new_store, video, which):
    card = on_nvidias_parser(on_card)
    by_cpu, by_card = (planes(card(), video, backend) for backend in ("cpu", "gpu"))
    assert by_card == by_cpu or (isinstance(by_card, str) and is_a_reason(by_card))
    whole = ["--all"] if len(by_cpu) < MANY else ["--count", "60"]
    refusal = compare(card, new_store, video, *whole)
    assert is_a_reason(refusal)
    if refusal:
        return
    for sessions, how in WAYS[which]:
        refusal = compare(on_nvidias_parser(on_card, sessions), new_store, video, *(how or whole))
        assert is_a_reason(refusal) and (how or refusal is None)


def is_damaged(runner, path):
    """Whether the CPU finds damage; None where it opens nothing."""
    done = runner.extract("t", "--all", path, code=None)
    if done.code not in (0, 3):
        return None
    return any(frame.get("damaged") or frame.get("missing") for frame in runner.frames("t"))


def is_noticed(path):
    """Whether libavcodec itself complains."""
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "warning", "-i", path, "-f", "null", "-"], capture_output=True, timeout=120)
    return bool(done.stderr)


def nobody_can_tell(source, path, damaged):
    """Whether the card's frames may be others than the CPU's."""
    unseen = source.name in BY_BUFFERS and not (damaged and is_noticed(path))
    return damaged is not None and (source.name in NO_STATUS or unseen)


def is_a_reason_for(source, refusal):
    """Of some damage in streams that have no status the parser says UNKNOWN, and is not called again."""
    given_up = source.name in NO_STATUS and refusal and "could not parse the video" in refusal
    return given_up or is_a_reason(refusal)


def batches():
    """A batch of each clip; the others only in `make test-nvcuvid`."""
    number = DAMAGED_FILES // 10
    return [batch if batch < len(TO_DAMAGE) else pytest.param(batch, marks=pytest.mark.slow) for batch in range(number)]


@pytest.mark.parametrize("batch", batches())
def test_damaged_files_give_the_cpus_frames_or_a_reason(on_card, new_store, clip, tmp_path, batch):
    source = clip(TO_DAMAGE[batch % len(TO_DAMAGE)])
    for seed in range(batch * 10, batch * 10 + 10):
        data = bytearray(source.read_bytes())
        kind = damage(data, random.Random(seed), first=len(data) // 8)
        path = tmp_path / f"{seed}-{kind}{source.suffix}"
        path.write_bytes(data)
        if not nobody_can_tell(source, path, is_damaged(new_store(), path)):
            refusal = compare(on_nvidias_parser(on_card), new_store, path, "--all")
            assert is_a_reason_for(source, refusal), path.name
            continue
        card = on_nvidias_parser(on_card)()
        done = decoded(card, "--all", path, code=None)
        assert done.code in (0, 3) or is_a_reason_for(source, done.err), done.describe()
        # Where damage was known of, it was left to the CPU.
        if source.name in NO_STATUS and done.code in (0, 3) and only_chunk(done)["backend"] == "cpu":
            assert_equal(card, new_store(), "--all", path)
