"""GetTensors, with the pure Python gRPC stack, against NumPy's and Pillow's own computation."""

import functools
import io
import random
from collections import namedtuple
from fractions import Fraction

import grpc
import numpy as np
import pytest
from PIL import Image

from .media import make
from .oracles import tensors as computed
from .support import oracle, rpc

TYPES = {"UINT8": np.uint8, "FP16": np.float16, "FP32": np.float32}
PART_BYTES = 3 << 20
Batch = namedtuple("Batch", "header array")
PLAIN = {"datatype": "uint8", "layout": "nhwc", "channels": "rgb", "size": None, "fit": "stretch", "filter": "bilinear", "pad": 114, "normalize": None}


@pytest.fixture
def server(serve, fc):
    """A server over the store of `fc` that may read the suite's clips."""
    return serve("--source-root", make.FOLDER, store=fc.store)


@pytest.fixture
def stub(server, v1):
    with server.channel() as channel:
        yield v1.FrameServiceStub(channel)


@pytest.fixture
def get(stub, v1):
    """Calls GetTensors: (batches, summary); all frames unless told otherwise."""

    def call(timeline="t", **fields):
        if "selection" not in fields and "sampling" not in fields:
            fields["selection"] = v1.Selection(all=True)
        return collected(stub.GetTensors(v1.GetTensorsRequest(timeline=timeline, **fields), timeout=120))

    return call


def collected(answers):
    """Puts batches together, and checks what holds for every stream of them."""
    batches, summary, header, data = [], None, None, b""
    for answer in answers:
        assert summary is None, "something followed the summary"
        match answer.WhichOneof("event"):
            case "header":
                assert header is None
                header, data = answer.header, b""
            case "part":
                part = answer.part
                assert part.offset == len(data) and len(part.data) <= PART_BYTES
                data += part.data
                assert part.last == (len(data) == header.bytes)
                if part.last:
                    batches.append(Batch(header, array_of(header, data)))
                    header = None
            case "summary":
                summary = answer.summary
    assert header is None and summary is not None
    valid = [v for batch in batches for v in batch.header.valid]
    assert (summary.frames, summary.failed) == (sum(valid), len(valid) - sum(valid))
    return batches, summary


def array_of(header, data):
    frames = len(header.sequences)
    assert header.name == "frames" and header.shape[0] == frames
    assert frames == len(header.timestamps) == len(header.valid) == len(header.transforms)
    assert sorted(e.place for e in header.errors) == [n for n in range(frames) if not header.valid[n]]
    array = np.frombuffer(data, dtype=np.dtype(TYPES[header.datatype]).newbyteorder("<")).reshape(header.shape)
    assert not array[[not v for v in header.valid]].any()
    return array


def frames_of(batches):
    return [frame for batch in batches for frame in batch.array]


def sequences_of(batches):
    return [seq for batch in batches for seq in batch.header.sequences]


@functools.lru_cache(1)
def rgb_of(source):
    """The upright RGB of every frame by the contract's formula, from ffmpeg's planes."""
    stream = oracle.probe(source)
    matrix, span = oracle.matrix_of(stream), oracle.range_of(stream)
    frames = oracle.raw_frames(source, stream, range(len(stream.frames)))
    return [oracle.upright(oracle.rgb_of(planes, matrix, span), stream.turn) for _k, planes in frames]


def fields_of(v1, case):
    """The request's fields for a case of oracles/tensors.py."""
    fields = {
        "datatype": v1.Datatype.Value("DATATYPE_" + case["datatype"].upper()),
        "layout": v1.Layout.Value("LAYOUT_" + case["layout"].upper()),
        "channels": v1.Channels.Value("CHANNELS_" + case["channels"].upper()),
        "fit": v1.Fit.Value("FIT_" + case["fit"].upper()),
        "filter": v1.Filter.Value("FILTER_" + case["filter"].upper()),
        "pad_value": case["pad"],
    }
    if case["size"]:
        fields["width"], fields["height"] = case["size"]
    if case["normalize"]:
        scale, mean, std = case["normalize"]
        fields["normalize"] = v1.Normalize(scale=scale, mean=mean, std=std)
    return fields


def assert_equal(got, want):
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    assert got.tobytes() == want.tobytes(), f"{(got != want).sum()} of {got.size} values differ"


def assert_transform(got, want):
    values = [got.scale_x, got.scale_y, got.offset_x, got.offset_y]
    assert values == pytest.approx([float(value) for value in want], rel=1e-12, abs=1e-9)


