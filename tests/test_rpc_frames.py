"""ExtractFrames and GetFrames, spoken to with the pure Python gRPC stack alone."""

import base64
import io
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from PIL import Image

from .media import make
from .support import framecache as runner
from .support.neighbours import resident_kib, until
from .support.rpc import details, refused, rich_status

CODE = grpc.StatusCode
PART_BYTES = 3 << 20
DEFAULT_CLIENT = 4 << 20


@dataclass
class Item:
    """One frame of an answer, its parts joined; `error` is a google.rpc.Status."""

    index: int
    sequence: int
    facts: object = None
    payload: bytes = b""
    error: object = None
    size: tuple = None
    parts: list = field(default_factory=list)

    @property
    def reason(self):
        return details(self.error)["ErrorInfo"].reason


def collect(answers):
    """(items in the order answered, summary) of GetFrames; checks the parts' offsets on the way."""
    items, summary = [], None
    for answer in answers:
        assert summary is None, "something came after the summary"
        if answer.WhichOneof("event") == "summary":
            summary = answer.summary
            continue
        frame = answer.frame
        if not items or items[-1].index != frame.index:
            items.append(Item(frame.index, frame.sequence))
        item = items[-1]
        if frame.WhichOneof("result") == "error":
            item.error = frame.error
            continue
        data = frame.data
        part = data.jpeg or data.base64.encode()
        assert data.offset == len(item.payload) and len(part) <= PART_BYTES
        if not item.parts:
            item.facts, item.size = data.facts, (data.width, data.height)
        item.payload += part
        item.parts.append(len(part))
        assert data.last == (len(item.payload) == data.total)
    assert summary is not None, "the answer had no summary"
    assert summary.frames == sum(i.error is None for i in items)
    assert summary.failed == sum(i.error is not None for i in items)
    return items, summary


@dataclass
class Service:
    """A server over one store, and its FrameService."""

    server: object
    v1: object
    store: object
    stub: object

    def extract(self, timeline, *sources, **more):
        chunks = [s if isinstance(s, self.v1.Chunk) else self.v1.Chunk(uri=str(s)) for s in sources]
        request = self.v1.ExtractFramesRequest(timeline=timeline, chunks=chunks, **more)
        return list(self.stub.ExtractFrames(request))

    def get(self, timeline, selection=None, timeout=60, **more):
        selection = selection or self.v1.Selection(all=True)
        request = self.v1.GetFramesRequest(timeline=timeline, selection=selection, **more)
        return collect(self.stub.GetFrames(request, timeout=timeout))

    def stored(self, timeline, seq):
        below = f"cache/timelines/{timeline}"
        packs = self.store.keys(f"{below}/packs/") if runner.LAYOUT == "packed" else []
        if packs:
            # Named by what they hold.
            known = self.__dict__.setdefault("packs", {})
            if tuple(packs) not in known:
                known[tuple(packs)] = runner.jpegs_of(map(self.store.read, packs))
            return known[tuple(packs)][seq]
        return self.store.read(f"{below}/frames/{seq}.jpg")


@dataclass
class DirStore:
    path: Path
    options: tuple = ()

    @property
    def name(self):
        return self.path

    def read(self, key):
        return (self.path / key).read_bytes()

    def keys(self, prefix):
        return sorted(str(path.relative_to(self.path)) for path in (self.path / prefix).rglob("*") if path.is_file())

    def delete(self, key):
        (self.path / key).unlink()

    def overwrite(self, key, data):
        (self.path / key).write_bytes(data)


@dataclass
class S3Store:
    s3: object
    bucket: str
    endpoint: str

    @property
    def name(self):
        return f"s3://{self.bucket}"

    @property
    def options(self):
        return ("--endpoint", self.endpoint)

    def keys(self, prefix):
        return [row["Key"] for row in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])]

    def read(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def delete(self, key):
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def overwrite(self, key, data):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)


@pytest.fixture
def directory(tmp_path):
    return DirStore(tmp_path / "store")


