"""Python's arguments become the contract's messages, or a named error."""

import io
import subprocess
from decimal import Decimal
from fractions import Fraction
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import framecache
from framecache import _requests
from framecache.v1 import frame_service_pb2 as v1

from .conftest import BINARY, ROOT


@pytest.mark.parametrize(
    "value, text",
    [
        ("30000/1001", "30000/1001"),
        (5, "5"),
        (np.int64(5), "5"),
        (Fraction(30000, 1001), "30000/1001"),
        (Decimal("29.970"), "29.970"),
        (Decimal("1E-7"), "0.0000001"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (np.float64(2.5), "2.5"),
        (-0.5, "-0.5"),
    ],
)
def test_a_time_is_sent_as_it_was_written(value, text):
    assert _requests.exact(value, "t") == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), True, None, [1]])
def test_what_is_no_time_is_refused_with_its_name(value):
    with pytest.raises(framecache.Invalid) as caught:
        _requests.exact(value, "window.from")
    assert caught.value.field == "window.from"


def extract(**options):
    return _requests.extract("t", ["/a.mp4"], False, options)


def test_every_option_of_an_extraction_arrives():
    request = extract(
        fps=Fraction(1, 3), window=(1, None), profile="small", quality=70, hashes=["dhash", "average_hash"],
        colour="bt709", max_side=640, dedup=4, layout="packed", backend="cpu", replace=True, overlays="delete",
        only=[0, "x"], shard=(0, 4), skip_bad=True, retry_failed=True, plan_only=True,
    )
    assert request.sampling.fps == "1/3"
    assert getattr(request.window, "from") == "1" and not request.window.HasField("to")
    assert (request.profile, request.jpeg.quality, request.colour) == ("small", 70, "bt709")
    assert list(request.hashes) == [2, 3] and not request.no_hashes
    assert (request.max_side, request.dedup, request.frame_layout, request.backend) == (640, 4, 2, 2)
    assert request.replace.overlays == v1.Replace.OVERLAYS_DELETE
    assert list(request.only_chunk_ids) == ["0", "x"]
    assert (request.shard.index, request.shard.count) == (0, 4)
    assert request.skip_bad and request.retry_failed and request.plan_only


def test_what_was_not_said_is_absent():
    request = extract()
    assert [field.name for field, _ in request.ListFields()] == ["timeline", "chunks"]


def test_no_hashes_are_an_empty_list():
    assert extract(hashes=[]).no_hashes


