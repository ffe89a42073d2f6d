"""HTTP/2 frames by hand (RFC 9113), for clients that no library would be."""

import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
CANCEL = 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header as a literal that is not indexed (RFC 7541, 6.2.2), both parts below 127 bytes."""
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def call(stream, method, message=None):
    """The frames that begin a call; with its only message if there is one."""
    fields = {":method": "POST", ":scheme": "http", ":path": f"/framecache.v1.{method}", ":authority": "localhost"}
    fields |= {"content-type": "application/grpc", "te": "trailers"}
    head = frame(HEADERS, END_HEADERS, stream, b"".join(literal(n, v) for n, v in fields.items()))
    if message is None:
        return head
    body = b"\0" + struct.pack(">I", len(message)) + message
    return head + frame(DATA, END_STREAM, stream, body)


def reset(stream):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))


def ping():
    return frame(PING, 0, 0, b"are you?")


class Connection:
    """One that says what it is told to, and takes what it wants to."""

    def __init__(self, target, receive_bytes=None, timeout_secs=30):
        host, port = target.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_bytes:
            # What the kernel takes for us is taken from the server's view.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout_secs)
        self.socket.connect((host, int(port)))
        self.socket.sendall(PREFACE + frame(SETTINGS))

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def frames(self):
        """(kind, flags, stream, payload) until the server closes."""
        while head := self._exactly(9):
            payload = self._exactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK))
            yield kind, flags, stream, payload

    def take(self, count):
        """Tells the server that so many bytes of all streams may come."""
        self.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", count)))

    def _exactly(self, count):
        got = b""
        while len(got) < count:
            try:
                more = self.socket.recv(count - len(got))
            except OSError:
                return b""
            if not more:
                return b""
            got += more
        return got

    def close(self):
        self.socket.close()
