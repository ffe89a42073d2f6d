"""Hashes, cuts and frames that are alike, by address: what gRPC and the facts say, in pages, under conditions."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import numpy as np
import pyarrow.ipc
import pytest

from .support.films import encode, scene
from .support.framecache import Framecache
from .support.neighbours import MIB, resident, until
from .support.web import Web, of
from .test_http_neighbours import slow_reader
from .test_similar import old

HTTP = ("--http", "127.0.0.1:0")
FLAT = 0.98
ARROW, OCTETS = "application/vnd.apache.arrow.stream", "application/octet-stream"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A film of four scenes, one of them flat; the same at another pace; frames of no hash; a plan of nothing yet."""
    folder = tmp_path_factory.mktemp("alike")
    film = encode(folder / "film.mp4", np.concatenate([scene(1, 20), scene(2, 20), scene(0, 20, flat=16), scene(3, 20)]))
    fc = Framecache(folder / "store")
    fc.film = film
    fc.extract("film", "--all", "--hash", "phash,dhash", film)
    fc.extract("packed", "--every", "3", "--layout", "packed", film)
    fc.extract("none", "--every", "9", "--hash", "none", film)
    fc.extract("planned", "--all", "--plan-only", film)
    return fc


@pytest.fixture
def asked(serve, stored):
    server = serve(*HTTP, store=stored.store)
    client = Web(server.http)
    yield server, client
    client.close()


def told(stored, timeline, kind="phash"):
    """{seq: hash} of all frames that are not flat, by their facts."""
    return {f["seq"]: int(f[kind], 16) for f in stored.frames(timeline) if kind in f and f["flatness"] < FLAT}


def columns(answer):
    """{seq: hash} of an answer in any of its forms."""
    kind = answer.headers["content-type"]
    if kind == "application/json":
        page = answer.json
        assert len(page["seqs"]) == len(page["hashes"])
        return dict(zip(page["seqs"], (int(text, 16) for text in page["hashes"])))
    if kind == OCTETS:
        seqs, hashes = np.frombuffer(answer.body, "<u8").reshape(2, -1)
        return dict(zip(seqs.tolist(), hashes.tolist()))
    table = pyarrow.ipc.open_stream(answer.body).read_all()
    table.validate(full=True)
    assert [str(field.type) for field in table.schema] == ["uint64", "uint64"] and table.schema.names[0] == "seq"
    return dict(zip(*(column.to_pylist() for column in table.columns)))


@pytest.mark.parametrize("accept", ["application/json", ARROW, OCTETS])
@pytest.mark.parametrize("timeline, kind", [("film", "phash"), ("film", "dhash"), ("packed", "phash"), ("none", "phash"), ("planned", "phash")])
def test_hashes_are_those_of_the_facts_in_each_form_and_none_is_of_a_flat_frame(asked, stored, accept, timeline, kind):
    _, client = asked
    answer = client.ok(of(timeline, "hashes"), headers={"accept": accept}, kind=kind)
    assert columns(answer) == told(stored, timeline, kind) and answer.headers["content-type"] == accept
    assert answer.headers["vary"] == "accept" and "link" not in answer.headers
    if accept == ARROW:
        assert pyarrow.ipc.open_stream(answer.body).schema.names == ["seq", kind]
    if accept == "application/json":
        page, facts = answer.json, stored.frames(timeline)
        assert page["kind"] == kind and page["next_page_token"] == ""
        assert page["without"] == sum(kind not in f for f in facts)
        assert page["flat"] == sum(kind in f and f["flatness"] >= FLAT for f in facts)


@pytest.mark.parametrize("accept", ["application/json", ARROW])
def test_pages_of_hashes_go_on_where_the_one_before_ended(asked, stored, accept):
    _, client = asked
    path = of("film", "hashes") + "?page_size=7&kind=dhash"
    found, left_out = {}, 0
    while path:
        answer = client.ok(path, headers={"accept": accept})
        page = columns(answer)
        assert 0 < len(page) <= 7 and not found.keys() & page.keys()
        found |= page
        link = answer.headers.get("link")
        if accept == "application/json":
            left_out += answer.json["flat"]
            assert bool(answer.json["next_page_token"]) == bool(link)
        path = link and urljoin(path, link[link.index("<") + 1 : link.index(">")])
    assert found == told(stored, "film", "dhash") and list(found) == sorted(found)
    assert accept == ARROW or left_out == 20


