"""Types as a user's checker sees them."""

import subprocess
import sys
from pathlib import Path

import pytest

USER = Path(__file__).with_name("typed_user.py")


def check(tmp_path, text):
    module = tmp_path / "user.py"
    module.write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", "/dev/null", str(module)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)


def test_a_module_that_uses_everything_is_clean_under_mypys_strict(tmp_path):
    pytest.importorskip("mypy")
    done = check(tmp_path, USER.read_text())
    assert done.returncode == 0, done.stdout + done.stderr


WRONG = [
    'client.extract("t", "/a.mp4", fsp=2)', 'client.video("t").get_batch("x", layout="chw")',
    'client.frames("t", on_miss="never")', 'client.video("t")["x"]', 'client.put("t", [b"jpeg"])',
]


def test_wrong_calls_are_errors_for_mypy(tmp_path):
    pytest.importorskip("mypy")
    done = check(tmp_path, "\n".join(["import framecache", "client = framecache.Client()", *WRONG, ""]))
    for line, call in enumerate(WRONG, 3):
        assert f"user.py:{line}: error" in done.stdout, call
