"""A nats-server of the test's own, and as much of the NATS client protocol as asking JetStream takes."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
QUEUE = "framecache"
PRIORITIES = ("waiting", "normal")


class Nats:
    """JetStream over a folder, on a port of its own; it may be killed and started again."""

    def __init__(self, folder, host="127.0.0.1", options=(), context=None):
        """`options`: more of nats-server's flags; `context`: how this class speaks TLS where they ask for it."""
        self.folder, self.host, self.options, self.context = folder, host, [str(o) for o in options], context
        with socket.socket() as free:
            free.bind((host, 0))
            self.port = free.getsockname()[1]
        self.process = None

    @property
    def url(self):
        return f"nats://{self.host}:{self.port}"

    def start(self):
        program = shutil.which("nats-server", path=PATH)
        assert program, "nats-server is missing: scripts/install.sh test"
        words = [program, "-js", "-sd", str(self.folder), "-a", self.host, "-p", str(self.port), "-l", f"{self.folder}.log", *self.options]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while True:
            try:
                self.ask("$JS.API.INFO")
                return self
            except (OSError, AssertionError):
                assert time.monotonic() < end and self.process.poll() is None, "nats-server did not start"
                time.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def ask(self, subject, question=None):
        """JetStream's answer to a request."""
        with self.connected() as wire:
            payload, inbox = json.dumps(question).encode() if question is not None else b"", f"_INBOX.{uuid.uuid4().hex}"
            wire.write(b'CONNECT {"verbose":false,"pedantic":false,"no_responders":true,"headers":true}\r\n')
            wire.write(f"SUB {inbox} 1\r\nPUB {subject} {inbox} {len(payload)}\r\n".encode() + payload + b"\r\n")
            wire.flush()
            while True:
                line = wire.readline()
                assert line, "the connection was closed"
                if line.startswith(b"PING"):
                    wire.write(b"PONG\r\n")
                    wire.flush()
                elif line.startswith(b"MSG "):
                    return json.loads(wire.read(int(line.split()[-1])))
                else:
                    assert not line.startswith((b"-ERR", b"HMSG")), line

    @contextlib.contextmanager
    def connected(self):
        """A connection whose INFO was read; what follows is behind TLS where that is asked for."""
        with contextlib.ExitStack() as opened:
            connection = opened.enter_context(socket.create_connection((self.host, self.port), timeout=5))
            info = b""
            while not info.endswith(b"\n"):
                byte = connection.recv(1)
                assert byte, "the connection was closed"
                info += byte
            assert info.startswith(b"INFO ")
            if self.context:
                connection = opened.enter_context(self.context.wrap_socket(connection, server_hostname="localhost"))
            yield opened.enter_context(connection.makefile("rwb"))

    def orders(self):
        """The stream of orders as the server tells of it; none where it is not there."""
        return self.ask(f"$JS.API.STREAM.INFO.{QUEUE}").get("state")

    def make(self, ack_wait_secs=None, **stream):
        """Stream and consumers as an operator may make them before anybody else does."""
        subjects = [f"{QUEUE}.spans.{priority}" for priority in PRIORITIES]
        config = {"name": QUEUE, "subjects": subjects, "retention": "workqueue", "discard": "new", "storage": "file",
                  "num_replicas": 1, "duplicate_window": 120_000_000_000, **stream}
        answer = self.ask(f"$JS.API.STREAM.CREATE.{QUEUE}", config)
        assert "error" not in answer, answer
        for priority in PRIORITIES if ack_wait_secs else ():
            config = {"durable_name": priority, "filter_subject": f"{QUEUE}.spans.{priority}", "ack_policy": "explicit",
                      "deliver_policy": "all", "replay_policy": "instant", "max_deliver": -1, "max_ack_pending": 100_000,
                      "ack_wait": int(ack_wait_secs * 1e9)}
            question = {"stream_name": QUEUE, "config": config}
            answer = self.ask(f"$JS.API.CONSUMER.DURABLE.CREATE.{QUEUE}.{priority}", question)
            assert "error" not in answer, answer
        return self

    def delete(self):
        """The stream, with its files. One that a worker makes anew just then loses its own to the deletion, and takes no message
        any more (error 10077): it is deleted, too."""
        files = Path(self.folder) / "jetstream" / "$G" / "streams" / QUEUE
        while True:
            assert self.ask(f"$JS.API.STREAM.DELETE.{QUEUE}")["success"]
            if self.orders() is None or (files / "msgs").exists():
                return


@contextlib.contextmanager
def running(folder, **more):
    server = Nats(folder, **more).start()
    try:
        yield server
    finally:
        server.stop()
