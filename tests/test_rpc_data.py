"""Listing, clearing, putting and overlays over gRPC, with nothing of ours but the proto."""

import base64
import hashlib
import io
import shutil

import grpc
import numpy as np
import pytest
from PIL import Image

from .support import rpc
from .support.framecache import tree

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PART = 3 << 20


@pytest.fixture
def stubs(serve, v1):
    """Stubs of one server over the store of `fc`."""
    server = serve().wait_until_it_is_ready()
    with server.channel() as channel:
        yield Stubs(v1, channel)


class Stubs:
    def __init__(self, v1, channel):
        self.v1 = v1
        self.frames = v1.FrameServiceStub(channel)
        self.overlays = v1.OverlayServiceStub(channel)

    def listed(self, timeline, page_size=0, **more):
        """(facts, spans without facts, pages) of all pages."""
        facts, without, pages, token = [], [], 0, ""
        while True:
            page = self.frames.ListFrames(
                self.v1.ListFramesRequest(timeline=timeline, page_size=page_size, page_token=token, **more), timeout=30
            )
            facts += page.frames
            without += page.without
            pages += 1
            token = page.next_page_token
            if not token:
                return facts, without, pages

    def timeline(self, timeline, **more):
        return self.frames.GetTimeline(self.v1.GetTimelineRequest(timeline=timeline, **more), timeout=60)

    def put(self, timeline, frames, **more):
        return self.frames.PutFrames(put_messages(self.v1, timeline, frames, **more), timeout=60)

    def put_overlays(self, timeline, overlays):
        messages = [self.v1.PutOverlaysRequest(timeline=timeline)]
        messages += [self.v1.PutOverlaysRequest(overlay=o) for o in overlays]
        return self.overlays.PutOverlays(iter(messages), timeout=120).results

    def overlay(self, name, seq=0, job="j", stage="s", **image):
        image = image or {"png": png()}
        return self.v1.PutOverlay(job=job, stage=stage, sequence=seq, name=name, last=True, **image)

    def get_overlays(self, timeline, job="j", stage="s", **more):
        """([(index, sequence, name, payload)], summary); parts joined and checked."""
        asked = self.v1.GetOverlaysRequest(timeline=timeline, job=job, stage=stage, **more)
        found, open_parts, summary = [], None, None
        for answer in self.overlays.GetOverlays(asked, timeout=120):
            assert summary is None, "the summary is last"
            assert answer.ByteSize() < 4 << 20
            if answer.WhichOneof("event") == "summary":
                summary = answer.summary
                continue
            item = answer.overlay
            assert item.WhichOneof("result") == "data", item
            data = getattr(item.data, item.data.WhichOneof("payload"))
            open_parts = open_parts or data[:0]
            assert item.data.offset == len(open_parts)
            open_parts += data
            if item.data.last:
                assert len(open_parts) == item.data.total
                found.append((item.index, item.sequence, item.name, open_parts))
                open_parts = None
        return found, summary

    def list_overlays(self, timeline, level, page_size=0, **more):
        """All pages, joined."""
        rows, pages, token = self.v1.ListOverlaysResponse(), 0, ""
        while True:
            page = self.overlays.ListOverlays(
                self.v1.ListOverlaysRequest(timeline=timeline, level=level, page_size=page_size, page_token=token, **more),
                timeout=60,
            )
            rows.MergeFrom(page)
            pages += 1
            token = page.next_page_token
            if not token:
                return rows, pages


def put_messages(v1, timeline, frames, **header):
    """A stream of frames, each (sequence, {image}, facts or None), in parts of 3 MiB."""
    yield v1.PutFramesRequest(timeline=timeline, **header)
    for sequence, image, facts in frames:
        ((kind, data),) = image.items()
        for offset in range(0, max(len(data), 1), PART):
            part = data[offset : offset + PART]
            last = offset + PART >= len(data)
            frame = v1.PutFrame(sequence=sequence, offset=offset, last=last, **{kind: part})
            if facts is not None and offset == 0:
                frame.facts.CopyFrom(facts)
            yield v1.PutFramesRequest(frame=frame)


def png(width=4, height=3, colour=(200, 30, 60)):
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def noise_png(side):
    """A PNG that does not compress: three bytes a pixel."""
    out = io.BytesIO()
    pixels = np.random.default_rng(7).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG", compress_level=0)
    return out.getvalue()


def jpeg(seed, side=32, quality=90):
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


# frames


