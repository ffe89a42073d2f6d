"""Certificates and tokens, against a real server that asks for them."""

import asyncio
import contextlib
import hashlib
import re
import subprocess

import pytest

import framecache

from .conftest import BINARY

TOKEN = "a-token-of-the-tests"


def certificate(folder, name, authority=None):
    """A certificate for localhost and its key, of that authority or of its own."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(cert)]
    if authority:
        command += ["-CA", authority[0], "-CAkey", authority[1], "-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, check=True, capture_output=True)
    return str(cert), str(key)


@pytest.fixture
def guarded(tmp_path):
    """(target, the server's certificate, a client's certificate and key) of a server that wants all of them."""
    authority = certificate(tmp_path, "authority")
    server, client = certificate(tmp_path, "server"), certificate(tmp_path, "client", authority)
    tokens = tmp_path / "tokens"
    tokens.write_text(hashlib.sha256(TOKEN.encode()).hexdigest() + " tests\n")
    tls = ["--tls-cert", server[0], "--tls-key", server[1], "--tls-client-ca", authority[0]]
    with serving("--tokens", str(tokens), *tls) as port:
        yield f"https://localhost:{port}", server[0], client


def test_certificates_and_a_token_let_in(guarded):
    target, authority, (cert, key) = guarded
    settings = {"tls_ca": authority, "tls_cert": cert, "tls_key": key, "timeout": 20}
    with framecache.Client(target, token=TOKEN, **settings) as client:
        assert list(client.timelines()) == []
    with pytest.raises(framecache.Unauthenticated) as caught:
        framecache.Client(target, token="another", **settings).timeline("t")
    assert caught.value.reason == "TOKEN_INVALID"

    async def run():
        async with framecache.AsyncClient(target, token=TOKEN, **settings) as client:
            return (await client.timeline("t")).state

    assert asyncio.run(run()) == "absent"


def test_without_the_right_certificates_nobody_is_reached(guarded):
    target, authority, (cert, key) = guarded
    with pytest.raises(framecache.Unavailable):
        framecache.Client(target, token=TOKEN, tls_ca=authority, timeout=20).timeline("t")
    with pytest.raises(framecache.Unavailable) as caught:
        framecache.Client(target, token=TOKEN, tls_ca=cert, tls_cert=cert, tls_key=key, timeout=20).timeline("t")
    assert caught.value.reason == "TLS_FAILED" and "FRAMECACHE_TLS_CA" in caught.value.hint


@contextlib.contextmanager
def serving(*options):
    """Its port."""
    command = [str(BINARY), "serve", "--listen", "127.0.0.1:0", "--metrics", "none", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        lines = iter(process.stderr.readline, "")
        yield next(match[1] for line in lines if (match := re.search(r"serving on 127\.0\.0\.1:(\d+)", line)))
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_the_authority_of_the_environment_is_taken(tmp_path, monkeypatch):
    cert, key = certificate(tmp_path, "server")
    with serving("--tls-cert", cert, "--tls-key", key) as port:
        monkeypatch.setenv("FRAMECACHE_TLS_CA", cert)
        for target in (f"https://localhost:{port}", f"localhost:{port}"):
            with framecache.Client(target, timeout=20) as client:
                assert list(client.timelines()) == []
    monkeypatch.setenv("FRAMECACHE_TLS_CA", str(tmp_path / "nothing"))
    with framecache.Client() as client:
        assert list(client.timelines()) == [], "a server of one's own has no certificate"
    with pytest.raises(framecache.Invalid, match="nothing"):
        list(framecache.Client("https://localhost:1").timelines())


def test_what_hinders_tls_is_said(tmp_path):
    cert, key = certificate(tmp_path, "server")

    def reason(target, **settings):
        with pytest.raises(framecache.Unavailable) as caught:
            list(framecache.Client(target, timeout=20, **settings).timelines())
        assert caught.value.hint and caught.value.code == "UNAVAILABLE"
        return caught.value.reason, str(caught.value)

    with serving("--tls-cert", cert, "--tls-key", key) as port:
        assert "no authority" in reason(f"https://localhost:{port}")[1]
        assert "another name" in reason(f"https://127.0.0.1:{port}", tls_ca=cert)[1]
        assert "https://" in reason(f"localhost:{port}")[1]
        with pytest.raises(framecache.Invalid, match="holds no certificate"):
            list(framecache.Client(f"https://localhost:{port}", tls_ca=key).timelines())
    with serving() as port:
        found, text = reason(f"https://localhost:{port}", tls_ca=cert)
        assert found == "TLS_FAILED" and "does not speak TLS" in text


def test_a_certificate_comes_with_its_key():
    with pytest.raises(framecache.Invalid, match="come together"):
        framecache.Client("https://localhost:1", tls_cert="c.pem")