@pytest.fixture(params=["directory", "s3"])
def store(request):
    if request.param == "directory":
        return request.getfixturevalue("directory")
    endpoint, bucket = request.getfixturevalue("s3_endpoint"), request.getfixturevalue("bucket")
    return S3Store(request.getfixturevalue("s3"), bucket, endpoint)


@pytest.fixture
def open_service(serve, v1):
    def start(store, *options):
        server = serve(*store.options, "--source-root", make.FOLDER, *options, store=store.name)
        return Service(server, v1, store, v1.FrameServiceStub(server.channel()))

    return start


@pytest.fixture
def service(open_service, store):
    return open_service(store)


@pytest.fixture
def on_disk(open_service, directory):
    return open_service(directory)


def events(answers, name):
    return [getattr(a, name) for a in answers if a.WhichOneof("event") == name]


# ---- what is answered


def test_an_extraction_tells_plan_facts_chunks_and_summary_and_the_stored_bytes_come_back_untouched(service, v1, clip):
    sources = [clip("h264_bframes.mp4"), clip("vp9.webm")]
    told = service.extract("t", *sources, sampling=v1.Sampling(fps="5"), hashes=[v1.HASH_PHASH, v1.HASH_DHASH])
    kinds = [a.WhichOneof("event") for a in told]
    assert kinds[-3:] == ["chunk", "chunk", "summary"]
    plan = events(told, "plan")
    assert [p.claim for p in plan] == [v1.PlanClaimed.CLAIM_CREATED]
    summary = told[-1].summary
    facts = [f for c in events(told, "committed") for f in c.frames]
    assert summary.frames == summary.written == len(facts) == plan[0].frames == 20
    assert {f.sequence for f in facts} == set(range(20))
    items, _ = service.get("t")
    assert [i.index for i in items] == [i.sequence for i in items] == list(range(20))
    by_seq = {f.sequence: f for f in facts}
    for item in items:
        assert item.payload == service.stored("t", item.sequence)
        assert item.facts == by_seq[item.sequence]
        assert len(item.facts.phash) == len(item.facts.dhash) == 16
    again = service.extract("t", *sources, sampling=v1.Sampling(fps="5"), hashes=[v1.HASH_PHASH, v1.HASH_DHASH])
    assert (again[-1].summary.written, again[-1].summary.reused) == (0, 20)
    assert service.server.metric("framecache_span_decodes_total", outcome="ok") == 2


def test_facts_are_those_that_the_command_line_lists(service, v1, clip):
    service.extract("t", clip("h264_bt709.mp4"), sampling=v1.Sampling(every=3), max_side=64)
    fc = runner.Framecache(service.store.name, options=list(service.store.options))
    listed = fc.run("frames", "t", "--json").json
    items, _ = service.get("t", payload=v1.PAYLOAD_NONE)
    assert [i.payload for i in items] == [b""] * len(listed)
    for item, known in zip(items, listed, strict=True):
        facts = item.facts
        assert facts.sequence == known.pop("seq")
        colour = known.pop("colour")
        assert (facts.colour.matrix, facts.colour.range) == (colour["matrix"], colour["range"])
        for name, value in known.items():
            assert getattr(facts, name) == value, name


def test_base64_is_that_of_the_stored_bytes(service, v1, clip):
    service.extract("t", clip("tick.mp4"), sampling=v1.Sampling(count=4))
    items, _ = service.get("t", payload=v1.PAYLOAD_BASE64)
    for item in items:
        assert base64.b64decode(item.payload, validate=True) == service.stored("t", item.sequence)


def test_frames_are_selected_by_number_range_time_window_and_all_in_the_order_asked(on_disk, v1, clip):
    on_disk.extract("t", clip("h264_bframes.mp4"), sampling=v1.Sampling(fps="10"))

    def chosen(**selection):
        return [i.sequence for i in on_disk.get("t", v1.Selection(**selection), payload=v1.PAYLOAD_NONE)[0]]

    assert chosen(all=True) == list(range(20))
    assert chosen(sequences=[7, 3, 3, 19]) == [7, 3, 3, 19]
    assert chosen(range=v1.SequenceRange(first=17, last=90)) == [17, 18, 19]
    assert chosen(all=True, step=6) == [0, 6, 12, 18]
    assert chosen(all=True, step=6, limit=2) == [0, 6]
    assert chosen(times=["1.05", "0", "3/2"]) == [10, 0, 15]
    stamps = {i.sequence: i.facts.timestamp for i in on_disk.get("t", payload=v1.PAYLOAD_NONE)[0]}
    window = v1.Window(**{"from": "0.5", "to": "1.2"})
    assert chosen(window=window) == [s for s, t in stamps.items() if 0.5 <= t < 1.2]
    assert chosen(window=v1.Window(to="0.3")) == [s for s, t in stamps.items() if t < 0.3]