def test_an_answer_has_a_name_and_is_sent_again_only_where_it_changed(asked, stored, tmp_path):
    _, client = asked
    for path in (of("film", "hashes"), of("film", "cuts"), "/v1/similar?timeline=film&seq=7"):
        answer = client.ok(path)
        again = client.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", answer.headers["etag"])
        assert answer.headers["cache-control"] == "no-cache"
        assert client.get(path, headers={"if-none-match": '"other"'}).body == answer.body
        part = client.get(path, headers={"range": "bytes=3-9"})
        assert (part.status, part.body) == (206, answer.body[3:10])
        assert client.ask("HEAD", path).headers["content-length"] == str(len(answer.body))
    octets = client.ok(of("film", "hashes"), headers={"accept": OCTETS})
    other = client.get(of("film", "hashes"), headers={"accept": ARROW, "if-none-match": octets.headers["etag"]})
    assert other.status == 200, "another form has another name"
    refused = client.get(of("film", "hashes"), headers={"accept": "text/csv"})
    assert (refused.status, refused.reason) == (406, "NOT_ACCEPTABLE")


def of_grpc(server, v1, timeline, **more):
    """(changes, summary)"""
    whole, summary = v1.FrameChanges(), None
    with server.channel() as channel:
        for response in v1.FrameServiceStub(channel).GetCuts(v1.GetCutsRequest(timeline=timeline, **more), timeout=30):
            if response.HasField("summary"):
                summary = response.summary
            else:
                whole.MergeFrom(response.changes)
    return whole, summary


def number(value):
    return float(value)  # "NaN" too


def assert_same_changes(told, expected):
    assert told["sequences"] == list(expected.sequences) and told["cuts"] == list(expected.cuts)
    for name in ("timestamps", "changes"):
        np.testing.assert_array_equal([number(value) for value in told[name]], list(getattr(expected, name)))


@pytest.mark.parametrize("timeline", ["film", "packed", "none", "planned"])
@pytest.mark.parametrize("threshold", [None, 0.9])
def test_cuts_are_those_of_grpc_whole_and_page_by_page(asked, v1, timeline, threshold):
    server, client = asked
    more = {} if threshold is None else {"threshold": threshold}
    changes, summary = of_grpc(server, v1, timeline, **more)
    whole = client.ok(of(timeline, "cuts"), **more).json
    assert_same_changes(whole["changes"], changes)
    counted = {name: getattr(summary, name) for name in ("frames", "unknown", "cuts", "threshold")}
    assert whole["summary"] == counted and whole["next_page_token"] == ""
    for size in (1, 7, 33):
        found, token, frames = {"sequences": [], "timestamps": [], "changes": [], "cuts": []}, "", 0
        while True:
            page = client.ok(of(timeline, "cuts"), page_size=size, page_token=token, **more).json
            assert len(page["changes"]["sequences"]) <= size
            found = {name: found[name] + page["changes"][name] for name in found}
            frames, token = frames + page["summary"]["frames"], page["next_page_token"]
            if not token:
                break
        assert_same_changes(found, changes)
        assert frames == summary.frames


