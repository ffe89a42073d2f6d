"""Each command over a server says and does what it says and does on the store itself."""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import dataclass

import pytest
import trustme
from PIL import Image

from .support import framecache as runner


@dataclass
class OverServer(runner.Framecache):
    """The binary against a server; `store` is the one that the server has."""

    server: str = ""

    def command(self, name, *arguments):
        return [str(runner.BINARY), name, *map(str, arguments), "--server", self.server, *self.options]


@pytest.fixture
def source(clip, tmp_path):
    """A clip in the folder that servers are started in."""
    return shutil.copy(clip("h264_bframes.mp4"), tmp_path / "clip.mp4")


@pytest.fixture
def over(serve):
    """The same store through a server."""

    def start(fc, *options, **more):
        server = serve(*options, store=fc.store, **more).wait_until_it_is_ready()
        return OverServer(fc.store, server=server.target)

    return start


@pytest.fixture
def pair(new_store, over):
    """Two fresh stores, one worked on directly and one through a server."""
    mine = new_store("mine")
    return mine, over(new_store("theirs"))


def jpeg(path, seed, side=24):
    Image.effect_noise((side, side), 90 + seed).convert("RGB").save(path, "JPEG", quality=88)
    return path


def png(path, colour):
    Image.new("RGB", (5, 4), colour).save(path, "PNG")
    return path


def said(done):
    """What a command said, without the place it worked on and how long it took."""
    places = lambda text: re.sub(r"(store|server) \S+", "PLACE", text)
    seconds = lambda text: re.sub(r'in [0-9.]+ s;|"seconds": [0-9.e-]+', "SECONDS", text)
    out = done.out if b"\0" in done.out or b"\xff" in done.out else seconds(places(done.text))
    return done.code, out, places(done.err)


def assert_same(mine, theirs, *words, cwd=None, **more):
    ours, other = (said(fc.run(*words, code=None, cwd=cwd, **more)) for fc in (mine, theirs))
    assert ours == other, words
    return ours[0]


@pytest.fixture
def filled(fc, source, tmp_path):
    """A store with profiles of every kind, overlays and a legacy timeline."""
    fc.extract("t", "--fps", "10", "--hash", "phash,dhash", source, source)
    fc.extract("t", "--every", "7", "--to", "1.5", "--dedup", "64", "--max-side", "64", "--quality", "70", "--profile", "thin", source)
    fc.extract("part", "--fps", "5", "--chunk", "1", "--colour", "bt709", source, source)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing of a video")
    fc.extract("skipped", "--count", "3", "--skip-bad", source, bad, code=3)
    fc.run("put", "p", jpeg(tmp_path / "3.jpg", 3), jpeg(tmp_path / "1.jpg", 1))
    for seq, name, colour in ((0, "a/b%", "red"), (0, "é", "lime"), (12, "a/b%", "blue")):
        fc.run("overlays", "put", "t", "--job", "j", "--stage", "s", "--seq", seq, "--name", name, png(tmp_path / "o.png", colour))
    old = fc.folder("old") / "frames"
    old.mkdir(parents=True)
    for n in (0, 2, 10):
        jpeg(old / f"{n}.jpg", n)
    return fc


def readings(source):
    """Commands that only read, whatever they print."""
    yield from (["frames", t, *j] for t in ("t", "part", "p", "old", "skipped") for j in ([], ["--json"]))
    yield ["frames", "t", "--profile", "thin", "--json"]
    yield from (["timelines", *t, *j] for t in ([], ["t"], ["part"], ["p"], ["old"], ["skipped"], ["nothing"]) for j in ([], ["--json"]))
    yield from (["timelines", "t", "--check-sources", *j] for j in ([], ["--json"]))
    yield from (["probe", source, *j] for j in ([], ["--json"]))
    yield ["overlays", "list", "t"]
    yield ["overlays", "list", "t", "--job", "j", "--json"]
    yield from (["overlays", "ls", "t", "--job", "j", "--stage", "s", *more] for more in ([], ["--json"], ["--seq", "12", "--json"]))
    yield ["overlays", "get", "t", "--job", "j", "--stage", "s", "--seq", "12", "--out", "-"]
    yield ["overlays", "delete", "t", "--job", "j", "--dry-run"]
    yield from (["clear", "t", "--all-profiles", "--plan", "--overlays", "--dry-run", *j] for j in ([], ["--json"]))
    yield ["clear", "t", "--older-than", "1h"]
    yield ["get", "t", "--seq", "3,0-2,3", "--format", "base64"]
    yield ["get", "t", "--at", "0,1.25,0", "--format", "base64"]
    yield ["get", "t", "--seq", "5,2", "--format", "npy", "--out", "-"]
    yield ["get", "p", "--seq", "1", "--out", "-"]
    yield ["get", "old", "--seq", "10,0", "--format", "base64"]


