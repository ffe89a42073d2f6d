"""The command line: help that teaches, JSON that parses, a legible table."""

import json

import pytest

from .support import runner_of

COMMANDS = ["extract", "frames", "get", "put", "sheet", "overlays", "timelines", "clear", "probe", "framemd5", "doctor", "verify", "repack", "view", "submit", "work"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    done = runner_of(name, "--help")
    assert done.code == 0
    assert name in done.text and len(done.text.splitlines()) > 5


def test_the_help_names_every_command():
    done = runner_of("--help")
    assert done.code == 0
    assert all(name in done.text for name in COMMANDS)


def test_an_unknown_command_is_a_usage_error():
    assert runner_of("explode").code == 2


def test_extract_json_is_one_object_with_the_contracts_names(fc, clip):
    told = fc.extract("t", "--fps", "2", clip("h264_bframes.mp4"), clip("vfr.mp4")).json
    assert {"timeline", "frames", "written", "reused", "seconds", "media_seconds", "chunks"} <= set(told)
    assert (told["timeline"], told["frames"], told["written"], told["reused"]) == ("t", 8, 8, 0)
    assert told["media_seconds"] == pytest.approx(4, abs=0.1)
    assert [(c["chunk_id"], c["frames"], c["backend"]) for c in told["chunks"]] == [("0", 4, "cpu"), ("1", 4, "cpu")]


def test_the_id_defaults_to_the_stem_of_a_single_source(fc, clip):
    told = fc.run("extract", "--count", "1", "--json", clip("h264_bframes.mp4")).json
    assert told["timeline"] == "h264_bframes"


def test_the_table_of_frames_shows_times_and_hashes(fc, clip):
    fc.extract("t", "--fps", "2", clip("h264_bframes.mp4"))
    table = fc.run("frames", "t").text
    for fact in fc.frames("t"):
        assert fact["phash"] in table
    assert "1.48" in table
    assert fc.run("ls", "t").text == table


def test_extract_says_which_store_it_uses(fc, clip):
    done = fc.run("extract", "--timeline", "t", "--count", "1", clip("h264_bframes.mp4"))
    assert str(fc.store) in done.text + done.err


def test_probe_tells_what_ffprobe_tells(fc, clip):
    told = fc.run("probe", "--json", clip("turned_90.mp4"), command=None).json
    text = json.dumps(told)
    for fact in ("h264", "160", "120", "90", "25"):
        assert fact in text


def test_doctor_says_in_plain_words_what_works(fc):
    done = fc.run("doctor", code=None)
    assert done.code in (0, 3)
    assert "FFmpeg" in done.text and "store" in done.text.lower()
