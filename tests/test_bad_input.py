"""What goes wrong is said in one line: what, and how to mend it; the exit code is the contract's; nothing is left half-written."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from .media import make
from .support.framecache import BINARY, Done, Framecache, clean_environment, run, tree

BAD_IDS = ["..", ".", "../x", "a/b", "a\\b", "-x", ".x", "a b", "é", "%2e%2e", "a%2f..", "x" * 129, "", "a\nb"]


def error_line(done):
    """The one line that says what went wrong; with --json that is an object."""
    lines = [line for line in done.err.splitlines() if line.strip()]
    assert len(lines) == 1, done.describe()
    if not lines[0].startswith("{"):
        return lines[0]
    error = json.loads(lines[0])["error"]
    return f"{error['message']}; {error['hint']}"


def assert_refused(fc, code, what, *arguments, timeline="t", **more):
    done = fc.extract(timeline, *arguments, code=code, **more)
    line = error_line(done)
    assert what in line, done.describe()
    assert hint_of(line), f"does not say how to mend it: {line}"
    assert "panicked" not in line
    assert not [n for n in tree(fc.store)] if Path(fc.store).exists() else True
    return line


def hint_of(line):
    """What comes after the message: how to mend it."""
    return line.partition("; ")[2] or line.partition(" (hint: ")[2] or line.partition("hint: ")[2]


@pytest.fixture
def source(clip):
    return clip("h264_bframes.mp4")


def written(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_an_empty_file_is_media_corrupt(fc, tmp_path):
    assert_refused(fc, 6, "empty.mp4", "--fps", "2", written(tmp_path, "empty.mp4", b""))


def test_a_text_file_is_media_corrupt(fc, tmp_path):
    assert_refused(fc, 6, "page.mp4", "--fps", "2", written(tmp_path, "page.mp4", b"<html>not found</html>\n" * 20))


def test_a_file_cut_before_its_moov_is_media_corrupt(fc, clip):
    assert_refused(fc, 6, "truncated_moov.mp4", "--fps", "2", clip("truncated_moov.mp4"))


@pytest.mark.parametrize("name", make.AUDIO)
def test_an_audio_only_file_is_media_unsupported(fc, clip, name):
    assert_refused(fc, 5, name, "--fps", "2", clip(name))


def test_a_playlist_is_media_unsupported(fc, clip):
    assert_refused(fc, 5, "list.m3u8", "--fps", "2", clip("fragments") / "list.m3u8")


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\n/etc/passwd\n", "ffconcat version 1.0\nfile '/etc/passwd'\n",
                                  "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"])
def test_a_playlist_by_another_name_opens_nothing(fc, tmp_path, text):
    done = fc.extract("t", "--fps", "2", written(tmp_path, "clip.mp4", text.encode()), code=None)
    assert done.code in (5, 6)
    assert "passwd" not in done.err


def test_a_missing_file_is_not_found(fc, tmp_path):
    assert_refused(fc, 4, "nowhere.mp4", "--fps", "2", tmp_path / "nowhere.mp4")


def test_a_folder_as_a_source_is_refused(fc, tmp_path):
    done = fc.extract("t", "--fps", "2", tmp_path, code=None)
    assert done.code in (2, 5)
    error_line(done)


def test_one_bad_chunk_fails_the_plan_by_its_name_unless_skipped(fc, source, tmp_path):
    bad = written(tmp_path, "bad.mp4", b"")
    assert_refused(fc, 6, "bad.mp4", "--fps", "2", source, bad)
    done = fc.extract("t", "--fps", "2", "--skip-bad", source, bad, code=3)
    told = done.json
    assert told["frames"] == 4
    assert [bool(c.get("error")) for c in told["chunks"]] == [False, True]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_an_id_that_could_leave_the_root_is_refused(fc, source, bad, tmp_path):
    before = sorted(p for p in tmp_path.rglob("*"))
    done = fc.run("extract", f"--timeline={bad}", "--fps", "2", source, code=2)
    assert "timeline" in done.err or "id" in done.err
    assert sorted(p for p in tmp_path.rglob("*")) == before
    fc.run("frames", "--", bad, code=2) if bad.startswith("-") else fc.run("frames", bad, code=2)


def test_without_a_sampling_the_error_names_the_six_with_an_example(fc, source):
    done = fc.extract("t", source, code=2)
    for word in ("--fps", "--every", "--all", "--keyframes", "--at", "--count"):
        assert word in done.err
    assert "framecache extract" in done.err


@pytest.mark.parametrize("options", [["--fps", "0"], ["--fps", "-1"], ["--fps", "x"], ["--fps", "1/0"], ["--every", "0"], ["--count", "0"],
                                     ["--fps", "2", "--all"], ["--fps", "2", "--from", "3", "--to", "1"], ["--fps", "2", "--quality", "0"],
                                     ["--fps", "2", "--quality", "101"], ["--fps", "2", "--shard", "3/3"], ["--fps", "2", "--hash", "md5"],
                                     ["--fps", "2", "--dedup", "4", "--hash", "none"], ["--fps", "2", "--max-side", "0"]], ids=" ".join)
def test_a_senseless_option_is_a_usage_error(fc, source, options):
    done = fc.extract("t", *options, source, code=2)
    assert done.err.strip() and "panicked" not in done.err
    assert not fc.folder("t").exists()


def test_a_timeline_that_is_not_there_is_not_found(fc, source):
    fc.extract("t", "--count", "1", source)
    for command in (["frames", "other"], ["get", "other", "--seq", "0", "--format", "jpeg", "--out", "-"], ["sheet", "other", "-o", "/dev/null"]):
        error_line(fc.run(*command, code=4))


def test_a_frame_or_a_time_that_is_not_planned_is_refused(fc, source, tmp_path):
    fc.extract("t", "--count", "2", source)
    error_line(fc.run("get", "t", "--seq", "77", "--format", "jpeg", "--out", tmp_path, code=None))
    assert fc.run("get", "t", "--at", "99", "--format", "jpeg", "--out", tmp_path, code=5)
    assert not list(tmp_path.glob("*.jpg"))


# No permission.


@pytest.fixture
def open_folder():
    """A folder that another user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="framecache-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def as_nobody(command):
    if os.geteuid() != 0:
        return command
    if not shutil.which("setpriv"):
        pytest.skip("root may read everything, and setpriv is not there to be somebody else")
    probe = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(BINARY), "--version"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"another user cannot run {BINARY}")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]


