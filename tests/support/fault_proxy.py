"""An S3 proxy that does to requests and answers what networks, services and login pages do, by rule.

    with fault_proxy(s3_endpoint) as proxy:
        proxy.rules = [Rule(error(503, "SlowDown"), rate=0.1), Rule(cut(), matching=r"frames/", methods="GET")]

The first rule that fits a request, and whose dice fall so, decides; a request that none fits passes. Which requests
are hit follows from the seed, which is printed, and from the order in which they come.
"""

import http.client
import http.server
import os
import random
import re
import socket
import struct
import threading
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass, field

SEED = int(os.environ.get("FRAMECACHE_TEST_SEED", str(random.randrange(10**6))))
#: Said hop by hop, or anew by us.
NOT_PASSED = {"content-length", "transfer-encoding", "connection", "date", "server"}


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes


@dataclass
class Rule:
    """What is done (a function of the call) to which requests."""

    fault: callable
    rate: float = 1.0
    #: Of the path with its query.
    matching: str = ""
    methods: str = "GET PUT POST DELETE HEAD"
    #: So many at most.
    times: int | None = None
    hits: int = 0

    def fits(self, call):
        named = call.method in self.methods.split() and re.search(self.matching, call.target)
        return bool(named) and (self.times is None or self.hits < self.times)


class Call:
    """A request, what the service would answer, and ways to answer it."""

    def __init__(self, handler, proxy):
        self.handler, self.proxy = handler, proxy
        self.method, self.target = handler.command, handler.path.removeprefix(proxy.below)
        self.astray = not handler.path.startswith(f"{proxy.below}/")
        self.request_body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))

    def forward(self):
        """The service's own answer."""
        upstream = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        try:
            upstream.request(self.method, self.target, self.request_body, dict(self.handler.headers))
            answer = upstream.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            upstream.close()

    def begin(self, answer):
        """The head of an answer, with the length of the whole body."""
        self.handler.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in NOT_PASSED:
                self.handler.send_header(name, value)
        head = self.method == "HEAD"
        length = answer.headers.get("Content-Length", "0") if head else str(len(answer.body))
        self.handler.send_header("Content-Length", length)
        self.handler.end_headers()

    def send(self, answer):
        self.begin(answer)
        if self.method != "HEAD":
            self.handler.wfile.write(answer.body)

    def close(self, reset=False):
        """Ends the connection; with `reset` so that the client sees a reset rather than an end."""
        handler, connection = self.handler, self.handler.connection
        handler.close_connection = True
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for each in (handler.rfile, handler.wfile, connection):
            each.close()


def error(status, code):
    """S3's own error, before the service is asked."""
    xml = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>injected</Message></Error>'.encode()
    return lambda call: call.send(Answer(status, {"Content-Type": "application/xml"}, xml))


def delay(secs):
    def fault(call):
        call.proxy.wait(secs)
        call.send(call.forward())

    return fault


def throttle(bytes_a_second):
    """The body, in pieces of a tenth of a second."""

    def fault(call):
        answer = call.forward()
        call.begin(answer)
        piece = max(1, bytes_a_second // 10)
        for at in range(0, len(answer.body), piece):
            call.handler.wfile.write(answer.body[at : at + piece])
            call.proxy.wait(0.1)

    return fault


def stall():
    """Half of the body, and nothing more until the proxy ends."""

    def fault(call):
        answer = call.forward()
        call.begin(answer)
        call.handler.wfile.write(answer.body[: len(answer.body) // 2])
        call.proxy.wait()
        call.close()

    return fault


def reset(after=False):
    """The connection is reset: before the service is asked, or when it has done what was asked."""

    def fault(call):
        if after:
            call.forward()
        call.close(reset=True)

    return fault


def cut():
    """Half of the body that was announced, and the end of the connection."""

    def fault(call):
        answer = call.forward()
        call.begin(answer)
        call.handler.wfile.write(answer.body[: len(answer.body) // 2])
        call.handler.wfile.flush()
        call.close()

    return fault


def altered(change):
    """The service's answer, whole by its length, with another body: `change(body)`."""

    def fault(call):
        answer = call.forward()
        call.send(Answer(answer.status, answer.headers, change(answer.body)))

    return fault


def page(status=200):
    """What a login page or a portal answers, whatever was asked."""
    html = b"<!DOCTYPE html><html><body>Please log in to go on</body></html>"
    return lambda call: call.send(Answer(status, {"Content-Type": "text/html"}, html))


@dataclass
class FaultProxy:
    upstream: str
    seed: int = SEED
    rules: list = field(default_factory=list)
    #: (method, target) of every request, in order.
    calls: list = field(default_factory=list)
    url: str = ""
    #: Where the service seems to lie: other paths have no route.
    below: str = ""
    _ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self):
        self._chance = random.Random(self.seed)
        print(f"fault proxy: FRAMECACHE_TEST_SEED={self.seed}")

    def wait(self, secs=None):
        """Sleeps, or until the proxy ends."""
        self._ending.wait(secs)

    def count(self, methods="", matching=""):
        named = lambda call: (not methods or call[0] in methods.split()) and re.search(matching, call[1])
        return sum(1 for call in list(self.calls) if named(call))

    def hits(self):
        return sum(rule.hits for rule in self.rules)

    def rule_for(self, call):
        with self._lock:
            self.calls.append((call.method, call.target))
            for rule in self.rules:
                if rule.fits(call) and self._chance.random() < rule.rate:
                    rule.hits += 1
                    return rule
        return None

    def serve(self, handler):
        call = Call(handler, self)
        rule = Rule(page(404)) if call.astray else self.rule_for(call)
        try:
            if rule:
                rule.fault(call)
            else:
                call.send(call.forward())
        except OSError:
            # The client went away, which is its right.
            handler.close_connection = True


@contextmanager
def fault_proxy(endpoint, seed=SEED, below="", tls=None):
    """A proxy in front of the S3 service at `endpoint`, for as long as the block runs; with a `tls` context over TLS."""
    proxy = FaultProxy(urllib.parse.urlsplit(endpoint).netloc, seed, below=below)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Heads and bodies are two writes.
        disable_nagle_algorithm = True

        def answer(self):
            proxy.serve(self)

        def log_message(self, *_):
            pass

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 256

        def handle_error(self, *_):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    proxy.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}{below}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy._ending.set()
        server.shutdown()
        server.server_close()
