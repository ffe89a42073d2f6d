"""Who may look: tokens and sessions, pages of others, and `framecache view` with its key that counts once."""

import hashlib
import http.server
import re
import signal
import stat
import subprocess
import threading

import pytest

from .support import colours, rpc
from .support.browser import chromium, looking
from .support.framecache import Framecache, clean_environment
from .support.neighbours import until
from .support.web import Web, of
from .test_viewer import LARGE, at

HTTP = ("--http", "127.0.0.1:0")
TOKENS = {"writer": "all", "rea der/+=ü": "read"}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("access")
    fc = Framecache(folder / "store")
    colours.put(fc, folder / "pictures", "colours", 12)
    return fc


@pytest.fixture(scope="module")
def guarded(stored, tmp_path_factory):
    """A server that asks for tokens."""
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    path.write_text("".join(f"{hashlib.sha256(name.encode()).hexdigest()} scope={scope}\n" for name, scope in TOKENS.items()))
    with rpc.start_server(stored.store, *HTTP, "--tokens", path) as server:
        yield server


def signed_in(client, token="writer", **more):
    """The cookie that a browser would send from then on."""
    answer = client.ask("POST", "/v1/session", body=f'{{"token": "{token}"}}'.encode(), headers={**JSON, **more})
    assert answer.status == 200, answer
    return answer.headers["set-cookie"].split(";")[0]


@pytest.fixture
def client(guarded):
    client = Web(guarded.http)
    yield client
    client.close()


# ---- sessions


def test_pages_need_no_token_and_hold_no_data_and_all_else_needs_one(client):
    assert b"colours" not in client.ok("/").body + client.ok("/view/colours").body
    for path in ("/v1/timelines", of("colours"), of("colours", "strips", "0.jpg"), "/openapi.json", "/v1/server"):
        assert client.get(path).reason == "TOKEN_INVALID"
    assert client.ok("/v1/session").json == {"needed": True}


def test_a_cookie_lets_in_as_its_token_does_and_no_script_reads_it(client):
    answer = client.ask("POST", "/v1/session", body=b'{"token": "writer"}', headers=JSON)
    assert answer.json == {"needed": True, "scope": "all"} and answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"framecache-\d+=[\w-]+; Path=/; HttpOnly; SameSite=Strict", answer.headers["set-cookie"])
    cookie = {"cookie": answer.headers["set-cookie"].split(";")[0]}
    frame = client.ok(of("colours", "frames", "0.jpg"), headers=cookie)
    assert frame.headers["cache-control"] == "private, no-cache" and "cookie" in frame.headers["vary"]
    assert client.ok("/v1/session", headers=cookie).json == {"needed": True, "scope": "all"}
    # A token of its own counts before the cookie, right or wrong.
    assert client.get("/v1/timelines", headers={**cookie, "authorization": "Bearer wrong"}).reason == "TOKEN_INVALID"
    gone = client.ask("DELETE", "/v1/session", headers=cookie)
    assert gone.status == 204 and "Max-Age=0" in gone.headers["set-cookie"]
    assert client.get("/v1/timelines", headers={"cookie": gone.headers["set-cookie"].split(";")[0]}).reason == "TOKEN_INVALID"


def test_a_cookie_of_a_token_that_only_reads_only_reads(client):
    cookie = {"cookie": signed_in(client, "rea der/+=ü"), "sec-fetch-site": "same-origin"}
    assert client.ok("/v1/session", headers=cookie).json["scope"] == "read"
    assert client.get(of("colours"), headers=cookie).status == 200
    assert client.ask("DELETE", of("colours"), headers=cookie, dry_run=1).reason == "TOKEN_SCOPE"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"token": 1}', b'{"token": "writer", "key": "x"}', b'{"other": "x"}', b"{" * 9000])
def test_what_is_no_sign_in_is_refused(client, body):
    assert client.ask("POST", "/v1/session", body=body, headers=JSON).reason == "FIELD_INVALID"