def test_what_is_like_a_frame_is_what_grpc_says(asked, v1):
    server, client = asked
    with server.channel() as channel:
        find = v1.FrameServiceStub(channel).GetSimilar
        frame = v1.FrameName(timeline="film", sequence=7)
        cases = [
            (dict(timeline="film", seq=7), dict(timeline="film", frame=frame)),
            (dict(timeline="film", seq=7, everywhere="", distance=64, mirrored=1), dict(frame=frame, distance=64, mirrored=True)),
            (dict(hash="00ff00ff00ff00ff", distance=30), dict(hash="00ff00ff00ff00ff", distance=30)),
            (dict(hash="00ff00ff00ff00ff", distance=40, kind="dhash", timeline="film"), dict(hash="00ff00ff00ff00ff", distance=40, kind=2, timeline="film")),
            (dict(timeline="film", seq=45), dict(timeline="film", frame=v1.FrameName(timeline="film", sequence=45))),
        ]
        for query, request in cases:
            expected = find(v1.GetSimilarRequest(**request), timeout=30)
            answer = client.ok("/v1/similar", **query).json
            assert [(f["timeline"], f["seq"], f["timestamp"], f["distance"], f["mirrored"]) for f in answer["frames"]] == [
                (f.timeline, f.sequence, f.timestamp, f.distance, f.mirrored) for f in expected.frames]
            assert (answer["hash"], answer["flat"], answer["searched"]) == (expected.hash, expected.flat, expected.searched)
    whole = client.ok("/v1/similar", hash="0" * 16, distance=64).json["frames"]
    rows, token = [], ""
    while not rows or token:
        page = client.ok("/v1/similar", hash="0" * 16, distance=64, page_size=17, page_token=token).json
        rows, token = rows + page["frames"], page["next_page_token"]
    assert rows == whole and len(whole) > 60


HOSTILE = [
    ("/v1/similar", {}, "hash"),
    ("/v1/similar", {"seq": 1}, "timeline"),
    ("/v1/similar", {"seq": 1, "timeline": "film", "hash": "0" * 16}, "seq"),
    ("/v1/similar", {"seq": -1, "timeline": "film"}, "seq"),
    ("/v1/similar", {"seq": 2**64, "timeline": "film"}, "seq"),
    ("/v1/similar", {"hash": "0" * 15}, "hash"),
    ("/v1/similar", {"hash": "+" + "0" * 15}, "hash"),
    ("/v1/similar", {"hash": "x" * 100_0}, "hash"),
    ("/v1/similar", {"hash": "0" * 16, "distance": 65}, "distance"),
    ("/v1/similar", {"hash": "0" * 16, "distance": 4294967296}, "distance"),
    ("/v1/similar", {"hash": "0" * 16, "distance": "8.0"}, "distance"),
    ("/v1/similar", {"hash": "0" * 16, "kind": "md5"}, "kind"),
    ("/v1/similar", {"hash": "0" * 16, "mirrored": "maybe"}, "mirrored"),
    ("/v1/similar", {"hash": "0" * 16, "page_token": "x"}, "page_token"),
    ("/v1/similar", {"hash": "0" * 16, "timeline": ".."}, "timeline"),
    ("/v1/similar", {"hash": "0" * 16, "profile": "../x"}, "profile"),
    ("/v1/similar", {"picture": "x", "hash": "0" * 16}, "picture"),
    (of("film", "hashes"), {"kind": "PHASH"}, "kind"),
    (of("film", "hashes"), {"page_size": 2**32}, "page_size"),
    (of("film", "hashes"), {"page_token": "x"}, "page_token"),
    (of("film", "hashes"), {"threshold": 1}, "threshold"),
    (of("film", "cuts"), {"threshold": 1.5}, "threshold"),
    (of("film", "cuts"), {"threshold": "NaN"}, "threshold"),
    (of("film", "cuts"), {"threshold": "0,4"}, "threshold"),
    (of("film", "cuts"), {"threshold": "1e400"}, "threshold"),
    (of("film", "cuts"), {"page_token": "Y3V0OjE"}, "page_token"),
    (of("film", "cuts"), {"page_token": "Y3V0OjE6LTE"}, "page_token"),
]


