"""The cache in a bucket, and sources in a bucket, over HTTP."""

import hashlib
import http.server
import os
import re
import threading
from contextlib import contextmanager

import pytest

from .media.make import ffmpeg
from .support.framecache import Framecache, tree, without_run


CHUNKS = "cache/timelines/t/chunks/"


def listed(s3, bucket, prefix=""):
    """{key: MD5 of the bytes} of a bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    rows = {o["Key"]: o["ETag"].strip('"') for page in pages for o in page.get("Contents", [])}
    # What a store keeps of when it was read is left out, as `tree` does.
    return {key: etag for key, etag in rows.items() if not key.startswith("cache/used/")}


def objects(s3, bucket, prefix=""):
    """{key: bytes} of a bucket."""
    return {k: s3.get_object(Bucket=bucket, Key=k)["Body"].read() for k in listed(s3, bucket, prefix)}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A clip of 1,500 frames: more than one page of a listing."""
    from .conftest import make_clip

    target = tmp_path_factory.mktemp("many") / "many.mp4"
    ffmpeg("-stream_loop", "-1", "-i", make_clip("tick.mp4"), "-frames:v", "1500", "-c", "copy", target)
    return target


@pytest.mark.loose
def test_a_bucket_holds_what_a_directory_holds(s3, s3_fc, bucket, new_store, clip):
    sources = [clip("h264_bframes.mp4"), clip("vfr.mp4")]
    here = new_store()
    for fc in (s3_fc, here):
        fc.extract("t", "--fps", "5", *sources)
    there, local = objects(s3, bucket), tree(here.store)
    assert sorted(there) == sorted(local)
    for name, data in local.items():
        assert without_run(name, there[name]) == without_run(name, data), name
    kinds = {k.rsplit(".", 1)[1]: s3.head_object(Bucket=bucket, Key=k)["ContentType"] for k in there}
    assert kinds == {"jpg": "image/jpeg", "json": "application/json"}


@pytest.mark.loose
def test_1500_frames_are_listed_in_order_read_and_cleared_completely(s3, s3_fc, bucket, many, tmp_path):
    told = s3_fc.extract("t", "--all", many, timeout=300).json
    assert (told["frames"], told["written"]) == (1500, 1500)
    assert [f["seq"] for f in s3_fc.frames("t")] == list(range(1500))
    stored = listed(s3, bucket, "cache/timelines/t/frames/")
    assert len(stored) == 1500
    s3_fc.run("get", "t", "--seq", "0-1499", "--format", "jpeg", "--out", tmp_path / "out", timeout=300)
    got = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in (tmp_path / "out").iterdir()}
    assert got == {k.rsplit("/", 1)[1]: v for k, v in stored.items()}
    s3_fc.run("verify", "t", timeout=300)
    # Its neighbours by name stay.
    s3.put_object(Bucket=bucket, Key="cache/timelines/t1/frames/0.jpg", Body=b"x")
    s3_fc.run("clear", "t", timeout=300)
    assert [k for k in listed(s3, bucket) if "/timelines/t/" in k] == ["cache/timelines/t/plan.json"]
    s3_fc.run("clear", "t", "--plan")
    assert list(listed(s3, bucket)) == ["cache/timelines/t1/frames/0.jpg"]


@pytest.mark.loose
def test_a_prefix_in_the_store_is_kept_to(s3, s3_endpoint, bucket, clip):
    fc = Framecache(f"s3://{bucket}/some/where", options=["--endpoint", s3_endpoint])
    fc.extract("t", "--count", "2", clip("h264_bframes.mp4"))
    keys = list(listed(s3, bucket))
    assert len(keys) == 4 and all(k.startswith("some/where/") for k in keys)
    assert len(fc.frames("t")) == 2


def test_an_endpoint_without_tls_asks_for_no_certificates(s3_fc, tmp_path, clip):
    never = tmp_path / "certificates"
    os.mkfifo(never)
    # Whoever opens it waits for ever.
    s3_fc.environment = {**s3_fc.environment, "SSL_CERT_FILE": str(never)}
    s3_fc.extract("t", "--count", "2", clip("h264_bframes.mp4"), timeout=20)
    assert len(s3_fc.frames("t")) == 2


