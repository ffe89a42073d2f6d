"""The queue's connection over TLS: whom it trusts, whom it is trusted by, and what a refusal says."""

import ssl

import pytest
import trustme

from .support import nats
from .support.neighbours import until
from .test_workers import Worker, records

SAMPLING = ["--count", "3"]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def papers(tmp_path_factory, authority):
    """PEM files: of the authority, of the queue, of a client, and of an authority that nobody asked."""
    folder = tmp_path_factory.mktemp("papers")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    for name in ("localhost", "client"):
        paper = authority.issue_cert(name)
        paper.private_key_pem.write_to_path(folder / f"{name}.key")
        (folder / f"{name}.pem").write_bytes(b"".join(blob.bytes() for blob in paper.cert_chain_pems))
    return folder


@pytest.fixture
def queue(request, tmp_path, papers):
    """nats-server over TLS; with the parameter `mutual` it asks clients for a certificate, too."""
    context = ssl.create_default_context(cafile=papers / "ca.pem")
    context.load_cert_chain(papers / "client.pem", papers / "client.key")
    options = ["--tls", "--tlscert", papers / "localhost.pem", "--tlskey", papers / "localhost.key"]
    if getattr(request, "param", None) == "mutual":
        options += ["--tlsverify", "--tlscacert", papers / "ca.pem"]
    with nats.running(tmp_path / "nats", options=options, context=context) as server:
        yield server


def at(queue, scheme="tls", name="localhost"):
    return f"{scheme}://{name}:{queue.port}"


def submit(fc, url, *words, **more):
    return fc.run("submit", "--queue", url, "--json", *words, **more)


@pytest.mark.parametrize("queue", ["one-sided", "mutual"], indirect=True)
def test_spans_are_made_over_tls_by_whoever_trusts_the_queue_and_has_what_it_asks_for(fc, queue, papers, clip, new_store, request):
    mutual = "mutual" in request.node.name
    own = ["--queue-cert", papers / "client.pem", "--queue-key", papers / "client.key"] if mutual else []
    words = ["--timeline", "t", *SAMPLING, clip("h264_bframes.mp4")]
    trusting = ["--queue-ca", papers / "ca.pem", *own]
    # The authority alone asks for TLS, whatever the address says.
    assert submit(fc, at(queue, "nats"), *trusting, *words).json["submitted"]["spans"] == 1
    worker = Worker(fc, queue, *trusting, "--idle-exit", "2s", url=at(queue))
    assert worker.wait() == 0, worker.said
    assert records(fc) == 1
    if mutual:
        refused = submit(fc, at(queue), "--queue-ca", papers / "ca.pem", "--status", code=75)
        assert "--queue-cert" in refused.err or "certificate" in refused.err, refused.err


def test_a_queue_that_is_not_trusted_is_named_with_the_way_to_trust_it(fc, queue, papers, clip):
    words = ["--timeline", "t", *SAMPLING, clip("h264_bframes.mp4")]
    for wrong in ([], ["--queue-ca", papers / "other.pem"]):
        done = submit(fc, at(queue), *wrong, *words, code=75)
        assert "--queue-ca" in done.err, done.err
    # By a name that the certificate has not.
    done = submit(fc, at(queue, name="127.0.0.1"), "--queue-ca", papers / "ca.pem", *words, code=75)
    assert "subjectAltName" in done.err, done.err
    assert (queue.orders() or {"messages": 0})["messages"] == 0


def test_what_speaks_no_tls_gets_no_password(fc, papers, tmp_path):
    with nats.running(tmp_path / "plain") as plain:
        for url, more in ((at(plain), []), (f"nats://me:secret@localhost:{plain.port}", ["--queue-ca", papers / "ca.pem"])):
            done = submit(fc, url, *more, "--status", code=75)
            assert "TLS" in done.err and "secret" not in done.err, done.err


def test_files_that_are_of_no_use_are_named_before_anybody_is_asked(fc, papers, tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for options, word in (
        (["--queue-ca", empty], "no certificate"),
        (["--queue-ca", tmp_path / "absent.pem"], "absent.pem"),
        (["--queue-cert", papers / "client.pem"], "--queue-key"),
        (["--queue-cert", papers / "client.pem", "--queue-key", papers / "localhost.key"], "together"),
    ):
        done = submit(fc, "tls://localhost:1", *options, "--status", code=2)
        assert word in done.err, done.err


def test_a_server_that_cannot_trust_its_queue_says_why_and_takes_it_once_it_can(serve, queue, papers, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_bytes((papers / "other.pem").read_bytes())
    server = serve("--queue", at(queue), "--queue-ca", ca)
    until(lambda: "--queue-ca" in server.log, "it says why", timeout=60)
    assert server.metric("framecache_queue_reached") == 0
    ca.write_bytes((papers / "ca.pem").read_bytes())
    until(lambda: server.metric("framecache_queue_reached") == 1, "it is reached", timeout=60)