def test_what_cannot_be_asked_is_refused_by_its_field(asked):
    _, client = asked
    for path, query, field in HOSTILE:
        answer = client.get(path, **query)
        assert (answer.status, answer.reason, answer.json["field"]) == (400, "FIELD_INVALID", field), (query, answer)
    for path in (of("nobody", "hashes"), of("nobody", "cuts"), "/v1/similar?timeline=nobody&hash=" + "0" * 16):
        assert client.get(path).reason == "TIMELINE_NOT_FOUND"
    assert client.get("/v1/similar", timeline="film", seq=9999).reason == "FRAME_NOT_CACHED"
    # Such a token is a place, wherever it lies.
    assert client.ok(of("film", "hashes"), page_token="aGFzaDoxODQ0Njc0NDA3MzcwOTU1MTYxNQ").json["seqs"] == []


def test_frames_that_are_committed_are_told_by_the_next_request_and_what_is_not_there_yet_is_not(serve, stored, tmp_path):
    source = tmp_path / "film.mp4"
    source.write_bytes(stored.film.read_bytes())
    store = Framecache(tmp_path / "store")
    store.extract("t", "--all", "--plan-only", source)
    server = serve(*HTTP, "--source-root", tmp_path, store=store.store)
    client = Web(server.http)
    empty = client.ok(of("t", "hashes"))
    assert empty.json["seqs"] == [] and client.ok(of("t", "cuts")).json["summary"]["frames"] == 0
    client.ok(of("t", "frames", "3.jpg"))
    assert columns(client.ok(of("t", "hashes"), headers={"if-none-match": empty.headers["etag"]})) == told(stored, "film")
    assert client.ok(of("t", "cuts")).json["summary"] == client.ok(of("t", "cuts"), page_size=0).json["summary"]
    assert [20, 40, 60] == client.ok(of("t", "cuts")).json["changes"]["cuts"]
    assert client.ask("DELETE", of("t"), plan=1).status == 200
    assert client.get(of("t", "hashes")).reason == "TIMELINE_NOT_FOUND"


def test_of_caches_of_older_releases_it_is_said_what_is_not_known(serve, stored, tmp_path):
    server = serve(*HTTP, store=old(stored, tmp_path).store)
    client = Web(server.http)
    cuts = client.ok(of("film", "cuts")).json
    assert cuts["summary"]["unknown"] == cuts["summary"]["frames"] == 80 and cuts["changes"]["cuts"] == []
    assert set(cuts["changes"]["changes"]) == {"NaN"}
    hashes = client.ok(of("film", "hashes")).json
    # How flat they are is not known: those that no picture's hash has are told by it.
    assert len(hashes["seqs"]) + hashes["flat"] == 80 and hashes["without"] == 0
    assert client.ok(of("none", "hashes")).json["without"] == len(stored.frames("none"))


@pytest.mark.slow
def test_hashes_of_200_000_frames_taken_slowly_by_many_hold_bounded_memory_and_slow_nobody(serve, new_store, tmp_path):
    film = encode(tmp_path / "film.mp4", np.concatenate([scene(n, 25) for n in range(8)]))
    fc = new_store()
    # Each picture is stored once, and has a thousand numbers.
    fc.extract("t", "--fps", "25000", "--dedup", "64", film, timeout=600)
    server = serve(*HTTP, "--stall-timeout", "3s", store=fc.store)
    client = Web(server.http)
    begun = client.ok(of("t", "hashes"), headers={"accept": OCTETS})
    assert len(columns(begun)) == 200_000 and len(begun.body) == 3_200_000
    assert len(client.ok(of("t", "cuts")).json["changes"]["changes"]) == 200_000
    before, stop = resident(server)[0], threading.Event()
    paths = [of("t", "hashes"), of("t", "cuts")] * 15
    with ThreadPoolExecutor(len(paths)) as pool:
        readers = [pool.submit(slow_reader, server, path, stop) for path in paths]
        try:
            until(lambda: server.metric("framecache_queue_depth", queue="calls") > 0, "they read")
            assert columns(client.ok(of("t", "hashes"), page_size=10))
            until(lambda: server.metric("framecache_queue_depth", queue="calls") == 0, "their calls are ended")
        finally:
            stop.set()
        assert len(readers) == len(paths)
    assert resident(server)[1] < before + 400
    assert client.ok(of("t", "hashes"), headers={"accept": OCTETS}).body == begun.body