def test_facts_listed_in_pages_of_any_size_are_those_of_the_command_line(fc, stubs, clip, v1):
    fc.extract("t", "--fps", "10", clip("h264_bframes.mp4"))
    known = fc.frames("t")
    whole, without, pages = stubs.listed("t")
    assert (len(whole), without, pages) == (len(known), [], 1) and len(known) > 10
    for size in (1, 3, len(known), len(known) - 1, 1000, 4_000_000):
        facts, _, pages = stubs.listed("t", size)
        assert facts == whole
        assert pages == -(-len(known) // min(size, 1000))
    for ours, theirs in zip(whole, known):
        assert ours.sequence == theirs["seq"]
        for name in ("pts", "time_base", "timestamp", "duration", "keyframe", "width", "bytes", "sha256", "phash", "chunk_id", "backend"):
            assert getattr(ours, name) == theirs[name], name
        assert ours.colour.matrix == theirs["colour"]["matrix"]
        assert not ours.HasField("dhash") and not ours.HasField("missing") and not ours.HasField("repeats")


def test_a_page_reads_no_more_records_than_it_needs(fc, stubs, clip, v1):
    """Records behind the page are replaced by a newer release's, which no reading survives."""
    source = clip("h264_bframes.mp4")
    fc.extract("t", "--fps", "5", source, source, source, source)
    records = sorted((fc.folder("t") / "chunks").rglob("*.json"))
    assert len(records) == 4
    frames = len(fc.frames("t")) // 4
    for record in records[2:]:
        body = b'{"schema":99,"digest":""}'
        record.write_bytes(b'{"attempt":"a","seal":"%s",' % hashlib.sha256(body).hexdigest().encode() + body[1:])
    page = stubs.frames.ListFrames(v1.ListFramesRequest(timeline="t", page_size=frames + 1))
    assert [f.sequence for f in page.frames] == list(range(frames + 1))
    with rpc.refused(grpc.StatusCode.FAILED_PRECONDITION, "PLAN_DIFFERS"):
        stubs.frames.ListFrames(v1.ListFramesRequest(timeline="t", page_size=2 * frames + 1))


def test_spans_that_were_not_extracted_are_named_among_the_frames(fc, stubs, clip):
    source = clip("h264_bframes.mp4")
    fc.extract("t", "--fps", "5", "--chunk", "1", source, source, source)
    facts, without, _ = stubs.listed("t", page_size=3)
    assert {f.chunk_id for f in facts} == {"1"}
    assert [(w.chunk_id, w.span) for w in without] == [("0", 0), ("2", 0)]
    assert [w.first for w in without] == [0, facts[-1].sequence + 1]
    assert all(rpc.details(w.why)["ErrorInfo"].reason == "FRAME_NOT_CACHED" for w in without)


def test_a_page_token_stays_true_when_frames_are_added(stubs, v1):
    stubs.put("p", [(n, {"jpeg": jpeg(n)}, None) for n in (2, 4, 6, 8)])
    page = stubs.frames.ListFrames(v1.ListFramesRequest(timeline="p", page_size=2))
    stubs.put("p", [(n, {"jpeg": jpeg(n)}, None) for n in (1, 5, 9)])
    rest = stubs.frames.ListFrames(v1.ListFramesRequest(timeline="p", page_token=page.next_page_token))
    assert [f.sequence for f in page.frames] == [2, 4]
    assert [f.sequence for f in rest.frames] == [5, 6, 8, 9]


def test_nonsense_tokens_and_names_are_refused_naming_their_field(fc, stubs, clip, v1):
    fc.extract("t", "--fps", "5", clip("h264_bframes.mp4"))
    stubs.put_overlays("t", [stubs.overlay("a"), stubs.overlay("b")])
    frame_token = stubs.frames.ListFrames(v1.ListFramesRequest(timeline="t", page_size=1)).next_page_token
    level = v1.OVERLAY_LEVEL_ITEMS
    calls = {
        "page_token": [
            (stubs.frames.ListFrames, v1.ListFramesRequest(timeline="t", page_token="x")),
            (stubs.frames.ListFrames, v1.ListFramesRequest(timeline="t", page_token="é" * 100)),
            (stubs.frames.ListTimelines, v1.ListTimelinesRequest(page_token=frame_token)),
            (stubs.frames.GetTimeline, v1.GetTimelineRequest(timeline="t", page_token=frame_token)),
            (stubs.overlays.ListOverlays, v1.ListOverlaysRequest(timeline="t", job="j", stage="s", page_token=frame_token)),
            (stubs.overlays.ListOverlays, v1.ListOverlaysRequest(timeline="t", level=v1.OVERLAY_LEVEL_JOBS, page_token="//")),
        ],
        "timeline": [
            (stubs.frames.ListFrames, v1.ListFramesRequest()),
            (stubs.frames.GetTimeline, v1.GetTimelineRequest(timeline="../t")),
            (stubs.frames.ClearTimeline, v1.ClearTimelineRequest(timeline="a/b")),
            (stubs.overlays.DeleteOverlays, v1.DeleteOverlaysRequest(timeline=".t", job="j")),
        ],
        "profile": [(stubs.frames.GetTimeline, v1.GetTimelineRequest(timeline="t", profile="-p"))],
        "job": [
            (stubs.overlays.DeleteOverlays, v1.DeleteOverlaysRequest(timeline="t")),
            (stubs.overlays.ListOverlays, v1.ListOverlaysRequest(timeline="t", level=v1.OVERLAY_LEVEL_STAGES)),
            (stubs.overlays.ListOverlays, v1.ListOverlaysRequest(timeline="t", level=v1.OVERLAY_LEVEL_JOBS, job="j")),
        ],
        "stage": [
            (stubs.overlays.ListOverlays, v1.ListOverlaysRequest(timeline="t", level=level, job="j")),
            (stubs.overlays.DeleteOverlays, v1.DeleteOverlaysRequest(timeline="t", job="j", stage="a/b")),
        ],
        "sequence": [
            (stubs.overlays.ListOverlays, v1.ListOverlaysRequest(timeline="t", level=v1.OVERLAY_LEVEL_FRAMES, job="j", stage="s", sequence=1)),
        ],
        "level": [(stubs.overlays.ListOverlays, v1.ListOverlaysRequest(timeline="t", level=9))],
    }
    for field, asked in calls.items():
        for method, request in asked:
            with rpc.refused(INVALID, "FIELD_INVALID") as seen:
                method(request, timeout=10)
            assert seen[0].fields == [field], (request, seen)
    with rpc.refused(INVALID, "FIELD_INVALID") as seen:
        list(stubs.overlays.GetOverlays(v1.GetOverlaysRequest(timeline="t", job="j", stage="s", payload=7)))
    assert seen[0].fields == ["payload"]


def test_frames_of_a_timeline_that_is_not_there_are_not_found(stubs, v1):
    with rpc.refused(grpc.StatusCode.NOT_FOUND, "TIMELINE_NOT_FOUND"):
        stubs.frames.ListFrames(v1.ListFramesRequest(timeline="none"))


def test_legacy_frames_are_listed_by_number_in_pages(fc, stubs, v1):
    folder = fc.folder("old") / "frames"
    folder.mkdir(parents=True)
    for n in range(25):
        (folder / f"{n}.jpg").write_bytes(jpeg(n))
    facts, _, pages = stubs.listed("old", page_size=10)
    assert [f.sequence for f in facts] == list(range(25)) and pages == 3
    assert all(f.bytes and not f.HasField("timestamp") and not f.HasField("phash") for f in facts)
    answer = stubs.timeline("old")
    assert answer.state == v1.PROFILE_STATE_LEGACY
    assert not answer.HasField("plan") and not answer.HasField("counts") and list(answer.profiles) == ["default"]


# timelines


def test_a_timeline_is_absent_partial_or_complete(fc, stubs, clip, v1):
    source = clip("h264_bframes.mp4")
    nothing = stubs.timeline("t")
    assert nothing.state == v1.PROFILE_STATE_ABSENT and nothing.timeline == "t" and nothing.profile == "default"
    assert not nothing.profiles and not nothing.HasField("plan")
    fc.extract("t", "--fps", "5", "--quality", "70", "--hash", "phash,dhash", "--chunk", "1", source, source)
    part = stubs.timeline("t")
    assert part.state == v1.PROFILE_STATE_PARTIAL
    assert [(c.cached > 0, c.planned, c.spans, c.spans_complete) for c in part.chunks] == [
        (False, part.plan.frames / 2, 1, 0),
        (True, part.plan.frames / 2, 1, 1),
    ]
    fc.extract("t")
    whole = stubs.timeline("t")
    assert whole.state == v1.PROFILE_STATE_COMPLETE
    assert whole.counts.planned == whole.counts.frames == whole.counts.stored == len(fc.frames("t"))
    assert whole.counts.bytes == sum(len(j) for j in fc.jpegs("t").values())
    plan = whole.plan
    assert (plan.kind, plan.sampling.fps, plan.quality, plan.colour) == (v1.PlanInfo.KIND_EXTRACT, "5", 70, "bt601")
    assert list(plan.hashes) == [v1.HASH_PHASH, v1.HASH_DHASH] and plan.chunks == 2
    assert [c.chunk.uri for c in whole.chunks] == [str(source)] * 2
    assert [c.chunk.chunk_id for c in whole.chunks] == ["0", "1"]
    assert whole.chunks[0].begin == 0 and whole.chunks[0].end == whole.chunks[1].begin
    fc.extract("t", "--fps", "1", "--profile", "thin", source)
    assert list(stubs.timeline("t").profiles) == ["default", "thin"]
    assert stubs.timeline("t", profile="thin").counts.planned < whole.counts.planned


def test_chunks_of_a_timeline_come_in_pages_that_survive_an_append(fc, stubs, clip, v1):
    source = clip("h264_bframes.mp4")
    fc.extract("t", "--fps", "1", "--plan-only", *[source] * 5)
    first = stubs.timeline("t", page_size=3)
    fc.extract("t", "--fps", "1", "--plan-only", *[source] * 7)
    second = stubs.timeline("t", page_size=3, page_token=first.next_page_token)
    third = stubs.timeline("t", page_size=3, page_token=second.next_page_token)
    ids = [[c.chunk.chunk_id for c in page.chunks] for page in (first, second, third)]
    assert ids == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert third.next_page_token == "" and third.plan.chunks == 7


def test_changed_sources_are_stale_and_lost_ones_are_errors(fc, stubs, clip, tmp_path, v1):
    sources = [tmp_path / f"{n}.mp4" for n in range(3)]
    for source in sources:
        shutil.copy(clip("h264_bframes.mp4"), source)
    fc.extract("t", "--fps", "2", *sources)
    fresh = stubs.timeline("t", check_sources=True)
    assert not fresh.stale_chunk_ids and not any(c.HasField("error") for c in fresh.chunks)
    data = bytearray(sources[1].read_bytes())
    data[-1] ^= 1
    sources[1].write_bytes(data)
    sources[2].unlink()
    unasked = stubs.timeline("t")
    assert not unasked.stale_chunk_ids and not any(c.HasField("error") for c in unasked.chunks)
    asked = stubs.timeline("t", check_sources=True)
    assert list(asked.stale_chunk_ids) == ["1"]
    assert rpc.details(asked.chunks[2].error)["ErrorInfo"].reason == "SOURCE_NOT_FOUND"
    assert not asked.failed_chunk_ids and asked.state == v1.PROFILE_STATE_COMPLETE


def test_timelines_are_listed_in_order_a_page_at_a_time(stubs, v1):
    names = ["a", "a-b", "a.b", "a0", "b", "zz"]
    for name in reversed(names):
        stubs.put(name, [(0, {"jpeg": jpeg(0)}, None)])
    for size in (1, 2, 6, 0):
        found, token, pages = [], "", 0
        while True:
            page = stubs.frames.ListTimelines(v1.ListTimelinesRequest(page_size=size, page_token=token))
            assert len(page.timelines) <= (size or 1000)
            found += page.timelines
            token, pages = page.next_page_token, pages + 1
            if not token:
                break
        assert sorted(found) == sorted(names) and len(found) == len(names)


@pytest.mark.loose
def test_clearing_counts_first_and_leaves_plan_and_overlays(fc, stubs, clip, v1):
    fc.extract("t", "--fps", "5", clip("h264_bframes.mp4"))
    fc.extract("t", "--fps", "1", "--profile", "thin", clip("h264_bframes.mp4"))
    stubs.put_overlays("t", [stubs.overlay("a")])
    before = tree(fc.store)
    clear = lambda **more: stubs.frames.ClearTimeline(v1.ClearTimelineRequest(timeline="t", **more)).profiles
    (dry,) = clear(dry_run=True)
    assert tree(fc.store) == before
    jpegs = fc.jpegs("t")
    assert (dry.profile, dry.frames.objects, dry.frames.bytes) == ("default", len(jpegs), sum(map(len, jpegs.values())))
    assert dry.records.objects == 1 and dry.overlays.objects == dry.plans.objects == 0
    (kept,) = clear(older_than_seconds=3600)
    assert kept.kept_as_newer and tree(fc.store) == before
    (kept,) = clear(older_than_seconds=2**64 - 1)
    assert kept.kept_as_newer
    (done,) = clear()
    assert done == dry and not fc.jpegs("t")
    assert (fc.folder("t") / "plan.json").exists() and len(fc.jpegs("t", "thin")) > 0
    everything = {p.profile: p for p in clear(all_profiles=True, plan=True, overlays=True)}
    assert set(everything) == {"default", "thin"}
    assert everything["default"].overlays.objects == 1 and everything["thin"].plans.objects == 1
    assert not tree(fc.store)
    (nothing,) = clear()
    assert nothing == v1.ClearedProfile(profile="default", frames={}, records={}, overlays={}, plans={}, packs={})


# put


def test_frames_put_over_grpc_are_kept_byte_for_byte_with_their_facts(fc, stubs, v1):
    frames = {n: jpeg(n, side=16 + n) for n in (7, 0, 3)}
    facts = {n: v1.Facts(timestamp=n / 10, phash="00ff" * 4, chunk_id=f"c{n}", sha256="f" * 64, width=9999, sequence=99) for n in frames}
    done = stubs.put("p", [(n, {"jpeg": data}, facts[n]) for n, data in frames.items()])
    assert (done.frames, done.bytes, done.record) == (3, sum(map(len, frames.values())), 0)
    assert fc.jpegs("p") == frames
    listed, _, _ = stubs.listed("p")
    assert [f.sequence for f in listed] == [0, 3, 7]
    for f in listed:
        assert f.sha256 == hashlib.sha256(frames[f.sequence]).hexdigest()
        assert (f.width, f.height, f.bytes) == (16 + f.sequence, 16 + f.sequence, len(frames[f.sequence]))
        assert (f.timestamp, f.phash, f.chunk_id) == (f.sequence / 10, "00ff" * 4, f"c{f.sequence}")
    assert stubs.put("p", [(3, {"jpeg": jpeg(99)}, None)]).record == 1
    assert fc.jpegs("p")[3] == jpeg(99)
    assert stubs.timeline("p").plan.kind == v1.PlanInfo.KIND_PUT
    assert stubs.timeline("p").counts.planned == 3


def test_raw_pixels_are_encoded_as_pillow_would(fc, stubs, v1):
    """libjpeg's own colours and 4:2:0: Pillow's decoding of our JPEG is near Pillow's of its own."""
    y, x = np.mgrid[0:67, 0:101]
    rgb = np.stack([x * 2, y * 3, (x + y)], axis=-1).astype(np.uint8)
    gray = (x + y).astype(np.uint8)
    size = v1.Facts(width=101, height=67)
    frames = [(0, {"rgb": rgb.tobytes()}, size), (1, {"gray": gray.tobytes()}, size)]
    stubs.put("p", frames, quality=92)
    for n, pixels in enumerate((rgb, gray)):
        ours = Image.open(io.BytesIO(fc.jpegs("p")[n]))
        theirs = io.BytesIO()
        Image.fromarray(pixels).save(theirs, "JPEG", quality=92, subsampling=2)
        assert ours.mode == ("RGB", "L")[n] and ours.size == (101, 67)
        assert ours.quantization == Image.open(theirs).quantization
        error = np.abs(np.asarray(ours, np.int16) - np.asarray(Image.open(theirs), np.int16))
        assert error.mean() < (0.6, 0.01)[n], error.mean()
    assert [f.quality for f in stubs.listed("p")[0]] == [92, 92]


def test_a_frame_over_three_mebibytes_comes_in_parts_and_is_whole(fc, stubs, v1):
    large = jpeg(1, side=2600, quality=100)
    assert len(large) > 2 * PART
    rgb = np.random.default_rng(3).integers(0, 256, (1200, 1600, 3), np.uint8).tobytes()
    done = stubs.put("p", [(0, {"jpeg": large}, None), (1, {"rgb": rgb}, v1.Facts(width=1600, height=1200))])
    assert done.frames == 2
    assert fc.jpegs("p")[0] == large
    assert Image.open(io.BytesIO(fc.jpegs("p")[1])).size == (1600, 1200)


def bad_puts(v1):
    """{what is wrong: (messages, reason, field)}"""
    good = jpeg(0)
    request = v1.PutFramesRequest

    def frame(sequence=0, last=True, **more):
        return request(frame=v1.PutFrame(sequence=sequence, last=last, **more))

    head = request(timeline="p")
    size = dict(width=4, height=4)
    return {
        "no message at all": ([], "FIELD_INVALID", "timeline"),
        "no timeline": ([frame(jpeg=good)], "FIELD_INVALID", "timeline"),
        "no frame": ([head], "FIELD_INVALID", "frame"),
        "an empty message": ([head, request()], "FIELD_INVALID", "frame"),
        "quality 0": ([request(timeline="p", quality=0)], "FIELD_INVALID", "quality"),
        "quality 257": ([request(timeline="p", quality=257)], "FIELD_INVALID", "quality"),
        "another timeline": ([head, request(timeline="q", frame=frame(jpeg=good).frame)], "FIELD_INVALID", "timeline"),
        "another quality": ([head, request(quality=3, frame=frame(jpeg=good).frame)], "FIELD_INVALID", "quality"),
        "no picture": ([head, frame()], "FIELD_INVALID", "frame.jpeg"),
        "no JPEG": ([head, frame(jpeg=png())], "FIELD_INVALID", "frame.jpeg"),
        "an empty JPEG": ([head, frame(jpeg=b"")], "FIELD_INVALID", "frame.jpeg"),
        "a JPEG's first bytes": ([head, frame(jpeg=good[:20])], "FIELD_INVALID", "frame.jpeg"),
        "a sequence twice": ([head, frame(jpeg=good), frame(jpeg=good)], "FIELD_INVALID", "frame.sequence"),
        "a first part that is none": ([head, frame(jpeg=good, offset=5)], "FIELD_INVALID", "frame.offset"),
        "a gap": ([head, frame(last=False, jpeg=good[:9]), frame(jpeg=good[9:], offset=10)], "FIELD_INVALID", "frame.offset"),
        "a part twice": ([head, frame(last=False, jpeg=good[:9]), frame(jpeg=good[:9])], "FIELD_INVALID", "frame.offset"),
        "another frame between": ([head, frame(last=False, jpeg=good), frame(1, jpeg=good)], "FIELD_INVALID", "frame.sequence"),
        "two kinds": ([head, frame(last=False, jpeg=good), frame(rgb=b"a", offset=len(good))], "FIELD_INVALID", "frame.rgb"),
        "an end in the middle": ([head, frame(last=False, jpeg=good)], "FIELD_INVALID", "frame.last"),
        "pixels without a size": ([head, frame(rgb=bytes(48))], "FIELD_INVALID", "frame.facts.width"),
        "pixels of no height": ([head, frame(rgb=bytes(48), facts=v1.Facts(width=4, height=0))], "FIELD_INVALID", "frame.facts.height"),
        "pixels too few": ([head, frame(rgb=bytes(47), facts=v1.Facts(**size))], "FIELD_INVALID", "frame.rgb"),
        "pixels too many": ([head, frame(gray=bytes(17), facts=v1.Facts(**size))], "LIMIT_EXCEEDED", "frame.gray"),
        "too wide": ([head, frame(gray=b"a", facts=v1.Facts(width=16385, height=1))], "LIMIT_EXCEEDED", "frame.facts.width"),
        "too many pixels": ([head, frame(gray=b"a", facts=v1.Facts(width=16384, height=16384))], "LIMIT_EXCEEDED", "frame.facts.width"),
        "sides that overflow": ([head, frame(rgb=b"a", facts=v1.Facts(width=2**32 - 1, height=2**32 - 1))], "LIMIT_EXCEEDED", "frame.facts.width"),
        "facts of a missing frame": ([head, frame(jpeg=good, facts=v1.Facts(missing=True))], "FIELD_INVALID", "frame.facts.missing"),
        "facts of a repeat": ([head, frame(jpeg=good, facts=v1.Facts(repeats=1))], "FIELD_INVALID", "frame.facts.repeats"),
        "a time that is no number": ([head, frame(jpeg=good, facts=v1.Facts(timestamp=float("nan")))], "FIELD_INVALID", "frame.facts.timestamp"),
        "a rotation too large": ([head, frame(jpeg=good, facts=v1.Facts(rotation=70000))], "FIELD_INVALID", "frame.facts.rotation"),
        "an unknown matrix": ([head, frame(jpeg=good, facts=v1.Facts(colour=v1.Colour(matrix="x", range="full")))], "FIELD_INVALID", "frame.facts.colour.matrix"),
        "facts of a novel": ([head, frame(jpeg=good, facts=v1.Facts(phash="a" * 5000))], "LIMIT_EXCEEDED", "frame.facts"),
    }


def test_bad_puts_name_their_field_and_store_nothing(fc, stubs, v1):
    for what, (messages, reason, field) in bad_puts(v1).items():
        with rpc.refused(INVALID, reason) as seen:
            stubs.frames.PutFrames(iter(messages), timeout=10)
        assert seen[0].fields == [field], (what, seen)
        assert not tree(fc.store), what
    assert stubs.put("p", [(0, {"jpeg": jpeg(0)}, None)]).frames == 1


def test_a_broken_off_frame_is_named_and_nothing_of_the_call_is_stored(fc, stubs, v1):
    messages = [
        v1.PutFramesRequest(timeline="p", frame=v1.PutFrame(sequence=1, jpeg=jpeg(1), last=True)),
        v1.PutFramesRequest(frame=v1.PutFrame(sequence=41, jpeg=jpeg(2))),
    ]
    with rpc.refused(INVALID, "FIELD_INVALID") as seen:
        stubs.frames.PutFrames(iter(messages), timeout=10)
    assert "seq=41" in seen[0].message and not tree(fc.store)


def test_a_call_that_puts_more_than_it_may_hold_is_refused_before_it_is_sent(stubs, v1):
    sent = 0

    def endless():
        nonlocal sent
        yield v1.PutFramesRequest(timeline="p")
        frame = jpeg(0) + bytes(PART)
        while True:
            sent += 1
            yield v1.PutFramesRequest(frame=v1.PutFrame(sequence=sent, jpeg=frame, last=True))

    with rpc.refused(INVALID, "LIMIT_EXCEEDED") as seen:
        stubs.frames.PutFrames(endless(), timeout=60)
    assert "several calls" in seen[0].message and sent < 150 and seen[0].fields == ["frame"]


def test_frames_are_not_put_on_an_extracted_profile(fc, stubs, clip):
    fc.extract("t", "--fps", "1", clip("h264_bframes.mp4"))
    with rpc.refused(grpc.StatusCode.FAILED_PRECONDITION, "PLAN_DIFFERS"):
        stubs.put("t", [(0, {"jpeg": jpeg(0)}, None)])


# overlays

NAMES = ["edges", "a/b", "a\\b", ".png", "x.png", "..", "%", "%2F", "%41", "100 %", "höhe", "\U0001f600", "\n", "\x00", "\x7f", "ü" * 100, "n" * 200, "%" * 83]


def test_overlay_names_come_back_as_they_were_given(fc, stubs, v1):
    pngs = {name: png(width=1 + n) for n, name in enumerate(NAMES)}
    results = stubs.put_overlays("t", [stubs.overlay(name, png=data) for name, data in pngs.items()])
    assert [r.index for r in results] == list(range(len(NAMES)))
    assert not any(r.HasField("error") for r in results)
    found, summary = stubs.get_overlays("t")
    assert {name: data for _, _, name, data in found} == pngs
    assert [name.encode() for _, _, name, _ in found] == sorted(n.encode() for n in NAMES)
    assert [index for index, *_ in found] == list(range(len(NAMES))) and summary.overlays == len(NAMES)
    for name, data in pngs.items():
        found, _ = stubs.get_overlays("t", sequences=[0], names=[name])
        assert found == [(0, 0, name, data)], name
    listed, _ = stubs.list_overlays("t", v1.OVERLAY_LEVEL_ITEMS, job="j", stage="s")
    assert {i.name: i.bytes for i in listed.items} == {name: len(data) for name, data in pngs.items()}
    files = {p.name for p in (fc.folder("t") / "overlays" / "j" / "s").iterdir()}
    assert {"0_a%2Fb.png", "0_.png.png", "0_%25.png", "0_höhe.png"} <= files and len(files) == len(NAMES)


def test_an_overlay_that_cannot_be_stored_fails_alone_naming_its_field(stubs, v1):
    overlay = stubs.overlay
    bad = {
        "overlay.job": overlay("a", job=""),
        "overlay.stage": overlay("a", stage="a/b"),
        "overlay.name": overlay(""),
        "overlay.name ": overlay("n" * 201),
        "overlay.name  ": overlay("%" * 84),
        "overlay.png": overlay("a", png=jpeg(0)),
        "overlay.png ": overlay("a", png=b""),
        "overlay.base64": overlay("a", base64="not base64!"),
        "overlay.base64 ": overlay("a", base64=base64.b64encode(png()).decode().rstrip("=") + "\n"),
        "overlay.png  ": overlay("a", base64=base64.b64encode(jpeg(0)).decode()),
    }
    mixed = [o for wrong in bad.values() for o in (wrong, overlay(f"good{id(wrong)}"))]
    results = stubs.put_overlays("t", mixed)
    assert [r.index for r in results] == list(range(len(mixed)))
    for field, result in zip(bad, results[::2]):
        found = rpc.details(result.error)
        assert found["ErrorInfo"].reason == "FIELD_INVALID", field
        assert [v.field for v in found["BadRequest"].field_violations] == [field.strip()]
    assert not any(r.HasField("error") for r in results[1::2])
    found, _ = stubs.get_overlays("t")
    assert len(found) == len(bad)


def test_bad_streams_of_overlays_name_their_field(stubs, v1):
    request, data = v1.PutOverlaysRequest, png()
    part = lambda **more: request(overlay=v1.PutOverlay(**{"job": "j", "stage": "s", "name": "n", "png": data, **more}))
    head = request(timeline="t")
    bad = {
        "timeline": [],
        "timeline ": [part()],
        "timeline  ": [head, request(timeline="u", overlay=part().overlay)],
        "profile": [request(timeline="t", profile=".x")],
        "overlay": [head, request()],
        "overlay.png": [head, request(overlay=v1.PutOverlay(job="j", stage="s", name="n", last=True))],
        "overlay.offset": [head, part(offset=1)],
        "overlay.offset ": [head, part(), part(offset=len(data) + 1)],
        "overlay.name": [head, part(), part(name="m", offset=len(data))],
        "overlay.sequence": [head, part(), part(sequence=4, offset=len(data))],
        "overlay.base64": [head, part(), request(overlay=v1.PutOverlay(base64="aaaa", offset=len(data)))],
        "overlay.last": [head, part()],
    }
    for field, messages in bad.items():
        with rpc.refused(INVALID, "FIELD_INVALID") as seen:
            stubs.overlays.PutOverlays(iter(messages), timeout=10)
        assert seen[0].fields == [field.strip()], (field, seen)


def test_overlays_over_three_mebibytes_go_both_ways_in_parts(fc, stubs, v1):
    large = noise_png(1500)
    assert len(large) > 2 * PART
    text = base64.b64encode(large).decode()

    def messages():
        yield v1.PutOverlaysRequest(timeline="t")
        for name, kind, whole in (("bytes", "png", large), ("text", "base64", text)):
            for offset in range(0, len(whole), PART):
                first = dict(job="j", stage="s", name=name, sequence=5) if offset == 0 else {}
                last = offset + PART >= len(whole)
                data = {kind: whole[offset : offset + PART]}
                yield v1.PutOverlaysRequest(overlay=v1.PutOverlay(offset=offset, last=last, **first, **data))

    results = stubs.overlays.PutOverlays(messages(), timeout=60).results
    assert len(results) == 2 and not any(r.HasField("error") for r in results)
    stored = fc.folder("t") / "overlays" / "j" / "s"
    assert (stored / "5_bytes.png").read_bytes() == (stored / "5_text.png").read_bytes() == large
    found, _ = stubs.get_overlays("t")
    assert [(seq, name) for _, seq, name, _ in found] == [(5, "bytes"), (5, "text")] and all(d == large for *_, d in found)
    found, _ = stubs.get_overlays("t", payload=v1.OVERLAY_PAYLOAD_BASE64)
    assert all(d == text for *_, d in found)


def test_five_thousand_overlays_of_a_stage_are_put_listed_in_pages_and_read(stubs, v1):
    count = 5000
    results = stubs.put_overlays("t", [stubs.overlay(f"box/{n}", seq=n // 2) for n in range(count)])
    assert len(results) == count and not any(r.HasField("error") for r in results)
    wanted = sorted((n // 2, f"box/{n}".encode()) for n in range(count))
    for size in (0, 1000, 999):
        rows, pages = stubs.list_overlays("t", v1.OVERLAY_LEVEL_ITEMS, page_size=size, job="j", stage="s")
        assert [(i.sequence, i.name.encode()) for i in rows.items] == wanted
        assert pages == -(-count // (size or 1000))
        assert {(i.job, i.stage, i.bytes) for i in rows.items} == {("j", "s", len(png()))}
    rows, pages = stubs.list_overlays("t", v1.OVERLAY_LEVEL_FRAMES, job="j", stage="s")
    assert list(rows.sequences) == list(range(count // 2)) and pages == 3
    found, summary = stubs.get_overlays("t")
    assert [(seq, name.encode()) for _, seq, name, _ in found] == wanted and summary.overlays == count
    found, _ = stubs.get_overlays("t", sequences=[9, 2, 9, 7000], names=["box/18", "box/5", "none"])
    assert [(index, seq, name) for index, seq, name, _ in found] == [(0, 9, "box/18"), (1, 2, "box/5"), (2, 9, "box/18")]
    rows, _ = stubs.list_overlays("t", v1.OVERLAY_LEVEL_UNSPECIFIED, job="j", stage="s", sequence=1)
    assert [i.name for i in rows.items] == ["box/2", "box/3"]


def test_jobs_and_stages_are_listed_and_deleted_by_scope(fc, stubs, v1):
    overlay = stubs.overlay
    overlays = [overlay("n", seq=q, job=j, stage=s) for j in ("a", "a-b", "b") for s in ("x", "y") for q in (1, 10)]
    stubs.put_overlays("t", overlays)
    rows, pages = stubs.list_overlays("t", v1.OVERLAY_LEVEL_JOBS, page_size=2)
    assert list(rows.jobs) == ["a", "a-b", "b"] and pages == 2
    rows, pages = stubs.list_overlays("t", v1.OVERLAY_LEVEL_STAGES, page_size=1, job="a")
    assert list(rows.stages) == ["x", "y"] and pages == 2

    def delete(**more):
        done = stubs.overlays.DeleteOverlays(v1.DeleteOverlaysRequest(timeline="t", **more)).deleted
        assert done.bytes == done.objects * len(png())
        return done.objects

    before = tree(fc.store)
    assert delete(job="a", dry_run=True) == 4 and tree(fc.store) == before
    assert delete(job="a", stage="x", sequence=1) == 1
    assert delete(job="a", sequence=10) == 2
    assert delete(job="a-b", stage="y") == 2
    assert delete(job="b") == 4
    left = sorted(str(p.relative_to(fc.folder("t") / "overlays")) for p in (fc.folder("t") / "overlays").rglob("*.png"))
    assert left == ["a-b/x/10_n.png", "a-b/x/1_n.png", "a/y/1_n.png"]
    assert delete(job="none") == 0


def test_a_lost_overlay_is_left_out_and_a_lost_stage_is_empty(stubs):
    assert stubs.get_overlays("none") == ([], stubs.v1.GetOverlaysSummary())
    assert stubs.get_overlays("none", sequences=[1, 2])[0] == []


# the same on S3


def test_frames_timelines_and_overlays_are_listed_read_and_cleared_on_s3(serve, v1, s3_endpoint, bucket, s3):
    server = serve("--endpoint", s3_endpoint, store=f"s3://{bucket}").wait_until_it_is_ready()
    with server.channel() as channel:
        stubs = Stubs(v1, channel)
        frames = {n: jpeg(n, side=8) for n in (0, 2, 10, 11)}
        for timeline in ("a", "a-b", "b"):
            stubs.put(timeline, [(n, {"jpeg": data}, None) for n, data in frames.items()])
        facts, _, pages = stubs.listed("a", page_size=3)
        assert [f.sequence for f in facts] == sorted(frames) and pages == 2
        found, token = [], ""
        while not found or token:
            page = stubs.frames.ListTimelines(v1.ListTimelinesRequest(page_size=1, page_token=token), timeout=30)
            found, token = found + list(page.timelines), page.next_page_token
        assert sorted(found) == ["a", "a-b", "b"]
        names = [*NAMES[:9], "höhe"]
        stubs.put_overlays("a", [stubs.overlay(name, seq=n) for n in range(120) for name in names])
        wanted = [(n, name) for n in range(120) for name in sorted(names, key=str.encode)]
        rows, pages = stubs.list_overlays("a", v1.OVERLAY_LEVEL_ITEMS, page_size=500, job="j", stage="s")
        assert [(i.sequence, i.name) for i in rows.items] == wanted and pages == 3
        found, _ = stubs.get_overlays("a", sequences=[7, 3])
        assert [(seq, name) for _, seq, name, _ in found] == [(seq, name) for seq in (7, 3) for _, name in wanted[:10]]
        assert stubs.timeline("a").counts.stored == 4
        (cleared,) = stubs.frames.ClearTimeline(v1.ClearTimelineRequest(timeline="a", overlays=True)).profiles
        assert (cleared.frames.objects, cleared.overlays.objects, cleared.plans.objects) == (4, 1200, 1)
        left = s3.list_objects_v2(Bucket=bucket, Prefix="cache/timelines/a/")
        assert left["KeyCount"] == 0