def planned(fc, *sources, sampling=("--all",)):
    fc.extract("t", *sampling, "--plan-only", *sources)


def stored(fc):
    """Names of what lies in the store, but what it keeps for itself."""
    return sorted(str(p) for p in fc.store.rglob("*") if p.is_file() and not {".tmp", "used"} & set(p.parts))


@pytest.mark.parametrize(
    "name", ["h264_bt709.mp4", "h264_444.mp4", "turned_90.mp4", "h264_bt2020_10bit.mp4", "h264_gray.mp4", "h264_opengop.mp4", "vfr.mkv", "mjpeg_odd_422.mkv"]
)
def test_a_tensor_from_the_source_is_the_formulas_rgb_and_nothing_is_stored(fc, clip, get, v1, name):
    planned(fc, clip(name))
    before = stored(fc)
    batches, summary = get(origin=v1.ORIGIN_SOURCE)
    want = rgb_of(clip(name))
    assert (summary.frames, summary.failed, summary.skipped) == (len(want), 0, 0)
    assert sequences_of(batches) == list(range(len(want)))
    for got, rgb in zip(frames_of(batches), want, strict=True):
        assert_equal(got, rgb)
    assert stored(fc) == before


CASES = [
    {"size": (64, 64), "fit": "letterbox", "datatype": "fp32", "layout": "nchw", "normalize": computed.NORMALIZE[3]},
    {"size": (64, 64), "fit": "letterbox", "datatype": "fp16", "layout": "nchw", "normalize": computed.NORMALIZE[4], "channels": "bgr"},
    {"size": (224, 224), "fit": "crop", "datatype": "fp32", "filter": "bicubic", "normalize": computed.NORMALIZE[2]},
    {"size": (101, 37), "fit": "crop", "filter": "bicubic"},
    {"size": (31, 97), "fit": "stretch", "channels": "gray"},
    {"size": (31, 97), "fit": "letterbox", "channels": "gray", "datatype": "fp16", "pad": 0},
    {"size": (320, 240), "fit": "stretch", "filter": "bicubic", "channels": "bgr"},
    {"size": (160, 120), "fit": "crop", "datatype": "fp32"},
    {"size": None, "datatype": "fp16", "normalize": computed.NORMALIZE[6]},
    {"size": (33, 65), "fit": "letterbox", "datatype": "fp16", "normalize": computed.NORMALIZE[8], "pad": 255},
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tensors_from_the_source_are_numpys_and_pillows_to_the_last_bit(fc, clip, get, v1, case):
    case = PLAIN | case
    planned(fc, clip("h264_bt709.mp4"), sampling=("--count", 4))
    batches, _ = get(origin=v1.ORIGIN_SOURCE, **fields_of(v1, case))
    want = rgb_of(clip("h264_bt709.mp4"))
    # The clip is two seconds long.
    times = [Fraction(2 * k + 1, 4) for k in range(4)]
    stream = oracle.probe(clip("h264_bt709.mp4"))
    shown = [oracle.shown_at(stream.times(), t, stream.time_base) for t in times]
    (batch,) = batches
    assert batch.header.datatype == case["datatype"].upper()
    for got, transform, k in zip(batch.array, batch.header.transforms, shown, strict=True):
        array, mapped = computed.tensor(np.ascontiguousarray(want[k]), case)
        assert_equal(got, array)
        assert_transform(transform, mapped)


def encoded(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def photo(width=97, height=61, seed=1):
    """Blobs with noise, so that chroma subsampling matters."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    return Image.fromarray((np.asarray(coarse) * 0.9 + rng.integers(0, 25, (height, width, 3))).astype(np.uint8))


def put(stub, v1, jpegs, timeline="put"):
    messages = [
        v1.PutFramesRequest(timeline=timeline if not seq else "", frame=v1.PutFrame(sequence=seq, jpeg=jpeg, last=True))
        for seq, jpeg in enumerate(jpegs)
    ]
    return stub.PutFrames(iter(messages), timeout=30)


def test_tensors_from_the_cache_are_what_pillow_decodes_from_the_stored_jpegs(fc, clip, get):
    fc.extract("t", "--every", 5, clip("h264_bt709.mp4"))
    batches, _ = get()
    jpegs = fc.jpegs("t")
    for seq, got in zip(sequences_of(batches), frames_of(batches), strict=True):
        assert_equal(got, np.asarray(Image.open(io.BytesIO(jpegs.pop(seq))).convert("RGB")))
    assert not jpegs


def test_jpegs_of_others_are_decoded_as_pillow_does(stub, get, v1):
    inks = Image.frombytes("CMYK", (97, 61), np.random.default_rng(2).integers(0, 256, 97 * 61 * 4, dtype=np.uint8).tobytes())
    jpegs = [
        encoded(photo(), quality=70, subsampling=0),
        encoded(photo(), quality=70, subsampling=1),
        encoded(photo(), quality=70, subsampling=2),
        encoded(photo(), quality=70, progressive=True),
        encoded(photo(), quality=30, optimize=True, restart_marker_rows=1),
        encoded(photo().convert("L"), quality=70),
        encoded(photo(), quality=90, keep_rgb=True),
        encoded(photo().convert("CMYK"), quality=80),
        encoded(inks, quality=95, subsampling=2),
    ]
    put(stub, v1, jpegs)
    for channels in ("rgb", "gray"):
        batches, summary = get("put", **fields_of(v1, PLAIN | {"channels": channels}))
        assert summary.frames == len(jpegs)
        for got, jpeg in zip(frames_of(batches), jpegs, strict=True):
            pixels = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
            assert_equal(got, computed.tensor(pixels, PLAIN | {"channels": channels})[0])


def test_a_box_that_was_found_in_a_letterboxed_frame_maps_back_to_where_it_is(stub, get, v1):
    picture = Image.new("RGB", (640, 360), (20, 20, 20))
    picture.paste((250, 250, 250), (200, 40, 520, 330))
    put(stub, v1, [encoded(picture, quality=95)])
    for size, fit in [((320, 320), "letterbox"), ((300, 200), "crop"), ((200, 300), "stretch"), ((1000, 900), "letterbox")]:
        (batch,), _ = get("put", **fields_of(v1, PLAIN | {"size": size, "fit": fit, "pad": 0, "channels": "gray"}))
        ys, xs = np.nonzero(batch.array[0, :, :, 0] > 135)
        t = batch.header.transforms[0]
        box = [xs.min() * t.scale_x + t.offset_x, ys.min() * t.scale_y + t.offset_y, (xs.max() + 1) * t.scale_x + t.offset_x, (ys.max() + 1) * t.scale_y + t.offset_y]
        near = max(t.scale_x, t.scale_y, 1) + 0.01
        assert np.abs(np.array(box) - (200, 40, 520, 330)).max() <= near, (size, fit, box)


def test_frames_that_cannot_be_had_are_zeros_and_say_why(fc, clip, get, v1):
    fc.extract("t", "--every", 10, clip("h264_bt709.mp4"))
    for origin in (v1.ORIGIN_CACHE, v1.ORIGIN_SOURCE):
        (batch,), summary = get(origin=origin, selection=v1.Selection(sequences=[77, 1, 1000, 0]))
        assert list(batch.header.valid) == [False, True, False, True]
        assert list(batch.header.sequences) == [77, 1, 1000, 0]
        assert [np.isnan(t) for t in batch.header.timestamps] == [True, False, True, False]
        assert batch.array[1].any() and batch.array[3].any()
        assert summary.failed == 2
        for error in batch.header.errors:
            info = rpc.details(error.status)["ErrorInfo"]
            assert (info.reason, error.status.code) == ("FRAME_NOT_CACHED", grpc.StatusCode.NOT_FOUND.value[0])


def test_a_batch_without_one_frame_that_can_be_had_has_no_size_unless_one_is_asked_for(fc, clip, get, v1):
    fc.extract("t", "--every", 10, clip("h264_bt709.mp4"))
    nothing = v1.Selection(sequences=[100, 101])
    (batch,), _ = get(selection=nothing)
    assert list(batch.header.shape) == [2, 0, 0, 3] and batch.header.bytes == 0
    (batch,), _ = get(selection=nothing, width=8, height=4)
    assert list(batch.header.shape) == [2, 4, 8, 3] and not batch.array.any()


def test_what_is_not_cached_is_extracted_skipped_or_refused_as_asked(fc, clip, get, v1):
    planned(fc, clip("h264_bt709.mp4"), sampling=("--every", 10))
    batches, summary = get(on_miss=v1.ON_MISS_SKIP)
    assert not batches and summary.skipped == 5
    (batch,), summary = get(on_miss=v1.ON_MISS_FAIL, width=8, height=8)
    assert summary.failed == 5 and not any(batch.header.valid)
    (batch,), summary = get()
    assert summary.frames == 5
    assert len(fc.frames("t")) == 5
    (again,), _ = get(on_miss=v1.ON_MISS_FAIL)
    assert_equal(again.array, batch.array)


def test_skipped_frames_leave_no_gap_in_batches(fc, clip, get, v1):
    planned(fc, clip("h264_bt709.mp4"), clip("h264_bt601.mp4"), sampling=("--every", 10))
    fc.run("extract", "--timeline", "t", "--chunk", 1, "--json")
    batches, summary = get(on_miss=v1.ON_MISS_SKIP, batch=2)
    assert (summary.frames, summary.skipped) == (5, 5)
    assert [list(b.header.sequences) for b in batches] == [[5, 6], [7, 8], [9]]
    assert [b.header.index for b in batches] == [5, 7, 9]


def test_batches_come_in_the_order_asked_repeats_kept_and_the_last_may_be_short(fc, clip, get, v1):
    fc.extract("t", "--all", clip("h264_gop250.mp4"))
    facts = fc.frames("t")
    rgb = rgb_of(clip("h264_gop250.mp4"))
    asked = [199, 3, 3, 4, 5, 120, 5, 0, 150, 149, 148]
    frames = {}
    for origin in (v1.ORIGIN_CACHE, v1.ORIGIN_SOURCE):
        batches, _ = get(origin=origin, selection=v1.Selection(sequences=asked), batch=4)
        assert sequences_of(batches) == asked
        assert [b.header.shape[0] for b in batches] == [4, 4, 3] and [b.header.index for b in batches] == [0, 4, 8]
        for seq, time in zip(asked, [t for b in batches for t in b.header.timestamps], strict=True):
            assert time == facts[seq]["timestamp"]
        frames[origin] = frames_of(batches)
    for seq, source, cached in zip(asked, frames[v1.ORIGIN_SOURCE], frames[v1.ORIGIN_CACHE], strict=True):
        assert_equal(source, rgb[seq])
        assert_equal(cached, np.asarray(Image.open(io.BytesIO(fc.jpegs("t")[seq])).convert("RGB")))


def test_selections_from_the_source_are_those_from_the_cache(fc, clip, get, v1):
    fc.extract("t", "--fps", "7.3", clip("h264_bframes.mp4"), clip("vfr.mkv"))
    window, times = v1.Window(**{"from": "0.31", "to": "3.2"}), ["0", "3.14", "0.5", "2.001", "99", "1.99"]
    for selection in [
        v1.Selection(all=True, step=3),
        v1.Selection(range=v1.SequenceRange(first=4, last=20), limit=9),
        v1.Selection(window=window),
        v1.Selection(window=window, step=2),
        v1.Selection(times=times),
    ]:
        headers = []
        for origin in (v1.ORIGIN_CACHE, v1.ORIGIN_SOURCE):
            batches, _ = get(origin=origin, selection=selection, width=4, height=4, batch=64)
            (batch,) = batches
            headers.append((list(batch.header.sequences), list(batch.header.valid), np.array(batch.header.timestamps)))
        (seqs, valid, stamps), (other_seqs, other_valid, other_stamps) = headers
        assert (seqs, valid) == (other_seqs, other_valid) and len(seqs) > 5
        assert np.array_equal(stamps, other_stamps, equal_nan=True)


def test_a_sampling_of_the_source_is_what_extracting_by_it_gives(fc, clip, get, v1, new_store):
    sources = [clip("h264_bframes.mp4"), clip("vfr.mkv")]
    planned(fc, *sources, sampling=("--fps", 1))
    before = stored(fc)
    rgb = {}
    for options, fields in [
        (["--every", 7], {"sampling": v1.Sampling(every=7)}),
        (["--fps", "12.5", "--from", "0.5", "--to", "2.7"], {"sampling": v1.Sampling(fps="12.5"), "window": v1.Window(**{"from": "0.5", "to": "2.7"})}),
        (["--keyframes"], {"sampling": v1.Sampling(keyframes=True)}),
        (["--at", "0.1,1.7,3.3"], {"sampling": v1.Sampling(timestamps=["3.3", "0.1", "1.7"])}),
        (["--count", 6], {"sampling": v1.Sampling(count=6)}),
    ]:
        other = new_store()
        other.extract("t", *options, *sources)
        facts = other.frames("t")
        batches, _ = get(origin=v1.ORIGIN_SOURCE, batch=5, **fields)
        assert sequences_of(batches) == [f["seq"] for f in facts]
        assert [t for b in batches for t in b.header.timestamps] == [f["timestamp"] for f in facts]
        for fact, got in zip(facts, frames_of(batches), strict=True):
            source = sources[int(fact["chunk_id"])]
            if source not in rgb:
                stream = oracle.probe(source)
                rgb[source] = {f["pts"]: frame for f, frame in zip(stream.frames, rgb_of(source), strict=True)}
            assert_equal(got, rgb[source][fact["pts"]])
    assert stored(fc) == before


def test_a_source_that_changed_is_refused_for_samplings_and_fails_its_frames(fc, clip, serve, v1, tmp_path):
    source = tmp_path / "a.mp4"
    source.write_bytes(clip("h264_bframes.mp4").read_bytes())
    planned(fc, source, clip("vfr.mkv"), sampling=("--every", 10))
    source.write_bytes(clip("h264_bt601.mp4").read_bytes())
    with serve("--source-root", make.FOLDER, "--source-root", tmp_path, store=fc.store).channel() as channel:
        call = v1.FrameServiceStub(channel).GetTensors
        request = v1.GetTensorsRequest(timeline="t", origin=v1.ORIGIN_SOURCE, sampling=v1.Sampling(every=5))
        with rpc.refused(grpc.StatusCode.FAILED_PRECONDITION, "SOURCE_CHANGED"):
            list(call(request, timeout=30))
        request = v1.GetTensorsRequest(timeline="t", origin=v1.ORIGIN_SOURCE, selection=v1.Selection(all=True))
        (batch,), summary = collected(call(request, timeout=30))
        assert list(batch.header.valid) == [False] * 5 + [True] * summary.frames
        assert {rpc.details(e.status)["ErrorInfo"].reason for e in batch.header.errors} == {"SOURCE_CHANGED"}


def without_packets(source, target, chosen):
    """The source with zeros in place of some packets."""
    packets = oracle.ffprobe(source, "-show_entries", "packet=pos,size")["packets"]
    data = bytearray(source.read_bytes())
    for n in chosen:
        start, size = int(packets[n]["pos"]), int(packets[n]["size"])
        data[start : start + size] = bytes(size)
    target.write_bytes(data)
    return target


def test_frames_that_the_decoder_does_not_deliver_are_not_valid(fc, clip, serve, v1, tmp_path):
    source = without_packets(clip("h264_bframes.mp4"), tmp_path / "a.mp4", [5, 6, 30, 47])
    fc.extract("t", "--all", source, code=3)
    facts = fc.frames("t")
    missing = {f["seq"] for f in facts if f.get("missing")}
    assert len(missing) >= 3
    with serve(store=fc.store).channel() as channel:
        for origin in (v1.ORIGIN_CACHE, v1.ORIGIN_SOURCE):
            for batch in (16, 4):
                request = v1.GetTensorsRequest(timeline="t", origin=origin, selection=v1.Selection(all=True), batch=batch)
                batches, summary = collected(v1.FrameServiceStub(channel).GetTensors(request, timeout=60))
                valid = dict(zip(sequences_of(batches), [v for b in batches for v in b.header.valid], strict=True))
                assert {seq for seq, valid in valid.items() if not valid} == missing
                assert summary.frames == len(facts) - len(missing)
                reasons = {rpc.details(e.status)["ErrorInfo"].reason for b in batches for e in b.header.errors}
                assert reasons == {"MEDIA_CORRUPT"}


def test_frames_from_a_put_profile_have_no_source(stub, get, v1):
    put(stub, v1, [encoded(photo())])
    with rpc.refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID") as seen:
        get("put", origin=v1.ORIGIN_SOURCE)
    assert seen[0].fields == ["origin"]


def test_frames_of_unlike_size_need_a_size(stub, get, v1):
    put(stub, v1, [encoded(photo()), encoded(photo(40, 30))])
    with rpc.refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID") as seen:
        get("put")
    assert seen[0].fields == ["width"]
    batches, _ = get("put", width=50, height=50, fit=v1.FIT_LETTERBOX)
    assert batches[0].array.shape == (2, 50, 50, 3)


def test_a_broken_jpeg_fails_alone(stub, get, v1, fc):
    jpegs = [encoded(photo(seed=k)) for k in range(3)]
    legacy = fc.store / "cache" / "timelines" / "old" / "frames"
    legacy.mkdir(parents=True)
    for k, jpeg in enumerate([jpegs[0], jpegs[1][:-400], jpegs[2], b"no jpeg"]):
        (legacy / f"{k}.jpg").write_bytes(jpeg)
    (batch,), summary = get("old")
    assert list(batch.header.valid) == [True, False, True, False] and (summary.frames, summary.failed) == (2, 2)
    assert all(np.isnan(batch.header.timestamps))
    assert [rpc.details(e.status)["ErrorInfo"].reason for e in batch.header.errors] == ["MEDIA_CORRUPT"] * 2
    assert_equal(batch.array[2], np.asarray(Image.open(io.BytesIO(jpegs[2])).convert("RGB")))


def test_4k_tensors_come_to_a_client_with_default_limits(fc, get, v1):
    source = make.FOLDER / "three_of_4k.mp4"
    if not source.exists():
        make.ffmpeg(*make.pattern(size="3840x2160", seconds=0.12), *make.X264, source)
    fc.extract("t", "--all", source)
    for origin in (v1.ORIGIN_CACHE, v1.ORIGIN_SOURCE):
        batches, _ = get(origin=origin, batch=2, datatype=v1.DATATYPE_FP16)
        assert [b.array.shape for b in batches] == [(2, 2160, 3840, 3), (1, 2160, 3840, 3)]
    want = rgb_of(source)
    for got, rgb in zip(frames_of(batches), want, strict=True):
        assert np.array_equal(got, rgb)


BAD = {
    "width": {"width": 0, "height": 8},
    "height": {"width": 8},
    "pad_value": {"pad_value": 256},
    "batch": {"batch": 0},
    "datatype": {"datatype": 77},
    "normalize": {"normalize": {}},
    "normalize.std[1]": {"datatype": 3, "normalize": {"std": [1, 0, 1]}},
    "normalize.mean": {"datatype": 3, "normalize": {"mean": [1, 2]}},
    "normalize.scale": {"datatype": 2, "normalize": {"scale": float("nan")}},
    "sampling": {"sampling": {"every": 2}},
    "sampling.fps": {"sampling": {"fps": "fast"}, "origin": 2, "selection": None},
    "window": {"window": {"from": "1"}},
    "selection": {"selection": None},
    "origin": {"origin": 5},
}


@pytest.mark.parametrize("field", BAD)
def test_a_bad_request_names_its_field(stub, v1, field):
    fields = {"selection": {"all": True}} | BAD[field]
    request = v1.GetTensorsRequest(timeline="t", **{k: v for k, v in fields.items() if v is not None})
    with rpc.refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID") as seen:
        list(stub.GetTensors(request, timeout=10))
    assert seen[0].fields == [field]


@pytest.mark.parametrize("field, fields", [("width", {"width": 16385, "height": 1}), ("batch", {"batch": 5000}), ("batch", {"width": 8000, "height": 8000, "batch": 6})])
def test_what_would_be_too_large_is_refused(fc, clip, get, field, fields):
    planned(fc, clip("h264_bt709.mp4"))
    with rpc.refused(grpc.StatusCode.INVALID_ARGUMENT, "LIMIT_EXCEEDED") as seen:
        get(**fields)
    assert seen[0].fields == [field]


def test_an_unknown_timeline_is_not_found(get, v1):
    for origin in (v1.ORIGIN_CACHE, v1.ORIGIN_SOURCE):
        with rpc.refused(grpc.StatusCode.NOT_FOUND, "TIMELINE_NOT_FOUND"):
            get("nowhere", origin=origin)


def test_calls_that_are_given_up_leave_the_others_whole(fc, clip, stub, get, v1):
    planned(fc, clip("h264_gop250.mp4"))
    want = rgb_of(clip("h264_gop250.mp4"))
    request = v1.GetTensorsRequest(timeline="t", origin=v1.ORIGIN_SOURCE, selection=v1.Selection(all=True), batch=3)
    for messages in random.Random(1).choices(range(12), k=12):
        call = stub.GetTensors(request, timeout=60)
        for _ in zip(range(messages), call):
            pass
        call.cancel()
    batches, _ = get(origin=v1.ORIGIN_SOURCE)
    for got, rgb in zip(frames_of(batches), want, strict=True):
        assert_equal(got, rgb)
