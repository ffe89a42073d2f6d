"""Pods of a manifest as processes of this machine, where there is neither a cluster nor an engine.

A container is its own command in a root of its own, which is read-only and holds nothing but this machine's /usr, the
program and what the manifest mounts; as the manifest's user, without capabilities, and unable to gain any. All pods are
on one host, a network namespace, in which the names of services are its address. How much of memory and CPU they may
use is left out.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from . import framecache as runner
from . import nats

HOST, HERE, THERE = "fcpods", "10.77.32.1", "10.77.32.2"
NAMES = ["framecache", "framecache-queue", "framecache-queue.framecache.svc.cluster.local"]
# What an image of ours has, and of others what they start.
PROGRAMS = {"framecache": "framecache", "nats": "nats-server"}
# Its arguments: root, files, program, user, group, [mount path, folder]…, --, VARIABLE=…, --, ARGUMENT…
START = r"""
set -eu
root=$1 files=$2 program=$3 user=$4 group=$5
shift 5
mount -t tmpfs tmpfs "$root"
mkdir "$root/app" "$root/proc" "$root/dev" "$root/tmp" "$root/data"
for each in usr bin sbin lib lib64; do
  [ -e "/$each" ] || continue
  if [ -L "/$each" ]; then ln -s "$(readlink "/$each")" "$root/$each"; continue; fi
  mkdir "$root/$each"
  mount --bind "/$each" "$root/$each"
  mount -o remount,bind,ro "$root/$each"
done
mount --rbind /proc "$root/proc"
for each in null zero urandom; do
  : > "$root/dev/$each"
  mount --bind "/dev/$each" "$root/dev/$each"
done
cp -a "$files/." "$root/"
for each in /etc/alternatives /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d /etc/ssl/certs; do
  [ -e "$each" ] || continue
  mkdir -p "$root${each%/*}"
  cp -a "$each" "$root${each%/*}/"
done
: > "$root/app/${program##*/}"
mount --bind "$program" "$root/app/${program##*/}"
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --bind "$2" "$root$1"
  shift 2
done
shift
variables=()
while [ "$1" != -- ]; do variables+=("$1"); shift; done
shift
mount -o remount,ro "$root"
exec chroot "$root" setpriv --reuid "$user" --regid "$group" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
  env -i -C /data PATH=/app:/usr/bin "${variables[@]}" "${program##*/}" "$@"
