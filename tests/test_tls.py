"""The command line against servers with TLS, and without: a wrong address or certificate says what is wrong with it."""

import datetime
import socket
import subprocess
import threading
from contextlib import contextmanager

import grpc
import pytest
import trustme

from .support import framecache as runner
from .support import rpc

TRY_AGAIN = 75


def write(folder, authority, certificate):
    """Options of a server with this certificate."""
    folder.mkdir()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    return ["--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem"]


def openssl(folder, *more):
    """A certificate as operators make them, signed by itself: options of a server."""
    folder.mkdir(exist_ok=True)
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-addext", "subjectAltName=DNS:localhost", *more]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    return ["--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def plain(folder):
    with rpc.start_server(folder / "store") as server:
        yield server


@pytest.fixture(scope="module")
def secure(folder):
    authority = trustme.CA()
    options = write(folder / "good", authority, authority.issue_cert("localhost"))
    with rpc.start_server(folder / "store", *options) as server:
        yield server


def ask(server, *flags, scheme="", name="localhost"):
    port = server if isinstance(server, int) else server.target.rpartition(":")[2]
    return runner.run([runner.BINARY, "timelines", "--server", f"{scheme}{name}:{port}", *flags], timeout=60)


def line_of(done):
    """The one line of a failure that time or the operator may mend; it needs no -v."""
    assert done.code == TRY_AGAIN and done.out == b"", done.describe()
    (line,) = done.err.strip().splitlines()
    assert line.startswith("framecache: could not connect to the server: ") and "server=" in line
    return line


def test_a_tls_port_without_https_is_named_as_one_each_time(secure, folder):
    for _ in range(10):
        line = line_of(ask(secure))
        assert "it speaks TLS" in line and "https://" in line
    assert line_of(ask(secure, "--token", "x")) == line
    assert ask(secure, "--tls-ca", folder / "good" / "ca.pem").code == 0


def test_https_against_a_port_without_tls_is_named_too(plain):
    assert "it speaks no TLS" in line_of(ask(plain, scheme="https://"))
    assert ask(plain).code == 0


def test_an_authority_that_is_not_trusted_and_a_name_that_is_not_the_certificates_are_told_apart(secure, folder):
    assert "no authority that is trusted" in line_of(ask(secure, scheme="https://"))
    assert "not for this name" in line_of(ask(secure, "--tls-ca", folder / "good" / "ca.pem", name="127.0.0.1"))
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    assert "no authority that is trusted" in line_of(ask(secure, "--tls-ca", folder / "other.pem"))


def test_a_certificate_that_has_expired_says_so(folder):
    authority = trustme.CA()
    past = datetime.datetime(2020, 1, 1)
    options = write(folder / "old", authority, authority.issue_cert("localhost", not_after=past))
    with rpc.start_server(folder / "store", *options) as server:
        assert "has expired" in line_of(ask(server, "--tls-ca", folder / "old" / "ca.pem"))


def test_a_certificate_of_openssl_req_x509_says_how_to_make_a_right_one_and_that_one_is_taken(folder):
    wrong = openssl(folder / "own")
    with rpc.start_server(folder / "store", *wrong) as server:
        line = line_of(ask(server, "--tls-ca", folder / "own" / "cert.pem"))
        assert "CA:TRUE" in line and "openssl req -x509" in line
        credentials = grpc.ssl_channel_credentials((folder / "own" / "cert.pem").read_bytes())
        with grpc.secure_channel(f"localhost:{server.target.rpartition(':')[2]}", credentials) as channel:
            v1 = rpc.load()
            assert v1.MediaServiceStub(channel).GetServerInfo(v1.GetServerInfoRequest(), timeout=30).version
    advice = line[line.index("-addext ") + len("-addext ") :].split()[0]
    right = openssl(folder / "mended", "-addext", advice)
    with rpc.start_server(folder / "store", *right) as server:
        assert ask(server, "--tls-ca", folder / "mended" / "cert.pem").code == 0


@contextmanager
def somebody_else(answer):
    """A port where each connection is answered with these bytes, whatever it says, and closed once it has read some."""

    def serve(connection):
        with connection:
            connection.recv(1 << 16)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.example.org ESMTP\r\n"])
def test_somebody_else_who_listens_there_is_no_server_and_no_crash(answer):
    with somebody_else(answer) as port:
        assert "speaks no gRPC" in line_of(ask(port))
        assert line_of(ask(port, scheme="https://"))


def test_nobody_there_says_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "nobody listens there" in line_of(ask(port, name="127.0.0.1"))
    done = runner.run([runner.BINARY, "timelines", "--server", f"unix:{tmp_path}/absent.sock"])
    assert "no such socket" in line_of(done)
