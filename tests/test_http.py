"""Plain HTTP: each address, under each kind of token and listener; ranges and conditions; the same bytes as gRPC gives."""

import hashlib
import io
import json
import queue
import re
import signal
import subprocess

import pytest
import trustme
import webvtt
from PIL import Image, ImageChops, ImageStat

from .support import rpc, web
from .support.neighbours import until
from .support.web import Web, of

HTTP = ("--http", "127.0.0.1:0")
TOKENS = {"writer": "all", "reader": "read"}


@pytest.fixture
def planned(fc, clip):
    """A store with a timeline `t`."""
    fc.extract("t", "--fps", "5", clip("h264_bframes.mp4"))
    return fc.store


@pytest.fixture
def asked(serve, planned):
    """A server over it, and a client."""
    server = serve(*HTTP, store=planned)
    client = Web(server.http)
    yield server, client
    client.close()


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("".join(f"{hashlib.sha256(name.encode()).hexdigest()} {name} scope={scope}\n" for name, scope in TOKENS.items()))
    return path


# ---- frames


def of_grpc(server, v1, **asked):
    with server.channel() as channel:
        request = v1.GetFramesRequest(timeline="t", **asked)
        answers = list(v1.FrameServiceStub(channel).GetFrames(request, timeout=60))
    return b"".join(a.frame.data.jpeg for a in answers if a.HasField("frame"))


def test_a_frame_is_the_stored_one_by_its_number_and_by_its_time(asked, fc, v1):
    server, client = asked
    stored = fc.jpegs("t")
    for facts in fc.frames("t"):
        seq = facts["seq"]
        answer = client.ok(of("t", "frames", f"{seq}.jpg"))
        assert answer.body == stored[seq] == of_grpc(server, v1, selection=v1.Selection(sequences=[seq]))
        assert answer.headers["etag"] == f'"{facts["sha256"]}"' and answer.headers["content-type"] == "image/jpeg"
        at = client.get(of("t", "frames", "at", f"{facts['timestamp'] + 0.01}.jpg"), w=64)
        assert (at.status, at.headers["location"]) == (302, f"../{seq}.jpg?w=64")
        direct = client.ok(of("t", "frames", "at", f"{facts['timestamp'] + 0.01}.jpg"), direct="")
        assert direct.body == stored[seq]
    assert client.get(of("t", "frames", "999.jpg")).reason == "FRAME_NOT_CACHED"
    assert client.get(of("t", "frames", "at", "1000.jpg")).reason == "TIME_PAST_END"
    assert client.get(of("nobody", "frames", "0.jpg")).reason == "TIMELINE_NOT_FOUND"


@pytest.mark.parametrize("size", [{"w": 64}, {"h": 50}, {"w": 80, "h": 30}, {"q": 20}, {"w": 33, "q": 95}])
def test_a_rendition_is_that_of_grpc_and_is_made_once(asked, v1, size):
    server, client = asked
    names = {"w": "width", "h": "height", "q": "quality"}
    selection = v1.Selection(sequences=[3])
    expected = of_grpc(server, v1, selection=selection, **{names[k]: v for k, v in size.items()})
    for _ in range(2):
        answer = client.ok(of("t", "frames", "3.jpg"), **size)
        assert answer.body == expected
    assert answer.headers["etag"].startswith('"' + client.ok(of("t", "frames", "3.json")).json["sha256"] + "-")
    again = client.get(of("t", "frames", "3.jpg"), headers={"if-none-match": answer.headers["etag"]}, **size)
    assert (again.status, again.body) == (304, b"")


def test_facts_are_those_of_the_command_line_and_come_in_pages(asked, fc):
    _, client = asked
    expected = fc.frames("t")
    page = client.ok(of("t", "frames"), page_size=3).json
    found = page["frames"]
    while page["next_page_token"]:
        assert len(page["frames"]) == 3
        page = client.ok(of("t", "frames"), page_size=3, page_token=page["next_page_token"]).json
        found += page["frames"]
    assert found == expected
    assert [client.ok(of("t", "frames", f"{f['seq']}.json")).json for f in expected] == expected
    some = client.ok(of("t", "frames"), fields="timestamp,phash").json["frames"]
    assert some == [{k: f[k] for k in ("seq", "timestamp", "phash")} for f in expected]
    window = client.ok(of("t", "frames"), **{"from": 0.4, "to": 1}).json["frames"]
    assert window == [f for f in expected if 0.4 <= f["timestamp"] < 1]


