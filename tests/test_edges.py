"""What a bad request is told over gRPC: which field is to blame, by its whole path, whatever is wrong with it."""

import shutil

import grpc
import pytest

from .support import framecache as runner
from .support import rpc

CODE = grpc.StatusCode
MIB = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the server is started, and where its sources lie."""
    return tmp_path_factory.mktemp("edges")


@pytest.fixture(scope="module")
def source(folder):
    from .conftest import make_clip

    return shutil.copy(make_clip("h264_bframes.mp4"), folder / "clip.mp4")


@pytest.fixture(scope="module")
def server(folder):
    with rpc.start_server(folder / "store", cwd=folder) as server:
        yield server.wait_until_it_is_ready()


@pytest.fixture(scope="module")
def channel(server):
    with server.channel() as channel:
        yield channel


@pytest.fixture(scope="module")
def api():
    return rpc.load()


@pytest.fixture(scope="module")
def extracted(channel, api, source):
    """The timeline `t`: ten frames."""
    list(api.FrameServiceStub(channel).ExtractFrames(asked(api, source)))
    return "t"


def asked(v1, *uris, timeline="t", **more):
    chunks = more.pop("chunks", [v1.Chunk(uri=str(uri)) for uri in uris])
    sampling = more.pop("sampling", v1.Sampling(fps="5"))
    return v1.ExtractFramesRequest(timeline=timeline, chunks=chunks, sampling=sampling, **more)


def bad_extractions(v1, good, folder):
    """{what is wrong: (request, the field's path)}"""
    chunk = lambda **more: v1.Chunk(**{"uri": good, **more})
    extract = lambda *chunks, **more: asked(v1, timeline="n", chunks=list(chunks), **more)
    return {
        "a source on the web": (extract(chunk(), chunk(uri="http://example.org/a.mp4")), "chunks[1].uri"),
        "a source that is a folder": (extract(chunk(), chunk(uri=str(folder))), "chunks[1].uri"),
        "a header on the web": (extract(chunk(init_uri="http://example.org/a.mp4")), "chunks[0].init_uri"),
        "a header that is a folder": (extract(chunk(), chunk(init_uri=str(folder))), "chunks[1].init_uri"),
        "a uri that names no object": (extract(chunk(uri="s3://bucket")), "chunks[0].uri"),
        "an id twice": (extract(chunk(), chunk(), chunk(chunk_id="0")), "chunks[2].chunk_id"),
        "a stream that is not there": (extract(chunk(), chunk(stream=7)), "chunks[1].stream"),
        "chunks out of order": (extract(chunk(start="9"), chunk(start="1")), "chunks[1].start"),
        "an empty stretch": (extract(chunk(), chunk(source_start="1", source_end="1")), "chunks[1].source_end"),
        "a negative start": (extract(chunk(), chunk(start="-1")), "chunks[1].start"),
        "a start that is no time": (extract(chunk(), chunk(start="noon")), "chunks[1].start"),
        "too many frames a second": (extract(chunk(), sampling=v1.Sampling(fps="2400000")), "sampling.fps"),
        "too many parts": (extract(chunk(), sampling=v1.Sampling(count=4_000_001)), "sampling.count"),
        "a negative timestamp": (extract(chunk(), sampling=v1.Sampling(timestamps=["1", "-1"])), "sampling.timestamps[1]"),
        "a timestamp that is none": (extract(chunk(), sampling=v1.Sampling(timestamps=["1", "x"])), "sampling.timestamps[1]"),
        "two samplings": (extract(chunk(), sampling=v1.Sampling(all=True, every=2)), "sampling"),
        "a window that ends before it begins": (extract(chunk(), window=v1.Window(**{"from": "2", "to": "1"})), "window.to"),
        "a hash that is none": (extract(chunk(), hashes=[v1.HASH_PHASH, 77]), "hashes[1]"),
        "a sampling of nothing": (extract(), "chunks"),
        "a chunk of no id": (extract(chunk(), only_chunk_ids=["0", "é"]), "only_chunk_ids[1]"),
        "too many chunks": (extract(*[chunk() for _ in range(20_001)]), "chunks"),
        # The last: only a plan that is there can say so.
        "a chunk that the plan has not": (extract(chunk(), only_chunk_ids=["0", "x"]), "only_chunk_ids[1]"),
    }


def test_each_bad_extraction_names_its_field_with_its_place_in_the_list(channel, api, source, folder):
    stub = api.FrameServiceStub(channel)
    for what, (request, field) in bad_extractions(api, str(source), folder).items():
        with pytest.raises(grpc.RpcError) as error:
            list(stub.ExtractFrames(request, timeout=60))
        said = rpc.refusal(error.value)
        assert (said.code, said.fields) == (CODE.INVALID_ARGUMENT, [field]), (what, said)
        assert ";" in said.message, f"{what}: no hint in {said.message}"
        if what != "a chunk that the plan has not":
            assert not runner.tree(folder / "store" / "cache" / "timelines" / "n"), what
    list(stub.ExtractFrames(asked(api, source, timeline="good"), timeout=60))


def bad_selections(v1):
    window = lambda begin, end: v1.Selection(window=v1.Window(**{"from": begin, "to": end}))
    return {
        "a window that ends before it begins": (window("5", "2"), "selection.window.to"),
        "a window of nothing": (window("2", "2"), "selection.window.to"),
        "a window before 0": (window("-2", "2"), "selection.window.from"),
        "a window that is none": (window("0", "soon"), "selection.window.to"),
        "a time that is none": (v1.Selection(times=["1", "soon"]), "selection.times[1]"),
        "too many times": (v1.Selection(times=["1"] * 100_001), "selection.times"),
        "nothing": (v1.Selection(), "selection"),
    }


def test_each_bad_selection_names_its_field_and_a_good_one_beside_it_is_answered(channel, api, extracted):
    stub = api.FrameServiceStub(channel)
    for what, (selection, field) in bad_selections(api).items():
        for method, kind in ((stub.GetFrames, api.GetFramesRequest), (stub.GetTensors, api.GetTensorsRequest)):
            good = list(stub.GetFrames(api.GetFramesRequest(timeline=extracted, selection=api.Selection(all=True))))
            with pytest.raises(grpc.RpcError) as error:
                list(method(kind(timeline=extracted, selection=selection), timeout=30))
            said = rpc.refusal(error.value)
            assert (said.code, said.fields) == (CODE.INVALID_ARGUMENT, [field]), (what, said)
            assert len([answer for answer in good if answer.HasField("frame")]) == 10


def test_each_bad_probe_names_its_field_and_what_it_is_about(channel, api, source, folder):
    stub = api.MediaServiceStub(channel)
    good = {"uri": str(source)}
    for wrong, field in (
        ({"uri": "http://example.org/a.mp4"}, "uri"),
        ({"uri": str(folder)}, "uri"),
        ({"uri": ""}, "uri"),
        ({"stream": 7}, "stream"),
        ({"init_uri": str(folder)}, "init_uri"),
        ({"init_uri": "ftp://example.org/a"}, "init_uri"),
    ):
        with pytest.raises(grpc.RpcError) as error:
            stub.ProbeMedia(api.ProbeMediaRequest(**{**good, **wrong}), timeout=30)
        said = rpc.refusal(error.value)
        assert (said.code, said.fields) == (CODE.INVALID_ARGUMENT, [field]), (wrong, said)
    assert stub.ProbeMedia(api.ProbeMediaRequest(**good), timeout=30).video.codec == "h264"


def raw(channel, kind, method, data):
    """Calls a method with bytes in place of a message."""
    as_it_is = lambda data: data
    call = getattr(channel, kind)(f"/framecache.v1.{method}", request_serializer=as_it_is, response_deserializer=as_it_is)
    asked = iter([data]) if kind.startswith("stream") else data
    answer = call(asked, timeout=60)
    return answer if isinstance(answer, bytes) else list(answer)


METHODS = [
    ("unary_unary", "FrameService/ListFrames"),
    ("unary_stream", "FrameService/GetFrames"),
    ("unary_stream", "FrameService/ExtractFrames"),
    ("stream_unary", "FrameService/PutFrames"),
    ("stream_unary", "OverlayService/PutOverlays"),
    ("unary_unary", "MediaService/ProbeMedia"),
]


def test_where_no_field_can_be_named_the_request_is(channel, api):
    for kind, method in METHODS:
        for data, reason in (
            (b"\xff\xff\xff", "FIELD_INVALID"),
            (b"\x0a\x05ab", "FIELD_INVALID"),
            (b"\x0a\x01\xff", "FIELD_INVALID"),
            (bytes(5 * MIB), "LIMIT_EXCEEDED"),
        ):
            larger = "ExtractFrames" in method or kind.startswith("stream")
            if larger and len(data) > MIB:
                continue  # theirs may be: a timeline has 20,000 chunks, and parts are counted as they come
            with pytest.raises(grpc.RpcError) as error:
                raw(channel, kind, method, data)
            said = rpc.refusal(error.value)
            assert (said.code, said.reason) == (CODE.INVALID_ARGUMENT, reason), (method, data[:3], said)
            assert said.fields == ["request"], (method, data[:3], said)
    assert api.MediaServiceStub(channel).GetServerInfo(api.GetServerInfoRequest(), timeout=30).version


def test_a_fact_is_not_said_twice(channel, api):
    stub = api.FrameServiceStub(channel)
    frame = lambda seq, data: api.PutFramesRequest(timeline="p", frame=api.PutFrame(sequence=seq, jpeg=data, last=True))
    with rpc.refused(CODE.INVALID_ARGUMENT, "FIELD_INVALID") as said:
        stub.PutFrames(iter([frame(0, b"no JPEG")]), timeout=30)
    assert said[0].message.count("seq=0") == 1 and said[0].fields == ["frame.jpeg"]
    with rpc.refused(CODE.INVALID_ARGUMENT, "FIELD_INVALID") as said:
        stub.PutFrames(iter([api.PutFramesRequest(timeline="p")]), timeout=30)
    assert said[0].fields == ["frame"]


# Reflection and metrics


def test_reflection_goes_on_after_a_symbol_that_it_does_not_know(channel):
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    ask = reflection_pb2.ServerReflectionRequest
    asked = [
        ask(file_containing_symbol="framecache.v1.Nothing"),
        ask(file_containing_symbol="framecache.v1.FrameService"),
        ask(file_by_filename="nothing.proto"),
        ask(),
        ask(list_services=""),
    ]
    answers = list(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter(asked), timeout=30))
    kinds = [answer.WhichOneof("message_response") for answer in answers]
    assert kinds == ["error_response", "file_descriptor_response", "error_response", "error_response", "list_services_response"]
    assert [a.error_response.error_code for a in answers if a.HasField("error_response")] == [5, 5, 3]
    assert [answer.original_request for answer in answers] == asked
    assert "framecache.v1.FrameService" in [service.name for service in answers[-1].list_services_response.service]


def test_series_that_have_not_happened_are_there_at_zero(folder, api):
    with rpc.start_server(folder / "fresh") as server:
        text = server.get("/metrics")[1]
        for line in (
            'grpc_server_handled_total{grpc_service="framecache.v1.FrameService",grpc_method="GetTensors",grpc_code="UNAVAILABLE"} 0',
            'grpc_server_handling_seconds_count{grpc_service="framecache.v1.OverlayService",grpc_method="PutOverlays"} 0',
            'framecache_span_decodes_total{backend="cpu",outcome="failed"} 0',
            'framecache_fallbacks_total{reason="damage"} 0',
            'framecache_frames_served_total{tier="source"} 0',
            'framecache_store_requests_total{operation="get",outcome="unavailable"} 0',
        ):
            assert line in text.splitlines(), line
        names = lambda text: {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
        with server.channel() as channel, pytest.raises(grpc.RpcError):
            api.FrameServiceStub(channel).ListFrames(api.ListFramesRequest(timeline="absent"), timeout=30)
        new = names(server.get("/metrics")[1]) - names(text)
        assert not [name for name in new if "_total{" in name], "no counter comes up later"
