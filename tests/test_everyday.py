"""The command line of every day: what is mistyped says so, and what is often wanted is one flag."""

import csv
import io
import json
import os
import re
import subprocess

import pytest
from PIL import Image

from .support import framecache as runner
from .support import rpc


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("everyday")


@pytest.fixture(scope="module")
def source():
    from .conftest import make_clip

    return make_clip("h264_bframes.mp4")


@pytest.fixture(scope="module")
def cached(folder, source):
    """A store with ten frames of the timeline `t`, at 0, 0.2, … 1.8 s; nobody writes to it."""
    fc = runner.Framecache(folder / "store")
    fc.extract("t", "--fps", "5", source)
    return fc


@pytest.fixture(scope="module")
def remote(cached, folder):
    """The same store through a server."""

    class Remote(runner.Framecache):
        def command(self, name, *arguments):
            return [str(runner.BINARY), name, *map(str, arguments), "--server", server.target]

    with rpc.start_server(cached.store, cwd=folder) as server:
        yield Remote(cached.store)


def refused(done, code):
    """The one line of an error."""
    assert done.code == code, done.describe()
    (line,) = done.err.strip().splitlines()
    assert line.startswith("framecache: ") and "; " in line, line
    return line


def png(path, **size):
    Image.new("RGB", (size.get("side", 40), 30), "red").save(path, "PNG")
    return path


# What cannot be meant


def test_a_window_past_the_end_is_refused_and_leaves_the_timeline_free(new_store, source):
    for window in (["--from", "100"], ["--from", "2", "--to", "9"], ["--from", "0.05", "--to", "0.1"]):
        fc = new_store()
        line = refused(fc.run("extract", "--timeline", "t", "--fps", "5", *window, source, code=None), 5)
        assert "the window holds no frame" in line and "footage_to=2" in line
        assert not runner.tree(fc.store), "nothing is claimed"
        assert fc.extract("t", "--fps", "5", source).json["frames"] == 10
    last = new_store().extract("t", "--fps", "5", "--from", "1.8", "--to", "9", source)
    assert last.json["frames"] == 1


def test_a_window_that_ends_before_it_begins_is_refused_by_every_command(cached, remote, tmp_path):
    for fc in (cached, remote):
        for words in (["get", "t", "--out", tmp_path], ["frames", "t"], ["sheet", "t", "-o", tmp_path / "s.png"]):
            assert "the window is empty" in refused(fc.run(*words, "--from", "5", "--to", "2", code=None), 2)
    assert not list(tmp_path.iterdir())


def test_a_store_that_is_not_there_is_said_by_those_who_read_and_made_by_those_who_write(new_store, source, tmp_path):
    overlay = png(tmp_path / "o.png")
    readers = [
        ["timelines"], ["timelines", "t"], ["frames", "t"], ["get", "t", "--seq", "0", "--out", tmp_path],
        ["sheet", "t", "-o", tmp_path / "s.png"], ["clear", "t"], ["verify", "t"], ["overlays", "list", "t"],
        ["overlays", "put", "t", "--job", "j", "--stage", "s", "--seq", "0", overlay],
    ]  # fmt: skip
    typo = new_store("typo")
    for words in readers:
        line = refused(typo.run(*words, code=None), 4)
        assert f"there is no store here, store={typo.store}" in line and "--store" in line
    assert not typo.store.exists()
    typo.extract("t", "--count", "1", source)
    assert typo.run("timelines").text.startswith("t ")
    put = new_store("put")
    Image.new("RGB", (8, 8)).save(tmp_path / "0.jpg")
    put.run("put", "p", tmp_path / "0.jpg")
    assert put.run("timelines").text.startswith("p ")