def test_each_item_has_its_own_error_and_the_call_ends_well(on_disk, v1, clip):
    on_disk.extract("t", clip("tick.mp4"), sampling=v1.Sampling(fps="1"))
    items, summary = on_disk.get("t", v1.Selection(sequences=[1, 77, 0]))
    assert [i.index for i in items] == [0, 1, 2] and (summary.frames, summary.failed) == (2, 1)
    assert items[1].reason == "FRAME_NOT_CACHED" and items[1].error.code == CODE.NOT_FOUND.value[0]
    items, _ = on_disk.get("t", v1.Selection(times=["99", "1"]))
    assert items[0].reason == "TIME_PAST_END" and items[0].error.code == CODE.OUT_OF_RANGE.value[0]
    assert items[1].payload == on_disk.stored("t", 1)


def test_frames_over_3_mib_come_in_parts_to_a_default_client(open_service, directory, v1, tmp_path):
    noise = tmp_path / "noise.mp4"
    make.ffmpeg(
        "-f", "lavfi", "-i", "nullsrc=s=3840x2160:r=5:d=0.4,geq=random(1)*255:128:128",
        "-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", noise,
    )  # fmt: skip
    service = open_service(directory, "--source-root", tmp_path)
    service.extract("t", noise, sampling=v1.Sampling(all=True), jpeg=v1.JpegOptions(quality=97))
    items, _ = service.get("t")
    assert len(items) == 2
    for item in items:
        assert item.payload == service.stored("t", item.sequence)
        assert len(item.payload) > DEFAULT_CLIENT and item.parts[0] == PART_BYTES and len(item.parts) > 1
    text, _ = service.get("t", payload=v1.PAYLOAD_BASE64)
    assert base64.b64decode(text[0].payload) == items[0].payload


def test_a_size_or_quality_gives_another_picture_and_keeps_the_stored_facts(on_disk, v1, clip):
    on_disk.extract("t", clip("h264_bt709.mp4"), sampling=v1.Sampling(count=2))
    stored, _ = on_disk.get("t")
    smaller, _ = on_disk.get("t", width=80)
    for item, other in zip(stored, smaller, strict=True):
        assert other.facts == item.facts and other.size == (80, 60)
        picture = Image.open(io.BytesIO(other.payload))
        assert picture.size == (80, 60)
        wanted = Image.open(io.BytesIO(item.payload)).convert("RGB").resize((80, 60), Image.Resampling.BILINEAR)
        buffer = io.BytesIO()
        wanted.save(buffer, "JPEG", quality=85, subsampling="4:2:0")
        pillows = mean_difference(Image.open(io.BytesIO(buffer.getvalue())), wanted)
        assert mean_difference(picture, wanted) < pillows + 0.15
    worse, _ = on_disk.get("t", quality=20)
    assert all(len(w.payload) < len(s.payload) and w.size == (160, 120) for w, s in zip(worse, stored, strict=True))


def mean_difference(a, b):
    from PIL import ImageChops, ImageStat

    return sum(ImageStat.Stat(ImageChops.difference(a.convert("RGB"), b.convert("RGB"))).mean) / 3


# ---- read-through