def test_timelines_tell_their_state_and_counts(asked, fc, v1):
    _, client = asked
    (stands,) = client.ok("/v1/timelines").json["timelines"]
    frames = fc.frames("t")
    assert (stands["timeline"], stands["state"], stands["counts"]["frames"]) == ("t", "PROFILE_STATE_COMPLETE", len(frames))
    whole = client.ok(of("t")).json
    assert whole["plan"]["sampling"]["fps"] == "5" and whole["counts"] == stands["counts"]
    assert client.ok(of("nobody")).json["state"] == "PROFILE_STATE_ABSENT"
    assert client.ok("/v1/server").json["version"]


# ---- RFC 9110, by curl


def curl(server, path, *flags):
    """(status, headers, body)"""
    words = ["curl", "-s", "--max-time", "60", "-D", "-", *flags, f"http://{server.http}{path}"]
    done = subprocess.run(words, capture_output=True, timeout=90, check=True)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode().splitlines()
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), headers, body


def test_ranges_heads_and_conditions_are_answered_as_the_standard_says(asked, fc, tmp_path):
    server, _ = asked
    whole, path = fc.jpegs("t")[0], of("t", "frames", "0.jpg")
    total = len(whole)
    for given, first, last in [("0-9", 0, 9), ("100-", 100, total - 1), ("-7", total - 7, total - 1), (f"5-{total * 9}", 5, total - 1)]:
        status, headers, body = curl(server, path, "-r", given)
        assert (status, body) == (206, whole[first : last + 1]), given
        assert headers["content-range"] == f"bytes {first}-{last}/{total}" and headers["content-length"] == str(len(body))
    status, headers, _ = curl(server, path, "-r", f"{total}-")
    assert (status, headers["content-range"]) == (416, f"bytes */{total}")
    # Several ranges may be answered whole (14.2), and what is no range is none.
    for given in ["0-1,3-4", "9-2"]:
        status, _, body = curl(server, path, "-H", f"Range: bytes={given}")
        assert (status, body) == (200, whole)
    status, headers, body = curl(server, path, "-I", "-o", "/dev/null")
    assert (status, headers["content-length"], body) == (200, str(total), b"")
    etag = headers["etag"]
    assert curl(server, path, "-r", "0-3", "-H", f"If-Range: {etag}")[0] == 206
    assert curl(server, path, "-r", "0-3", "-H", 'If-Range: "other"')[2] == whole
    for match in [etag, f'"x", {etag}', f"W/{etag}", "*"]:
        status, headers, body = curl(server, path, "-H", f"If-None-Match: {match}")
        assert (status, headers["etag"], body) == (304, etag, b""), match
    assert curl(server, path, "-H", 'If-None-Match: "x"')[2] == whole
    assert curl(server, path, "-H", f"If-Match: {etag}")[0] == 200
    assert curl(server, path, "-H", 'If-Match: "x"')[0] == 412
    # curl's own bookkeeping: the second time nothing is sent.
    kept = tmp_path / "etag"
    flags = ["--etag-save", kept, "--etag-compare", kept]
    assert curl(server, path, *flags)[0] == 200 and curl(server, path, *flags)[0] == 304


def test_an_address_that_names_the_bytes_may_be_kept_for_ever_and_no_other(asked, fc):
    _, client = asked
    sha256 = fc.frames("t")[0]["sha256"]
    path = of("t", "frames", "0.jpg")
    assert client.ok(path).headers["cache-control"] == "no-cache"
    assert client.ok(path, sha256=sha256).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.ok(path, sha256=sha256, w=40).headers["cache-control"].endswith("immutable")
    other = client.get(path, sha256="0" * 64)
    assert (other.status, other.reason) == (404, "FRAME_NOT_CACHED")


# ---- who is let in


def addresses(client):
    """(method, path) of every operation that needs a token, about things that are there; test_viewer_access.py has the others."""
    given = {"timeline": "t", "seq": "0", "seconds": "0.5", "page": "0", "job": "j", "stage": "s", "name": "n"}
    for path, operations in client.ok("/openapi.json").json["paths"].items():
        for method in operations.keys() - {"parameters"}:
            if operations[method].get("security") == [{}]:
                continue
            asked = "?timeline=t&seq=0" if path.endswith("/similar") else ""
            yield method.upper(), re.sub(r"\{(\w+)\}", lambda found: given[found[1]], path) + asked


