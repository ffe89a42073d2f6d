"""Debian's Chromium, driven by Playwright, and axe-core in its pages. Nothing of either is downloaded by the tests."""

import os
import re
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import sync_playwright

from . import framecache as runner

CHROMIUM = os.environ.get("FRAMECACHE_CHROMIUM") or shutil.which("chromium")
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
#: A folder of scripts to be taken in place of those that were built in, for who works on them.
UNBUILT = os.environ.get("FRAMECACHE_VIEWER")
#: Where tests leave what they saw.
SHOTS = runner.ROOT / "target" / "viewer"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
# As root Chromium has no sandbox of its own; in containers /dev/shm is small.
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb", "--js-flags=--expose-gc"]


@contextmanager
def chromium():
    """The browser; a test without one is skipped, unless FRAMECACHE_CHROMIUM promises one."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium (scripts/install.sh test)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Seen:
    """A page, and what it asked, said and threw."""

    def __init__(self, page):
        self.page, self.asked, self.wrong = page, [], []
        page.set_default_timeout(60_000)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.wrong.append(f"thrown: {error}"))
        page.on("console", self._told)
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))

    def _told(self, message):
        # The tests look at canvases themselves.
        if message.type in ("error", "warning") and "readback" not in message.text:
            self.wrong.append(f"{message.text} ({message.location.get('url', '')})")

    def __getattr__(self, name):
        return getattr(self.page, name)

    def count(self, part):
        """Requests so far whose URL has that in it."""
        return sum(part in url for url in self.asked)

    def shot(self, name, **more):
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=path, **more)
        return path

    def violations(self):
        """[(rule, what, where)] of axe-core."""
        # By the debugger's way in: the page's own policy takes no other scripts.
        self.page.evaluate(AXE.read_text() + "; undefined")
        found = self.page.evaluate("() => axe.run({resultTypes: ['violations']})")
        return [(one["id"], one["help"], [(node["html"][:200], node.get("failureSummary", "")[:300]) for node in one["nodes"][:4]]) for one in found["violations"]]


@contextmanager
def looking(browser, allowed=(), **options):
    """A page of a fresh profile, which shows no error but those that have one of `allowed` in them."""
    options = {"viewport": WIDE, "reduced_motion": "reduce", "color_scheme": "light", **options}
    context = browser.new_context(**options)
    if UNBUILT:
        context.route(re.compile(r"/viewer/[\w.]+$"), lambda route: route.fulfill(path=Path(UNBUILT) / route.request.url.rpartition("/")[2]))
    try:
        seen = Seen(context.new_page())
        yield seen
        wrong = [each for each in seen.wrong if not any(part in each for part in allowed)]
        assert not wrong, wrong
    finally:
        # A request that a page left behind is nobody's: its answer would be read in the next test.
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")
        context.unroute_all(behavior="ignoreErrors")
        context.close()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
