"""The committed message classes are those of proto/."""

import subprocess
from pathlib import Path

import pytest

import framecache

from .conftest import ROOT

HERE = ROOT / "clients/python"


def test_the_message_classes_are_up_to_date(tmp_path):
    made = subprocess.run([HERE / "generate.sh", tmp_path], capture_output=True, text=True)
    if made.returncode == 3:
        pytest.skip(made.stderr)
    assert made.returncode == 0, made.stderr
    committed = HERE / "src/framecache/v1"
    names = {path.name for path in (tmp_path / "framecache/v1").iterdir()}
    assert names == {path.name for path in committed.glob("*_pb2*")}
    for name in names:
        fresh = (tmp_path / "framecache/v1" / name).read_text()
        assert (committed / name).read_text() == fresh, f"run clients/python/generate.sh: {name}"


def test_the_package_is_typed_and_complete():
    folder = Path(framecache.__file__).parent
    assert (folder / "py.typed").exists() and (folder / "v1/frames_pb2.pyi").exists()
    assert all(hasattr(framecache, name) for name in framecache.__all__)