def test_what_is_planned_and_not_there_is_extracted_left_out_or_refused_as_asked(service, v1, clip):
    planned = service.extract("t", clip("two_minutes.mp4"), sampling=v1.Sampling(fps="1"), plan_only=True)[0].plan
    assert (planned.frames, planned.spans) == (121, 3)
    assert service.server.metric("framecache_span_decodes_total") == 0
    refused_items, summary = service.get("t", v1.Selection(sequences=[3]), on_miss=v1.ON_MISS_FAIL)
    assert (refused_items[0].reason, summary.failed) == ("FRAME_NOT_CACHED", 1)
    items, summary = service.get("t", v1.Selection(sequences=[3, 4]), on_miss=v1.ON_MISS_SKIP)
    assert (items, summary.skipped) == ([], 2)
    items, _ = service.get("t", v1.Selection(sequences=[3]))
    assert items[0].payload == service.stored("t", 3)
    # One of its spans, and no more.
    assert service.server.metric("framecache_span_decodes_total") == 1
    items, summary = service.get("t", on_miss=v1.ON_MISS_SKIP, payload=v1.PAYLOAD_NONE)
    assert (len(items), summary.skipped) == (60, planned.frames - 60)
    items, _ = service.get("t")
    assert len(items) == planned.frames and service.server.metric("framecache_span_decodes_total") == 3


def test_a_time_extracts_only_the_span_that_shows_it(on_disk, v1, clip):
    on_disk.extract("t", clip("two_minutes.mp4"), sampling=v1.Sampling(fps="1"), plan_only=True)
    items, _ = on_disk.get("t", v1.Selection(times=["100.4"]), on_miss=v1.ON_MISS_FAIL)
    assert items[0].reason == "FRAME_NOT_CACHED"
    items, _ = on_disk.get("t", v1.Selection(times=["100.4"]))
    assert items[0].sequence == 100 and on_disk.server.metric("framecache_span_decodes_total") == 1


@pytest.mark.loose
def test_lost_and_damaged_objects_are_made_again_and_are_the_same(open_service, store, v1, clip):
    first = open_service(store)
    first.extract("t", clip("h264_bframes.mp4"), sampling=v1.Sampling(fps="5"))
    before = {i.sequence: i.payload for i in first.get("t")[0]}
    store.delete("cache/timelines/t/frames/3.jpg")
    store.overwrite("cache/timelines/t/frames/4.jpg", before[5])
    second = open_service(store)
    assert {i.sequence: i.payload for i in second.get("t")[0]} == before
    assert second.server.metric("framecache_span_decodes_total") == 1
    assert store.read("cache/timelines/t/frames/4.jpg") == before[4]


def test_served_frames_are_counted_by_where_they_came_from(open_service, directory, v1, clip):
    open_service(directory).extract("t", clip("tick.mp4"), sampling=v1.Sampling(count=5))
    service = open_service(directory)
    for _ in range(2):
        service.get("t")
    metric = service.server.metric
    assert metric("framecache_frames_served_total", tier="store") == 5
    assert metric("framecache_frames_served_total", tier="memory") == 5


# ---- single flight


def threads_and_files(server):
    process = Path(f"/proc/{server.process.pid}")
    return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))


def settled(server, expected, within=60):
    """Waits until no more threads and files are open than before; a thread of tokio's that has nothing to do stays for 10 s."""
    end = time.monotonic() + within
    while any(now > before for now, before in zip(threads_and_files(server), expected, strict=True)):
        assert time.monotonic() < end, (threads_and_files(server), expected)
        time.sleep(0.1)


@pytest.mark.parametrize("cancelled", [0, 16])
def test_a_span_asked_for_by_32_clients_is_decoded_once_whoever_cancels(open_service, directory, v1, clip, cancelled):
    service = open_service(directory)
    service.extract("warm", clip("hd.mp4"), sampling=v1.Sampling(count=1))
    service.extract("t", clip("hd.mp4"), sampling=v1.Sampling(fps="5"), plan_only=True)
    before_decodes = service.server.metric("framecache_span_decodes_total")
    channels = [service.server.channel(use_local_subchannel_pool=1) for _ in range(32)]
    stubs = [v1.FrameServiceStub(c) for c in channels]
    for channel in channels:
        grpc.channel_ready_future(channel).result(20)
    held = threads_and_files(service.server)
    request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True))
    start = threading.Barrier(32)
    random_moments = random.Random(7)
    waits = [random_moments.uniform(0, 0.8) for _ in range(32)]

    def ask(n):
        start.wait()
        call = stubs[n].GetFrames(request, timeout=90)
        if n < cancelled:
            threading.Timer(waits[n], call.cancel).start()
        try:
            return collect(call)[0]
        except grpc.RpcError as error:
            assert n < cancelled and error.code() == CODE.CANCELLED, error
            return None

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(32)))
    for items in answers[cancelled:]:
        assert [i.payload for i in items] == [service.stored("t", n) for n in range(45)]
    assert service.server.metric("framecache_span_decodes_total") - before_decodes == 1
    settled(service.server, held)
    for channel in channels:
        channel.close()


