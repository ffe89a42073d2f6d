"""Runs `framecache serve` and speaks to it with the pure Python gRPC stack.

    with start_server(store) as server, server.channel() as channel:
        answer = v1.FrameServiceStub(channel).ListFrames(v1.ListFramesRequest(timeline="t"))

`v1` holds every message, enum and stub of framecache.v1; `load()` makes it from proto/ once a process.
"""

import functools
import importlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import grpc
from google.protobuf import duration_pb2  # noqa: F401  (error details need it in the pool)
from google.rpc import error_details_pb2, status_pb2

from . import framecache as runner

PROTO = runner.ROOT / "proto"
SERVING = "framecache: serving on "
METRICS = "framecache: metrics on "
HTTP = "framecache: http on "


@functools.cache
def load():
    """Messages, enums and stubs of framecache.v1, generated from proto/ into a temporary folder."""
    import google.rpc
    import grpc_tools
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as out:
        files = sorted(str(p.relative_to(PROTO)) for p in PROTO.rglob("*.proto"))
        common = Path(next(iter(google.rpc.__path__))).parents[1]
        includes = [PROTO, Path(grpc_tools.__file__).parent / "_proto", common]
        words = ["protoc", *(f"-I{i}" for i in includes), f"--python_out={out}", f"--grpc_python_out={out}", *files]
        assert protoc.main(words) == 0, "protoc failed"
        return _import(out, files)


def _import(folder, files):
    # A client library of the same name may be imported beside these.
    mine = lambda: [name for name in sys.modules if name == "framecache" or name.startswith("framecache.")]
    others = {name: sys.modules.pop(name) for name in mine()}
    sys.path.insert(0, folder)
    try:
        names = {}
        for file in files:
            base = file.removesuffix(".proto").replace("/", ".")
            for module in (importlib.import_module(base + "_pb2"), importlib.import_module(base + "_pb2_grpc")):
                names.update({k: v for k, v in vars(module).items() if not k.startswith("_")})
    finally:
        sys.path.remove(folder)
        for name in mine():
            del sys.modules[name]
        sys.modules.update(others)
    return SimpleNamespace(**names)


@dataclass
class Server:
    """A running `framecache serve`."""

    process: subprocess.Popen
    target: str = ""
    side: str = ""
    http: str = ""
    lines: list = field(default_factory=list)
    _ready: threading.Event = field(default_factory=threading.Event)
    _reader: threading.Thread = None

    def __post_init__(self):
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        # One that listens has said where; the pipe must never fill up.
        for line in self.process.stderr:
            line = line.decode(errors="replace").rstrip("\n")
            self.lines.append(line)
            if line.startswith(METRICS):
                self.side = line.removeprefix(METRICS)
            if line.startswith(HTTP):
                self.http = line.removeprefix(HTTP)
            if line.startswith(SERVING):
                self.target = line.removeprefix(SERVING)
                self._ready.set()
        self._ready.set()

    def wait_until_it_listens(self, timeout=30):
        assert self._ready.wait(timeout) and self.target, f"the server did not start:\n{self.log}"
        return self

    def wait_until_it_is_ready(self, timeout=30):
        """Its start-up checks, which write to the store and delete it again, are done."""
        last = time.monotonic() + timeout
        while self.get("/readyz")[0] != 200:
            assert time.monotonic() < last, f"the server is not ready:\n{self.log}"
            time.sleep(0.02)
        return self

    @property
    def log(self):
        return "\n".join(self.lines)

    def channel(self, credentials=None, **options):
        """A channel without TLS, unless credentials are given; options as grpc.<name>."""
        # Over a socket grpcio calls the server by its percent-encoded path, which HTTP/2 libraries in Rust reject.
        named = {"default_authority": "localhost"} if self.target.startswith("unix:") else {}
        options = {"enable_http_proxy": 0, **named, **options}
        arguments = [(f"grpc.{k}", v) for k, v in options.items()]
        if credentials is not None:
            return grpc.secure_channel(self.target, credentials, options=arguments)
        return grpc.insecure_channel(self.target, options=arguments)

    def get(self, path, timeout=10):
        """(HTTP status, body) of the side port."""
        try:
            with urllib.request.urlopen(f"http://{self.side}{path}", timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def metric(self, name, **labels):
        """The sum of the samples of /metrics that have these labels; 0.0 where there is none."""
        found = 0.0
        for line in self.get("/metrics")[1].splitlines():
            sample, _, value = line.rpartition(" ")
            of, _, rest = sample.partition("{")
            if of == name and all(f'{k}="{v}"' in rest for k, v in labels.items()):
                found += float(value)
        return found

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout=60):
        """Its exit status."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code

    def stop(self):
        if self.process.poll() is None:
            self.terminate()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError(f"the server did not end:\n{self.log}") from None


def launch(store, *options, environment=None, cwd=None, under=()):
    """A server that was started, and may not listen yet. Its folder is where default sources lie."""
    words = [*under, runner.BINARY, "serve", "--store", store, *options]
    if "--listen" not in options:
        words += ["--listen", "127.0.0.1:0"]
    if "--metrics" not in options:
        words += ["--metrics", "127.0.0.1:0"]
    process = subprocess.Popen(
        [str(w) for w in words],
        env=runner.clean_environment(**(environment or {})),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    return Server(process)


@contextmanager
def start_server(store, *options, **more):
    """A server that listens, on a free port unless `--listen` is among the options; ended with SIGTERM."""
    server = launch(store, *options, **more)
    try:
        yield server.wait_until_it_listens()
    finally:
        server.stop()


def rich_status(error):
    """The google.rpc.Status of a grpc.RpcError."""
    for key, value in (*(error.trailing_metadata() or ()), *(error.initial_metadata() or ())):
        if key == "grpc-status-details-bin":
            return status_pb2.Status.FromString(value)
    return status_pb2.Status(code=error.code().value[0], message=error.details() or "")


def details(status):
    """{name: detail} of a google.rpc.Status: ErrorInfo, BadRequest, RetryInfo."""
    known = {}
    for packed in status.details:
        name = packed.type_url.rpartition(".")[2]
        message = getattr(error_details_pb2, name)()
        assert packed.Unpack(message)
        known[name] = message
    return known


@dataclass
class Refusal:
    """How a call failed, as a client reads it."""

    code: grpc.StatusCode
    message: str
    reason: str
    fields: list
    retry_secs: float | None


def refusal(error):
    """What a grpc.RpcError says; every error of ours has an ErrorInfo."""
    status = rich_status(error)
    found = details(status)
    info, retry = found.get("ErrorInfo"), found.get("RetryInfo")
    if info is not None:
        assert info.domain == "framecache"
    return Refusal(
        code=error.code(),
        message=error.details(),
        reason=info.reason if info else "",
        fields=[v.field for v in found["BadRequest"].field_violations] if "BadRequest" in found else [],
        retry_secs=retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9 if retry else None,
    )


@contextmanager
def refused(code, reason):
    """Asserts that the call inside ends so; gives a list that holds the Refusal afterwards."""
    seen = []
    try:
        yield seen
    except grpc.RpcError as error:
        seen.append(refusal(error))
        assert (seen[0].code, seen[0].reason) == (code, reason), error
    else:
        raise AssertionError(f"nothing was refused, {code} {reason} was expected")
