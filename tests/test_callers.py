"""What callers may ask of a server: tokens and how far they go, paths, ids; and what their words do where they are printed."""

import itertools
import json

import grpc
import pytest

from .support import framecache as runner
from .support import rpc
from .test_serve import CODE, bearing, failed_start, info, sha256_of

# Tokens


def colliding(bits=32):
    """Two tokens whose sha256 begin with the same bits."""
    seen = {}
    for n in itertools.count():
        token = f"token-{n}"
        begin = sha256_of(token)[: bits // 4]
        if begin in seen:
            return seen[begin], token
        seen[begin] = token


def test_a_token_whose_sum_begins_like_a_known_one_is_not_let_in(serve, v1, tmp_path):
    known, alike = colliding()
    (tmp_path / "tokens").write_text(f"{sha256_of(known)}\n")
    with serve("--tokens", tmp_path / "tokens").channel() as channel:
        assert info(v1, channel, **bearing(known)).version
        with rpc.refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
            info(v1, channel, **bearing(alike))


@pytest.fixture
def cached(fc, clip):
    """A store that has ten frames of the timeline `t`."""
    fc.extract("t", "--fps", "5", clip("h264_bframes.mp4"))
    return fc


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000a49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


def calls_of(v1, channel, source):
    """{what is asked: a call that asks for it}, one and more of every method."""
    frames, overlays, media = v1.FrameServiceStub(channel), v1.OverlayServiceStub(channel), v1.MediaServiceStub(channel)
    everything = v1.Selection(all=True)

    def get(**more):
        request = v1.GetFramesRequest(timeline="t", selection=everything, **more)
        return lambda **m: list(frames.GetFrames(request, **m))

    def tensors(**more):
        request = v1.GetTensorsRequest(timeline="t", selection=everything, **more)
        return lambda **m: list(frames.GetTensors(request, **m))

    drawn = v1.PutOverlay(job="j", stage="s", sequence=0, name="n", png=PNG, last=True)
    put = v1.PutFramesRequest(timeline="put", frame=v1.PutFrame(sequence=0, jpeg=b"no JPEG", last=True))
    return {
        "frames, or skip": get(on_miss=v1.ON_MISS_SKIP),
        "frames, or fail": get(on_miss=v1.ON_MISS_FAIL, payload=v1.PAYLOAD_JPEG, width=64, height=64),
        "frames, by default": get(),
        "frames, or extract": get(on_miss=v1.ON_MISS_EXTRACT),
        "tensors, or skip": tensors(on_miss=v1.ON_MISS_SKIP),
        "tensors, by default": tensors(),
        "tensors of the source": tensors(on_miss=v1.ON_MISS_SKIP, origin=v1.ORIGIN_SOURCE),
        "list frames": lambda **m: frames.ListFrames(v1.ListFramesRequest(timeline="t"), **m),
        "timeline": lambda **m: frames.GetTimeline(v1.GetTimelineRequest(timeline="t"), **m),
        "timeline and sources": lambda **m: frames.GetTimeline(v1.GetTimelineRequest(timeline="t", check_sources=True), **m),
        "timelines": lambda **m: frames.ListTimelines(v1.ListTimelinesRequest(), **m),
        "similar": lambda **m: frames.GetSimilar(v1.GetSimilarRequest(hash="0" * 16), **m),
        "cuts": lambda **m: list(frames.GetCuts(v1.GetCutsRequest(timeline="t"), **m)),
        "overlays": lambda **m: list(overlays.GetOverlays(v1.GetOverlaysRequest(timeline="t", job="j", stage="s"), **m)),
        "list overlays": lambda **m: overlays.ListOverlays(v1.ListOverlaysRequest(timeline="t"), **m),
        "server": lambda **m: media.GetServerInfo(v1.GetServerInfoRequest(), **m),
        "probe": lambda **m: media.ProbeMedia(v1.ProbeMediaRequest(uri=str(source)), **m),
        "extract": lambda **m: list(frames.ExtractFrames(v1.ExtractFramesRequest(timeline="t"), **m)),
        "put frames": lambda **m: frames.PutFrames(iter([put]), **m),
        "put overlays": lambda **m: overlays.PutOverlays(iter([v1.PutOverlaysRequest(timeline="t", overlay=drawn)]), **m),
        "delete overlays": lambda **m: overlays.DeleteOverlays(v1.DeleteOverlaysRequest(timeline="t", job="j"), **m),
        "clear": lambda **m: frames.ClearTimeline(v1.ClearTimelineRequest(timeline="t"), **m),
    }  # fmt: skip


READS = {
    "frames, or skip", "frames, or fail", "tensors, or skip", "list frames", "timeline", "timelines", "overlays",
    "list overlays", "server", "similar", "cuts",
}  # fmt: skip


def outcome(call, **metadata):
    try:
        call(timeout=30, **metadata)
        return "answered"
    except grpc.RpcError as error:
        said = rpc.refusal(error)
        return said.reason if said.code == CODE.PERMISSION_DENIED else "answered"


def test_a_token_that_only_reads_gets_what_is_cached_and_opens_writes_and_deletes_nothing(cached, serve, v1, clip, tmp_path):
    source = clip("h264_bframes.mp4")
    before = runner.tree(cached.store)
    path = tmp_path / "tokens"
    path.write_text(f"{sha256_of('reader')}  dashboard scope=read\n{sha256_of('writer')}  pipeline\n")
    server = serve("--tokens", path, "--source-root", source.parent, store=cached.store).wait_until_it_is_ready()
    with server.channel() as channel:
        calls = calls_of(v1, channel, source)
        asked = {what: outcome(call, **bearing("reader")) for what, call in calls.items()}
        assert asked == {what: "answered" if what in READS else "TOKEN_SCOPE" for what in calls}
        assert runner.tree(cached.store) == before
        with rpc.refused(CODE.PERMISSION_DENIED, "TOKEN_SCOPE") as said:
            calls["frames, by default"](**bearing("reader"))
        assert "on_miss" in said[0].message and "SKIP" in said[0].message
        # Nobody else is narrowed.
        assert {outcome(call, **bearing("writer")) for call in calls.values()} == {"answered"}


def test_a_command_with_a_token_that_only_reads_gets_what_is_cached_and_is_told_how(cached, serve, tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{sha256_of('reader')}  dashboard scope=read\n")
    server = serve("--tokens", path, store=cached.store).wait_until_it_is_ready()
    get = [runner.BINARY, "get", "t", "--server", server.target, "--token", "reader", "--out", tmp_path / "out"]
    refused = runner.run([*get, "--all"])
    assert refused.code == 7 and "--cached" in refused.err, refused.describe()
    done = runner.run([*get, "--all", "--cached"])
    assert done.code == 0, done.describe()
    assert {int(p.stem): p.read_bytes() for p in (tmp_path / "out").iterdir()} == cached.jpegs("t")


def test_get_of_what_is_cached_extracts_nothing(cached, tmp_path):
    lost = min(cached.jpegs("t"))
    (cached.folder("t") / "frames" / f"{lost}.jpg").unlink()
    done = cached.run("get", "t", "--seq", lost, "--cached", "--out", tmp_path / "out", code=None)
    assert done.code in (4, 6) and lost not in cached.jpegs("t"), done.describe()
    cached.run("get", "t", "--seq", lost, "--out", tmp_path / "out")
    assert lost in cached.jpegs("t")


def test_a_scope_that_is_none_is_refused_at_the_start(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# readers\n{sha256_of('reader')}  dashboard scope=red\n")
    code, said = failed_start(tmp_path / "store", "--tokens", path)
    assert code == 2 and "line 2" in said and "scope=read" in said


# What others may see, and say


@pytest.mark.parametrize("protection", [[], ["--insecure-listen"]])
def test_a_side_port_for_other_machines_is_refused_unless_its_own_word_is_given(serve, protection, tmp_path):
    code, said = failed_start(tmp_path / "other", *protection, "--metrics", "0.0.0.0:0")
    assert code == 2
    for way in ("--insecure-metrics", "--metrics none", "127.0.0.1"):
        assert way in said
    assert serve("--metrics", "0.0.0.0:0", "--insecure-metrics").get("/livez")[0] == 200


FORGED = "2026-01-01T00:00:00Z ERROR framecache: forged"


def test_no_text_of_a_client_forges_a_line_of_the_log_or_speaks_to_a_terminal(serve, v1, tmp_path):
    server = serve("--verbose")
    uri = f"{tmp_path}/a\n{FORGED}\r\x1b[2J\u202e\u2028.mp4"
    with server.channel() as channel:
        stub = v1.MediaServiceStub(channel)
        for asked in (uri, uri[1:], f"s3://bucket\n{FORGED}/key", f"{uri}://c"):
            with pytest.raises(grpc.RpcError):
                stub.ProbeMedia(v1.ProbeMediaRequest(uri=asked))
        asked = v1.ExtractFramesRequest(timeline="t", sampling=v1.Sampling(all=True), chunks=[v1.Chunk(uri=uri)])
        with pytest.raises(grpc.RpcError):
            list(v1.FrameServiceStub(channel).ExtractFrames(asked))
    server.stop()
    assert sum("forged" in line for line in server.lines) >= 2
    assert not any(line.startswith("2026-01-01") for line in server.lines)
    # What is coloured is so only on a terminal, which this is not.
    assert all(c.isprintable() for line in server.lines for c in line), server.log


def test_names_and_errors_are_printed_on_one_line_and_json_has_them_whole(fc, clip, tmp_path):
    fc.extract("t", "--every", "50", clip("h264_bframes.mp4"))
    name = f"a\n{FORGED}\x1b[2J\u202e"
    (tmp_path / "o.png").write_bytes(PNG)
    fc.run("overlays", "put", "t", "--job", "j", "--stage", "s", "--seq", "0", "--name", name, tmp_path / "o.png")
    listed = fc.run("overlays", "ls", "t", "--job", "j", "--stage", "s", "--seq", "0")
    row = listed.text.splitlines()[-1]
    assert "forged" in row and "\\n" in row and "\\u001b" in row and row.isprintable()
    told = fc.run("overlays", "ls", "t", "--job", "j", "--stage", "s", "--seq", "0", "--json")
    assert json.dumps(name)[1:-1] in json.dumps(told.json)
    said = fc.run("probe", f"/nothing\n{FORGED}\x1b[2J", code=None).err
    assert len(said.splitlines()) == 1 and said.rstrip("\n").isprintable()


def test_a_relative_path_is_refused_by_the_server_which_does_not_say_where_it_is(serve, v1, clip, tmp_path):
    (tmp_path / "here.mp4").write_bytes(clip("h264_bframes.mp4").read_bytes())
    server = serve()
    whole = str(tmp_path / "here.mp4")
    with server.channel() as channel:
        frames, media = v1.FrameServiceStub(channel), v1.MediaServiceStub(channel)
        extract = lambda **chunk: list(frames.ExtractFrames(
            v1.ExtractFramesRequest(timeline="t", sampling=v1.Sampling(all=True), chunks=[v1.Chunk(**chunk)])
        ))  # fmt: skip
        probe = lambda **asked: media.ProbeMedia(v1.ProbeMediaRequest(**asked))
        assert probe(uri=whole).video.codec == "h264"
        for relative in ("here.mp4", "./here.mp4", "../here.mp4", "nothing/here.mp4", "~/here.mp4"):
            for call, asked, field in (
                (probe, {"uri": relative}, "uri"),
                (probe, {"uri": whole, "init_uri": relative}, "init_uri"),
                (extract, {"uri": relative}, "chunks[0].uri"),
                (extract, {"uri": whole, "init_uri": relative}, "chunks[0].init_uri"),
            ):
                with rpc.refused(CODE.INVALID_ARGUMENT, "FIELD_INVALID") as said:
                    call(**asked)
                assert said[0].fields == [field] and "relative" in said[0].message and relative in said[0].message
                assert str(tmp_path) not in said[0].message
        with rpc.refused(CODE.NOT_FOUND, "TIMELINE_NOT_FOUND"):
            list(frames.ExtractFrames(v1.ExtractFramesRequest(timeline="t")))


NO_IDS = [
    "..", ".", "../../x", "%2e%2e", "a%2f..", "a/b", "/etc", "a\\b", "..\\x", "a\0b", "a\nb", "é", "a\u202eb", "＿", "a b",
    "a" * 129, "x" * 4096, "-a", "--store", ".hidden",
]  # fmt: skip


def calls_by_id(v1, channel, bad):
    """(field, call) for each id of each method, with this one in its place."""
    frames, overlays = v1.FrameServiceStub(channel), v1.OverlayServiceStub(channel)
    zero = v1.Selection(sequences=[0])
    fps, drawn = v1.Sampling(fps="1"), v1.PutOverlay(job="j", stage="s", name="n", png=PNG, last=True)
    chunk = lambda id: v1.Chunk(uri="/a.mp4", chunk_id=id)

    def of_timeline(call, kind, **more):
        for field in ("timeline", "profile"):
            yield field, call, kind(**{"timeline": "t", **more, field: bad})

    def of_stage(call, kind, **more):
        yield from of_timeline(call, kind, job="j", stage="s", **more)
        for field in ("job", "stage"):
            yield field, call, kind(**{"timeline": "t", "job": "j", "stage": "s", **more, field: bad})

    def put_overlays(request):
        (result,) = overlays.PutOverlays(iter([request]), timeout=30).results
        if result.HasField("error"):
            raise Refused(result.error)

    put_frame = v1.PutFrame(sequence=0, jpeg=b"x", last=True)
    yield from of_timeline(frames.ExtractFrames, v1.ExtractFramesRequest, chunks=[chunk("0")], sampling=fps)
    extract = lambda **more: v1.ExtractFramesRequest(**{"timeline": "t", "chunks": [chunk("0")], "sampling": fps, **more})
    yield "chunks[0].chunk_id", frames.ExtractFrames, extract(chunks=[chunk(bad)])
    yield "only_chunk_ids[0]", frames.ExtractFrames, extract(only_chunk_ids=[bad])
    yield from of_timeline(frames.GetFrames, v1.GetFramesRequest, selection=zero)
    yield from of_timeline(frames.GetTensors, v1.GetTensorsRequest, selection=zero)
    yield from of_timeline(frames.ListFrames, v1.ListFramesRequest)
    yield from of_timeline(frames.GetTimeline, v1.GetTimelineRequest)
    yield from of_timeline(frames.ClearTimeline, v1.ClearTimelineRequest)
    yield from of_timeline(lambda r, **m: frames.PutFrames(iter([r]), **m), v1.PutFramesRequest, frame=put_frame)
    yield from of_timeline(lambda r, **m: overlays.PutOverlays(iter([r]), **m), v1.PutOverlaysRequest, overlay=drawn)
    for field in ("job", "stage"):
        more = {"job": "j", "stage": "s", "name": "n", "png": PNG, "last": True, field: bad}
        yield field, lambda r, **m: put_overlays(r), v1.PutOverlaysRequest(timeline="t", overlay=v1.PutOverlay(**more))
    yield from of_stage(overlays.GetOverlays, v1.GetOverlaysRequest, sequences=[0])
    yield from of_stage(overlays.ListOverlays, v1.ListOverlaysRequest)
    yield from of_stage(overlays.DeleteOverlays, v1.DeleteOverlaysRequest)


class Refused(Exception):
    """A result within an answer that was refused."""

    def __init__(self, status):
        self.status = status


def how_it_ended(call, request):
    """(code, reason) of a call that was refused, whole or in its one item."""
    try:
        answer = call(request, timeout=30)
        list(answer) if hasattr(answer, "__next__") else answer
        return "answered", ""
    except Refused as refused:
        code = next(code for code in CODE if code.value[0] == refused.status.code)
        return code, rpc.details(refused.status)["ErrorInfo"].reason
    except grpc.RpcError as error:
        said = rpc.refusal(error)
        return said.code, said.reason


def test_what_is_no_id_is_refused_by_every_method_and_touches_nothing(cached, serve, v1, tmp_path):
    inside = tmp_path / "deep" / "er"
    inside.mkdir(parents=True)
    server = serve(store=cached.store).wait_until_it_is_ready()
    before = runner.tree(tmp_path)
    let_through = []
    with server.channel() as channel:
        for bad in NO_IDS:
            for field, call, request in calls_by_id(v1, channel, bad):
                ended = how_it_ended(call, request)
                if ended != (CODE.INVALID_ARGUMENT, "FIELD_INVALID"):
                    let_through.append((type(request).__name__, field, bad[:40], ended))
    assert not let_through
    assert runner.tree(tmp_path) == before
