"""Types as a user's checkers see them, in their strict modes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

USER = Path(__file__).with_name("typed_user.py")
HEAD = ["import framecache", "client = framecache.Client()"]
WRONG = [
    'client.extract("t", "/a.mp4", fsp=2)', 'client.video("t").get_batch("x", layout="chw")',
    'client.frames("t", on_miss="never")', 'client.video("t")["x"]', 'client.put("t", [b"jpeg"])',
]


def run(folder, *words):
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder).stdout


def mypy(folder):
    said = run(folder, "mypy", "--strict", "--no-incremental", "--config-file", "/dev/null", "user.py", "wrong.py")
    assert "checked 2 source files" in said, said
    return [(file, int(line), text) for file, line, text in re.findall(r"^(.+?):(\d+): error: (.*)$", said, re.M)]


def basedpyright(folder):
    """It has pyright's rules, and brings its program in its wheel."""
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    said = json.loads(run(folder, "basedpyright", "--outputjson", "--pythonpath", sys.executable))
    assert said["summary"]["filesAnalyzed"] == 2
    return [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in said["generalDiagnostics"]
    ]


@pytest.fixture(scope="module", params=[mypy, basedpyright], ids=lambda checker: checker.__name__)
def found(request, tmp_path_factory):
    """(file, line, words) of what a checker finds in the user's module and in one of wrong calls."""
    pytest.importorskip(request.param.__name__)
    folder = tmp_path_factory.mktemp("typed")
    (folder / "user.py").write_text(USER.read_text())
    (folder / "wrong.py").write_text("\n".join([*HEAD, *WRONG, ""]))
    return request.param(folder)


def test_a_module_that_uses_everything_is_clean(found):
    assert [each for each in found if each[0] == "user.py"] == []


def test_every_wrong_call_is_an_error(found):
    lines = {line for file, line, _ in found if file == "wrong.py"}
    assert lines == set(range(len(HEAD) + 1, len(HEAD) + 1 + len(WRONG)))