def test_a_source_in_a_bucket_gives_the_frames_of_the_file(s3, s3_endpoint, bucket, new_store, clip):
    source = clip("h264_gop250.mp4")
    s3.upload_file(str(source), bucket, "media/a clip+1.mp4")
    here, there = new_store(), new_store()
    here.extract("t", "--fps", "3", source)
    there.environment = {"AWS_ENDPOINT_URL": s3_endpoint}
    there.extract("t", "--fps", "3", f"s3://{bucket}/media/a clip+1.mp4")
    assert there.jpegs("t") == here.jpegs("t")
    assert [f["timestamp"] for f in there.frames("t")] == [f["timestamp"] for f in here.frames("t")]


@contextmanager
def served(path, ranges):
    """A service whose every object is this file; the ranges asked for go into `ranges`."""
    data = path.read_bytes()

    class Object(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer(200, data)

        def do_GET(self):
            first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
            ranges.append((first, last + 1))
            self.answer(206, data[first : last + 1])

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"1"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Object)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_no_byte_of_a_source_in_a_bucket_is_asked_for_twice(s3_fc, new_store, tmp_path):
    source = tmp_path / "noise.mp4"
    noise = "testsrc2=s=640x360:r=25,noise=alls=60:allf=t,trim=duration=6"
    ffmpeg("-f", "lavfi", "-i", noise, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-g", "25", source)
    assert source.stat().st_size > 5 << 20, "several ranges"
    fc, ranges = new_store(), []
    with served(source, ranges) as endpoint:
        fc.environment = {**s3_fc.environment, "AWS_ENDPOINT_URL": endpoint}
        fc.extract("t", "--fps", "5", "--workers", "3", "s3://bucket/noise.mp4")
    assert len(fc.frames("t")) == 30
    ends = [0, *sorted(end for _, end in ranges)]
    assert sorted(ranges) == list(zip(ends, ends[1:])) and ends[-1] == source.stat().st_size


def test_a_secret_or_a_signature_is_never_stored(s3, s3_endpoint, bucket, new_store, clip):
    s3.upload_file(str(clip("h264_bframes.mp4")), bucket, "clip.mp4")
    fc = new_store()
    fc.environment = {"AWS_ENDPOINT_URL": s3_endpoint}
    fc.extract("t", "--count", "2", f"s3://{bucket}/clip.mp4")
    for name, data in tree(fc.store).items():
        assert b"test-secret" not in data and b"AKTEST" not in data and b"X-Amz" not in data, name


@pytest.mark.loose
def test_a_run_on_s3_that_is_killed_goes_on_where_it_was(s3, s3_fc, bucket, many):
    import signal
    import time

    process = s3_fc.start("extract", "--timeline", "t", "--backend", "cpu", "--all", many)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not listed(s3, bucket, CHUNKS):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert listed(s3, bucket, CHUNKS)
    told = s3_fc.extract("t", "--all", many, timeout=300).json
    assert told["reused"] > 0 and told["reused"] + told["written"] == 1500
    assert len(listed(s3, bucket, "cache/timelines/t/frames/")) == 1500


def test_doctor_names_lifecycle_rules_that_would_delete_frames(s3_fc, s3, bucket, fc):
    def says():
        return next(c for c in s3_fc.run("doctor", "--json").json["checks"] if c["name"] == "lifecycle")

    assert says()["good"]

    def rule(name, prefix, status="Enabled"):
        return {"ID": name, "Status": status, "Filter": {"Prefix": prefix}, "Expiration": {"Days": 30}}

    others = [rule("logs", "logs/"), rule("off", "cache/", status="Disabled")]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": others})
    assert says()["good"]
    for prefix in ("", "cache/", "cache/timelines/game-"):
        rules = [*others, rule("tidy", prefix)]
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
        told = says()
        assert not told["good"] and "tidy" in told["says"] and "30 days" in told["says"] and "framecache gc" in told["mend"], prefix
    assert "lifecycle" not in [check["name"] for check in fc.run("doctor", "--json").json["checks"]]
