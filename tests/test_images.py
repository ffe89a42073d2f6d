"""Dockerfile.cuda and deploy/: what can be known of them without a container engine."""

import fnmatch
import http.client
import re
import shlex
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.support import framecache as runner

ROOT = runner.ROOT
DOCKERFILE = ROOT / "Dockerfile.cuda"
COMPOSE = ROOT / "deploy" / "compose.yaml"
GPU = ROOT / "deploy" / "compose.gpu.yaml"


def instructions():
    """[(NAME, rest)] of the Dockerfile; continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def of(name):
    return [rest for found, rest in instructions() if found == name]


def tracked():
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def in_context():
    """Tracked files that .dockerignore lets into the build."""
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    return [f for f in tracked() if any(f == k or f.startswith(f"{k}/") or fnmatch.fnmatch(f, k) for k in kept)]


def test_every_copied_file_is_tracked_and_reaches_the_build():
    files, copied = in_context(), 0
    for rest in of("COPY"):
        words = shlex.split(rest)
        if words[0].startswith("--from="):
            continue
        for source in words[:-1]:
            assert any(f == source or f.startswith(f"{source}/") for f in files), source
            copied += 1
    assert copied >= 10


def test_the_build_has_every_file_that_cargo_names_or_the_source_includes():
    files = set(in_context())
    manifest = (ROOT / "Cargo.toml").read_text()
    named = re.findall(r'^path = "([^"]+)"', manifest, re.M)
    benches = re.findall(r'\[\[bench\]\]\nname = "([^"]+)"', manifest)
    # Where Cargo looks for a target that names no path.
    named += [next((f for f in (f"benches/{name}.rs", f"benches/{name}/main.rs") if f in files), name) for name in benches]
    for source in (f for f in files if f.endswith(".rs") and "/tests" not in f):
        for included in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', (ROOT / source).read_text()):
            named.append(str((ROOT / source).parent.joinpath(included).resolve().relative_to(ROOT)))
    assert len(named) >= 8
    assert set(named) <= files, set(named) - files


def test_bases_are_pinned_stages_exist_and_the_last_runs_as_nobody():
    stages = []
    for rest in of("FROM"):
        image, *name = re.split(r"\s+AS\s+", rest)
        assert re.search(r":\d+\.\d+", image), f"{image} is not pinned"
        stages += name
    for rest in of("COPY"):
        for stage in re.findall(r"--from=(\S+)", rest):
            assert stage in stages
    assert of("USER") == ["10001:10001"]
    env = dict(word.split("=", 1) for word in shlex.split(" ".join(of("ENV"))))
    assert env["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility,video"
    assert env["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert of("ENTRYPOINT") == ['["framecache"]']


def test_every_package_exists_in_this_debian():
    if not shutil.which("apt-cache") or not Path("/etc/debian_version").read_text().startswith("12"):
        pytest.skip("no Debian 12")
    packages = []
    for rest in of("RUN"):
        for command in rest.split("&&"):
            if "apt-get install" in command:
                packages += [word for word in shlex.split(command) if word not in ("apt-get", "install") and not word.startswith("-")]
    known = subprocess.run(["apt-cache", "policy", *packages], capture_output=True, text=True, check=True).stdout
    if not known.strip():
        pytest.skip("apt has no package lists")
    with_candidate = re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: \d", known, re.M)
    assert set(packages) <= set(with_candidate), set(packages) - set(with_candidate)


def test_run_instructions_are_shell():
    for rest in of("RUN"):
        assert subprocess.run(["sh", "-n", "-c", rest], capture_output=True).returncode == 0, rest


def test_the_health_check_is_well_with_a_server_and_ill_without(tmp_path):
    (rest,) = of("HEALTHCHECK")
    words = yaml.safe_load(rest.split("CMD", 1)[1])
    assert words[:2] == ["bash", "-c"]

    def healthy(port):
        command = words[2].replace("/9464", f"/{port}")
        return subprocess.run(["bash", "-c", command], capture_output=True, timeout=20).returncode == 0

    log = (tmp_path / "log").open("w+")
    command = [runner.BINARY, "serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--store", tmp_path / "store"]
    server = subprocess.Popen(command, stdout=log, stderr=log, env=runner.clean_environment(), cwd=tmp_path)
    try:
        port = side_port(server.pid)
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=10).read() == b"alive\n"
        assert healthy(port)
    finally:
        server.terminate()
        server.wait(timeout=30)
    assert not healthy(port)


def side_port(pid):
    """Of the sockets that the server listens on, the one that answers /livez."""
    for _ in range(200):
        done = subprocess.run(["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True)
        inodes = set(re.findall(r"socket:\[(\d+)\]", done.stdout))
        rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        for port in (int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and row[9] in inodes):
            try:
                if urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=2).status == 200:
                    return port
            except (OSError, http.client.HTTPException):
                continue
        time.sleep(0.1)
    raise AssertionError("the server has no side port")


def test_compose_names_pinned_images_loopback_ports_and_the_bucket_of_the_store():
    compose = yaml.safe_load(COMPOSE.read_text())
    services = compose["services"]
    for name, service in services.items():
        assert "build" in service or re.search(r":RELEASE\.\d{4}-", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert set(service.get("depends_on", {})) <= set(services)
    own = services["framecache"]
    assert (COMPOSE.parent / own["build"]["context"] / own["build"]["dockerfile"]).resolve() == DOCKERFILE
    bucket = own["environment"]["FRAMECACHE_STORE"].removeprefix("s3://")
    assert services["bucket"]["command"][-1] == f"local/{bucket}"
    assert own["environment"]["AWS_SECRET_ACCESS_KEY"] == services["s3"]["environment"]["MINIO_ROOT_PASSWORD"]


def test_the_servers_variables_are_those_of_its_help():
    help_text = runner.run([runner.BINARY, "serve", "--help"]).text
    env = [word.split("=", 1)[0] for word in shlex.split(" ".join(of("ENV")))]
    used = [*env, *yaml.safe_load(COMPOSE.read_text())["services"]["framecache"]["environment"]]
    ours = [name for name in used if name.startswith("FRAMECACHE_")]
    assert len(ours) >= 6
    for name in ours:
        assert f"[env: {name}" in help_text, name


def test_the_gpu_override_asks_for_video():
    (device,) = yaml.safe_load(GPU.read_text())["services"]["framecache"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia" and {"gpu", "video"} <= set(device["capabilities"])
