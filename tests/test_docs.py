"""The pages of docs/: they build into a site without a warning, and what they show is what happens."""

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest
import yaml

from .support import framecache as runner
from .support import nats, pages, slurmd

DOCS = runner.ROOT / "docs"
DEPLOY = runner.ROOT / "deploy"


def free_ports(*shown):
    """{a port that a page names: one that is free here}."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in shown]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {port: each.getsockname()[1] for port, each in zip(shown, sockets)}


def test_the_tutorial_does_what_it_says_from_an_empty_folder(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    assert {block.language for block in pages.blocks(DOCS / "tutorial.md")} == {"console", "pycon"}
    with pages.Reader(folder, free_ports(50051, 9464)) as reader:
        assert reader.follow(DOCS / "tutorial.md") > 30


def help_of(*command):
    done = subprocess.run([runner.BINARY, *command, "--help"], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def operated(tmp_path_factory):
    """What the page on operations led to: what /metrics says at its end."""
    folder = tmp_path_factory.mktemp("operations")
    with pages.Reader(folder, free_ports(50051, 9464)) as reader:
        assert reader.follow(DOCS / "operations.md") > 10
        metrics, status = reader.run("curl -sf 127.0.0.1:9464/metrics")
        assert status == 0
        yield metrics


OPERATIONS = (DOCS / "operations.md").read_text()


def file_of(page, title):
    (text,) = [block.text for block in pages.blocks(DOCS / page) if block.title == title]
    return text


def test_the_page_on_operations_makes_certificates_and_tokens_that_a_server_and_its_clients_take(operated):
    assert "openssl req" in OPERATIONS and "framecache_build_info" in operated


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    """The folder that the page on many machines leaves, beside what a checkout has; Slurm is this machine's own."""
    folder = tmp_path_factory.mktemp("clusters")
    (folder / "deploy").symlink_to(DEPLOY)
    before = os.environ["PATH"]
    os.environ["PATH"] = nats.PATH
    try:
        with (
            slurmd.running(tmp_path_factory.mktemp("slurm") / "here") as slurm,
            pages.Reader(folder, free_ports(4222, 50051, 9464), SLURM_CONF=slurm.environment["SLURM_CONF"]) as reader,
        ):
            assert reader.follow(DOCS / "clusters.md") > 30
    finally:
        os.environ["PATH"] = before
    return folder


def test_the_page_on_many_machines_does_what_it_says_from_an_empty_folder(clustered):
    assert (clustered / "frames/cache/timelines/queued/plan.json").exists()


def test_the_page_on_many_machines_makes_every_secret_that_the_manifests_name(clustered):
    made = {
        each["metadata"]["name"]: set(each["data"])
        for each in yaml.safe_load_all((clustered / "secrets.yaml").read_text()) if each
    }  # fmt: skip
    spoken = json.dumps(list(yaml.safe_load_all((clustered / "all.yaml").read_text())))
    keys = set(re.findall(r'"secretKeyRef": \{"key": "([\w.-]+)", "name": "([\w-]+)"\}', spoken))
    assert len(keys) == 2 and all(key in made[name] for key, name in keys)
    for name, folder in re.findall(r'"name": "(\w+)", "secret": \{"defaultMode": \d+, "secretName": "([\w-]+)"', spoken):
        paths = re.findall(rf"/etc/framecache/{name}/([\w.]+)", spoken)
        assert paths and made[folder] == set(paths)
    assert made.keys() == {"framecache-tls", "framecache-tokens", "framecache-queue", "framecache-s3"}


def test_commands_that_the_page_on_many_machines_has_for_a_cluster_are_those_of_its_files():
    text = (DOCS / "clusters.md").read_text()
    shown = [block.text for block in pages.blocks(DOCS / "clusters.md") if block.language == "sh"]
    for path in re.findall(r"deploy/(?:kubernetes|slurm|aws-batch)[\w./-]*\w", text):
        assert (runner.ROOT / path).exists(), path
    for command, flag in re.findall(r"-- framecache (\w+)[^\n]*?(--[a-z-]+)", "".join(shown)):
        assert re.search(rf"^ +{flag}\b", help_of(command), re.M), (command, flag)


def test_the_page_on_similar_frames_does_what_it_says_from_an_empty_folder(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    with pages.Reader(folder, free_ports(50051, 9464)) as reader:
        assert reader.follow(DOCS / "similar.md") > 5


def test_the_page_on_the_viewer_does_what_it_says_from_an_empty_folder(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    with pages.Reader(folder) as reader:
        assert reader.follow(DOCS / "viewer.md") == 3


def test_the_page_on_http_does_what_it_says_from_an_empty_folder(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    with pages.Reader(folder, free_ports(50051, 8080, 9464)) as reader:
        assert reader.follow(DOCS / "http.md") > 10


def test_every_metric_and_label_that_the_page_on_operations_names_is_there(operated):
    there = set(re.findall(r"^(\w+)[{ ]", operated, re.M))
    there |= {name.removesuffix("_bucket") for name in there}
    # A worker's, which test_workers.py asks for.
    there.add("framecache_orders_total")
    named = set(re.findall(r"\b(?:framecache|grpc_server)_\w+", OPERATIONS))
    assert len(named) > 8 and named <= there
    assert {name for name in there if not name.endswith(("_bucket", "_sum", "_count"))} <= named, "one is not explained"
    rules = yaml.safe_load(file_of("operations.md", "alerts.yaml"))["groups"][0]["rules"]
    selected = [found for rule in rules for found in re.findall(r"(\w+)\{(\w+)=~?\"([^\"]+)\"\}", rule["expr"])]
    assert len(selected) == len(rules)
    for metric, label, values in selected:
        for value in values.split("|"):
            # What Prometheus itself knows of whom it asks.
            assert metric == "up" or re.search(rf"^{metric}\{{[^}}]*\b{label}=\"{value}\"", operated, re.M), (metric, value)


def test_every_flag_that_the_page_on_operations_names_is_there_with_its_default():
    words = help_of("serve")
    known = {"serve": words}
    for span in re.findall(r"`([^`\n]*--[a-z][^`\n]*)`", OPERATIONS):
        command = span.removeprefix("framecache ").split()[0]
        text = words if command.startswith("--") else known.setdefault(command, help_of(command))
        for flag in re.findall(r"--[a-z][a-z-]+", span):
            assert re.search(rf"^ +(?:-\w, )?{flag}\b", text, re.M), span
    limits = re.findall(r"^\| `(--[\w-]+)` \| `([^`]+)` \|", OPERATIONS, re.M)
    assert len(limits) > 5
    for flag, default in limits:
        said = re.search(rf"^ +{flag} (.*?)^ +\[env", words, re.M | re.S)[1]
        assert f"[default: {default}]" in " ".join(said.split()), flag


def test_the_permissions_in_s3_are_those_that_the_program_asks_for():
    statements = json.loads(file_of("operations.md", "policy.json"))["Statement"]
    named = {action for statement in statements for action in statement["Action"]}
    hint = re.search(r"these credentials need ([^(\"]*)", (runner.ROOT / "src/aws/sdk/failure.rs").read_text())[1]
    assert named == set(re.findall(r"s3:\w+", hint))


def test_the_site_is_built_without_a_warning_and_explains_every_keyword(tmp_path):
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run(words, cwd=runner.ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "site/python/client.html").read_text()
    for name in ("fps", "max_side", "pad_value", "source_roots"):
        assert re.search(rf"<code>{name}</code>.*?doc-md-description", reference, re.S), name
    assert "**options" not in reference
