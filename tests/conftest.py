"""What every suite needs: the binary, fresh stores, clips, an S3 server, the media folder."""

import functools
import os
import subprocess
import sys
import uuid
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.media import make  # noqa: E402
from tests.support import framecache as runner  # noqa: E402
from tests.support import rpc  # noqa: E402
from tests.support.neighbours import greedy, planned, silent, started  # noqa: E402, F401  (fixtures)
from tests.support.oracle import Truth  # noqa: E402


def media_folder():
    """The folder of clips with ground truth, or None."""
    candidates = [os.environ["FRAMECACHE_MEDIA"]] if "FRAMECACHE_MEDIA" in os.environ else [runner.ROOT.parent / "shared" / "media"]
    return next((Path(c) for c in candidates if (Path(c) / "gt").is_dir()), None)


MEDIA = media_folder()
LONG_FRAMES = 1000
# Which stand-in a card is; on `hybrid` the parser is NVIDIA's own (scripts/nvcuvid.sh).
CARD = os.environ.get("FRAMECACHE_TEST_CARD", "whole")
NVCUVID = {name: path for name, path in os.environ.items() if name == "FRAMECACHE_NVCUVID"}
NO_MEDIA = "no media folder with ground truth (FRAMECACHE_MEDIA, or shared/media beside the repository)"


def pytest_report_header():
    lines = [f"binary: {runner.BINARY}"]
    lines.append(f"media: {MEDIA}" if MEDIA else f"media: ground-truth suites are skipped, {NO_MEDIA}")
    return lines


def pytest_configure():
    if not runner.BINARY.exists():
        pytest.exit(f"{runner.BINARY} is not there: run `cargo build --release` or set FRAMECACHE_BIN", returncode=2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """`some(n)`: of a test's cases one in n with every change, all of them in the slow suite."""
    seen = Counter()
    for item in items:
        if mark := item.get_closest_marker("some"):
            if seen[item.function] % mark.args[0]:
                item.add_marker(pytest.mark.slow)
            seen[item.function] += 1
    if runner.LAYOUT == "packed":
        skip = pytest.mark.skip(reason="of frames that are an object each")
        for item in items:
            if item.get_closest_marker("loose"):
                item.add_marker(skip)


def pytest_generate_tests(metafunc):
    """`ordinary_clip`: every generated clip; `video_file`, `segment_file`, `corrupt_file`: files of the media folder."""
    if "ordinary_clip" in metafunc.fixturenames:
        metafunc.parametrize("ordinary_clip", make.ORDINARY, indirect=True)
    for name, folder in {"video_file": "videos", "segment_file": "segments", "corrupt_file": "corrupt"}.items():
        if name in metafunc.fixturenames:
            files = [media_file(f) for f in Truth(MEDIA).files(folder)] if MEDIA else []
            skip = pytest.param("none", marks=pytest.mark.skip(reason=NO_MEDIA))
            metafunc.parametrize(name, files or [skip])


@functools.cache
def media_file(relative):
    """A parameter; minutes of footage are slow: one such file takes a tenth of the whole suite's time."""
    long = len(Truth(MEDIA).framemd5(relative)) > LONG_FRAMES
    return pytest.param(relative, marks=[pytest.mark.slow] if long else [])


def make_clip(name):
    try:
        return make.clip(name)
    except make.CannotMake as why:
        pytest.skip(f"this ffmpeg cannot make {name}: {why}")


@pytest.fixture
def ordinary_clip(request):
    return make_clip(request.param)


@pytest.fixture
def clip():
    return make_clip


@pytest.fixture
def fc(tmp_path):
    """framecache over a fresh directory store."""
    return runner.Framecache(tmp_path / "store")


@pytest.fixture(scope="session")
def standins():
    """The folder of the stand-ins for NVIDIA's libraries, built."""
    subprocess.run(["bash", runner.ROOT / "tests" / "standin" / "build.sh"], check=True, timeout=300)
    return runner.ROOT / "target" / "standin"


@pytest.fixture
def on_card(tmp_path, standins):
    """Makes framecache on a machine with a GPU, stood in for, over a fresh directory store."""

    def make(does="any_size", libraries=CARD, name=None):
        environment = {"LD_LIBRARY_PATH": str(standins / libraries), "FRAMECACHE_STANDIN": does, **NVCUVID}
        return runner.Framecache(tmp_path / (name or uuid.uuid4().hex), environment=environment)

    return make


@pytest.fixture
def new_store(tmp_path):
    """Makes framecache over further fresh directory stores."""
    return lambda name=None: runner.Framecache(tmp_path / (name or uuid.uuid4().hex))


@pytest.fixture(scope="session")
def s3_endpoint():
    """A server that speaks S3: the one at FRAMECACHE_TEST_S3, or one of our own of that name (moto, seaweedfs)."""
    given = os.environ.get("FRAMECACHE_TEST_S3", "moto")
    if "://" in given:
        yield given
        return
    from tests.support.s3_server import running

    os.environ.update(runner.S3_KEYS)
    with running(given) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def s3(s3_endpoint):
    keys = runner.S3_KEYS
    return boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name=keys["AWS_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def bucket(s3):
    """A fresh bucket."""
    name = f"test-{uuid.uuid4().hex[:16]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def s3_fc(s3_endpoint, bucket):
    """framecache over a fresh bucket."""
    return runner.Framecache(f"s3://{bucket}", options=["--endpoint", s3_endpoint])


@pytest.fixture(scope="session")
def media():
    if MEDIA is None:
        pytest.skip(NO_MEDIA)
    return MEDIA


@pytest.fixture(scope="session")
def truth(media):
    return Truth(media)


@pytest.fixture(scope="session")
def v1():
    """Messages, enums and stubs of framecache.v1."""
    return rpc.load()


@pytest.fixture
def serve(tmp_path):
    """Starts servers, over a fresh directory store unless told another, whose sources lie in `tmp_path`."""
    with ExitStack() as running:

        def start(*options, store=None, cwd=tmp_path, **more):
            return running.enter_context(rpc.start_server(store or tmp_path / "store", *options, cwd=cwd, **more))

        yield start