def test_overlays_of_a_timeline_that_is_not_there_make_none(new_store, source, tmp_path):
    fc, overlay = new_store(), png(tmp_path / "o.png")
    fc.extract("t", "--count", "1", source)
    before = runner.tree(fc.store)
    put = lambda timeline, *more, code=0: fc.run(
        "overlays", "put", timeline, "--job", "j", "--stage", "s", "--seq", "0", overlay, *more, code=code
    )
    assert "no such timeline, timeline=typo" in refused(put("typo", code=None), 4)
    assert "no such profile" in refused(put("t", "--profile", "typo", code=None), 4)
    assert runner.tree(fc.store) == before
    with rpc.start_server(fc.store) as server:
        words = ["overlays", "put", "typo", "--job", "j", "--stage", "s", "--seq", "0", overlay, "--server", server.target]
        assert "no such timeline" in refused(runner.run([runner.BINARY, *words]), 4)
    put("t")
    assert len(runner.tree(fc.store)) == len(before) + 1


def test_a_png_that_is_cut_short_is_refused_and_a_whole_one_beside_it_is_put(new_store, source, tmp_path):
    fc, whole = new_store(), png(tmp_path / "whole.png", side=400)
    fc.extract("t", "--count", "1", source)
    data = whole.read_bytes()
    put = lambda *files, code=0: fc.run("overlays", "put", "t", "--job", "j", "--stage", "s", "--seq", "0", *files, code=code)
    for cut in (30, len(data) // 2, len(data) - 13, len(data) - 12, len(data) - 4, len(data) - 1):
        short = tmp_path / "short.png"
        short.write_bytes(data[:cut])
        line = refused(put(short, code=None), 2)
        assert "cut short" in line and f"path={short}" in line, cut
    done = put(short, whole, code=3)
    assert f"path={short}" in done.err and "1 overlay put" in done.text
    (tmp_path / "more.png").write_bytes(data + b"what follows IEND is nobody's")
    put(tmp_path / "more.png")


def test_an_error_names_the_file_that_it_is_about(cached, source, tmp_path):
    absent = tmp_path / "nosuch.mp4"
    assert f"source={absent}" in refused(cached.run("probe", absent, code=None), 4)
    assert f"source={tmp_path}" in refused(cached.run("probe", tmp_path, code=None), 2)
    assert "stream=7" in (line := refused(cached.run("probe", source, "--stream", "7", code=None), 2)) and str(source) in line
    words = tmp_path / "x.jpg"
    words.write_text("no picture")
    put = ["overlays", "put", "t", "--job", "j", "--stage", "s", "--seq", "0"]
    assert f"path={words}" in refused(cached.run(*put, words, code=None), 2)
    line = refused(cached.run("put", "p", "--seq", "3", words, code=None), 2)
    assert f"path={words}" in line and line.count("seq=3") == 1


def test_what_is_no_id_is_told_for_what_it_is(new_store, tmp_path):
    fc = new_store()
    (tmp_path / "0.jpg").write_bytes(b"")
    assert "the source is a folder" in refused(fc.run("extract", "--fps", "2", tmp_path, code=None), 2)
    assert "no file matches this pattern" in refused(fc.run("extract", "--fps", "2", f"{tmp_path}/*.mp4", code=None), 4)
    assert "id comes first" in refused(fc.run("put", tmp_path / "0.jpg", tmp_path / "0.jpg", code=None), 2)
    assert not fc.store.exists()


def test_a_source_outside_says_which_flag_lets_it_in(remote, source):
    line = refused(remote.run("probe", source, code=None), 7)
    assert "--source-root" in line
    assert "--source-bucket" in refused(remote.run("probe", "s3://bucket/a.mp4", code=None), 7)


# What is often wanted


def written(folder):
    return sorted(int(path.stem) for path in folder.iterdir())


WANTED = [
    (["--all"], list(range(10))),
    (["--from", "1"], [5, 6, 7, 8, 9]),
    (["--to", "0.5"], [0, 1, 2]),
    (["--from", "0.4", "--to", "1.2"], [2, 3, 4, 5]),
    (["--all", "--every", "4"], [0, 4, 8]),
    (["--from", "1", "--every", "2"], [5, 7, 9]),
    (["--seq", "2-7", "--every", "3"], [2, 5]),
    (["--at", "0.5,1.7"], [2, 8]),
]


@pytest.mark.parametrize("flags, seqs", WANTED)
def test_frames_are_had_and_listed_by_number_time_or_all_of_them_here_and_there(cached, remote, tmp_path, flags, seqs):
    for name, fc in (("mine", cached), ("theirs", remote)):
        fc.run("get", "t", *flags, "--out", tmp_path / name)
        assert written(tmp_path / name) == seqs, name
        assert [fact["seq"] for fact in fc.run("frames", "t", *flags, "--json").json] == seqs, name
    assert runner.tree(tmp_path / "mine") == runner.tree(tmp_path / "theirs")


def test_ways_to_name_frames_exclude_each_other(cached, tmp_path):
    for flags in (["--all", "--seq", "1"], ["--at", "1", "--from", "1"], ["--all", "--to", "1"], ["--every", "0", "--all"]):
        assert cached.run("get", "t", *flags, "--out", tmp_path, code=None).code == 2
    assert cached.run("get", "t", "--out", tmp_path, code=None).code == 2


def test_a_width_makes_smaller_pictures_of_the_same_aspect(cached, remote, tmp_path):
    for name, fc in (("mine", cached), ("theirs", remote)):
        fc.run("get", "t", "--seq", "3", "--width", "80", "--out", tmp_path / name)
        with Image.open(tmp_path / name / "3.jpg") as picture:
            assert picture.format == "JPEG" and picture.size == (80, 60)
        fc.run("get", "t", "--seq", "3", "--height", "30", "--format", "png", "--out", tmp_path / name)
        with Image.open(tmp_path / name / "3.png") as picture:
            assert picture.size == (40, 30)
    assert runner.tree(tmp_path / "mine") == runner.tree(tmp_path / "theirs")
    whole = cached.run("get", "t", "--seq", "3", "--out", "-").out
    assert whole == cached.jpegs("t")[3], "without a size the stored bytes"
    assert "width" in refused(cached.run("get", "t", "--seq", "3", "--width", "0", "--out", tmp_path, code=None), 2)


def test_facts_come_as_a_table_of_commas_as_lines_and_as_one_array(cached, remote):
    facts = cached.frames("t")
    for fc in (cached, remote):
        lines = fc.run("frames", "t", "--format", "jsonl").text.splitlines()
        assert [json.loads(line) for line in lines] == facts
        rows = list(csv.DictReader(io.StringIO(fc.run("frames", "t", "--format", "csv").text)))
        assert [int(row["seq"]) for row in rows] == [fact["seq"] for fact in facts]
        for row, fact in zip(rows, facts):
            assert float(row["timestamp"]) == fact["timestamp"] and row["sha256"] == fact["sha256"]
            assert row["colour.matrix"] == fact["colour"]["matrix"] and row["fallback_reason"] == ""
        assert fc.run("frames", "t", "--format", "json").json == facts
        assert [f["seq"] for f in fc.run("frames", "t", "--limit", "3", "--from", "0.4", "--json").json] == [2, 3, 4]
        assert fc.run("frames", "t", "--limit", "0", "--json").json == []
    assert "--format" in cached.run("frames", "t", "--json", "--format", "csv", code=2).err


def test_quiet_leaves_results_and_errors(new_store, source, tmp_path):
    fc = new_store()
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    done = fc.run("extract", "-q", "--timeline", "t", "--fps", "5", "--skip-bad", source, bad, code=None)
    assert "10 frames" in done.text
    assert fc.run("frames", "absent", "--quiet", code=4).err.count("\n") == 1
    assert fc.run("frames", "t", "-q", "-v", code=None).code == 2


def test_errors_are_json_where_answers_are(cached, remote):
    for fc in (cached, remote):
        (line,) = fc.run("frames", "absent", "--json", code=4).err.splitlines()
        error = json.loads(line)["error"]
        assert (error["reason"], error["exit"]) == ("TIMELINE_NOT_FOUND", 4)
        assert "absent" in error["message"] and "framecache timelines" in error["hint"]
    (line,) = cached.run("frames", "t", "--json", "--nonsense", code=2).err.splitlines()
    error = json.loads(line)["error"]
    assert error["reason"] == "FIELD_INVALID" and "--nonsense" in error["message"]
    assert cached.run("frames", "absent", code=4).err.startswith("framecache: ")


def test_a_flag_is_refused_where_it_means_nothing_and_left_out_of_that_help(cached, source):
    for words in (["probe", source, "--profile", "p"], ["serve", "--json"], ["man", "--json"], ["framemd5", source, "--profile", "p"]):
        done = runner.run([runner.BINARY, *words])
        assert done.code == 2 and "means nothing to" in done.err, done.describe()
    assert cached.run("probe", source).code == 0, "a store does no harm"
    environment = {"FRAMECACHE_PROFILE": "p"}
    assert runner.run([runner.BINARY, "probe", source], environment=environment).code == 0
    help_of = lambda *words: runner.run([runner.BINARY, *words, "--help"]).text
    for command, without in (("probe", "--profile"), ("doctor", "--server"), ("serve", "--token "), ("completions", "--store")):
        assert without not in help_of(command), command
    assert all(flag in help_of("get") for flag in ("--profile", "--server", "--token", "--store", "--json", "--quiet"))


def test_a_variable_that_is_none_of_ours_is_named(cached):
    run = lambda *words, **environment: runner.run(
        [runner.BINARY, "timelines", "--store", cached.store, *words], environment=environment
    )
    done = run(FRAMECACHE_STROE="x", FRAMECACHE_SERVICE_HOST="10.0.0.1", FRAMECACHE_PORT="tcp://10.0.0.1:50051")
    (line,) = done.err.splitlines()
    assert "FRAMECACHE_STROE; did you mean FRAMECACHE_STORE?" in line and done.text.startswith("t ")
    assert run("-q", FRAMECACHE_STROE="x").err == "" == run(FRAMECACHE_LOG="error").err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "elvish", "powershell"])