def test_wrong_tokens_keys_and_kinds_are_refused(client):
    ask = lambda body, headers=JSON: client.ask("POST", "/v1/session", body=body, headers=headers).reason
    assert ask(b'{"token": "wrong"}') == "TOKEN_INVALID" and ask(b'{"key": "wrong"}') == "KEY_INVALID"
    assert ask(b'{"token": "writer"}', {"content-type": "text/plain"}) == "MEDIA_TYPE_UNSUPPORTED"
    assert ask(b'{"token": "%s"}' % (b"x" * 3000)) == "LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("method", "headers", "counts"),
    [
        ("GET", {"sec-fetch-site": "same-origin"}, True),
        ("GET", {"sec-fetch-site": "none"}, True),
        ("GET", {"sec-fetch-site": "cross-site"}, False),
        ("GET", {"sec-fetch-site": "same-site"}, False),
        ("DELETE", {"sec-fetch-site": "same-origin"}, True),
        ("DELETE", {"sec-fetch-site": "same-site"}, False),
        ("DELETE", {"origin": "http://evil.example"}, False),
        ("DELETE", {"origin": "null"}, False),
        ("DELETE", {}, False),
    ],
)
def test_a_cookie_counts_for_the_servers_own_pages_alone(client, method, headers, counts):
    answer = client.ask(method, of("colours"), headers={"cookie": signed_in(client), **headers}, **({} if method == "GET" else {"dry_run": 1}))
    assert (answer.status == 200) if counts else (answer.reason == "TOKEN_INVALID")
    refused = client.ask("POST", "/v1/session", body=b'{"token": "writer"}', headers={**JSON, **headers}).status
    assert refused == (200 if headers in ({}, {"sec-fetch-site": "same-origin"}) else 403)


def test_a_token_that_is_struck_out_ends_its_sessions(stored, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(hashlib.sha256(b"old").hexdigest() + "\n")
    with rpc.start_server(stored.store, *HTTP, "--tokens", tokens) as server:
        client = Web(server.http)
        cookie = {"cookie": signed_in(client, "old")}
        assert client.get("/v1/timelines", headers=cookie).status == 200
        tokens.write_text(hashlib.sha256(b"new").hexdigest() + "\n")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: client.get("/v1/timelines", headers=cookie).status == 401, "the session ended")
        client.close()


def test_a_server_without_tokens_asks_for_none(stored):
    with rpc.start_server(stored.store, *HTTP) as server:
        client = Web(server.http)
        assert client.ok("/v1/session").json == {"needed": False, "scope": "all"}
        answer = client.ask("POST", "/v1/session", body=b'{"token": "any"}', headers=JSON)
        assert answer.status == 200 and "set-cookie" not in answer.headers
        client.close()


# ---- in the browser


def test_a_wrong_token_is_refused_and_a_right_one_let_in_until_signed_out(browser, guarded):
    with looking(browser, allowed=["401"]) as seen:
        seen.goto(f"http://{guarded.http}/view/colours?frame=3")
        seen.locator("#token").fill("wrong")
        seen.keyboard.press("Enter")
        seen.wait_for_function("() => document.querySelector('#said')?.innerText.includes('does not know')")
        assert seen.violations() == [] and seen.locator(LARGE).count() == 0
        seen.locator("#token").fill("rea der/+=ü")
        seen.keyboard.press("Enter")
        at(seen, 3)
        assert seen.evaluate("() => document.cookie") == "" and "rea" not in seen.url
        assert all("rea%20der" not in asked and "rea der" not in asked for asked in seen.asked)
        seen.reload()
        at(seen, 3)
        seen.locator("#out").click()
        seen.wait_for_selector("#token")


class Elsewhere:
    """A page of another origin of the same machine, which asks what it can of a server."""

    PAGE = """<!doctype html><title>-</title><script>
      const at = location.hash.slice(1), seen = {};
      const frame = new Image();
      frame.onload = () => { seen.image = 'shown'; }; frame.onerror = () => { seen.image = 'refused'; };
      frame.src = at + '/v1/timelines/colours/frames/0.jpg';
      const ask = (name, path, how) => fetch(at + path, {credentials: 'include', ...how}).then(a => a.text()).then(t => { seen[name] = t; }, () => { seen[name] = 'refused'; });
      Promise.all([
        ask('list', '/v1/timelines'), ask('clear', '/v1/timelines/colours', {method: 'DELETE'}),
        ask('out', '/v1/session', {method: 'DELETE'}), ask('in', '/v1/session', {method: 'POST', body: '{"token": "writer"}'}),
        fetch(at + '/v1/timelines/colours/extract', {method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}'}).then(() => {}, () => {}),
      ]).then(() => { const end = () => seen.image ? (window.seen = seen) : setTimeout(end, 20); end(); });
    </script>"""

    def __enter__(self):
        page = self.PAGE.encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            cookies = []

            def do_GET(self):
                self.cookies.append(self.headers.get("cookie") or "")
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass

        self.handler = Handler
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def port(self):
        return self.server.server_address[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["the same site", "another site"])
