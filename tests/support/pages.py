"""Runs the commands of a page of docs/ as a reader would, and compares what they print with the page.

    ```console                        commands after `$ ` (continued after a backslash), and what they print
    ```console title="…"              one command that goes on: a server in another terminal
    ```pycon                          a session of Python's; doctest's `...` stands for what varies
    ```yaml title="alerts.yaml"       a file of that name

In what is printed `…` stands for what varies within a line, and alone on a line for any lines. A command ends with 0,
or the page shows with `$ echo $?` how. All blocks of a page share a shell, a folder and the servers.
"""

import re
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from . import framecache as runner

FENCE = re.compile(r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]*)\")?\n(?P<text>.*?)^```$", re.M | re.S)
#: Of all that a page does.
SECONDS = 300
END = "--- the command ended with"


@dataclass
class Block:
    language: str
    title: str
    text: str


def blocks(page):
    found = FENCE.finditer(Path(page).read_text())
    return [Block(each["language"], each["title"] or "", each["text"]) for each in found]


def commands(text):
    """[(command, what it prints)] of a console block."""
    found = []
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, said = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", part, re.S).groups()
        found.append((command, said))
    return found


def pattern(said):
    """A regular expression of what a page says is printed."""
    lines = []
    for line in said.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(map(re.escape, line.split("…"))) + "\n")
    return "".join(lines)


class Reader:
    """Somebody who works through a page. ports: {those of the page: those that are free here}; and further variables."""

    def __init__(self, folder, ports=(), **variables):
        self._folder = Path(folder)
        self._ports = dict(ports)
        self._running = ExitStack()
        self._environment = runner.clean_environment(
            PATH=f"{Path(sys.executable).parent}:{self._commands()}:{runner.clean_environment()['PATH']}",
            PYTHONPATH=str(runner.ROOT / "clients" / "python" / "src"),
            **variables,
        )

    def __enter__(self):
        self._shell = self._start(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        watch = threading.Timer(SECONDS, self._shell.kill)
        watch.start()
        self._running.callback(watch.cancel)
        return self

    def __exit__(self, *_):
        self._running.close()

    def follow(self, page):
        """Does all that the page says, in order. Returns how many commands that was."""
        count = 0
        steps = blocks(page)
        while steps:
            block = steps.pop(0)
            if block.language == "console" and block.title:
                count += self._serve(block.text)
            elif block.language == "console":
                count += self._console(block.text)
            elif block.language == "pycon":
                # Blocks with only words between them are one session.
                while steps and steps[0].language == "pycon":
                    block.text += "\n" + steps.pop(0).text
                count += self._python(block.text)
            elif block.title:
                (self._folder / block.title).write_text(block.text)
        return count

    def _console(self, text):
        steps = commands(text)
        for place, (command, said) in enumerate(steps):
            shown, status = self.run(command)
            assert re.fullmatch(pattern(said), shown), f"$ {command}\nthe page:\n{said}\nhere:\n{shown}"
            after = steps[place + 1][0] if place + 1 < len(steps) else ""
            assert status == 0 or after == "echo $?", f"$ {command}\nended with {status}:\n{shown}"
        return len(steps)

    def run(self, command):
        """What it prints, and how it ends."""
        shell = self._shell
        shell.stdin.write(f"{{ {self._with_ports(command)}\n}} < /dev/null\n")
        # So that the next command, too, finds it in $?.
        shell.stdin.write(f"ended=$?; echo '{END}' $ended; (exit $ended)\n")
        shell.stdin.flush()
        shown = ""
        for line in shell.stdout:
            head, ended, status = line.partition(END)
            shown += head
            if ended:
                return self._with_the_pages_ports(shown), int(status)
        raise AssertionError(f"the shell ended, or took over {SECONDS} s: $ {command}\n{shown}")

    def _python(self, text):
        session = self._folder / ".session"
        session.write_text(self._with_ports(text))
        shown, status = self.run("python -m doctest -o ELLIPSIS .session")
        assert status == 0, shown
        return text.count(">>> ")

    def _serve(self, text):
        ((command, said),) = commands(text)
        log = self._folder / ".log"
        with open(log, "w") as out:
            process = self._start(["bash", "-c", f"exec {self._with_ports(command)}"], stdout=out)
        end = time.monotonic() + 60
        while not re.match(pattern(said), self._with_the_pages_ports(log.read_text())):
            assert process.poll() is None and time.monotonic() < end, f"$ {command}\n{log.read_text()}"
            time.sleep(0.02)
        return 1

    def _start(self, words, **more):
        process = subprocess.Popen(
            words, cwd=self._folder, env=self._environment, text=True, stderr=subprocess.STDOUT,
            **{"stdin": subprocess.DEVNULL, **more},
        )  # fmt: skip
        self._running.callback(self._end, process)
        return process

    @staticmethod
    def _end(process):
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()

    def _commands(self):
        """A folder with the program under its name."""
        folder = self._folder.parent / f"{self._folder.name}.bin"
        folder.mkdir()
        (folder / "framecache").symlink_to(runner.BINARY)
        return folder

    def _with_ports(self, text):
        for shown, free in self._ports.items():
            text = text.replace(f":{shown}", f":{free}")
        return text

    def _with_the_pages_ports(self, text):
        for shown, free in self._ports.items():
            text = text.replace(f":{free}", f":{shown}")
        return text