def test_when_all_cancel_the_decoder_stops_and_the_next_call_goes_on(on_disk, v1, clip):
    on_disk.extract("warm", clip("hd.mp4"), sampling=v1.Sampling(count=1))
    held = threads_and_files(on_disk.server)
    # The first is committed while the others are decoded, however many cores there are.
    chunks = [v1.Chunk(uri=str(clip(name))) for name in ("tick.mp4", "hd.mp4", "hd.mp4")]
    request = v1.ExtractFramesRequest(timeline="t", chunks=chunks, sampling=v1.Sampling(all=True))
    call = on_disk.stub.ExtractFrames(request)
    for answer in call:
        if answer.WhichOneof("event") == "committed":
            break
    call.cancel()
    settled(on_disk.server, held)
    cpu = cpu_seconds(on_disk.server)
    time.sleep(1)
    assert cpu_seconds(on_disk.server) - cpu < 0.3
    assert on_disk.server.metric("framecache_span_decodes_total", outcome="cancelled") >= 1
    told = list(on_disk.stub.ExtractFrames(request))
    summary = told[-1].summary
    assert summary.frames == 20 + 2 * 270 and summary.reused >= 20 and summary.written + summary.reused == summary.frames


def cpu_seconds(server):
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


# ---- refusals


def test_an_unknown_timeline_a_changed_source_and_another_plan_are_refused_with_their_reasons(on_disk, v1, clip, tmp_path):
    with refused(CODE.NOT_FOUND, "TIMELINE_NOT_FOUND"):
        on_disk.get("nothing")
    with refused(CODE.NOT_FOUND, "TIMELINE_NOT_FOUND"):
        on_disk.extract("nothing")
    source = make.FOLDER / "changing.mp4"
    source.write_bytes(clip("tick.mp4").read_bytes())
    on_disk.extract("t", source, sampling=v1.Sampling(fps="1"))
    with refused(CODE.FAILED_PRECONDITION, "PLAN_DIFFERS") as seen:
        on_disk.extract("t", source, sampling=v1.Sampling(fps="2"))
    assert "fps" in seen[0].message
    source.write_bytes(clip("h264_bframes.mp4").read_bytes())
    with refused(CODE.FAILED_PRECONDITION, "SOURCE_CHANGED"):
        on_disk.extract("t", source, sampling=v1.Sampling(fps="1"))
    # What is cached is still served.
    assert len(on_disk.get("t")[0]) == 2
    replaced = on_disk.extract("t", source, sampling=v1.Sampling(fps="2"), replace=v1.Replace())
    assert replaced[-1].summary.written == 4
    source.unlink()


def test_sources_outside_the_servers_folders_are_denied_without_telling_what_is_there(on_disk, v1, clip, tmp_path):
    inside = make.FOLDER / "link.mp4"
    inside.unlink(missing_ok=True)
    inside.symlink_to("/etc/hostname")
    seen = []
    for uri in ["/etc/hostname", "/etc/nothing-of-this-name", f"{make.FOLDER}/../../Cargo.toml", str(inside)]:
        with refused(CODE.PERMISSION_DENIED, "SOURCE_DENIED") as found:
            on_disk.extract("t", uri, sampling=v1.Sampling(all=True))
        seen.append(found[0].message.replace(uri, "URI"))
    assert len(set(seen)) == 1, seen
    with refused(CODE.PERMISSION_DENIED, "SOURCE_DENIED"):
        on_disk.extract("t", "s3://somebody-elses/video.mp4", sampling=v1.Sampling(all=True))
    inside.unlink()