@pytest.mark.parametrize("secured", [False, True])
def test_each_address_asks_for_a_token_and_a_reading_one_only_reads(serve, planned, tokens, tmp_path, clip, secured):
    authority = trustme.CA()
    certificate, ca = authority.issue_cert("localhost"), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    tls = ["--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem"] if secured else []
    server = serve(*HTTP, "--tokens", tokens, *tls, store=planned)
    more = {"authority": ca} if secured else {}
    nobody, wrong = Web(server.http, **more), Web(server.http, "other", **more)
    reader, writer = Web(server.http, "reader", **more), Web(server.http, "writer", **more)
    every = list(addresses(reader))
    assert len(every) > 20
    with Image.open(io.BytesIO(reader.ok(of("t", "frames", "0.jpg")).body)) as frame:
        png = io.BytesIO()
        frame.save(png, "PNG")
    put = {of("p", "frames", "0.jpg"): reader.ok(of("t", "frames", "0.jpg")).body, of("t", "overlays", "j", "s", "0", "n.png"): png.getvalue()}
    for path, body in put.items():
        assert reader.ask("PUT", path, body=body).reason == "TOKEN_SCOPE"
        assert writer.ask("PUT", path, body=body).status == 201
    for method, path in every:
        for stranger in (nobody, wrong):
            answer = stranger.ask(method, path)
            assert (answer.status, answer.reason, answer.headers["www-authenticate"]) == (401, "TOKEN_INVALID", "Bearer"), path
        answer = reader.ask(method, path)
        if method == "GET" and "/probe" not in path:
            assert answer.status in (200, 302), (path, answer)
            assert answer.status == 302 or "private" in answer.headers["cache-control"]
        else:
            assert (answer.status, answer.reason) == (403, "TOKEN_SCOPE"), (method, path)
    assert reader.get(of("t", "frames", "0.jpg"), on_miss="extract").reason == "TOKEN_SCOPE"
    assert reader.get(of("t"), check_sources=1).reason == "TOKEN_SCOPE"
    probed = writer.get("/v1/probe", uri=clip("h264_bframes.mp4"))
    assert probed.status == 200 or probed.reason == "SOURCE_DENIED"
    for method, path in every:
        if method == "DELETE":
            assert writer.ask(method, path, dry_run="").status == 200, path
    for client in (nobody, wrong, reader, writer):
        client.close()


def test_other_machines_are_let_in_as_with_grpc_and_only_where_something_protects_it(tmp_path, tokens):
    server = rpc.launch(tmp_path / "store", "--http", "0.0.0.0:0")
    assert server.wait(30) == 2 and "http=0.0.0.0:0" in server.log and "--tokens" in server.log
    for protected in (["--tokens", tokens], ["--insecure-listen"]):
        with rpc.start_server(tmp_path / "store", "--http", "0.0.0.0:0", *protected) as server:
            assert server.http
    with rpc.start_server(tmp_path / "store") as server:
        assert not server.http, "it is off unless asked for"