def test_a_source_that_may_not_be_read_is_denied(open_folder, source):
    secret = open_folder / "secret.mp4"
    shutil.copy(source, secret)
    secret.chmod(0o000)
    store = open_folder / "store"
    store.mkdir(mode=0o777)
    store.chmod(0o777)
    fc = Framecache(store)
    done = run(as_nobody(fc.command("extract", "--timeline", "t", "--fps", "2", secret)))
    assert done.code == 7, done.describe()
    assert "secret.mp4" in error_line(done)
    assert tree(store) == {}


def test_a_store_that_may_not_be_written_is_denied(open_folder, source):
    shutil.copy(source, open_folder / "clip.mp4")
    store = open_folder / "store"
    store.mkdir(mode=0o555)
    fc = Framecache(store)
    done = run(as_nobody(fc.command("extract", "--timeline", "t", "--fps", "2", open_folder / "clip.mp4")))
    assert done.code == 7, done.describe()
    assert "store" in error_line(done)
    assert tree(store) == {}


# S3 that is not well.


class Overloaded(http.server.BaseHTTPRequestHandler):
    """Answers 503 SlowDown to everything."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_):
        pass


def overloaded():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Overloaded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}", server.shutdown


def silent():
    """Accepts connections and never says a word."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    kept = []

    def accept():
        while True:
            try:
                kept.append(listener.accept())
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", listener.close


def nobody():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}", lambda: None


OUTAGES = {"answers 503": overloaded, "hangs": silent, "is not there": nobody}
OUTAGE_LIMIT_SECS = 120


def on_s3(endpoint, bucket="somewhere"):
    return Framecache(f"s3://{bucket}", options=["--endpoint", endpoint])


class Waiting:
    """An extraction onto S3 that does not serve: it ends with its deadline, while other tests run."""

    def __init__(self, start, source):
        self.endpoint, self.end = start()
        self.began = time.monotonic()
        self.process = on_s3(self.endpoint).start("extract", "--timeline", "t", "--backend", "cpu", "--fps", "2", source)
        self.done = self.took = None
        self.thread = threading.Thread(target=self._wait, daemon=True)
        self.thread.start()

    def _wait(self):
        out, err = self.process.communicate()
        self.took = time.monotonic() - self.began
        self.done = Done(self.process.args, self.process.returncode, out, err.decode())

    def finished(self):
        self.thread.join(max(0, OUTAGE_LIMIT_SECS - (time.monotonic() - self.began)))
        assert self.done and self.took < OUTAGE_LIMIT_SECS, f"still running after {OUTAGE_LIMIT_SECS} s"
        return self.done

    def stop(self):
        self.process.kill()
        self.thread.join()
        self.end()


