"""The real server over a fresh store, a scripted one, and a clip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import framecache

from .fake import FakeServer
from .stores import ROOT, Bucket, Folder, s3_server

BINARY = Path(os.environ.get("FRAMECACHE_BIN", ROOT / "target/release/framecache"))
#: Endpoint of a server that speaks S3 and takes any signature; "moto": one of our own; "none": tests leave S3 out.
S3 = os.environ.get("FRAMECACHE_TEST_S3", "moto")
#: How frames of new profiles lie in all tests: "packed", or as the server has it.
LAYOUT = os.environ.get("FRAMECACHE_TEST_LAYOUT")


def pytest_report_header():
    import google.protobuf
    import grpc

    where = Path(framecache.__file__).parent
    return [f"grpcio {grpc.__version__}, protobuf {google.protobuf.__version__}, client: {where}, server: {BINARY}"]


def pytest_configure():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there: run `cargo build --release` or set FRAMECACHE_BIN", returncode=2)


def pytest_collection_modifyitems(items):
    if LAYOUT == "packed":
        skip = pytest.mark.skip(reason="of frames that are an object each")
        for item in items:
            if item.get_closest_marker("loose"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No server of the surroundings, a store of the test's own, and the binary on PATH under its name."""
    for name in [name for name in os.environ if name.startswith("FRAMECACHE_") or name == "S3_BUCKET"]:
        monkeypatch.delenv(name)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "framecache").symlink_to(BINARY)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("FRAMECACHE_STORE", str(tmp_path / "store"))
    if LAYOUT:
        monkeypatch.setenv("FRAMECACHE_LAYOUT", LAYOUT)


@pytest.fixture(scope="session")
def s3_endpoint():
    if "://" in S3:
        yield S3
    else:
        with s3_server() as endpoint:
            if endpoint is None:
                pytest.skip("no S3 here: the repository's .venv is not there, see scripts/venv.sh")
            yield endpoint


@pytest.fixture(params=["folder"] if S3 == "none" else ["folder", "s3"])
def objects(request, tmp_path, monkeypatch):
    """An empty store of each kind, as other programs see it; servers that are started here keep theirs in it."""
    if request.param == "folder":
        store = Folder(tmp_path / "store")
    else:
        store = Bucket(request.getfixturevalue("s3_endpoint"))
    for name, value in {**store.environment, "FRAMECACHE_STORE": store.location}.items():
        monkeypatch.setenv(name, value)
    return store


def make_clip(path, source="testsrc2", seconds=4, size="320x240"):
    return encode(f"{source}=size={size}:rate=25:duration={seconds}", path)


def encode(source, path):
    """What a filter graph of ffmpeg shows, as a video with a cut point each 25 frames."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source]
    subprocess.run(command + ["-pix_fmt", "yuv420p", "-g", "25", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Four seconds, 100 frames of 320x240, a cut point each second."""
    return make_clip(tmp_path_factory.mktemp("media") / "clip.mp4")


@pytest.fixture
def client(clip):
    """Of a server of its own over an empty store, which may read the clip."""
    with framecache.Client(source_roots=str(clip.parent), timeout=60) as client:
        yield client


@pytest.fixture
def extracted(client, clip):
    """The client, with 8 frames of the clip under the timeline `clip`."""
    assert client.extract("clip", clip, fps=2).ok
    return client


@pytest.fixture
def fake():
    with FakeServer() as server:
        yield server


def run_script(path, *arguments, timeout=120):
    """Another Python, as a user would start it; returns what it printed."""
    done = subprocess.run(
        [sys.executable, str(path), *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def script(tmp_path):
    def run(text, *arguments, timeout=120):
        path = tmp_path / "script.py"
        path.write_text(text)
        return run_script(path, *arguments, timeout=timeout)

    return run


@pytest.fixture
def example_folder():
    return Path(__file__).resolve().parents[1] / "examples"