def test_a_page_of_another_origin_can_do_nothing_with_a_session(browser, guarded, host):
    with Elsewhere() as elsewhere, looking(browser, allowed=["401", "403", "blocked", "ERR_", "CORS", "Failed to load"]) as seen:
        seen.goto(f"http://{guarded.http}/")
        seen.locator("#token").fill("writer")
        seen.keyboard.press("Enter")
        seen.wait_for_selector("tbody tr")
        seen.goto(f"http://{host}:{elsewhere.port}/#http://{guarded.http}")
        seen.wait_for_function("() => window.seen")
        assert seen.evaluate("() => window.seen") == dict.fromkeys(["list", "clear", "out", "in", "image"], "refused")
        seen.goto(f"http://{guarded.http}/view/colours")
        at(seen, 0)


# ---- view


class View:
    """A running `framecache view`."""

    def __init__(self, fc, *arguments, **environment):
        self.process = subprocess.Popen(
            fc.command("view", *arguments), env=clean_environment(**environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.address = self.process.stdout.readline().strip()
        self.port = int(re.match(r"http://view-[0-9a-f]{12}\.localhost:(\d+)/", self.address)[1])
        self.key = self.address.partition("#key=")[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def stop(self):
        """What it said, and how it ended."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=30)
        return out, err, self.process.returncode


def test_view_lets_in_the_first_browser_and_nobody_else(browser, stored):
    with View(stored, "colours", "--no-open") as view:
        other = Web(f"127.0.0.1:{view.port}")
        assert other.get("/v1/timelines").reason == "TOKEN_INVALID"
        wrong = other.ask("POST", "/v1/session", body=b'{"key": "0123"}', headers=JSON)
        assert wrong.reason == "KEY_INVALID"
        with looking(browser) as seen:
            seen.goto(view.address)
            at(seen, 0)
            assert view.key not in seen.url and "#" not in seen.url
            assert all(view.key not in asked.partition("#")[0] for asked in seen.asked)
            seen.keyboard.press("End")
            at(seen, 11)
            seen.go_back()
            assert view.key not in seen.url
        late = other.ask("POST", "/v1/session", body=f'{{"key": "{view.key}"}}'.encode(), headers=JSON)
        assert late.reason == "KEY_INVALID"
        with looking(browser, allowed=["401"]) as seen:
            seen.goto(view.address)
            seen.wait_for_function("() => document.querySelector('#said')?.innerText.includes('counts once')")
        other.close()
        out, err, code = view.stop()
        assert code == 0 and view.key not in out and err.count(view.key) == 1


def test_the_cookie_of_view_goes_to_no_other_port_of_this_machine(browser, stored):
    with View(stored, "--no-open") as view, Elsewhere() as elsewhere, looking(browser, allowed=["401", "403", "ERR_", "blocked", "CORS", "Failed to load"]) as seen:
        seen.goto(view.address)
        seen.wait_for_selector("tbody tr")
        for host in ("127.0.0.1", "localhost"):
            seen.goto(f"http://{host}:{elsewhere.port}/#http://127.0.0.1:{view.port}")
            seen.wait_for_function("() => window.seen")
        assert elsewhere.handler.cookies and not any(elsewhere.handler.cookies)


def test_view_hands_its_key_to_the_browser_in_a_file_that_others_cannot_read(stored, tmp_path):
    programs, runtime = tmp_path / "bin", tmp_path / "run"
    programs.mkdir()
    runtime.mkdir()
    opener = programs / "xdg-open"
    opener.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" > {tmp_path}/words\ncp "$1" {tmp_path}/letter\nstat -c %a "$1" > {tmp_path}/mode\nmv {tmp_path}/mode {tmp_path}/done\n')
    opener.chmod(opener.stat().st_mode | stat.S_IXUSR)
    path = f"{programs}:{clean_environment()['PATH']}"
    with View(stored, "colours", DISPLAY=":7", XDG_RUNTIME_DIR=str(runtime), PATH=path) as view:
        until((tmp_path / "done").exists, "the browser was opened")
        words = (tmp_path / "words").read_text().strip()
        assert words.startswith(str(runtime)) and view.key not in words
        assert view.address in (tmp_path / "letter").read_text() and (tmp_path / "done").read_text().strip() == "600"
        assert view.stop()[2] == 0
    assert not list(runtime.iterdir())


def test_view_says_what_is_not_there_and_takes_no_server(stored, new_store):
    assert "TIMELINE_NOT_FOUND" in stored.run("view", "nobody", "--no-open", "--json", code=4).err
    assert "STORE_NOT_FOUND" in new_store().run("view", "--no-open", "--json", code=4).err
    program = stored.command("view")[0]
    assert "works on this machine" in stored.run("view", command=[program, "view", "--server", "127.0.0.1:1"], code=2).err
    assert "Ctrl-C" in stored.run("view", command=[program, "view", "--help"]).text