def bad_requests(v1, good):
    """(what is wrong, request, field, reason)."""
    chunk, fps = v1.Chunk(uri=good), v1.Sampling(fps="1")
    everything = v1.Selection(all=True)

    def extract(**more):
        return v1.ExtractFramesRequest(**{"timeline": "t", "chunks": [chunk], "sampling": fps, **more})

    def get(**more):
        return v1.GetFramesRequest(**{"timeline": "t", "selection": everything, **more})

    return [
        ("no timeline", extract(timeline=""), "timeline"),
        ("a timeline that climbs", extract(timeline="../x"), "timeline"),
        ("a timeline of 4 KiB", extract(timeline="x" * 4096), "timeline"),
        ("a profile with a slash", extract(profile="a/b"), "profile"),
        ("no uri", extract(chunks=[v1.Chunk()]), "chunks[0].uri"),
        ("a bad chunk id", extract(chunks=[chunk, v1.Chunk(uri=good, chunk_id="é")]), "chunks[1].chunk_id"),
        ("a start that is no time", extract(chunks=[v1.Chunk(uri=good, start="noon")]), "chunks[0].start"),
        ("an empty stretch", extract(chunks=[v1.Chunk(uri=good, source_start="1", source_end="1")]), "chunks[0].source_end"),
        ("chunks and no sampling", extract(sampling=None), "sampling"),
        ("two samplings", extract(sampling=v1.Sampling(all=True, fps="1")), "sampling"),
        ("no frames a second", extract(sampling=v1.Sampling(fps="0")), "sampling.fps"),
        ("a rate that is none", extract(sampling=v1.Sampling(fps="fast")), "sampling.fps"),
        ("every 0", extract(sampling=v1.Sampling(every=0)), "sampling.every"),
        ("an empty window", extract(window=v1.Window(**{"from": "2", "to": "1"})), "window.to"),
        ("quality 0", extract(jpeg=v1.JpegOptions(quality=0)), "jpeg.quality"),
        ("quality 101", extract(jpeg=v1.JpegOptions(quality=101)), "jpeg.quality"),
        ("max_side 0", extract(max_side=0), "max_side"),
        ("dedup 65", extract(dedup=65), "dedup"),
        ("dedup without a hash", extract(dedup=3, no_hashes=True), "dedup"),
        ("a hash that is none", extract(hashes=[v1.HASH_PHASH, 77]), "hashes[1]"),
        ("a colour that is none", extract(colour="mauve"), "colour"),
        ("a shard outside its count", extract(shard=v1.Shard(index=3, count=3)), "shard"),
        ("a backend that is none", extract(backend=9), "backend"),
        ("a chunk that the plan has not", extract(only_chunk_ids=["0", "nope"]), "only_chunk_ids[1]"),
        ("no selection", get(selection=None), "selection"),
        ("an empty selection", get(selection=v1.Selection()), "selection"),
        ("two selections", get(selection=v1.Selection(all=True, sequences=[1])), "selection"),
        ("a range that ends before it begins", get(selection=v1.Selection(range=v1.SequenceRange(first=2, last=1))), "selection.range"),
        ("step 0", get(selection=v1.Selection(all=True, step=0)), "selection.step"),
        ("a time that is none", get(selection=v1.Selection(times=["1", "soon"])), "selection.times[1]"),
        ("a payload that is none", get(payload=9), "payload"),
        ("a choice on a miss that is none", get(on_miss=9), "on_miss"),
        ("width 0", get(width=0), "width"),
        ("a size for no payload", get(width=3, payload=v1.PAYLOAD_NONE), "payload"),
    ]  # fmt: skip