"""


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


@contextlib.contextmanager
def host():
    """The network namespace, joined to this machine by a cable of its own."""

    def remove():
        ip("netns", "del", HOST, check=False)
        ip("link", "del", HOST, check=False)

    remove()
    try:
        ip("netns", "add", HOST)
        ip("link", "add", HOST, "type", "veth", "peer", "name", "eth0", "netns", HOST)
    except (OSError, subprocess.CalledProcessError) as why:
        pytest.skip(f"no network namespaces can be made here: {why}")
    try:
        ip("addr", "add", f"{HERE}/24", "dev", HOST)
        ip("link", "set", HOST, "up")
        ip("-n", HOST, "addr", "add", f"{THERE}/24", "dev", "eth0")
        for link in ("eth0", "lo"):
            ip("-n", HOST, "link", "set", link, "up")
        yield
    finally:
        remove()


def templates(manifests):
    """{(kind, name): pod template} of all that makes pods."""
    found = {}
    for each in manifests:
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            found[each["kind"], each["metadata"]["name"]] = spec["template"]
    return found


@dataclass
class Cluster:
    """Manifests with the Secrets that they name, {name: {key: text}}."""

    folder: Path
    manifests: list
    secrets: dict
    running: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self, kind, name, args=None, **variables):
        """A running pod; with `args` another command in its place, as `kubectl exec` has it."""
        spec = templates(self.manifests)[kind, name]["spec"]
        (container,) = spec["containers"]
        place = self.folder / uuid.uuid4().hex
        root, files = place / "root", place / "files"
        root.mkdir(parents=True)
        user, group = (spec["securityContext"][key] for key in ("runAsUser", "runAsGroup"))
        mounts = self._mounts(kind, name, spec, container, files, (user, group))
        program = PROGRAMS[container["image"].split(":")[0]]
        program = runner.BINARY if program == "framecache" else shutil.which(program, path=nats.PATH)
        named = {**self._environment(container), **variables}
        words = ["ip", "netns", "exec", HOST, "unshare", "--mount", "bash", "-c", START, "pod", root, files, program, user, group]
        words += [*mounts, "--", *(f"{key}={value}" for key, value in named.items()), "--"]
        words += container["args"] if args is None else args
        pod = Pod([str(word) for word in words], place, spec, container, named)
        self.running.callback(pod.kill)
        return pod

    def _mounts(self, kind, name, spec, container, files, owner):
        """[mount path, folder]…; what configuration and secrets hold is written among the files of the root."""
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        (files / "etc").mkdir(parents=True)
        (files / "etc/hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{THERE} {each}\n" for each in NAMES))
        mounts = []
        for mount in container.get("volumeMounts", []):
            held = self._held(volumes.get(mount["name"], {}))
            if held is None:
                # A claim is of the pod that had it before; of the others each pod has its own.
                kept = self.folder / f"{kind}-{name}-{mount['name']}"
                kept.mkdir(exist_ok=True)
                os.chown(kept, *owner)
                mounts += [mount["mountPath"], kept]
                continue
            below = files / mount["mountPath"].lstrip("/")
            below.mkdir(parents=True, exist_ok=True)
            for key, text in held.items():
                (below / key).write_text(text)
                os.chown(below / key, 0, owner[1])
                (below / key).chmod(0o440)
        return mounts

    def _held(self, volume):
        if "configMap" in volume:
            return self._named("ConfigMap", volume["configMap"]["name"])
        if "secret" in volume:
            return self.secrets[volume["secret"]["secretName"]]
        return None

    def _named(self, kind, name):
        (found,) = [each for each in self.manifests if each["kind"] == kind and each["metadata"]["name"] == name]
        return found["data"]

    def _environment(self, container):
        values = {}
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                values.update(self._named("ConfigMap", source["configMapRef"]["name"]))
            else:
                values.update(self.secrets[source["secretRef"]["name"]])
        for variable in container.get("env", []):
            values[variable["name"]] = self._value(container, variable, values)
        return values

    def _value(self, container, variable, known):
        if "value" in variable:
            return re.sub(r"\$\((\w+)\)", lambda found: known[found[1]], variable["value"])
        source = variable["valueFrom"]
        if "secretKeyRef" in source:
            return self.secrets[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]
        _, what = source["resourceFieldRef"]["resource"].split(".")
        return container["resources"]["limits"][what]


class Pod:
    def __init__(self, words, place, spec, container, named):
        self.spec, self.container, self.place = spec, container, place
        self.ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        # Pods of one host, which in a cluster have an address each, have a port each.
        if "FRAMECACHE_METRICS" in named:
            self.ports["metrics"] = named["FRAMECACHE_METRICS"].rpartition(":")[2]
        self.out, self.log = open(place / "out", "wb"), open(place / "log", "wb")  # noqa: SIM115  (closed with it)
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.log)

    @property
    def said(self):
        return (self.place / "out").read_text() + (self.place / "log").read_text()

    def probe(self, name):
        """Whether the probe of this name is content."""
        asked = self.container[name]["httpGet"]
        assert self.process.poll() is None, self.said
        try:
            return urllib.request.urlopen(f"http://{THERE}:{self.ports[asked['port']]}{asked['path']}", timeout=5).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def ends(self, timeout=120):
        """By itself, as it should."""
        assert self.process.wait(timeout) == 0, self.said
        return self.said

    def kill(self):
        self.process.kill()
        self.process.wait(30)
        self.out.close()
        self.log.close()


def ended(pods):
    """Statuses of pods that are ended as a kubelet ends them, each within the time that it has."""
    for pod in pods:
        pod.process.send_signal(signal.SIGTERM)
    statuses = []
    for pod in pods:
        before = pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        statuses.append(pod.process.wait(pod.spec["terminationGracePeriodSeconds"] - before))
    return statuses
