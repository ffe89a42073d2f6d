"""The viewer in real Chromium: what each view shows, by frames whose colours tell them apart; keys; hostile names; neighbours."""

import io
import re
import signal
import subprocess

import pytest
from PIL import Image

from . import pictures
from .support import colours, rpc
from .support.browser import NARROW, WIDE, chromium, free_port, looking
from .support.framecache import Framecache
from .support.web import Web, of

HTTP = ("--http", "127.0.0.1:0")
COUNT = 250
LARGE = ".layers img:not([hidden])"
HOSTILE = "<img src=x onerror=alert(1)>'\"`$(touch owned)"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store: `colours` of 250 frames, two of them damaged; `~home`; `film` of two chunks with overlays; `planned`, not extracted."""
    folder = tmp_path_factory.mktemp("viewer")
    fc = Framecache(folder / "store")
    colours.put(fc, folder / "pictures", "colours", COUNT, **{"30": {"damaged": True}, "200": {"damaged": True}})
    colours.put(fc, folder / "home", "~home", 2)
    for name in ("one", "two"):
        source = "testsrc2=size=160x90:rate=10:duration=4" if name == "one" else "mandelbrot=size=160x90:rate=10,trim=duration=3"
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", folder / f"{name}.mp4"], check=True, timeout=60)
    fc.extract("film", "--all", folder / "one.mp4", folder / "two.mp4")
    fc.extract("planned", "--fps", "5", "--plan-only", folder / "one.mp4")
    return fc, folder


@pytest.fixture(scope="module")
def server(stored):
    fc, folder = stored
    with rpc.start_server(fc.store, *HTTP, cwd=folder) as running:
        client = Web(running.http)
        png = io.BytesIO()
        Image.new("RGBA", (160, 90), (255, 0, 255, 255)).save(png, "PNG")
        assert client.ask("PUT", of("film", "overlays", "job", "masks", 0, HOSTILE + ".png"), body=png.getvalue()).status == 201
        yield running
        client.close()


def url(server, path):
    return f"http://{server.http}{path}"


def at(seen, seq):
    """Waits until the large frame is this one, by its own picture."""
    seen.wait_for_selector(f".seen[data-seq='{seq}']")
    seen.wait_for_selector(f"{LARGE}[alt='Frame {seq}']")
    seen.wait_for_function("s => { const i = document.querySelector(s); return i.complete && i.naturalWidth > 0 }", arg=LARGE)


def pixels(seen, selector):
    """An element as it is painted."""
    return Image.open(io.BytesIO(seen.locator(selector).screenshot()))


def painted(seen, place):
    """Waits until the tile has its picture."""
    drawn = "p => { const c = document.querySelector(`#tile-${p} canvas`); return c && c.width > 0 && c.getContext('2d').getImageData(5, 5, 1, 1).data[3] > 0 }"
    seen.wait_for_function(drawn, arg=place)
    return pixels(seen, f"#tile-{place} canvas")


# ---- the list


def test_the_list_tells_states_frames_and_bytes_and_a_search_narrows_it(browser, server, stored):
    fc, _ = stored
    with looking(browser) as seen:
        seen.goto(url(server, "/"))
        seen.wait_for_selector("tbody tr:nth-child(4)")
        rows = {row.split("\t")[0].strip(): row for row in seen.locator("tbody").inner_text().splitlines() if row.strip()}
        assert set(rows) == {"colours", "film", "planned", "~home"}
        assert "complete" in rows["colours"] and "250" in rows["colours"] and "KiB" in rows["colours"]
        assert "partial" in rows["planned"] and "0 of 20" in rows["planned"]
        seen.keyboard.press("/")
        seen.keyboard.type("OL")
        seen.wait_for_function("() => document.querySelectorAll('tbody tr').length === 1")
        assert "1 of 4 timelines" in seen.locator(".told").inner_text()
        seen.locator("tbody a", has_text="colours").click()
        at(seen, 0)
        seen.keyboard.press("/")
        seen.keyboard.type("home\n")
        seen.wait_for_selector("tbody tr")
        assert seen.locator("tbody tr").count() == 1
        seen.go_back()
        at(seen, 0)


def test_no_other_host_is_asked_and_pages_carry_their_policy(browser, server):
    with looking(browser) as seen:
        answer = seen.goto(url(server, "/view/colours"))
        at(seen, 0)
        assert {re.match(r"\w+://([^/]+)/", asked)[1] for asked in seen.asked} == {server.http}
        policy = answer.header_value("content-security-policy")
        assert policy.startswith("default-src 'self';") and "require-trusted-types-for 'script'" in policy
        assert answer.header_value("referrer-policy") == "no-referrer"
    client = Web(server.http)
    for path in ("/", "/view/anything", "/viewer/main.js", "/viewer/base.css", "/viewer/icon.svg"):
        answer = client.ok(path)
        assert client.get(path, headers={"if-none-match": answer.headers["etag"]}).status == 304
        assert client.ask("HEAD", path).body == b"" and client.ask("POST", path).reason == "METHOD_NOT_ALLOWED"
    assert client.get("/viewer/none.js").reason == "ADDRESS_UNKNOWN"
    client.close()


# ---- the film and the large frame


@pytest.mark.parametrize("scale", [1, 2])
def test_each_tile_and_the_large_frame_show_the_frame_that_they_name(browser, server, scale):
    with looking(browser, device_scale_factor=scale) as seen:
        seen.goto(url(server, "/view/colours"))
        at(seen, 0)
        for place in (0, 1, 8, 17):
            assert colours.near(colours.mean(painted(seen, place)), colours.colour(place)), place
        assert colours.near(colours.mean(pixels(seen, LARGE)), colours.colour(0))
        seen.keyboard.press("End")
        at(seen, COUNT - 1)
        assert colours.near(colours.mean(painted(seen, COUNT - 1)), colours.colour(COUNT - 1))
        assert colours.near(colours.mean(pixels(seen, LARGE)), colours.colour(COUNT - 1))
        assert seen.locator(".tile").count() < 120
        assert seen.count("/strips/") >= 2 and seen.count(".jpg?h=90") == 0 or scale == 1
        seen.shot(f"film-{scale}x")


def test_keys_go_by_frame_row_screen_and_end_and_the_address_follows(browser, server):
    with looking(browser) as seen:
        seen.goto(url(server, "/view/colours"))
        at(seen, 0)
        across = seen.evaluate("() => [...document.querySelectorAll('.tile')].filter(t => t.style.transform.endsWith(' 0px)')).length")
        for key, place in [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowDown", 1 + across), ("ArrowUp", 1), ("End", COUNT - 1), ("ArrowRight", COUNT - 1), ("Home", 0), ("ArrowLeft", 0)]:
            seen.keyboard.press(key)
            at(seen, place)
        seen.keyboard.press("PageDown")
        seen.wait_for_function("() => Number(document.querySelector('.seen')?.dataset.seq) > 0")
        seen.keyboard.press("t")
        seen.keyboard.type("24.5\n")
        at(seen, 122)
        seen.wait_for_function("() => location.search.includes('frame=122')")
        assert seen.locator("#film").get_attribute("aria-activedescendant") == "tile-122"
        assert seen.locator("#tile-122").get_attribute("aria-label").startswith("frame 122, 0:24.400")
        seen.keyboard.press("t")
        seen.keyboard.type("nonsense\n")
        assert "neither" in seen.locator("dialog [role=alert]").inner_text()
        seen.locator("#where").fill("#7")
        seen.keyboard.press("Enter")
        at(seen, 7)
        seen.keyboard.press("?")
        assert "near" not in seen.locator("dialog table").inner_text() and "overlays" in seen.locator("dialog table").inner_text()
        seen.keyboard.press("Escape")
        seen.reload()
        at(seen, 7)


def test_what_is_passed_quickly_never_shows_another_frames_picture_or_facts(browser, server):
    with looking(browser) as seen:
        # Answers of the first frames come last.
        seen.page.route("**/frames/*.jpg*", lambda route: (seen.page.wait_for_timeout(30 if "/5.jpg" in route.request.url else 0), route.continue_()))
        seen.goto(url(server, "/view/colours"))
        at(seen, 0)
        for _ in range(25):
            seen.keyboard.press("ArrowRight")
        at(seen, 25)
        seen.wait_for_function("() => document.querySelector('.facts')?.textContent.includes('sha256')")
        facts = seen.locator(".facts").inner_text()
        assert "26 of 250" in facts and "0:05.000" in facts
        assert colours.near(colours.mean(pixels(seen, LARGE)), colours.colour(25))


def test_the_frame_is_scaled_and_turned_with_its_overlays_which_are_toggled(browser, server):
    with looking(browser) as seen:
        seen.goto(url(server, "/view/film"))
        at(seen, 0)
        overlay = seen.locator(".overlays img")
        overlay.wait_for()
        assert HOSTILE in overlay.get_attribute("alt")
        seen.wait_for_function("() => document.querySelector('.overlays img')?.naturalWidth === 160")
        magenta = (255, 0, 255)
        assert colours.near(colours.mean(pixels(seen, ".box")), magenta)
        before, over = seen.locator(".layers").bounding_box(), overlay.bounding_box()
        assert all(abs(before[k] - over[k]) < 1.5 for k in before)
        seen.keyboard.press("r")
        turned, over = seen.locator(".layers").bounding_box(), overlay.bounding_box()
        assert abs(turned["width"] / turned["height"] - 90 / 160) < 0.02 and all(abs(turned[k] - over[k]) < 1.5 for k in turned)
        for _ in range(3):
            seen.keyboard.press("+")
        assert seen.locator(".layers").bounding_box()["width"] > turned["width"]
        seen.keyboard.press("0")
        seen.keyboard.press("o")
        overlay.wait_for(state="hidden")
        assert not colours.near(colours.mean(pixels(seen, ".box")), magenta)
        seen.keyboard.press("o")
        overlay.wait_for()
        seen.locator(".stages label", has_text="job / masks").click()
        overlay.wait_for(state="detached")


def test_the_bar_marks_chunks_damage_and_what_is_not_there(browser, server):
    with looking(browser) as seen:
        seen.goto(url(server, "/view/colours"))
        seen.wait_for_selector("[data-marks='damaged']")
        assert seen.locator("[data-marks='damaged']").inner_text().endswith("2 damaged frames")
        seen.locator(".bar").click(position={"x": seen.locator(".bar").bounding_box()["width"] * 30.5 / COUNT, "y": 10})
        at(seen, 30)
        assert seen.locator("#tile-30 .badges").inner_text() == "damaged"
        assert seen.locator(".bar").get_attribute("aria-valuetext") == "frame 30, 0:06.000"
        seen.goto(url(server, "/view/film"))
        seen.wait_for_selector("[data-marks='chunks']")
        assert seen.locator("[data-marks='chunks']").inner_text().endswith("2 chunks")
        seen.goto(url(server, "/view/planned"))
        seen.wait_for_selector("[data-marks='gaps']")
        assert "not cached" in seen.locator("#tile-0").get_attribute("aria-label")


def test_an_empty_timeline_and_one_of_missing_frames_alone_are_said_to_be_so(browser, server):
    with looking(browser, allowed=["404"]) as seen:
        seen.goto(url(server, "/view/nobody"))
        seen.wait_for_function("() => (document.querySelector('.view > .told')?.innerText ?? 'Reading…') !== 'Reading…'")
        assert "no such timeline" in seen.locator(".view > .told").inner_text()

        def missing(route):
            told = route.fetch().json()
            for tile in told["tiles"]:
                tile["state"] = "missing"
                tile.pop("timestamp", None)
            route.fulfill(json=told)

        seen.page.route("**/strips.json*", missing)
        seen.goto(url(server, "/view/colours"))
        seen.wait_for_function("() => document.querySelector('.stage .said')?.innerText.includes('did not deliver')")
        assert seen.locator("#tile-0 .badges").inner_text() == "missing"
        seen.keyboard.press("t")
        seen.keyboard.type("3\n")
        assert "no times" in seen.locator("dialog [role=alert]").inner_text()


def test_another_window_is_laid_out_anew_around_the_same_frames(browser, server):
    with looking(browser) as seen:
        seen.goto(url(server, "/view/colours?frame=180"))
        at(seen, 180)
        for size in (NARROW, {"width": 900, "height": 600}, WIDE):
            seen.set_viewport_size(size)
            seen.keyboard.press("ArrowRight")
            seen.keyboard.press("ArrowLeft")
            at(seen, 180)
            assert colours.near(colours.mean(painted(seen, 180)), colours.colour(180))
            assert seen.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_of_four_million_frames_each_can_be_reached_though_no_element_is_so_high(browser, server):
    count = 4_000_000
    with looking(browser) as seen:

        def tiles(route):
            first = int(re.search(r"first=(\d+)", route.request.url)[1])
            told = [{"seq": n, "page": n // 100, "x": 0, "y": 0, "timestamp": n / 10} for n in range(first, min(first + 1000, count))]
            route.fulfill(json={"columns": 10, "rows": 10, "tile_width": 160, "tile_height": 90, "frames": count, "pages": count // 100, "tiles": told, "next_page_token": ""})

        seen.page.route("**/strips.json*", tiles)
        strip = Web(server.http).ok(of("colours", "strips", "0.jpg"), h=90).body
        seen.page.route("**/strips/*.jpg*", lambda route: route.fulfill(body=strip, content_type="image/jpeg"))
        seen.page.route("**/frames/*", lambda route: route.fulfill(body=strip, content_type="image/jpeg") if ".jpg" in route.request.url else route.fulfill(json={"seq": 0}))
        seen.goto(url(server, "/view/colours"))
        on_screen = "() => { const f = document.querySelector('#film').getBoundingClientRect(); return [...document.querySelectorAll('.tile')].filter(t => { const b = t.getBoundingClientRect(); return b.top < f.bottom && b.bottom > f.top }).map(t => Number(t.id.slice(5))) }"
        seen.wait_for_selector("#tile-0")
        for key, place in [("End", count - 1), ("ArrowLeft", count - 2), ("Home", 0)]:
            seen.keyboard.press(key)
            seen.wait_for_function(f"place => ({on_screen})().includes(place)", arg=place)
        seen.keyboard.press("t")
        seen.keyboard.type("234567.8\n")
        at(seen, 2345678)
        before = seen.evaluate(on_screen)
        # A turn of the wheel goes on by what it is, wherever the bar is.
        seen.locator("#film").hover()
        for _ in range(40):
            seen.mouse.wheel(0, 110)
        seen.wait_for_function(f"first => Math.min(...({on_screen})()) > first", arg=min(before))
        seen.wait_for_timeout(300)
        rows = (min(seen.evaluate(on_screen)) - min(before)) / len({p // 7 for p in before}) / 7
        assert 1 < rows < 40, rows
        assert seen.locator(".tile").count() < 120
        assert seen.evaluate("() => document.querySelector('#film').scrollHeight") < 5_000_000
        seen.evaluate("() => { const f = document.querySelector('#film'); f.scrollTop = f.scrollHeight }")
        seen.wait_for_function(f"place => ({on_screen})().includes(place)", arg=count - 1)


# ---- what changes, and what is alike


def test_the_plot_marks_the_cuts_that_the_command_line_finds_and_near_duplicates_live(browser, server, stored):
    fc, _ = stored
    with looking(browser) as seen:
        seen.goto(url(server, "/view/film"))
        at(seen, 0)
        seen.keyboard.press("p")
        for threshold in ("0.05", "0.10", "0.40"):
            expected = [cut["seq"] for cut in fc.run("cuts", "film", "--threshold", threshold, "--json").json["cuts"]]
            seen.locator("#threshold").fill(threshold)
            words = f"{len(expected)} cut{'' if len(expected) == 1 else 's'},"
            seen.wait_for_function("w => document.querySelector('.plot .told')?.innerText.startsWith(w)", arg=words)
        kept = len(fc.run("frames", "film", "--distinct", "4", "--json").json)
        seen.locator("#bits").fill("4")
        seen.wait_for_function("w => document.querySelector('.plot .told')?.innerText.includes(w)", arg=f"{70 - kept} near duplicate")
        line = seen.locator(".area").bounding_box()
        y = line["y"] + line["height"] * (1 - 0.4)
        seen.mouse.move(line["x"] + 50, y)
        seen.mouse.down()
        seen.mouse.move(line["x"] + 50, line["y"] + line["height"] * 0.2, steps=5)
        seen.mouse.up()
        assert abs(float(seen.locator("#threshold").input_value()) - 0.8) < 0.03
        seen.locator("#threshold").fill("0.4")
        seen.keyboard.press("t")
        seen.keyboard.type("#40\n")
        seen.wait_for_selector("#tile-40.is-cut")
        assert "cut" in seen.locator("#tile-40").get_attribute("aria-label") and seen.locator("[data-marks='cuts']").inner_text().endswith("1 cut")
        seen.shot("plot")


def test_what_an_older_server_does_not_tell_is_said_and_the_rest_is_shown(browser, server):
    gone = {"type": "urn:framecache:address-unknown", "status": 404, "reason": "ADDRESS_UNKNOWN", "detail": "there is no such address"}
    with looking(browser, allowed=["404"]) as seen:
        seen.page.route(re.compile(r".*/(cuts|hashes|similar)\?.*"), lambda route: route.fulfill(status=404, json=gone))
        seen.goto(url(server, "/view/film"))
        at(seen, 0)
        seen.keyboard.press("p")
        seen.keyboard.press("s")
        seen.wait_for_function("() => document.querySelector('.similar .told')?.innerText.includes('does not look for')")
        assert "does not tell changes" in seen.locator(".plot .told").inner_text()
        seen.keyboard.press("ArrowRight")
        at(seen, 1)


def test_frames_that_look_alike_are_those_of_the_command_line(browser, server, stored):
    fc, _ = stored
    expected = [each["seq"] for each in fc.run("similar", "film", "--seq", "0", "--json").json["frames"]]
    with looking(browser) as seen:
        seen.goto(url(server, "/view/film"))
        at(seen, 0)
        seen.keyboard.press("s")
        seen.wait_for_function("n => document.querySelectorAll('.alike li').length === n", arg=min(len(expected), 60))
        assert expected and seen.locator(".similar .told").inner_text().startswith("Like frame 0: ")
        seen.locator(".alike li").first.locator("button").click()
        at(seen, expected[0])


def test_arithmetic_of_the_page_is_that_of_the_server(browser, server):
    """Of cuts by the rule of docs/similar.md, and of bits, over columns made here."""
    with looking(browser) as seen:
        seen.goto(url(server, "/"))
        found = seen.evaluate(
            """async () => {
              const s = await import('/viewer/series.js');
              const changes = Float32Array.from([NaN, 0, 0.9, 0, 0, 0.5, 0.5, 0, 0.3, 0]);
              const times = Float64Array.from(changes, (_, k) => k / 15);
              const hashes = new s.Hashes();
              hashes.add({seqs: [3, 4, 5, 9], hashes: ['ffffffffffffffff', 'fffffffffffffffe', '0000000000000000', '8000000000000001']});
              const whole = hashes.whole();
              return [s.cutsAt(changes, times, 0.4), s.cutsAt(changes, times, 0.95), [...s.distances(whole)], [...s.distances(whole, 0)], s.duplicatesAt(whole, 2), s.ones(0xffffffff)];
            }"""
        )
        assert found[0] == [2] and found[1] == []
        assert found[2][1:] == [1, 63, 2] and found[3] == [0, 1, 64, 62] and found[4] == [1, 3] and found[5] == 32


# ---- copying


def test_what_is_copied_is_quoted_for_whoever_reads_it(browser, server, tmp_path):
    names = ["plain", "~home", "a b", "it's", HOSTILE, "$HOME`id`\\", "-rf", "ü\u2028\U0001f3ac", ""]
    with looking(browser) as seen:
        seen.goto(url(server, "/"))
        quoted = seen.evaluate("async names => { const c = await import('/viewer/copy.js'); return names.map(n => [c.shell(n), c.python(n), c.snippets({timeline: n, profile: n, seq: 3, origin: 'http://h'})[2].text]) }", names)
    for name, (shell, python, address) in zip(names, quoted, strict=True):
        said = subprocess.run(["bash", "-c", f"printf %s {shell}"], capture_output=True, check=True, cwd=tmp_path).stdout.decode()
        assert said == name
        ran = subprocess.run(["python3", "-c", f"import sys; sys.stdout.buffer.write({python}.encode())"], capture_output=True, check=True).stdout.decode()
        assert ran == name and python.isascii()
        assert re.fullmatch(r"http://h/v1/timelines/[\w.~!*'()%-]*/frames/3\.jpg(\?profile=[\w.*%+-]*)?", address), address
    assert not list(tmp_path.iterdir())


def test_the_commands_that_are_copied_give_the_frame_that_is_seen(browser, server, stored, tmp_path):
    fc, _ = stored
    options = {"permissions": ["clipboard-read", "clipboard-write"]}
    with looking(browser, **options) as seen:
        seen.goto(url(server, "/view/~home?frame=1"))
        at(seen, 1)
        said = {}
        for name in ("CLI", "Python", "URL"):
            seen.locator(f"[data-copies='{name}']").click()
            seen.wait_for_function("n => document.querySelector('#notice').innerText.includes(n + ' copied')", arg=name)
            said[name] = seen.evaluate("() => navigator.clipboard.readText()")
    stored_jpeg = fc.jpegs("~home")[1] if (fc.folder("~home") / "frames").is_dir() else Web(server.http).ok(of("~home", "frames", "1.jpg")).body
    command = said["CLI"].replace("framecache get", f"'{fc.command('get')[0]}' get --store '{fc.store}'")
    subprocess.run(["bash", "-c", command], check=True, cwd=tmp_path, timeout=60)
    (written,) = tmp_path.rglob("*.jpg")
    assert written.name == "1.jpg" and written.read_bytes() == stored_jpeg
    assert Web(server.http).ok(said["URL"].removeprefix(f"http://{server.http}")).body == stored_jpeg
    assert said["Python"] == 'frame, = framecache.Client().frames("~home", sequences=[1])'


# ---- hostile names


def test_hostile_names_are_text_wherever_they_stand(browser, server):
    stands = {"timeline": HOSTILE, "profile": "default", "state": "PROFILE_STATE_COMPLETE", "profiles": ["default", HOSTILE], "counts": {"planned": 1, "frames": 1, "bytes": 1}}
    with looking(browser, allowed=["400"]) as seen:
        seen.page.route("**/v1/timelines?*", lambda route: route.fulfill(json={"timelines": [stands], "next_page_token": ""}))
        seen.goto(url(server, "/"))
        seen.wait_for_selector("tbody tr")
        assert seen.locator("tbody th").inner_text() == HOSTILE and seen.locator("main img").count() == 0
        seen.locator("tbody th a").click()
        seen.wait_for_function("() => document.querySelector('.view > .told')?.innerText.includes('timeline')")
        assert seen.locator("h1").inner_text() == HOSTILE and seen.locator(".head img").count() == 0

        def chunk(route):
            told = route.fetch().json()
            told["chunks"][0]["chunk"]["chunk_id"] = HOSTILE
            told["chunks"][0]["error"] = {"code": 3, "message": HOSTILE, "details": []}
            told["profiles"] = ["default", HOSTILE]
            route.fulfill(json=told)

        seen.page.route(re.compile(r".*/v1/timelines/film(\?.*)?$"), chunk)
        seen.page.route("**/frames/*.json*", lambda route: route.fulfill(json={"seq": 0, "chunk_id": HOSTILE, "backend": HOSTILE, "fallback_reason": HOSTILE}))
        seen.goto(url(server, "/view/film"))
        seen.wait_for_function("() => document.querySelector('.facts')?.textContent.includes('onerror')")
        assert seen.evaluate("() => document.querySelectorAll('img:not(.layers img):not(.alike img)').length") == 0
        assert seen.evaluate("() => typeof owned") == "undefined"


# ---- extraction


def test_what_is_missing_is_extracted_when_asked_for_and_shown_as_it_comes(browser, stored, tmp_path):
    _, folder = stored
    fc = Framecache(tmp_path / "store")
    fc.extract("planned", "--fps", "5", "--plan-only", folder / "one.mp4")
    with rpc.start_server(fc.store, *HTTP, cwd=folder) as server, looking(browser, allowed=["404"]) as seen:
        seen.goto(url(server, "/view/planned"))
        seen.locator("button", has_text="Extract what is missing").click()
        seen.wait_for_function("() => document.querySelector('.stands')?.innerText.includes('complete')")
        at(seen, 0)
        painted(seen, 3)
        assert "20 frames written" in seen.locator("#notice").inner_text()


# ---- neighbours


def test_a_server_that_stalls_or_dies_is_said_and_what_comes_back_goes_on(browser, stored):
    fc, folder = stored
    port = free_port()
    http = ("--http", f"127.0.0.1:{port}")
    with looking(browser, allowed=["ERR_", "Failed to load"]) as seen:
        with rpc.start_server(fc.store, *http, cwd=folder) as server:
            seen.goto(url(server, "/view/colours"))
            at(seen, 0)
            server.process.send_signal(signal.SIGSTOP)
            seen.keyboard.press("End")
            seen.wait_for_function("() => document.querySelector('#notice').innerText.includes('not answered for')")
            server.process.send_signal(signal.SIGCONT)
            at(seen, COUNT - 1)
            seen.wait_for_function("() => document.querySelector('#notice').innerText === ''")
            server.process.kill()
            server.wait()
            seen.keyboard.press("Home")
            seen.keyboard.press("ArrowDown")
            seen.wait_for_function("() => document.querySelector('#notice').innerText.includes('does not answer')")
            wanted = int(seen.locator(".seen").get_attribute("data-seq"))
        with rpc.start_server(fc.store, *http, cwd=folder):
            at(seen, wanted)
            seen.wait_for_function("() => !document.querySelector('#notice').innerText.includes('does not answer')")
            seen.wait_for_function("() => document.querySelector('.facts').textContent.includes('sha256')")


def test_a_list_that_could_not_be_read_is_read_when_the_server_is_back(browser, stored):
    fc, folder = stored
    http = ("--http", f"127.0.0.1:{free_port()}")
    with looking(browser, allowed=["ERR_", "Failed to load"]) as seen:
        with rpc.start_server(fc.store, *http, cwd=folder) as server:
            seen.goto(url(server, "/view/colours"))
            at(seen, 0)
            server.process.kill()
            server.wait()
        seen.locator("a.home").click()
        seen.wait_for_function("() => document.querySelector('#notice').innerText.includes('does not answer')")
        with rpc.start_server(fc.store, *http, cwd=folder):
            seen.wait_for_selector("tbody tr:nth-child(4)")
            seen.wait_for_function("() => document.querySelector('#notice').innerText === ''")


@pytest.mark.slow
def test_the_pictures_of_the_documentation_can_be_made_and_are_small(browser, tmp_path):
    made = pictures.make(browser, tmp_path / "images", tmp_path)
    assert [path.name for path in made] == ["viewer-light.jpg", "viewer-dark.jpg"]
    for path in made:
        with Image.open(path) as here, Image.open(pictures.FOLDER / path.name) as committed:
            assert here.size == committed.size


# ---- for everybody


VIEWS = [("light", WIDE), ("dark", NARROW), pytest.param("dark", WIDE, marks=pytest.mark.slow), pytest.param("light", NARROW, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("scheme", "size"), VIEWS, ids=["light-wide", "dark-narrow", "dark-wide", "light-narrow"])
def test_no_view_has_a_fault_that_axe_knows(browser, server, stored, scheme, size):
    with looking(browser, color_scheme=scheme, viewport=size) as seen:
        seen.goto(url(server, "/"))
        seen.wait_for_selector("tbody tr")
        seen.shot(f"list-{scheme}-{size['width']}")
        assert seen.violations() == []
        seen.goto(url(server, "/view/film"))
        at(seen, 0)
        seen.wait_for_selector("[data-marks='chunks']")
        seen.wait_for_function("() => document.querySelector('.facts')?.textContent.includes('sha256')")
        seen.shot(f"view-{scheme}-{size['width']}")
        assert seen.violations() == []
        for key in ("p", "s"):
            seen.keyboard.press(key)
        seen.wait_for_function("() => ['.similar', '.plot'].every(s => /[^…]$/.test(document.querySelector(s + ' .told')?.innerText ?? ''))")
        seen.wait_for_timeout(200)
        seen.shot(f"all-{scheme}-{size['width']}", full_page=True)
        assert seen.violations() == []
        seen.keyboard.press("?")
        seen.wait_for_selector("dialog[open]")
        assert seen.violations() == []


def test_dark_and_light_follow_the_system_until_one_is_chosen(browser, server):
    with looking(browser, color_scheme="dark") as seen:
        seen.goto(url(server, "/"))
        ground = "() => getComputedStyle(document.body).backgroundColor"
        dark = seen.evaluate(ground)
        seen.locator("#theme").click()
        light = seen.evaluate(ground)
        assert light != dark
        seen.reload()
        assert seen.evaluate(ground) == light