def test_each_bad_request_is_refused_with_its_field_and_the_server_goes_on(on_disk, v1, clip):
    good = str(clip("tick.mp4"))
    on_disk.extract("t", good, sampling=v1.Sampling(fps="1"))
    for what, request, expected in bad_requests(v1, good):
        call = on_disk.stub.GetFrames if isinstance(request, v1.GetFramesRequest) else on_disk.stub.ExtractFrames
        with refused(CODE.INVALID_ARGUMENT, "FIELD_INVALID") as seen:
            list(call(request))
        assert seen[0].fields == [expected], what
        assert ";" in seen[0].message, f"{what}: no hint in {seen[0].message}"
    with refused(CODE.INVALID_ARGUMENT, "LIMIT_EXCEEDED"):
        on_disk.extract("u", good, sampling=v1.Sampling(count=4_000_001))
    with refused(CODE.FAILED_PRECONDITION, "GPU_UNAVAILABLE"):
        on_disk.extract("u", good, sampling=v1.Sampling(fps="1"), backend=v1.BACKEND_GPU)
    with refused(CODE.NOT_FOUND, "SOURCE_NOT_FOUND"):
        on_disk.extract("u", make.FOLDER / "absent.mp4", sampling=v1.Sampling(fps="1"))
    assert len(on_disk.get("t")[0]) == 2


def test_bad_media_is_said_in_its_chunk_and_the_others_are_extracted(on_disk, v1, clip):
    bad = make.FOLDER / "no_video.mp4"
    bad.write_text("this is text")
    with refused(CODE.DATA_LOSS, "MEDIA_CORRUPT"):
        on_disk.extract("t", clip("tick.mp4"), bad, sampling=v1.Sampling(fps="1"))
    told = on_disk.extract("t", clip("tick.mp4"), bad, sampling=v1.Sampling(fps="1"), skip_bad=True)
    chunks = events(told, "chunk")
    assert [c.HasField("error") for c in chunks] == [False, True]
    assert details(chunks[1].error)["ErrorInfo"].reason == "MEDIA_CORRUPT"
    assert (told[-1].summary.frames, told[-1].summary.failed_chunks) == (2, 1)
    bad.unlink()


# ---- bounds


def rss_mib(server):
    return resident_kib(server.process.pid)[0] / 1024


@pytest.mark.parametrize("streams", [125, pytest.param(500, marks=pytest.mark.slow)])
def test_more_streams_than_calls_finish_or_are_refused_within_the_memory_budget(open_service, directory, v1, clip, streams):
    """32 MiB of budget, and frames of 47 MiB in all, so that they do not fit at once."""
    budget, calls = 32, streams * 4 // 5
    service = open_service(directory, "--memory", f"{budget}MiB", "--max-calls", str(calls))
    service.extract("t", clip("hd.mp4"), sampling=v1.Sampling(all=True), jpeg=v1.JpegOptions(quality=97))
    total = sum(len(service.stored("t", n)) for n in range(270))
    assert total > budget << 20, total
    channels = [service.server.channel(use_local_subchannel_pool=1) for _ in range(8)]
    stubs = [v1.FrameServiceStub(c) for c in channels]
    request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True, step=9))
    expected = [len(service.stored("t", n)) for n in range(0, 270, 9)]
    # An extraction that was answered may hold its place a moment longer.
    until(lambda: service.server.metric("framecache_queue_depth", queue="calls") == 0, "no call is left")
    at_rest = rss_mib(service.server)
    peak, done = [0.0], threading.Event()

    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], rss_mib(service.server))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()

    def ask(n):
        try:
            items, summary = collect(stubs[n % 8].GetFrames(request, timeout=240))
        except grpc.RpcError as error:
            found = details(rich_status(error))
            assert error.code() == CODE.RESOURCE_EXHAUSTED and "RetryInfo" in found, error
            return "refused"
        busy = [i for i in items if i.error is not None]
        assert all(i.reason == "MEMORY_BUDGET" for i in busy)
        assert all(len(i.payload) == expected[i.index] for i in items if i.error is None)
        return "whole" if not busy else "in part"

    with ThreadPoolExecutor(streams) as pool:
        ends = list(pool.map(ask, range(streams)))
    done.set()
    watcher.join()
    assert ends.count("whole") >= calls, {e: ends.count(e) for e in set(ends)}
    # An extraction before leaves memory that was given back, and more of it where it packs.
    assert peak[0] < max(at_rest, 100) + budget + 100, (peak[0], at_rest)
    for channel in channels:
        channel.close()