@pytest.fixture(scope="module", autouse=True)
def outages():
    """{name: Waiting}, from the module's first test on."""
    source = make.clip("h264_bframes.mp4")
    waiting = {name: Waiting(start, source) for name, start in OUTAGES.items()}
    yield waiting
    for one in waiting.values():
        one.stop()


def test_a_bucket_that_is_not_there_is_not_found(s3_endpoint, source):
    fc = on_s3(s3_endpoint, "no-such-bucket-here")
    line = error_line(fc.extract("t", "--fps", "2", source, code=4))
    assert "no-such-bucket-here" in line and hint_of(line)


def test_a_source_bucket_that_is_missing_is_named(fc, s3_endpoint):
    fc.environment = {"AWS_ENDPOINT_URL": s3_endpoint}
    assert_refused(fc, 4, "no-such-bucket-here", "--fps", "2", "s3://no-such-bucket-here/clip.mp4")


# A full disk.

FULL_DISK = """
set -e
mount -t tmpfs -o size={size} none {disk}
set +e
"$@" 2> {out}/full.err
echo $? > {out}/full.code
(cd {disk} && find . -type f) > {out}/full.list
mount -o remount,size=64m {disk}
"$@" 2> {out}/again.err
echo $? > {out}/again.code
cp -r {disk}/. {out}/store
"""


def test_a_full_disk_is_resource_exhausted_and_the_run_goes_on_once_there_is_room(new_store, clip, tmp_path):
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    try:
        able = subprocess.run([*namespace, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0
    except OSError:
        able = False
    if not able:
        pytest.skip("no small file system can be mounted here (needs root or user namespaces)")
    source = clip("h264_gop250.mp4")
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    out.mkdir()
    (out / "store").mkdir()
    command = Framecache(disk).command("extract", "--timeline", "t", "--all", "--backend", "cpu", source)
    script = FULL_DISK.format(size="400k", disk=disk, out=out)
    subprocess.run([*namespace, "sh", "-c", script, "sh", *command], env=clean_environment(), check=True, timeout=120, stdout=subprocess.DEVNULL)
    err = (out / "full.err").read_text()
    assert (out / "full.code").read_text().strip() == "75", err
    assert len(err.strip().splitlines()) == 1 and ("full" in err or "space" in err), err
    assert "/chunks/" not in (out / "full.list").read_text()
    assert (out / "again.code").read_text().strip() == "0", (out / "again.err").read_text()
    fresh = new_store()
    fresh.extract("t", "--all", source)
    assert Framecache(out / "store").jpegs("t") == fresh.jpegs("t")


# Whatever bytes come.


def test_no_file_of_the_corrupt_folder_crashes_or_hangs(fc, media):
    for k, path in enumerate(sorted((media / "corrupt").iterdir())):
        done = fc.extract(f"t{k}", "--fps", "2", path, code=None, timeout=60)
        assert done.code in (0, 3, 5, 6), f"{path.name}: {done.describe()}"
        assert "panicked" not in done.err
        if done.code in (5, 6):
            assert path.name in error_line(done), path.name
            assert not fc.folder(f"t{k}").exists(), path.name


def test_damage_marks_frames_and_all_later_ones_up_to_the_next_cut_point(fc, media):
    path = media / "corrupt" / "dev_bad_zero2048.mp4"
    if not path.exists():
        pytest.skip("not in this media folder")
    fc.extract("t", "--all", path, code=None)
    facts = fc.frames("t")
    marked = [f["seq"] for f in facts if f.get("damaged")]
    assert marked
    for before, after in zip(facts, facts[1:]):
        if before.get("damaged") and not after.get("missing"):
            assert after.get("damaged") or after["keyframe"], after["seq"]


def test_random_bytes_in_a_clip_never_crash(fc, clip, tmp_path):
    import random

    chance = random.Random(7)
    for k, name in enumerate(["h264_bframes.mp4", "h264.ts", "hevc_opengop.mp4", "vp9.webm", "h264.flv", "mpeg4.avi", "mpeg2.ts", "prores.mov"] * 2):
        data = bytearray(clip(name).read_bytes())
        for _ in range(30):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path = written(tmp_path, f"{k}-{name}", bytes(data))
        done = fc.extract(f"t{k}", "--all", path, code=None, timeout=60)
        assert done.code in (0, 3, 5, 6), done.describe()
        assert "panicked" not in done.err


# Last: what it waits for began with the first.


@pytest.mark.parametrize("outage", OUTAGES)
def test_s3_that_does_not_serve_is_unavailable_within_two_minutes(outages, outage):
    done = outages[outage].finished()
    assert done.code == 75, done.describe()
    line = error_line(done)
    assert outages[outage].endpoint.removeprefix("http://") in line or "s3://somewhere" in line
    assert hint_of(line)