def test_pages_of_other_origins_and_names_are_kept_out_unless_configured(serve, planned):
    server = serve(*HTTP, store=planned)
    client = Web(server.http)
    page = {"origin": "https://tools.example"}
    answer = client.get(of("t"), headers=page)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["content-security-policy"] == "default-src 'self'" and answer.headers["x-content-type-options"] == "nosniff"
    asks = {**page, "access-control-request-method": "PUT"}
    assert client.ask("OPTIONS", of("t"), headers=asks).status == 405
    # A name that an attacker gives to 127.0.0.1.
    rebound = client.get(of("t"), headers={"host": "evil.example"})
    assert (rebound.status, rebound.reason) == (421, "HOST_UNKNOWN")
    # What a form of another page can send.
    forged = client.ask("POST", of("t", "extract"), body="{}", headers={"content-type": "text/plain"})
    assert (forged.status, forged.reason) == (415, "MEDIA_TYPE_UNSUPPORTED")
    server = serve(*HTTP, "--http-origin", "https://tools.example", store=planned)
    client = Web(server.http)
    assert client.get(of("t"), headers=page).headers["access-control-allow-origin"] == "https://tools.example"
    assert client.ask("OPTIONS", of("t"), headers=asks).status == 204
    other = client.get(of("t"), headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


# ---- what is no good


HOSTILE = ["..", "%2e%2e", "%2E%2e", ".", "%2e", "a%2fb", "a%2f..%2f..", "%00", "a%00", "a%5Cb", "-a", ".a", "a" * 129, "%ff", "%C3%BC", "a+b", "a%20b", ""]


def test_ids_and_numbers_are_checked_as_grpc_checks_them_and_lead_nowhere_else(asked, fc, tmp_path):
    server, client = asked
    server.wait_until_it_is_ready()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    before = sorted(tmp_path.rglob("*"))
    for hostile in HOSTILE:
        for path in (f"/v1/timelines/{hostile}/frames/0.jpg", f"/v1/timelines/t/overlays/{hostile}/s", f"/v1/timelines/t/frames/{hostile}.jpg"):
            for method in ("GET", "PUT", "DELETE"):
                request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                status = int(web.raw(server.http, request.encode()).split()[1])
                assert status in (400, 404, 405), (hostile, path, method)
                # An empty part is another address, and one that has no such method says so.
                assert status == 400 or method != "GET" or hostile in ("", "."), (hostile, path)
    for name, query in [("w", "0"), ("w", "16385"), ("q", "101"), ("w", "-1"), ("w", "1e3"), ("wat", "1"), ("profile", "..")]:
        answer = client.get(of("t", "frames", "0.jpg"), **{name: query})
        field = {"w": ("w", "width"), "q": ("q", "quality")}.get(name, (name,))
        assert (answer.status, answer.reason, answer.json["field"] in field) == (400, "FIELD_INVALID", True), answer
    assert client.get(of("t", "frames", "00.jpg")).status == 400
    twice = client.get(of("t", "frames", "0.jpg") + "?w=1&w=2")
    assert twice.json["field"] == "w" and "twice" in twice.json["detail"]
    assert client.get("/v1/nothing").reason == "ADDRESS_UNKNOWN"
    assert client.ask("PATCH", of("t")).reason == "METHOD_NOT_ALLOWED"
    assert client.get(of("t", "frames"), page_token="nonsense").json["field"] == "page_token"
    after = [p for p in tmp_path.rglob("*") if "used" not in p.parts]
    assert sorted(after) == [p for p in before if "used" not in p.parts], "nothing was made"


def test_a_request_that_is_no_http_is_closed_and_spoils_nothing(asked):
    server, client = asked
    for nonsense in [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 500 + b"\r\n"]:
        answer = web.raw(server.http, nonsense)
        assert answer == b"" or int(answer.split()[1]) in (400, 404, 431, 505), nonsense
    client.ok(of("t"))


# ---- writing


def jpeg(colour, size=(64, 48)):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()


def test_a_frame_that_is_put_is_served_and_replaced_and_an_extracted_one_is_not(asked, fc):
    _, client = asked
    path, red, blue = of("p", "frames", "7.jpg"), jpeg("red"), jpeg("blue")
    first = client.ask("PUT", path, body=red, timestamp=2.5)
    assert (first.status, first.json["frames"], first.json["bytes"]) == (201, 1, len(red))
    assert client.ok(path).body == red and client.ok(of("p", "frames", "7.json")).json["timestamp"] == 2.5
    assert client.ask("PUT", path, body=blue).status == 200
    assert client.ok(path).body == blue
    assert client.ask("PUT", path, body=b"no picture").json["field"] == "jpeg"
    assert client.ask("PUT", of("t", "frames", "0.jpg"), body=red).reason == "PLAN_DIFFERS"
    assert client.ask("PUT", path, body=red, headers={"if-match": "*"}).status == 412
    assert client.ok(path).body == blue
    counted = client.ask("DELETE", of("p"), plan=1, dry_run="").json["profiles"]
    assert counted[0]["frames"]["objects"] == 1 and client.ok(path).body == blue
    assert client.ask("DELETE", of("p"), plan=1).status == 200
    assert client.get(path).reason == "TIMELINE_NOT_FOUND"


def test_overlays_are_put_listed_at_each_level_and_deleted(asked):
    _, client = asked
    out = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(out, "PNG")
    png, name = out.getvalue(), "a/ü %2f?.x"
    path = of("t", "overlays", "job", "stage", "3", name + ".png")
    assert client.ask("PUT", path, body=png).status == 201 and client.ask("PUT", path, body=png).status == 200
    answer = client.ok(path)
    assert (answer.body, answer.headers["content-type"]) == (png, "image/png")
    assert answer.headers["etag"] == f'"{hashlib.sha256(png).hexdigest()}"'
    assert client.get(path, headers={"if-none-match": answer.headers["etag"]}).status == 304
    assert client.ok(of("t", "overlays")).json["jobs"] == ["job"]
    assert client.ok(of("t", "overlays", "job")).json["stages"] == ["stage"]
    assert client.ok(of("t", "overlays", "job", "stage")).json["sequences"] == [3]
    (item,) = client.ok(of("t", "overlays", "job", "stage", "3")).json["items"]
    assert (item["name"], item["bytes"]) == (name, len(png))
    assert client.ask("PUT", path, body=b"no png").status == 400
    counted = client.ask("DELETE", of("t", "overlays", "job"), dry_run="")
    assert counted.json["deleted"]["objects"] == 1 and client.ok(path)
    assert client.ask("DELETE", of("t", "overlays", "job", "stage", "3")).json["deleted"]["objects"] == 1
    assert client.get(path).status == 404


# ---- extraction


def test_an_extraction_tells_its_events_and_is_that_of_the_command_line(serve, fc, new_store, clip):
    source = clip("h264_bframes.mp4")
    server = serve(*HTTP, "--source-root", source.parent, store=fc.store)
    client = Web(server.http)
    body = json.dumps({"chunks": [{"uri": str(source)}], "sampling": {"fps": "5"}})
    kind = {"content-type": "application/json"}
    answer = client.ask("POST", of("t", "extract"), body=body, headers=kind)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    told = web.events(answer.body)
    names = [name for name, _ in told]
    assert names[-1] == "summary" and {"plan", "committed", "chunk"} <= set(names)
    other = new_store()
    other.extract("t", "--fps", "5", source)
    assert told[-1][1]["frames"] == len(other.frames("t")) and fc.jpegs("t") == other.jpegs("t")
    again = web.events(client.ask("POST", of("t", "extract"), body="", headers=kind).body)
    assert again[-1][1]["written"] == 0
    differs = json.dumps({"chunks": [{"uri": str(source)}], "sampling": {"fps": "7"}})
    (refused,) = web.events(client.ask("POST", of("t", "extract"), body=differs, headers=kind).body)
    assert refused[0] == "error" and refused[1]["reason"] == "PLAN_DIFFERS"
    wrong = client.ask("POST", of("t", "extract"), body='{"chunkz": []}', headers=kind)
    assert (wrong.status, wrong.json["field"]) == (400, "body")
    behind = client.ask("POST", of("u", "extract"), body=body, headers=kind, wait=0)
    assert behind.status == 202
    until(lambda: client.ok(behind.headers["location"]).json["state"] == "PROFILE_STATE_COMPLETE", "it is extracted")


def test_a_frame_that_is_not_there_yet_is_waited_for_or_asked_for_again(serve, fc, clip):
    source = clip("h264_bframes.mp4")
    fc.extract("t", "--fps", "5", "--plan-only", source)
    server = serve(*HTTP, "--source-root", source.parent, store=fc.store)
    client, path = Web(server.http), of("t", "frames", "2.jpg")
    assert client.get(path, on_miss="fail").reason == "FRAME_NOT_CACHED"
    early = client.get(path, wait=0)
    # The quickest of machines may have it by then.
    assert early.status == 200 or (early.status, early.reason, int(early.headers["retry-after"]) > 0) == (503, "NOT_READY", True)
    until(lambda: client.get(path, wait=0).status == 200, "it is extracted meanwhile")
    assert client.ok(path).body == fc.jpegs("t")[2]


# ---- strips


def test_strips_hold_the_frames_where_they_say(asked, fc):
    _, client = asked
    told = client.ok(of("t", "strips.json"), h=60).json
    frames = fc.frames("t")
    assert [tile["seq"] for tile in told["tiles"]] == [f["seq"] for f in frames] and told["pages"] == 1
    width, height = told["tile_width"], told["tile_height"]
    answer = client.ok(of("t", "strips", "0.jpg"), h=60)
    strip = Image.open(io.BytesIO(answer.body))
    assert strip.size == (10 * width, 10 * height)
    small = {seq: Image.open(io.BytesIO(jpeg)).convert("L").resize((width, height), Image.Resampling.BILINEAR) for seq, jpeg in fc.jpegs("t").items()}
    for tile in told["tiles"]:
        own = strip.crop((tile["x"], tile["y"], tile["x"] + width, tile["y"] + height)).convert("L")
        differs = {seq: ImageStat.Stat(ImageChops.difference(own, frame)).mean[0] for seq, frame in small.items()}
        assert min(differs, key=differs.get) == tile["seq"] and differs[tile["seq"]] < 10, (tile, differs)
    again = client.get(of("t", "strips", "0.jpg"), headers={"if-none-match": answer.headers["etag"]}, h=60)
    assert again.status == 304
    assert client.ok(of("t", "strips", "0.jpg"), h=60).body == answer.body
    assert client.get(of("t", "strips", "1.jpg")).reason == "FRAME_NOT_CACHED"
    assert client.get(of("t", "strips", "0.jpg"), h=1000).json["field"] == "h"


def test_players_read_the_cues(asked, fc, tmp_path):
    _, client = asked
    answer = client.ok(of("t", "strips.vtt"), h=60)
    assert answer.headers["content-type"].startswith("text/vtt")
    file = tmp_path / "strips.vtt"
    file.write_bytes(answer.body)
    cues, frames = webvtt.read(str(file)), fc.frames("t")
    assert len(cues) == len(frames)
    tiles = client.ok(of("t", "strips.json"), h=60).json
    for cue, facts, tile in zip(cues, frames, tiles["tiles"]):
        assert abs(cue.start_in_seconds - facts["timestamp"]) < 1.001
        path, _, place = cue.text.partition("#xywh=")
        assert place == f"{tile['x']},{tile['y']},{tiles['tile_width']},{tiles['tile_height']}"
    assert client.ok(f"{of('t')}/{path}").headers["content-type"] == "image/jpeg"


# ---- the end


def test_a_server_that_drains_ends_its_answers_and_its_idle_connections(serve, planned):
    server = serve(*HTTP, store=planned)
    idle = [Web(server.http) for _ in range(5)]
    for client in idle:
        client.ok(of("t"))
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0, server.log


def test_calls_are_in_the_metrics_by_their_address_and_in_the_log_by_their_id(asked):
    server, client = asked
    answer = client.get(of("t", "frames", "0.jpg"), headers={"x-request-id": "job-7"})
    assert answer.headers["x-request-id"] == "job-7"
    client.get(of("nobody", "frames", "0.jpg"))
    method = "GET /v1/timelines/{timeline}/frames/{file}"
    ended = lambda code: server.metric("grpc_server_handled_total", grpc_service="http", grpc_method=method, grpc_code=code)
    until(lambda: ended("OK") == 1 and ended("NOT_FOUND") == 1, "both are counted")
    until(lambda: any("job-7" in line for line in server.lines), "the log has its id")


def test_grpc_and_http_share_the_calls_that_are_served_at_once(serve, planned, v1):
    server = serve(*HTTP, "--max-calls", "1", store=planned)
    client = Web(server.http)
    messages = queue.SimpleQueue()
    with server.channel() as channel:
        open_call = v1.FrameServiceStub(channel).PutFrames.future(iter(messages.get, None))
        until(lambda: server.metric("framecache_queue_depth", queue="calls") == 1, "it is inside")
        full = client.get(of("t"))
        assert (full.status, full.reason, full.headers["retry-after"]) == (503, "QUEUE_FULL", "1")
        messages.put(None)
        assert open_call.exception(timeout=60) is not None
    until(lambda: client.get(of("t")).status == 200, "there is room again")


def test_who_is_refused_while_sending_comes_to_read_why(serve, planned, tokens):
    server = serve(*HTTP, "--tokens", tokens, store=planned)
    neighbour = Web(server.http, "writer")
    body = b"\xff\xd8" + bytes(3_000_000)
    for n in range(10):
        reader = Web(server.http, "reader")
        assert reader.ask("PUT", of("p", "frames", f"{n}.jpg"), body=body).reason == "TOKEN_SCOPE"
        reader.close()
    assert neighbour.get(of("t", "frames", "0.jpg")).status == 200