def failures(tmp_path):
    """Commands that fail."""
    wrong = tmp_path / "wrong.jpg"
    wrong.write_bytes(b"no JPEG")
    yield from ([command, "none", *more] for command, *more in (["frames"], ["clear"], ["get", "--seq", "0"], ["sheet", "-o", tmp_path / "x.png"]))
    yield ["frames", "../t"]
    yield ["get", "t", "--seq", "4000"]
    yield ["get", "t", "--seq", "0,4000", "--out", tmp_path / "o"]
    yield ["get", "t", "--at", "0,999"]
    yield ["get", "t", "--at", "-1"]
    yield ["get", "t", "--seq", "0-1", "--out", "-"]
    yield ["get", "p", "--seq", "2"]
    yield ["get", "p", "--at", "0"]
    yield ["clear", "t", "--profile", "none"]
    yield ["put", "p", wrong, "--seq", "7"]
    yield ["put", "t", tmp_path / "1.jpg"]
    yield ["overlays", "get", "t", "--job", "j", "--stage", "none"]
    yield ["overlays", "get", "t", "--job", "j", "--stage", "s", "--out", "-"]
    yield ["overlays", "put", "t", "--job", "j", "--stage", "s", "--seq", "0", wrong]
    yield ["overlays", "put", "t", "--job", "..", "--stage", "s", "--seq", "0", tmp_path / "o.png"]
    yield ["overlays", "list", "t", "--job", ".x"]
    yield ["sheet", "t", "-o", tmp_path / "x.png", "--overlay", "none"]
    yield ["extract", "--timeline", "none"]
    yield ["extract", "--fps", "0", tmp_path / "clip.mp4"]
    yield ["extract", "--fps", "2", "--quality", "0", tmp_path / "clip.mp4"]
    yield ["extract", "--fps", "2", "--from", "2", "--to", "1", tmp_path / "clip.mp4"]
    yield ["extract", "--fps", "2", "--backend", "gpu", tmp_path / "clip.mp4"]
    yield ["extract", "--timeline", "t", "--fps", "3", tmp_path / "clip.mp4"]
    yield ["extract", "--timeline", "p", "--fps", "3", tmp_path / "clip.mp4"]
    yield ["extract", "--timeline", "t", "--chunk", "none"]
    yield ["extract", "--timeline", "t", "--replace", "--fps", "3", tmp_path / "clip.mp4"]
    yield ["extract", "--fps", "2", tmp_path / "no_such.mp4"]
    yield ["extract", "--fps", "2", tmp_path / "bad.mp4"]
    yield ["probe", tmp_path / "bad.mp4"]
    yield ["probe", tmp_path / "no_such.mp4"]


def test_what_is_read_through_a_server_is_what_the_store_says(filled, over, source):
    theirs = over(filled)
    for words in readings(source):
        assert assert_same(filled, theirs, *words) == 0, words


def test_what_fails_through_a_server_fails_in_the_same_words(filled, over, tmp_path):
    theirs = over(filled)
    before = runner.tree(filled.store)
    for words in failures(tmp_path):
        assert assert_same(filled, theirs, *words) != 0, words
    assert runner.tree(filled.store) == before


