"""A server that answers as a test says: for what a real one does not do on demand."""

import subprocess
import sys
import time
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from framecache.v1 import (
    frame_service_pb2,
    frame_service_pb2_grpc,
    media_service_pb2_grpc,
    overlay_service_pb2_grpc,
)

SERVICERS = {
    frame_service_pb2_grpc: "FrameService",
    media_service_pb2_grpc: "MediaService",
    overlay_service_pb2_grpc: "OverlayService",
}


class FakeServer:
    """`answers[method]` is a function of (request, context); `calls` counts them by method."""

    def __init__(self):
        self.answers = {}
        self.calls = {}
        self.metadata = []
        self._server = grpc.server(futures.ThreadPoolExecutor(16))
        for module, name in SERVICERS.items():
            getattr(module, f"add_{name}Servicer_to_server")(self._servicer(module, name), self._server)
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(0).wait(5)

    def _servicer(self, module, name):
        base = getattr(module, f"{name}Servicer")
        methods = [method for method in vars(base) if not method.startswith("_")]
        return type(name, (base,), {method: self._handler(method) for method in methods})()

    def _handler(self, method):
        def handle(_, request, context):
            self.calls[method] = self.calls.get(method, 0) + 1
            self.metadata.append(dict(context.invocation_metadata()))
            return self.answers[method](request, context)

        return handle


def status(code, message="", reason=None, hint=None, fields=(), retry_after=None):
    """A google.rpc.Status with the details that framecache gives."""
    details = []
    if reason:
        metadata = {"hint": hint} if hint else {}
        details.append(error_details_pb2.ErrorInfo(reason=reason, domain="framecache", metadata=metadata))
    if fields:
        violation = error_details_pb2.BadRequest.FieldViolation
        details.append(error_details_pb2.BadRequest(field_violations=[violation(field=field) for field in fields]))
    if retry_after is not None:
        delay = duration_pb2.Duration(nanos=int(retry_after * 1e9) % 10**9, seconds=int(retry_after))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    result = status_pb2.Status(code=code_pb2.Code.Value(code), message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        result.details.append(packed)
    return result


def fail(context, *args, **named):
    """Ends a call with a status and its details."""
    result = status(*args, **named)
    context.set_trailing_metadata((("grpc-status-details-bin", result.SerializeToString()),))
    code = next(code for code in grpc.StatusCode if code.value[0] == result.code)
    context.abort(code, result.message)


def frame(index, data=b"jpeg", **named):
    """A message of GetFrames with a whole frame."""
    v1 = frame_service_pb2
    named = {"total": len(data), "last": True, **named}
    item = v1.FrameItem(index=index, sequence=index, data=v1.FrameData(jpeg=data, **named))
    return v1.GetFramesResponse(frame=item)


@contextmanager
def stalling_server():
    """Another process with a server that answers about the timeline `quick`, and of any other never ends."""
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen([sys.executable, "-m", "tests.fake"], cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def _stall():
    v1 = frame_service_pb2

    def timeline(request, context):
        while request.timeline != "quick" and context.is_active():
            time.sleep(0.05)
        return v1.GetTimelineResponse(state=v1.PROFILE_STATE_ABSENT)

    def frames(request, context):
        yield frame(0)
        index = 1
        while context.is_active():
            if request.timeline == "busy":
                yield frame(index, bytes(100_000))
                index += 1
            else:
                time.sleep(0.05)

    with FakeServer() as server:
        server.answers.update(GetTimeline=timeline, GetFrames=frames)
        print(server.target, flush=True)
        time.sleep(600)


if __name__ == "__main__":
    _stall()
