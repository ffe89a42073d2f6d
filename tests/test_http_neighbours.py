"""Plain HTTP beside hostile neighbours: readers that hardly read, connections that say nothing, bombs, floods; a cache in front."""

import contextlib
import io
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from .support import framecache as runner
from .support.framecache import open_files
from .support.neighbours import MIB, descriptors, resident, until
from .support.web import Web, of

HTTP = ("--http", "127.0.0.1:0")
SOON = 15


class Reader:
    """A neighbour over HTTP, who knows what it is to be answered."""

    def __init__(self, server):
        self.client = Web(server.http, timeout=SOON)
        self.known = self.read()

    def read(self):
        return [self.client.ok(of("t", "frames", f"{seq}.jpg")).body for seq in range(3)]

    def is_served(self):
        """Its frames come, unchanged; gives the seconds."""
        begun = time.monotonic()
        assert self.read() == self.known
        return time.monotonic() - begun


@pytest.fixture
def beside(started):
    """Starts a server, and gives its neighbours of both wires."""

    def start(*options, **more):
        server, grpc_neighbour = started(*HTTP, *options, **more)
        neighbours = [Reader(server), grpc_neighbour]
        return server, lambda: [each.is_served() for each in neighbours]

    return start


def connected(server):
    host, _, port = server.http.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def request(path, *lines, method="GET"):
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


# ---- readers


def slow_reader(server, path, stop):
    """Takes a kilobyte a second; gives whether the server ended it."""
    with connected(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request(path))
        try:
            while connection.recv(1024):
                if stop.wait(1):
                    return False
        except ConnectionError:
            pass
    return True


def test_readers_that_take_a_kilobyte_a_second_are_dropped_and_slow_nobody(beside, fc):
    server, neighbours = beside("--stall-timeout", "2s")
    # Larger than what the system takes of an answer unread.
    out = io.BytesIO()
    Image.effect_noise((2400, 2400), 200).save(out, "JPEG", quality=100)
    assert len(out.getvalue()) > 4 * MIB
    path = of("big", "frames", "0.jpg")
    assert Web(server.http).ask("PUT", path, body=out.getvalue()).status == 201
    stop = threading.Event()
    with ThreadPoolExecutor(20) as pool:
        readers = [pool.submit(slow_reader, server, path, stop) for _ in range(20)]
        try:
            until(lambda: server.metric("framecache_queue_depth", queue="calls") > 0, "they read")
            neighbours()
            until(lambda: server.metric("framecache_queue_depth", queue="calls") == 0, "their calls are ended")
            until(lambda: server.metric("framecache_queue_depth", queue="connections") <= 2, "so are their connections")
        finally:
            stop.set()
        assert len(readers) == 20
    assert resident(server)[1] < 512
    neighbours()


def test_heads_and_bodies_that_do_not_come_end_and_keep_nobody_out(beside):
    server, neighbours = beside("--stall-timeout", "1s", under=open_files(256))
    with contextlib.ExitStack() as opened:
        said = [b"", b"GET / HT", request("/v1/server")[:-2], request(of("p", "frames", "0.jpg"), "Content-Length: 9", method="PUT") + b"x"]
        for n in range(240):
            connection = opened.enter_context(connected(server))
            connection.sendall(said[n % len(said)])
        neighbours()
        assert server.get("/livez")[0] == 200 and descriptors(server) < 256
        until(lambda: descriptors(server) < 60, "they are closed")
        neighbours()


# ---- bombs