def test_pictures_of_the_source_come_through_a_server(filled, over):
    theirs = over(filled)
    for words in (["--seq", "5,2,5", "--format", "npy"], ["--at", "0.3", "--format", "png"]):
        assert assert_same(filled, theirs, "get", "t", *words, "--origin", "source", "--out", "-") == 0


def test_files_written_through_a_server_are_the_same_files(filled, over, tmp_path):
    theirs = over(filled)
    for words in (
        ["get", "t", "--seq", "0-9,3", "--json", "--out", "."],
        ["get", "t", "--at", "0.5", "--out", "."],
        ["get", "t", "--seq", "0-1", "--format", "png", "--out", "."],
        ["get", "t", "--profile", "thin", "--seq", "0-3", "--format", "npy", "--out", "."],
        ["overlays", "get", "t", "--job", "j", "--stage", "s", "--json", "--out", "."],
        ["overlays", "get", "t", "--job", "j", "--stage", "s", "--seq", "12,0", "--name", "a/b%", "--out", "."],
        ["sheet", "t", "-o", "sheet.png", "--json"],
        ["sheet", "t", "-o", "sheet.jpg", "--seq", "0-12", "--overlay", "s"],
        ["sheet", "p", "-o", "sheet.png", "--limit", "1"],
    ):
        folders = [tmp_path / "mine", tmp_path / "over"]
        outputs = []
        for fc, folder in zip((filled, theirs), folders):
            folder.mkdir()
            outputs.append(said(fc.run(*words, cwd=folder)))
        assert outputs[0] == outputs[1]
        assert runner.tree(folders[0]) == runner.tree(folders[1]) != {}
        for folder in folders:
            shutil.rmtree(folder)


def test_what_is_made_through_a_server_is_what_would_be_made(pair, source, tmp_path):
    mine, theirs = pair
    lines = tmp_path / "chunks.jsonl"
    lines.write_text("\n".join(json.dumps({"uri": str(source), "chunk_id": c, "source_start": "0.5", "start": s}) for c, s in (("a", "0"), ("b", "7/2"))))
    facts = tmp_path / "facts.jsonl"
    facts.write_text('{"seq": 5, "timestamp": 0.1, "phash": "00ff00ff00ff00ff", "keyframe": true}')
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing of a video")
    for words in (
        ["extract", "--fps", "30000/1001", "--json", source],
        ["extract", "--fps", "30000/1001", source],
        ["extract", "--timeline", "c", "--all", "--chunks", lines, "--json"],
        ["extract", "--timeline", "w", "--at", "0.25,1/3,1", "--hash", "none", "--colour", "by-height", source],
        ["extract", "--timeline", "s", "--keyframes", "--plan-only", source, source, source],
        ["extract", "--timeline", "s", "--shard", "1/3", "--json"],
        ["extract", "--timeline", "s", "--chunk", "0,2", "--json"],
        ["extract", "--timeline", "k", "--count", "4", "--skip-bad", "--json", source, bad],
        ["extract", "--timeline", "k", "--retry-failed", "--json"],
        ["extract", "--timeline", "clip", "--fps", "2", "--profile", "thin", "--dedup", "3", "--max-side", "48", "--quality", "50", source],
        ["overlays", "put", "clip", "--job", "j", "--stage", "s", "--seq", "1", "--json", png(tmp_path / "e.png", "red"), png(tmp_path / "é.png", "lime")],
        ["extract", "--timeline", "clip", "--fps", "2", "--replace", "--overlays", "delete", "--json", source],
        ["put", "q", jpeg(tmp_path / "5.jpg", 5), png(tmp_path / "6.png", "navy"), "--facts", facts, "--json"],
        ["put", "q", jpeg(tmp_path / "5.jpg", 50)],
        ["overlays", "put", "q", "--job", "j", "--stage", "s", "--seq", "1", tmp_path / "e.png", tmp_path / "5.jpg"],
        ["overlays", "put", "q", "--job", "j", "--stage", "s", "--seq", "2", "--name", "a/b", tmp_path / "e.png"],
        ["overlays", "delete", "q", "--job", "j", "--seq", "1", "--json"],
        ["clear", "w", "--json"],
        ["clear", "clip", "--all-profiles", "--plan"],
        ["clear", "q"],
    ):
        assert_same(mine, theirs, *words)
        runner.assert_same_store(mine.store, theirs.store)
    assert len(mine.jpegs("c")) > 50 and (mine.folder("q") / "overlays").exists()


