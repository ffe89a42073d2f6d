"""Kills and races: whatever happens, the cache ends as if nothing had happened.

Signals come after so many objects, never after so much time. A run that ends before its signal proves nothing, is not
counted, and another takes its place.
"""

import os
import random
import signal
import time

import pytest

from .support.framecache import assert_same_store, tree

KILLS = int(os.environ.get("FRAMECACHE_TEST_KILLS", "10"))
SEED = int(os.environ.get("FRAMECACHE_TEST_SEED", str(random.randrange(10**6))))
CHUNKS = ["h264_bframes.mp4", "vfr.mp4", "ntsc.mp4", "h264.ts", "two_minutes.mp4", "hevc_opengop.mp4"]
SAMPLING = ["--every", "2"]
# Runs for each that is hit.
TRIES = 10


@pytest.fixture
def sources(clip):
    return [clip(n) for n in CHUNKS]


@pytest.fixture
def undisturbed(new_store, sources):
    """A store that one quiet run filled."""
    fc = new_store("undisturbed")
    fc.extract("t", *SAMPLING, *sources)
    return fc


def objects(fc):
    """How many objects the store holds, whole ones only."""
    names = (name for _folder, _folders, names in os.walk(fc.folder("t")) for name in names)
    return sum(1 for _ in names)


def run_hit(fc, sent, after, *arguments):
    """Starts an extraction and sends it a signal once so many objects are there: (whether it hit, exit status, stderr)."""
    process = fc.start("extract", "--timeline", "t", "--backend", "cpu", *arguments)
    while process.poll() is None and objects(fc) < after:
        time.sleep(0.002)
    hit = process.poll() is None
    process.send_signal(sent)
    _out, err = process.communicate(timeout=120)
    # It may have ended between the look and the signal.
    return hit and process.returncode != 0, process.returncode, err.decode()


def kill_9(fc, after, *arguments):
    return run_hit(fc, signal.SIGKILL, after, *arguments)[0]


def assert_nothing_wrong_yet(fc, whole):
    """After a kill: every object under a key of the contract is whole."""
    for name, data in tree(fc.store).items():
        if name.endswith((".jpg", ".tar")):
            assert data == whole[name], f"{name} is torn"
        elif not name.startswith(".tmp/"):
            assert name in whole, f"{name} is left over"


def killed_runs_end_as_undisturbed(kills, quiet, new_store, sources, sampling=SAMPLING):
    whole, chance, hits = tree(quiet.store), random.Random(SEED), 0
    print(f"{kills} kills, FRAMECACHE_TEST_SEED={SEED}")
    for _ in range(kills * TRIES):
        fc = new_store()
        hits += kill_9(fc, chance.randrange(objects(quiet)), *sampling, *sources)
        assert_nothing_wrong_yet(fc, whole)
        fc.extract("t", *sampling, *sources)
        assert_same_store(quiet.store, fc.store)
        if hits == kills:
            return
    pytest.fail(f"only {hits} of {kills} kills came before the end")


def test_kill_9_after_any_object_then_the_same_command_gives_the_undisturbed_cache(undisturbed, new_store, sources):
    killed_runs_end_as_undisturbed(KILLS, undisturbed, new_store, sources)


def test_kill_9_after_any_object_of_a_packed_extraction_then_the_same_command_gives_the_undisturbed_cache(new_store, sources):
    quiet, packed = new_store("quiet"), [*SAMPLING, "--layout", "packed"]
    quiet.extract("t", *packed, *sources)
    killed_runs_end_as_undisturbed(max(3, KILLS // 3), quiet, new_store, sources, packed)


@pytest.mark.slow
def test_200_times_kill_9_then_the_same_command_gives_the_undisturbed_cache(undisturbed, new_store, sources):
    killed_runs_end_as_undisturbed(200, undisturbed, new_store, sources)


def test_kill_after_kill_on_one_cache_still_ends_in_the_undisturbed_one(undisturbed, new_store, sources):
    chance, fc, whole = random.Random(SEED + 1), new_store(), objects(undisturbed)
    for _ in range(8):
        kill_9(fc, objects(fc) + chance.randrange(whole // 4), *SAMPLING, *sources)
    fc.extract("t", *SAMPLING, *sources)
    assert_same_store(undisturbed.store, fc.store)


def test_kill_9_during_replace_then_replace_again_gives_the_undisturbed_cache(undisturbed, new_store, sources):
    chance = random.Random(SEED + 2)
    for _ in range(max(3, KILLS // 10)):
        fc = new_store()
        fc.extract("t", "--fps", "1", "--quality", "60", *sources[:3])
        kill_9(fc, chance.randrange(objects(fc), objects(undisturbed)), *SAMPLING, "--replace", *sources)
        fc.extract("t", *SAMPLING, "--replace", *sources)
        assert_same_store(undisturbed.store, fc.store)


def test_what_kills_left_in_tmp_is_gone_after_verify_repair(undisturbed, new_store, sources):
    fc = new_store()
    for after in range(0, objects(undisturbed), 40):
        kill_9(fc, after, *SAMPLING, *sources)
    fc.extract("t", *SAMPLING, *sources)
    fc.run("verify", "t", "--repair")
    assert not [name for name in tree(fc.store) if name.startswith(".tmp/")]
    assert_same_store(undisturbed.store, fc.store)


def test_two_processes_at_once_give_the_undisturbed_cache(undisturbed, new_store, sources):
    for _ in range(3):
        fc = new_store()
        both = [fc.start("extract", "--timeline", "t", "--backend", "cpu", *SAMPLING, *sources) for _ in range(2)]
        for process in both:
            _out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err.decode()
        assert_same_store(undisturbed.store, fc.store)


@pytest.mark.parametrize("sent, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_and_leaves_a_cache_that_the_same_command_completes(undisturbed, new_store, sources, sent, code):
    whole = tree(undisturbed.store)
    for after in random.Random(SEED + 3).sample(range(1, objects(undisturbed) // 2), TRIES):
        fc = new_store()
        hit, ended, err = run_hit(fc, sent, after, *SAMPLING, *sources)
        assert_nothing_wrong_yet(fc, whole)
        fc.extract("t", *SAMPLING, *sources)
        assert_same_store(undisturbed.store, fc.store)
        if hit:
            assert ended == code and "stopped" in err, err
            return
    pytest.fail(f"none of {TRIES} runs was still there for its signal")