def png_bomb(side):
    """A picture of so many pixels a side, all of them zero, in few bytes."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + 4 * side)
    data = b"".join(packer.compress(row) for _ in range(64)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg_bomb(side):
    """A small JPEG that says that it has so many pixels a side."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "JPEG")
    whole = bytearray(out.getvalue())
    at = whole.index(b"\xff\xc0")
    whole[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(whole)


def test_bombs_are_refused_or_stored_and_cost_nothing(beside):
    server, neighbours = beside("--memory", "128MiB")
    client = Web(server.http)
    before = resident(server)[1]
    for side, reason in [(20_000, "LIMIT_EXCEEDED"), (65_535, "FIELD_INVALID")]:
        refused = client.ask("PUT", of("p", "frames", "0.jpg"), body=jpeg_bomb(side))
        assert (refused.status, refused.reason) == (400, reason)
    bomb = client.ask("PUT", of("p", "overlays", "j", "s", "0", "n.png"), body=png_bomb(60_000))
    assert bomb.status in (201, 400)
    # More than the request may hold is not read to its end.
    head = request(of("p", "frames", "0.jpg"), f"Content-Length: {1 << 40}", method="PUT")
    with connected(server) as connection:
        connection.sendall(head)
        with contextlib.suppress(ConnectionError):
            for _ in range(256):
                connection.sendall(bytes(MIB))
        with contextlib.suppress(ConnectionError):
            assert connection.recv(4096).split()[1] in (b"400", b"503")
    large = client.get(of("t", "frames", "0.jpg"), w=16384, h=16384)
    assert (large.status, large.reason) == (400, "LIMIT_EXCEEDED")
    neighbours()
    assert resident(server)[1] < before + 128


def test_many_large_renditions_at_once_stay_within_the_memory(beside):
    server, neighbours = beside("--memory", "64MiB")
    with ThreadPoolExecutor(24) as pool:
        sizes = [{"w": 900 + n, "h": 600} for n in range(24)]
        answers = pool.map(lambda size: Web(server.http, timeout=120).get(of("t", "frames", "0.jpg"), **size), sizes)
        neighbours()
        ends = [answer.status if answer.status == 200 else answer.reason for answer in answers]
    assert set(ends) <= {200, "MEMORY_BUDGET", "QUEUE_FULL"} and 200 in ends
    assert resident(server)[1] < 64 + 200


# ---- floods


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_a_flood_of_requests_ends_whole_or_is_told_to_come_again(beside, seconds):
    server, neighbours = beside("--max-calls", "16")
    stop, ends = threading.Event(), []

    def ask():
        client = Web(server.http)
        while not stop.is_set():
            answer = client.get(of("t", "frames", "0.jpg"), w=32 + len(ends) % 200)
            ends.append(answer.status if answer.status == 200 else answer.reason)

    threads = [threading.Thread(target=ask) for _ in range(32)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    reader = Web(server.http, timeout=SOON)
    while time.monotonic() < end:
        assert server.get("/livez")[0] == 200
        assert reader.get(of("t", "frames", "0.jpg")).status in (200, 503)
    stop.set()
    for thread in threads:
        thread.join()
    print(f"\n{len(ends)} requests, {ends.count(200)} whole")
    assert set(ends) <= {200, "QUEUE_FULL", "MEMORY_BUDGET"} and 200 in ends
    neighbours()
    assert resident(server)[1] < 512


def test_requests_that_are_sent_and_not_waited_for_leave_nothing_behind(beside):
    server, neighbours = beside()
    for n in range(200):
        with connected(server) as connection:
            connection.sendall(request(of("t", "frames", "0.jpg") + f"?w={100 + n}") * 3)
    neighbours()
    until(lambda: server.metric("framecache_queue_depth", queue="calls") == 0, "no call is left")
    until(lambda: server.metric("framecache_queue_depth", queue="hands") == 0, "and no hand")


# ---- a cache in front


NGINX = """
{user} daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/kept keys_zone=kept:1m;
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 64m;
    location / {{ proxy_pass http://{server}; proxy_cache kept; add_header X-Kept $upstream_cache_status; }}
  }}
}}
"""


@contextlib.contextmanager
def cached(server, folder):
    """nginx in front of the server."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(folder=folder, port=port, server=server.http, user=user))
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin")
    assert program, "scripts/install.sh test installs nginx"
    words = [program, "-e", "stderr", "-p", folder, "-c", config]
    with subprocess.Popen(words, env=runner.clean_environment(), stderr=subprocess.PIPE) as proxy:
        try:
            until(lambda: answers(port), "nginx listens")
            yield f"127.0.0.1:{port}"
        finally:
            proxy.terminate()


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def test_a_cache_keeps_what_names_its_bytes_and_never_answers_what_was_replaced(beside, fc, tmp_path):
    server, _ = beside()
    asked = lambda: server.metric("grpc_server_handled_total", grpc_service="http")
    with cached(server, tmp_path / "nginx") as address:
        client = Web(address)
        named = [(of("t", "frames", f"{f['seq']}.jpg"), f["sha256"]) for f in fc.frames("t")]
        first = [client.ok(path, sha256=sha256) for path, sha256 in named]
        until(lambda: server.metric("framecache_queue_depth", queue="calls") == 0, "they are counted")
        before = asked()
        second = [client.ok(path, sha256=sha256) for path, sha256 in named]
        assert [a.body for a in first] == [a.body for a in second]
        assert {a.headers["x-kept"] for a in second} == {"HIT"}
        assert asked() == before, "none of them reached the server"
        # A plain address is asked for each time: its bytes may be others.
        path, pictures = of("p", "frames", "0.jpg"), []
        for colour in ("red", "blue"):
            out = io.BytesIO()
            Image.new("RGB", (64, 48), colour).save(out, "JPEG")
            pictures.append(out.getvalue())
        client.ask("PUT", path, body=pictures[0])
        etag = client.ok(path).headers["etag"]
        assert client.ok(path).body == pictures[0]
        client.ask("PUT", path, body=pictures[1])
        fresh = client.get(path, headers={"if-none-match": etag})
        assert (fresh.status, fresh.body) == (200, pictures[1])
        assert client.ok(path).body == pictures[1]
        part = client.get(path, headers={"range": "bytes=0-9"})
        assert part.body in (pictures[1][:10], pictures[1])
