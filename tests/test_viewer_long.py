"""A timeline of 100,000 frames in the viewer: scrolled from end to end, with what is asked and what is held; and how soon it shows."""

import json
import statistics
import time

import pytest

from .media import make
from .support import rpc
from .support.browser import SHOTS, chromium, looking
from .support.framecache import Framecache
from .test_viewer import LARGE

FRAMES = 100_000
SECONDS = FRAMES // 10
#: Of Chromium's script heap, beyond what the first screen takes.
MOST_MIB = 24


@pytest.fixture(scope="module")
def long():
    """A server over such a timeline, which is made once, as clips are, and how many frames it has."""
    fc = Framecache(make.FOLDER / f"{FRAMES}_frames.store")
    source = make.FOLDER / f"{FRAMES}_frames.mp4"
    make.clip("tick.mp4")
    if not source.exists():
        make.looped("tick.mp4", SECONDS)(source)
    told = fc.extract("long", "--all", "--layout", "packed", source, timeout=550).json
    assert told["frames"] >= FRAMES
    with rpc.start_server(fc.store, "--http", "127.0.0.1:0") as server:
        yield server, told["frames"]


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def held(session):
    """(MiB of scripts, nodes) that the page holds once what is not reached is gone."""
    session.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return found["JSHeapUsedSize"] / 2**20, found["Nodes"]


def shows(seen, place):
    """Waits until the tile in this place has its picture; milliseconds since it was asked, by the page's own clock."""
    return seen.evaluate(
        """place => new Promise(done => {
          const begun = performance.now();
          const look = () => {
            const canvas = document.querySelector(`#tile-${place} canvas`);
            const drawn = canvas && canvas.width > 1 && canvas.getContext('2d').getImageData(5, 5, 1, 1).data[3] > 0;
            drawn ? done(performance.now() - begun) : requestAnimationFrame(look);
          };
          look();
        })""",
        place,
    )


def jump(seen, place, count):
    """Milliseconds from a press on the bar to the picture."""
    return seen.evaluate(
        """([place, count]) => new Promise(done => {
          const bar = document.querySelector('.bar'), box = bar.getBoundingClientRect();
          const at = {clientX: box.left + box.width * (place + 0.5) / count, clientY: box.top + 5, pointerId: 1, button: 0, bubbles: true};
          bar.setPointerCapture = () => {};
          const begun = performance.now();
          bar.dispatchEvent(new PointerEvent('pointerdown', at));
          bar.dispatchEvent(new PointerEvent('pointerup', at));
          const look = () => {
            const canvas = document.querySelector(`#tile-${place} canvas`);
            const drawn = canvas && canvas.width > 1 && canvas.getContext('2d').getImageData(5, 5, 1, 1).data[3] > 0;
            drawn ? done(performance.now() - begun) : requestAnimationFrame(look);
          };
          look();
        })""",
        [place, count],
    )


@pytest.mark.slow
def test_a_hundred_thousand_frames_scroll_with_flat_memory_and_at_most_four_requests_a_screen(browser, long):
    server, count = long
    with looking(browser) as seen:
        session = seen.page.context.new_cdp_session(seen.page)
        session.send("Performance.enable")
        begun = time.monotonic()
        seen.goto(f"http://{server.http}/view/long")
        shows(seen, 0)
        first = time.monotonic() - begun
        seen.wait_for_selector(LARGE)
        seen.wait_for_function("() => document.querySelector('.stands')?.innerText.includes('complete')")
        seen.wait_for_timeout(500)
        mib, nodes = held(session)
        figures = {"first_picture_s": round(first, 2), "heap_mib": [round(mib, 1)], "nodes": [nodes], "screens": 0, "requests": []}
        film = seen.evaluate("() => { const f = document.querySelector('#film'); return [f.clientHeight, f.scrollHeight] }")
        assert film[1] < 16_000_000
        # Screen by screen at the beginning, in the middle and at the end; a whole scroll in large steps between.
        for part in (0.0, 0.5, 0.97):
            seen.evaluate("part => { const f = document.querySelector('#film'); f.scrollTop = part * (f.scrollHeight - f.clientHeight) }", part)
            seen.wait_for_timeout(700)
            for _ in range(12):
                before = len(seen.asked)
                seen.evaluate("() => { const f = document.querySelector('#film'); f.scrollTop += f.clientHeight }")
                seen.wait_for_timeout(250)
                figures["requests"].append(len(seen.asked) - before)
                figures["screens"] += 1
            whole = held(session)
            figures["heap_mib"].append(round(whole[0], 1))
            figures["nodes"].append(whole[1])
        for step in range(101):
            seen.evaluate("part => { const f = document.querySelector('#film'); f.scrollTop = part * (f.scrollHeight - f.clientHeight) }", step / 100)
            seen.wait_for_timeout(40)
        shows(seen, count - 1)
        assert seen.locator(f"#tile-{count - 1}").get_attribute("aria-label").startswith(f"frame {count - 1}, 2:46:")
        after = held(session)
        figures["heap_mib"].append(round(after[0], 1))
        figures["nodes"].append(after[1])
        # Jumps to places whose strips the server has made: the second time.
        places = [int(count * part) + 7 for part in (0.11, 0.37, 0.52, 0.74, 0.93)]
        for place in places:
            jump(seen, place, count)
        figures["jump_ms"] = [round(jump(seen, place, count)) for place in places]
        SHOTS.mkdir(parents=True, exist_ok=True)
        (SHOTS / "long.json").write_text(json.dumps(figures))
        print("\n" + json.dumps(figures))
        assert max(figures["requests"]) <= 4, figures
        assert max(figures["heap_mib"]) - mib < MOST_MIB and max(figures["nodes"]) < 2 * nodes + 2000, figures
        assert statistics.median(figures["jump_ms"]) < 300 and first < 3, figures
