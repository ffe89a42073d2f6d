"""Kills and races: whatever happens, the cache ends as if nothing had happened."""

import os
import random
import signal
import time

import pytest

from .support.framecache import assert_same_store, tree

KILLS = int(os.environ.get("FRAMECACHE_TEST_KILLS", "100"))
SEED = int(os.environ.get("FRAMECACHE_TEST_SEED", str(random.randrange(10**6))))
CHUNKS = ["h264_bframes.mp4", "vfr.mp4", "ntsc.mp4", "h264.ts", "two_minutes.mp4", "hevc_opengop.mp4"]
SAMPLING = ["--every", "2"]


@pytest.fixture
def sources(clip):
    return [clip(n) for n in CHUNKS]


@pytest.fixture
def undisturbed(new_store, sources):
    """A store that one quiet run filled, and how long that took."""
    fc = new_store("undisturbed")
    began = time.monotonic()
    fc.extract("t", *SAMPLING, *sources)
    return fc, time.monotonic() - began


def kill_after(fc, delay, *arguments):
    """Starts an extraction and kills it; whether it was still running."""
    process = fc.start("extract", "--timeline", "t", "--backend", "cpu", *arguments)
    time.sleep(delay)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    return alive


def assert_nothing_wrong_yet(fc, whole):
    """After a kill: every object under a key of the contract is whole."""
    for name, data in tree(fc.store).items():
        if name.endswith(".jpg"):
            assert data == whole[name], f"{name} is torn"
        elif not name.startswith(".tmp/"):
            assert name in whole, f"{name} is left over"


def test_kill_9_at_random_moments_then_the_same_command_gives_the_undisturbed_cache(undisturbed, new_store, sources):
    quiet, took = undisturbed
    whole = tree(quiet.store)
    chance = random.Random(SEED)
    print(f"{KILLS} kills, FRAMECACHE_TEST_SEED={SEED}")
    in_time = 0
    for k in range(KILLS):
        fc = new_store()
        in_time += kill_after(fc, chance.uniform(0, took), *SAMPLING, *sources)
        assert_nothing_wrong_yet(fc, whole)
        fc.extract("t", *SAMPLING, *sources)
        assert_same_store(quiet.store, fc.store)
    assert in_time >= KILLS // 2, f"only {in_time} of {KILLS} kills came before the end"


def test_kill_after_kill_on_one_cache_still_ends_in_the_undisturbed_one(undisturbed, new_store, sources):
    quiet, took = undisturbed
    chance = random.Random(SEED + 1)
    fc = new_store()
    for _ in range(8):
        kill_after(fc, chance.uniform(0.02, took / 3), *SAMPLING, *sources)
    fc.extract("t", *SAMPLING, *sources)
    assert_same_store(quiet.store, fc.store)


def test_kill_9_during_replace_then_replace_again_gives_the_undisturbed_cache(undisturbed, new_store, sources):
    quiet, took = undisturbed
    chance = random.Random(SEED + 2)
    for _ in range(max(3, KILLS // 20)):
        fc = new_store()
        fc.extract("t", "--fps", "1", "--quality", "60", *sources[:3])
        kill_after(fc, chance.uniform(0, took), *SAMPLING, "--replace", *sources)
        fc.extract("t", *SAMPLING, "--replace", *sources)
        assert_same_store(quiet.store, fc.store)


def test_two_processes_at_once_give_the_undisturbed_cache(undisturbed, new_store, sources):
    quiet, _took = undisturbed
    for _ in range(3):
        fc = new_store()
        both = [fc.start("extract", "--timeline", "t", "--backend", "cpu", *SAMPLING, *sources) for _ in range(2)]
        for process in both:
            _out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err.decode()
        assert_same_store(quiet.store, fc.store)


@pytest.mark.parametrize("sent, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_soon_and_leaves_a_cache_that_the_same_command_completes(undisturbed, new_store, sources, sent, code):
    quiet, _ = undisturbed
    fc = new_store()
    process = fc.start("extract", "--timeline", "t", "--backend", "cpu", "--workers", "1", *SAMPLING, *sources)
    # In the middle: some frames are there, and the last span is far.
    while process.poll() is None and len(fc.jpegs("t")) < 5:
        time.sleep(0.001)
    process.send_signal(sent)
    began = time.monotonic()
    _out, err = process.communicate(timeout=30)
    assert process.returncode == code, err.decode()
    assert time.monotonic() - began < 5
    assert "stopped" in err.decode()
    assert_nothing_wrong_yet(fc, tree(quiet.store))
    fc.extract("t", *SAMPLING, *sources)
    assert_same_store(quiet.store, fc.store)