def test_a_shell_is_given_its_completions(shell):
    done = runner.run([runner.BINARY, "completions", shell])
    assert done.code == 0 and all(word in done.text for word in ("extract", "overlays", "max-side", "completions"))
    if shell == "bash":
        asked = 'eval "$SCRIPT"; COMP_WORDS=(framecache ext); COMP_CWORD=1; _framecache framecache ext framecache; echo "${COMPREPLY[@]}"'
        words = subprocess.run(["bash", "-c", asked], check=True, env={**os.environ, "SCRIPT": done.text}, capture_output=True, text=True, timeout=60)
        assert words.stdout.strip() == "extract", words


def test_every_command_has_a_manual_page(tmp_path):
    pages = tmp_path / "man1"
    assert runner.run([runner.BINARY, "man", pages]).code == 0
    names = {page.name for page in pages.iterdir()}
    assert {"framecache.1", "framecache-extract.1", "framecache-overlays-put.1", "framecache-man.1"} <= names
    page = (pages / "framecache-extract.1").read_text()
    assert re.search(r"^\.TH ", page, re.MULTILINE) and "max\\-side" in page
    assert runner.run([runner.BINARY, "man"]).text.startswith(".ie") and (pages / "framecache.1").read_text().startswith(".ie")


def test_overlays_are_cleared_only_when_that_is_said(new_store, source, tmp_path):
    fc, overlay = new_store(), png(tmp_path / "o.png")
    fc.extract("t", "--count", "2", source)
    fc.run("overlays", "put", "t", "--job", "j", "--stage", "s", "--seq", "0", overlay)
    kept = fc.folder("t") / "overlays" / "j" / "s" / "0_o.png"
    for flags in ([], ["--plan"], ["--all-profiles", "--plan"]):
        fc.run("clear", "t", *flags)
        assert kept.exists(), flags
    told = fc.run("clear", "t", "--overlays").text
    assert "1 overlay" in told and not kept.exists()
