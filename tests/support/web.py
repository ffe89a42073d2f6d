"""Asks a server's plain HTTP, as raw as a test wants: paths go out as they are written."""

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def reason(self):
        """Of a problem; every one has the same form (RFC 9457)."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json
        assert problem["status"] == self.status and problem["type"].startswith("urn:framecache:") and problem["detail"]
        assert self.headers["cache-control"] == "no-store"
        return problem["reason"]


class Web:
    """A client of one address, with a connection of its own; it opens another where the server closed the last."""

    def __init__(self, address, token=None, authority=None, timeout=60):
        self.host, _, port = address.rpartition(":")
        self.port, self.timeout = int(port), timeout
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.context = ssl.create_default_context(cafile=authority) if authority else None
        self.connection = None

    def _connected(self):
        if self.connection is None:
            if self.context:
                self.connection = http.client.HTTPSConnection("localhost", self.port, timeout=self.timeout, context=self.context)
            else:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        return self.connection

    def ask(self, method, path, body=None, headers=None, **query):
        named = urlencode(query)
        path = f"{path}{'&' if '?' in path else '?'}{named}" if named else path
        for fresh in (False, True):
            connection = self._connected()
            try:
                connection.request(method, path, body=body, headers={**self.headers, **(headers or {})})
                answer = connection.getresponse()
                return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
            except (http.client.RemoteDisconnected, ConnectionError, http.client.CannotSendRequest, ssl.SSLEOFError):
                # One that was idle may be closed at any time.
                self.close()
                if fresh:
                    raise
        raise AssertionError("unreachable")

    def get(self, path, headers=None, **query):
        return self.ask("GET", path, headers=headers, **query)

    def ok(self, path, headers=None, **query):
        answer = self.get(path, headers, **query)
        assert answer.status == 200, answer
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def of(timeline, *parts):
    """A timeline's address, or one below it."""
    return "/".join(["/v1/timelines", timeline, *(quote(str(part), safe="") for part in parts)])


def raw(address, request):
    """All that the server answers to these bytes, until it closes."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def events(body):
    """[(name, data)] of an event stream (HTML, 9.2.6)."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found