@pytest.mark.parametrize(
    "options, field",
    [
        ({"fps": 2, "every": 3}, "sampling"),
        ({"overlays": "keep"}, "overlays"),
        ({"backend": "tpu"}, "backend"),
        ({"hashes": ["md5"]}, "hashes"),
        ({"every": -1}, "every"),
        ({"max_side": 2**40}, "max_side"),
        ({"window": 3}, "window"),
        ({"quality": "high"}, "quality"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_sent(options, field):
    with pytest.raises(framecache.Invalid) as caught:
        extract(**options)
    assert (caught.value.reason, caught.value.field) == ("FIELD_INVALID", field)


def test_an_unknown_option_is_a_type_error():
    with pytest.raises(TypeError, match="framerate"):
        extract(framerate=3)


def test_sources_are_paths_mappings_or_chunks():
    chunk = framecache.Chunk("s3://b/x.mp4", chunk_id="7", source_start=0.5, source_end="3/2", start=10, stream=1)
    found = _requests.chunks([Path("/a.mp4"), {"uri": "/b.mp4", "init_uri": "/b.init"}, chunk], False)
    assert [chunk.uri for chunk in found] == ["/a.mp4", "/b.mp4", "s3://b/x.mp4"]
    assert found[1].init_uri == "/b.init"
    last = found[2]
    assert (last.chunk_id, last.source_start, last.source_end, last.start, last.stream) == ("7", "0.5", "3/2", "10", 1)
    assert not found[0].HasField("stream") and not found[0].HasField("start")


def test_relative_paths_are_made_absolute_only_for_a_server_of_ones_own(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert _requests.chunks("a.mp4", True)[0].uri == str(tmp_path / "a.mp4")
    assert _requests.chunks("s3://b/a.mp4", True)[0].uri == "s3://b/a.mp4"
    for source in ("a.mp4", Path("b/a.mp4"), {"uri": "/a.mp4", "init_uri": "a.init"}):
        with pytest.raises(framecache.Invalid, match="relative") as caught:
            _requests.chunks(source, False)
        assert caught.value.field == "sources" and "s3://" in caught.value.hint


def test_a_selection_defaults_to_all_and_an_empty_list_asks_nothing():
    assert _requests.frames("t", {}).selection.all
    assert _requests.frames("t", {"sequences": []}) is None
    assert _requests.tensors("t", {"times": []}) is None
    request = _requests.frames("t", {"sequences": np.array([3, 3, 1]), "payload": "base64", "on_miss": "fail"})
    assert list(request.selection.sequences) == [3, 3, 1]
    assert (request.payload, request.on_miss) == (v1.PAYLOAD_BASE64, 3)


@pytest.mark.parametrize("options", [{"sequences": [-1]}, {"sequences": [1.5]}, {"all": True, "range": (0, 1)}])
def test_a_wrong_selection_is_refused(options):
    with pytest.raises(framecache.Invalid):
        _requests.frames("t", options)


def test_every_option_of_tensors_arrives():
    request = _requests.tensors("t", {
        "sampling": {"every": 5, "window": ("0", "2")}, "datatype": "fp16", "layout": "nchw", "channels": "bgr",
        "width": 64, "height": 32, "fit": "letterbox", "filter": "bicubic", "pad_value": 0,
        "normalize": {"scale": 1 / 255, "mean": [1, 2, 3], "std": 4}, "origin": "source", "batch": 4,
    })
    assert request.sampling.every == 5 and request.window.to == "2" and not request.HasField("selection")
    assert (request.datatype, request.layout, request.channels) == (2, 2, 2)
    assert (request.width, request.height, request.fit, request.filter) == (64, 32, 2, 2)
    assert request.HasField("pad_value") and request.pad_value == 0
    normal = request.normalize
    assert (normal.scale, list(normal.mean), list(normal.std)) == (1 / 255, [1, 2, 3], [4])
    assert (request.origin, request.batch) == (2, 4)


@pytest.mark.parametrize(
    "target", ["nowhere", "ftp://a:1", "https://", "https://a/path", "unix:"],
)
def test_what_is_no_address_is_refused(target):
    with pytest.raises(framecache.Invalid) as caught:
        framecache.Client(target)
    assert caught.value.field == "target"


def test_a_store_is_only_for_a_server_of_ones_own():
    with pytest.raises(framecache.Invalid, match="one's own"):
        framecache.Client("127.0.0.1:1", store="x")


def test_a_token_is_not_printed():
    assert "secret" not in repr(framecache.Client("127.0.0.1:1", token="secret"))
    assert "secret" not in repr(framecache.Client("127.0.0.1:1", token="secret")._settings)


@pytest.mark.parametrize("source, hint", [
    (b"\0\0\0\x18ftyp", "write it to a file"),
    (io.BytesIO(b"\0\0\0\x18ftyp"), "write it to a file"),
    (open(__file__, "rb"), "test_arguments.py"),
    (7, "write it to a file"),
])
@pytest.mark.parametrize("listed", [False, True])
def test_what_is_no_source_is_told_what_is(source, hint, listed):
    if source == 7 and not listed:
        pytest.skip("no list, either")
    with pytest.raises(framecache.Invalid, match="path or a uri") as caught:
        _requests.chunks([source] if listed else source, True)
    assert hint in caught.value.hint


def test_an_unknown_word_about_a_chunk_is_named():
    with pytest.raises(framecache.Invalid, match="strat"):
        _requests.chunks({"uri": "/a.mp4", "strat": 3}, False)


@pytest.mark.parametrize("value, word", [
    (np.float32, "fp32"), (np.dtype("float16"), "fp16"), ("float32", "fp32"), (np.uint8, "uint8"), ("fp16", "fp16"),
    ("torch.float16", "fp16"),
])
def test_arrays_datatypes_have_their_customary_names(value, word):
    class Torchs:
        def __repr__(self):
            return value

    given = Torchs() if isinstance(value, str) and value.startswith("torch.") else value
    assert _requests.arrays({"datatype": given})["datatype"] == word


def test_imagenets_normalisation_follows_the_channels():
    rgb = _requests.arrays({"normalize": "imagenet"})["normalize"]
    bgr = _requests.arrays({"normalize": "imagenet", "channels": "bgr"})["normalize"]
    assert rgb["scale"] == 1 / 255 and rgb["mean"] == bgr["mean"][::-1] == [0.485, 0.456, 0.406]
    assert rgb["std"] == bgr["std"][::-1] == [0.229, 0.224, 0.225]


@pytest.mark.parametrize("options, field", [
    ({"normalize": "imagenet", "channels": "gray"}, "normalize"), ({"normalize": "other"}, "normalize"),
    ({"normalize": {"men": 1}}, "normalize"), ({"datatype": np.int64}, "datatype"), ({"datatype": 7}, "datatype"),
])
@pytest.mark.parametrize("transfer", ["raw", "jpeg"])
def test_a_wrong_array_is_refused_before_anything_is_sent(options, field, transfer):
    with pytest.raises(framecache.Invalid) as caught:
        list(framecache.Client("127.0.0.1:1").tensors("t", transfer=transfer, **options))
    assert caught.value.field == field


@pytest.mark.parametrize("extra", ["pillow", "fast", "tqdm", "arrow", "torch"])
def test_every_extra_that_is_named_is_there(extra):
    assert extra in metadata.metadata("framecache").get_all("Provides-Extra")
    needed = [need for need in metadata.requires("framecache") if f'extra == "{extra}"' in need.replace("'", '"')]
    assert needed


def test_the_package_the_program_and_the_changes_have_one_version():
    version = framecache.__version__
    assert metadata.version("framecache") == version
    said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.split()[:2] == ["framecache", version]
    assert f'\nversion = "{version}"\n' in (ROOT / "Cargo.toml").read_text()
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text()