def test_pictures_of_several_parts_go_both_ways(pair, tmp_path):
    mine, theirs = pair
    picture = tmp_path / "0.jpg"
    Image.effect_noise((3000, 3000), 200).convert("RGB").save(picture, "JPEG", quality=98)
    overlay = tmp_path / "o.png"
    Image.effect_noise((2500, 2000), 200).save(overlay, "PNG", compress_level=0)
    assert min(p.stat().st_size for p in (picture, overlay)) > 4 << 20
    for words in (["put", "p", picture], ["overlays", "put", "p", "--job", "j", "--stage", "s", "--seq", "0", overlay]):
        assert assert_same(mine, theirs, *words) == 0
    runner.assert_same_store(mine.store, theirs.store)
    assert theirs.run("get", "p", "--seq", "0", "--out", "-").out == picture.read_bytes()
    line = theirs.run("get", "p", "--seq", "0", "--format", "base64").json
    assert base64.b64decode(line["jpeg_b64"]) == picture.read_bytes()
    assert theirs.run("overlays", "get", "p", "--job", "j", "--stage", "s", "--out", "-").out == overlay.read_bytes()


def test_failed_spans_and_changed_sources_are_told_alike(fc, over, source, tmp_path):
    sources = [shutil.copy(source, tmp_path / f"{n}.mp4") for n in range(3)]
    fc.extract("t", "--fps", "5", *sources)
    data = bytearray(sources[0].read_bytes())
    data[-1] ^= 1
    sources[0].write_bytes(data)
    sources[1].unlink()
    theirs = over(fc)
    for words in (["timelines", "t", "--check-sources"], ["timelines", "t", "--check-sources", "--json"]):
        assert assert_same(fc, theirs, *words) == 0
    stale = theirs.run("timelines", "t", "--check-sources", "--json").json["profiles"][0]["stale"]
    assert [(s["chunk_id"], s["reason"]) for s in stale] == [("0", "SOURCE_CHANGED"), ("1", "SOURCE_NOT_FOUND")]


@pytest.mark.loose
def test_frames_that_are_lost_come_back_through_a_server_or_fail_alone(fc, over, source, tmp_path):
    fc.extract("t", "--fps", "5", source)
    whole = fc.jpegs("t")
    theirs = over(fc)
    (fc.folder("t") / "frames" / "3.jpg").unlink()
    assert theirs.run("get", "t", "--seq", "3", "--out", "-").out == whole[3]
    (fc.folder("t") / "frames" / "3.jpg").unlink()
    (tmp_path / "clip.mp4").unlink()
    theirs = over(fc)  # the first one has it in memory
    done = theirs.run("get", "t", "--seq", "2-4", "--out", tmp_path / "o", code=3)
    assert "seq=3" in done.err and sorted(p.name for p in (tmp_path / "o").iterdir()) == ["2.jpg", "4.jpg"]
    assert_same(fc, theirs, "get", "t", "--seq", "3", "--out", "-")


# which server, and who may ask it


def error_of(done, code):
    """The one line of an error, with its hint."""
    assert done.code == code, done.describe()
    (line,) = done.err.strip().splitlines()
    assert "; " in line
    return line


def test_a_relative_path_is_refused_before_the_server_is_asked(over, fc, source, tmp_path):
    theirs = over(fc)
    for words in (["extract", "--fps", "2", "clip.mp4"], ["probe", "clip.mp4"], ["extract", "--fps", "2", "--init", "h.mp4", source]):
        assert "relative" in error_of(theirs.run(*words, code=None, cwd=tmp_path), 2)


def test_a_store_and_a_server_exclude_each_other_and_flags_win_over_variables(over, fc, new_store, source):
    fc.extract("t", "--fps", "2", source)
    theirs, other = over(fc), new_store("other")
    run = lambda *words, code=0, **environment: runner.run([runner.BINARY, "timelines", *words], environment=environment)
    both = run("--server", theirs.server, "--store", other.store)
    assert "choose one" in error_of(both, 2)
    assert "choose one" in error_of(run(FRAMECACHE_SERVER=theirs.server, FRAMECACHE_STORE=other.store), 2)
    assert run(FRAMECACHE_SERVER=theirs.server).text.startswith("t ")
    assert run("--store", other.store, FRAMECACHE_SERVER=theirs.server).text == ""
    assert run("--server", theirs.server, FRAMECACHE_STORE=other.store).text.startswith("t ")


def test_commands_of_this_machine_refuse_a_server_and_ignore_the_variable(source, new_store):
    for words in (["serve"], ["doctor"], ["verify", "t"], ["framemd5", source]):
        done = runner.run([runner.BINARY, *words, "--server", "localhost:1"])
        assert "without --server" in error_of(done, 2)
    assert runner.run([runner.BINARY, "framemd5", source], environment={"FRAMECACHE_SERVER": "localhost:1"}).code == 0


def test_an_address_that_is_none_and_a_server_that_is_not_there_are_told_apart():
    for wrong in ("localhost", "ftp://localhost:1", "unix:", "localhost:1/x"):
        assert "address" in error_of(runner.run([runner.BINARY, "timelines", "--server", wrong]), 2)
    assert "could not connect" in error_of(runner.run([runner.BINARY, "timelines", "--server", "127.0.0.1:9"]), 75)
    assert "could not connect" in error_of(runner.run([runner.BINARY, "timelines", "--server", "unix:/no/such.sock"]), 75)


def test_a_server_is_reached_over_a_unix_socket(over, fc, source, tmp_path):
    fc.extract("t", "--fps", "2", source)
    socket = f"unix:{tmp_path}/s.sock"
    theirs = over(fc, "--listen", socket)
    assert assert_same(fc, theirs, "get", "t", "--seq", "0-1", "--format", "base64") == 0
    theirs.server = f"unix://{tmp_path}/s.sock"
    assert assert_same(fc, theirs, "frames", "t", "--json") == 0


def test_a_token_and_a_certificate_are_shown_and_looked_at(over, fc, source, tmp_path):
    fc.extract("t", "--fps", "2", source)
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    for name, blob in (("ca.pem", authority.cert_pem), ("key.pem", certificate.private_key_pem)):
        blob.write_to_path(tmp_path / name)
    chain = tmp_path / "cert.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (tmp_path / "tokens").write_text(hashlib.sha256(b"s3cret").hexdigest() + "\n")
    theirs = over(fc, "--tokens", tmp_path / "tokens", "--tls-cert", chain, "--tls-key", tmp_path / "key.pem")
    port = theirs.server.rpartition(":")[2]
    asked = lambda *flags, **environment: runner.run(
        [runner.BINARY, "frames", "t", "--server", f"https://localhost:{port}", *flags], environment=environment
    )
    trusted = ["--tls-ca", tmp_path / "ca.pem"]
    known = fc.frames("t")
    assert asked(*trusted, "--token", "s3cret", "--json").json == known
    assert asked("--json", FRAMECACHE_TOKEN="s3cret", FRAMECACHE_TLS_CA=str(tmp_path / "ca.pem")).json == known
    assert "token" in error_of(asked(*trusted), 7)
    assert "token" in error_of(asked(*trusted, "--token", "wrong"), 7)
    assert "could not connect" in error_of(asked("--token", "s3cret"), 75)
    plain = runner.run([runner.BINARY, "frames", "t", "--server", f"http://localhost:{port}", *trusted])
    assert "no TLS" in error_of(plain, 2)
    alone = runner.run([runner.BINARY, "frames", "t", "--json", "--server", f"localhost:{port}", *trusted, "--token", "s3cret"])
    assert alone.json == known
