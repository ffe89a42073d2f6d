"""What deploy/ holds fits the schemas of those that take it, and its very commands do what they are for."""

import functools
import hashlib
import itertools
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import boto3
import botocore.session
import botocore.validate
import kubernetes_validate
import pytest
import trustme
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject

from .support import framecache as runner
from .support import nats, pods, s3_server, slurmd
from .support.framecache import assert_same_store
from .support.neighbours import until

DEPLOY = runner.ROOT / "deploy"
KUSTOMIZED = ["overlays/cpu", "overlays/gpu", "job"]
# `preStop: sleep` is the newest that is asked of a cluster.
OLDEST_KUBERNETES = "1.30"
NEWEST_KUBERNETES = kubernetes_validate.latest_version()
SECRETS = {"framecache-tls", "framecache-tokens", "framecache-queue", "framecache-s3"}


@functools.cache
def built(name):
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", DEPLOY / "kubernetes" / name], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def check(manifest):
    """Raises where its schema does not have it so."""
    if manifest["kind"] != "ScaledObject":
        for version in (OLDEST_KUBERNETES, NEWEST_KUBERNETES):
            kubernetes_validate.validate(manifest, version, strict=True)
        return
    known = ScaledObject.model_validate(manifest).model_dump(by_alias=True, exclude_unset=True, mode="json")
    assert known["spec"] == manifest["spec"], "something is of no meaning to KEDA"


@pytest.mark.parametrize("name", KUSTOMIZED)
def test_every_manifest_fits_the_published_schema_of_its_kind(name):
    for manifest in built(name):
        check(manifest)


def test_a_manifest_with_a_misspelt_key_would_not_have_fitted():
    for manifest in built("overlays/gpu"):
        if "spec" in manifest:
            with pytest.raises((kubernetes_validate.ValidationError, AssertionError)):
                check({**manifest, "spec": {**manifest["spec"], "replica": 1}})


@pytest.mark.parametrize("name", KUSTOMIZED)
def test_every_pod_keeps_to_the_restricted_standard_and_no_secret_is_held(name):
    manifests = built(name)
    (namespace,) = [each for each in manifests if each["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert not any(each["kind"] == "Secret" for each in manifests)
    for template in pods.templates(manifests).values():
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys() and not spec["automountServiceAccountToken"]
        for container in spec["containers"]:
            may = container["securityContext"]
            assert may["readOnlyRootFilesystem"] and not may["allowPrivilegeEscalation"]
            assert may["capabilities"] == {"drop": ["ALL"]} and not may.get("privileged")
            assert "limits" in container["resources"] and "requests" in container["resources"]
        assert all(volume.keys() & {"secret", "configMap", "emptyDir"} for volume in spec.get("volumes", []))
    named = json.dumps(manifests)
    used = {name for name in SECRETS if f'"{name}"' in named}
    assert used == (SECRETS if name != "job" else {"framecache-s3"})


def selects(selector, labels):
    fits = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    among = selector.get("matchExpressions", [])
    return fits and all(each["operator"] == "In" and labels.get(each["key"]) in each["values"] for each in among)


def allowed(policies, direction, labels, peer):
    """Ports by which policies let a pod of these labels speak with a peer, {"pods": labels} or {"namespace": labels}."""
    key = "to" if direction == "egress" else "from"
    ports = set()
    for policy in policies:
        if selects(policy["podSelector"], labels):
            for rule in policy.get(direction, []):
                for each in rule[key]:
                    of_pod = "podSelector" in each and selects(each["podSelector"], peer.get("pods", {"": ""}))
                    of_space = "namespaceSelector" in each and selects(each["namespaceSelector"], peer.get("namespace", {"": ""}))
                    if of_pod or of_space:
                        ports |= {port["port"] for port in rule["ports"]}
    return ports


def test_pods_may_speak_to_whom_they_need_and_to_nobody_else():
    manifests = [*built("overlays/cpu"), *built("job")]
    policies = [each["spec"] for each in manifests if each["kind"] == "NetworkPolicy"]
    everyone = [policy for policy in policies if policy["podSelector"] == {}]
    assert {"Ingress", "Egress"} <= {kind for policy in everyone for kind in policy["policyTypes"]}
    labels = {each["metadata"]["labels"]["app.kubernetes.io/component"]: each["metadata"]["labels"] for each in pods.templates(manifests).values()}
    assert labels.keys() == {"front", "work", "queue", "gc", "extract"}
    open_to = {}
    for one, other in itertools.permutations(labels, 2):
        sent = allowed(policies, "egress", labels[one], {"pods": labels[other]})
        taken = allowed(policies, "ingress", labels[other], {"pods": labels[one]})
        if sent & taken:
            open_to[one, other] = sent & taken
    assert open_to == {("front", "queue"): {"nats"}, ("work", "queue"): {"nats"}}
    assert allowed(policies, "ingress", labels["work"], {"namespace": {"kubernetes.io/metadata.name": "monitoring"}}) == {"metrics"}
    outside = {name: allowed(policies, "ingress", labels["front"], {"namespace": space}) for name, space in {
        "clients": {"framecache-client": "yes"}, "monitoring": {"kubernetes.io/metadata.name": "monitoring"}, "others": {},
    }.items()}  # fmt: skip
    assert outside == {"clients": {"grpc"}, "monitoring": {"metrics"}, "others": set()}
    assert allowed(policies, "ingress", labels["queue"], {"namespace": {"kubernetes.io/metadata.name": "keda"}}) == {"monitor"}
    to_store = {name for name, own in labels.items() for policy in policies if selects(policy["podSelector"], own)
                and any("ipBlock" in peer for rule in policy.get("egress", []) for peer in rule["to"])}  # fmt: skip
    assert to_store == labels.keys() - {"queue"}


def test_the_gpu_overlay_gives_workers_a_gpu_and_changes_nothing_else():
    cpu, gpu = (pods.templates(built(f"overlays/{name}")) for name in ("cpu", "gpu"))
    worker = gpu.pop(("Deployment", "framecache-work"))["spec"]
    cpu.pop(("Deployment", "framecache-work"))
    assert cpu == gpu
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert worker["containers"][0]["resources"]["limits"]["cpu"] == "4" and worker["containers"][0]["image"] == "framecache"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Three spans of few frames."""
    path = tmp_path_factory.mktemp("clips") / "part1.mp4"
    source = "testsrc2=size=96x64:rate=2:duration=150"
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", source, "-g", "4", path], check=True, timeout=60)
    return path


@pytest.fixture(scope="module")
def buckets(clip):
    """A client of an S3 server that pods reach, with the buckets that the manifests name."""
    with pods.host(), s3_server.moto(pods.HERE) as endpoint:
        keys = runner.S3_KEYS
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name=keys["AWS_REGION"], aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        for bucket in ("frames", "videos", "quiet"):
            client.create_bucket(Bucket=bucket)
        for name in ("part1.mp4", "part2.mp4"):
            client.upload_file(str(clip), "videos", name)
        yield client


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def secrets(buckets, authority):
    certificate = authority.issue_cert("framecache.framecache.svc", pods.THERE)
    return {
        "framecache-tls": {
            "tls.crt": "".join(blob.bytes().decode() for blob in certificate.cert_chain_pems),
            "tls.key": certificate.private_key_pem.bytes().decode(),
        },
        "framecache-tokens": {"tokens": f"{hashlib.sha256(b'open').hexdigest()} pipeline\n"},
        "framecache-queue": {"user": "framecache", "password": "q1e5"},
        "framecache-s3": {**runner.S3_KEYS, "FRAMECACHE_ENDPOINT": buckets.meta.endpoint_url},
    }


@pytest.fixture
def cluster(tmp_path, secrets):
    """Makes clusters of what a folder builds."""

    def make(name):
        return pods.Cluster(tmp_path, built(name), secrets)

    yield make


def stored(buckets, bucket, timeline):
    """{key: what it holds but for the run that wrote it} of a timeline."""
    found = buckets.list_objects_v2(Bucket=bucket, Prefix=f"cache/timelines/{timeline}/").get("Contents", [])
    return {each["Key"]: runner.without_run(f"/{each['Key']}", buckets.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()) for each in found}


def in_one_run(buckets, timeline, *words):
    store = runner.Framecache("s3://quiet", ["--endpoint", buckets.meta.endpoint_url])
    store.run("extract", "--timeline", timeline, *words, "--json", timeout=300)
    return stored(buckets, "quiet", timeline)


def lags(manifests):
    """{consumer: what KEDA takes for its lag}: `num_pending` and `num_ack_pending` of the consumer, asked as it asks."""
    (scaled,) = [each["spec"] for each in manifests if each["kind"] == "ScaledObject"]
    found = {}
    for trigger in scaled["triggers"]:
        said = trigger["metadata"]
        port = said["natsServerMonitoringEndpoint"].rpartition(":")[2]
        assert said["natsServerMonitoringEndpoint"].rpartition(":")[0] in pods.NAMES
        url = f"http://{pods.THERE}:{port}/jsz?acc={said['account']}&consumers=true&config=true"
        with urllib.request.urlopen(url, timeout=10) as answer:
            accounts = json.load(answer)["account_details"]
        streams = [each for account in accounts if account["name"] == said["account"] for each in account["stream_detail"]]
        (stream,) = [each for each in streams if each["name"] == said["stream"]]
        (consumer,) = [each for each in stream["consumer_detail"] if each["name"] == said["consumer"]]
        found[said["consumer"]] = consumer["num_pending"] + consumer["num_ack_pending"]
    return found


def test_a_front_workers_and_a_queue_do_as_their_manifests_say(cluster, buckets, authority, tmp_path):
    here = cluster("overlays/cpu")
    sources = ["s3://videos/part1.mp4", "s3://videos/part2.mp4"]
    words = ["--timeline", "ordered", "--every", "5", *sources]
    quiet = in_one_run(buckets, "ordered", "--every", "5", *sources)
    with here.running:
        queue = here.start("StatefulSet", "framecache-queue")
        until(lambda: all(map(queue.probe, ("startupProbe", "readinessProbe", "livenessProbe"))), "the queue is ready")
        front = here.start("Deployment", "framecache")
        until(lambda: all(map(front.probe, ("startupProbe", "readinessProbe", "livenessProbe"))), "the front is ready")
        submitted = here.start("Deployment", "framecache", ["submit", "--json", *words])
        submitted.ends()
        spans = json.loads((submitted.place / "out").read_text())["submitted"]["spans"]
        # Who asks how it stands makes the consumers, as a worker does.
        here.start("Deployment", "framecache", ["submit", "--status"]).ends()
        assert lags(here.manifests) == {"normal": spans, "waiting": 0} and spans > 2
        more = [{"FRAMECACHE_WORKERS": "1", "FRAMECACHE_METRICS": f"0.0.0.0:{9465 + n}"} for n in range(2)]
        workers = [here.start("Deployment", "framecache-work", **variables) for variables in more]
        for worker, probe in itertools.product(workers, ("startupProbe", "readinessProbe", "livenessProbe")):
            until(lambda worker=worker, probe=probe: worker.probe(probe), f"a worker's {probe} is content")
        here.start("Deployment", "framecache", ["submit", "--wait", "--json", *words]).ends()
        assert stored(buckets, "frames", "ordered") == quiet
        # A client from outside, by the certificate and a token.
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        server = ["--server", f"https://{pods.THERE}:50051", "--tls-ca", tmp_path / "ca.pem", "--token", "open"]
        done = runner.run([runner.BINARY, "extract", "--json", "--timeline", "served", "--fps", "1", sources[0], *server])
        assert done.code == 0, done.describe()
        assert stored(buckets, "frames", "served") == in_one_run(buckets, "served", "--fps", "1", sources[0])
        refused = runner.run([runner.BINARY, "timelines", *server[:4]], environment={"FRAMECACHE_TOKEN": ""})
        assert refused.code == 7, refused.describe()
        with urllib.request.urlopen(f"http://{pods.THERE}:9464/metrics", timeout=10) as answer:
            assert 'framecache_span_decodes_total{backend="cpu",outcome="ok"} 0' in answer.read().decode(), "workers made it"
        until(lambda: lags(here.manifests) == {"normal": 0, "waiting": 0}, "nothing is left to scale for")
        here.start("CronJob", "framecache-gc").ends()
        assert stored(buckets, "frames", "ordered") == quiet
        assert pods.ended([*workers, front]) == [0, 0, 0]
        pods.ended([queue])


def test_an_indexed_jobs_shards_are_byte_for_byte_one_run(cluster, buckets):
    here = cluster("job")
    (job,) = [each["spec"] for each in here.manifests if each["kind"] == "Job"]
    args = pods.templates(here.manifests)["Job", "framecache-extract"]["spec"]["containers"][0]["args"]
    assert job["completionMode"] == "Indexed" and f"--shard=/{job['completions']}" in args
    with here.running:
        # In an order of their own, two at a time.
        for some in ((7, 0), (1, 6), (5, 2), (3, 4)):
            shards = [here.start("Job", "framecache-extract", JOB_COMPLETION_INDEX=n, FRAMECACHE_WORKERS="1") for n in some]
            for shard in shards:
                shard.ends()
        again = here.start("Job", "framecache-extract", JOB_COMPLETION_INDEX=0)
        again.ends()
    assert stored(buckets, "frames", "game-7") == in_one_run(buckets, "game-7", "--every", "5", "s3://videos/part1.mp4", "s3://videos/part2.mp4")


def test_a_shard_that_cannot_succeed_is_not_tried_again(cluster):
    here = cluster("job")
    (rules,) = [each["spec"]["podFailurePolicy"]["rules"] for each in here.manifests if each["kind"] == "Job"]
    actions = {code: rule["action"] for rule in rules for code in rule.get("onExitCodes", {}).get("values", [])}

    def comes_of(*args):
        return actions.get(here.start("Job", "framecache-extract", ["extract", *args], JOB_COMPLETION_INDEX=1).process.wait(120))

    with here.running:
        plan = ["--timeline=refused", "--plan-only", "s3://videos/part1.mp4"]
        here.start("Job", "framecache-extract", ["extract", "--every=5", *plan]).ends()
        assert comes_of("--every=4", "--shard=/8", *plan) == "FailJob", "another plan"
        assert comes_of("--every=5", "--shard=/1", *plan) == "FailJob", "no such shard"
        assert comes_of("--every=5", "--shard=/8", "s3://videos/none.mp4") == "FailIndex", "no source"
    assert 75 not in actions and 0 not in actions


def batch(name):
    return json.loads((DEPLOY / "aws-batch" / f"{name}.json").read_text())


def fits(operation, request):
    shape = botocore.session.get_session().get_service_model("batch").operation_model(operation).input_shape
    report = botocore.validate.ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()


def test_the_definitions_for_aws_batch_fit_its_own_model():
    for name in ("extract", "work"):
        fits("RegisterJobDefinition", batch(name))
        assert batch(name)["jobDefinitionName"] == f"framecache-{name}"
    fits("SubmitJob", batch("submit"))
    assert batch("submit")["jobDefinition"] == batch("extract")["jobDefinitionName"]
    assert batch("submit")["parameters"].keys() == batch("extract")["parameters"].keys()
    wrong = batch("extract")
    wrong["containerProperties"]["memmory"] = 1
    with pytest.raises(AssertionError, match="memmory"):
        fits("RegisterJobDefinition", wrong)


def batch_command(name, parameters=()):
    """What its container is started with, and under which variables."""
    container = batch(name)["containerProperties"]
    given = {**batch(name).get("parameters", {}), **dict(parameters)}
    words = [given[word[5:]] if word.startswith("Ref::") else word for word in container["command"]]
    return [runner.BINARY, *words], {each["name"]: each["value"] for each in container["environment"]}


def test_an_array_job_and_workers_of_aws_batch_make_what_one_run_makes(fc, new_store, clip, tmp_path):
    size = batch("submit")["arrayProperties"]["size"]
    words, variables = batch_command("extract", {"source": str(clip)})
    assert variables["FRAMECACHE_STORE"].startswith("s3://")
    variables |= {"FRAMECACHE_STORE": str(fc.store), "AWS_BATCH_JOB_ARRAY_SIZE": str(size)}
    for index in reversed(range(size)):
        done = runner.run(words, environment={**variables, "AWS_BATCH_JOB_ARRAY_INDEX": str(index)})
        assert done.code == 0, done.describe()
    quiet, worked = new_store("one-run"), new_store("worked")
    quiet.extract("game-7", "--every", "5", clip)
    assert_same_store(fc.store, quiet.store)
    with nats.running(tmp_path / "nats") as queue:
        worked.run("submit", "--queue", queue.url, "--timeline", "game-7", "--every", "5", clip)
        words, variables = batch_command("work")
        words[words.index("120s")] = "1s"
        done = runner.run(words, environment={**variables, "FRAMECACHE_STORE": str(worked.store), "FRAMECACHE_QUEUE": queue.url})
        assert done.code == 0 and "spans=3" in done.err, done.describe()
    assert_same_store(worked.store, quiet.store)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with slurmd.running(tmp_path_factory.mktemp("slurm") / "here") as here:
        yield here


@pytest.fixture
def quiet(new_store, clip):
    """A store that one run of `extract` filled."""
    fc = new_store("quiet")
    fc.extract("t", "--every", "5", clip)
    return fc


def test_an_array_job_of_slurm_makes_what_one_run_makes(slurm, fc, quiet, clip):
    words = ["--timeline", "t", "--every", "5", clip]
    # Numbers from where it likes.
    assert slurm.batch("extract", "--array=4-6", *words, FRAMECACHE_STORE=fc.store) == ["COMPLETED 0:0"] * 3, slurm.said()
    assert_same_store(fc.store, quiet.store)


def test_under_slurm_an_outage_is_tried_again_and_a_refusal_is_not(slurm, fc, quiet, clip, tmp_path):
    # An outage at first, in each task.
    program = tmp_path / "bin" / "framecache"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\necho >> {tmp_path}/tries-$SLURM_ARRAY_TASK_ID\n"
        f'[ "$(wc -l < {tmp_path}/tries-$SLURM_ARRAY_TASK_ID)" -gt 1 ] || exit 75\nexec {runner.BINARY} "$@"\n'
    )
    program.chmod(0o755)
    given = {"PATH": f"{program.parent}:{slurm.environment['PATH']}", "PAUSE_SECS": "0", "FRAMECACHE_STORE": fc.store}
    words = ["--timeline", "t", "--every", "5", clip]
    assert slurm.batch("extract", "--array=0-1", *words, **given) == ["COMPLETED 0:0"] * 2, slurm.said()
    assert_same_store(fc.store, quiet.store)
    other = ["--timeline", "t", "--every", "4", clip]
    assert slurm.batch("extract", "--array=0-0", *other, **given) == ["FAILED 5:0"]
    assert slurm.batch("extract", "--array=9-9", *words, **given, TRIES="1") == ["FAILED 75:0"]
    tries = {path.name: path.read_text().count("\n") for path in tmp_path.glob("tries-*")}
    assert tries == {"tries-0": 3, "tries-1": 2, "tries-9": 1}


def test_workers_under_slurm_end_when_there_is_nothing_to_do(slurm, fc, quiet, clip, tmp_path):
    with nats.running(tmp_path / "nats") as queue:
        fc.run("submit", "--queue", queue.url, "--timeline", "t", "--every", "5", clip)
        variables = {"FRAMECACHE_STORE": fc.store, "FRAMECACHE_QUEUE": queue.url, "FRAMECACHE_IDLE_EXIT": "1s"}
        assert slurm.batch("work", "--array=0-1", **variables) == ["COMPLETED 0:0"] * 2, slurm.said()
    assert_same_store(fc.store, quiet.store)


def test_a_task_of_slurm_that_is_told_to_end_leaves_what_is_committed(slurm, fc, quiet, clip, tmp_path):
    # It goes on until it is told to end.
    program = tmp_path / "bin" / "framecache"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{runner.BINARY} \"$@\"\n: > {tmp_path}/done\nexec sleep 600\n")
    program.chmod(0o755)
    given = {"PATH": f"{program.parent}:{slurm.environment['PATH']}", "FRAMECACHE_STORE": fc.store}
    script = runner.ROOT / "deploy/slurm/extract.sbatch"
    job = slurm.ask("sbatch", "--parsable", "--cpus-per-task=1", "--array=0-0", script, "--timeline", "t", "--every", "5", clip, **given).stdout.strip()
    until((tmp_path / "done").exists, "it is at work")
    # As Slurm does before the time is over.
    slurm.ask("scancel", "--batch", "--signal=TERM", job)
    until(lambda: {task["JobState"] for task in slurm.tasks(job)} == {"FAILED"}, "it has ended", timeout=30)
    assert [task["ExitCode"] for task in slurm.tasks(job)] == ["143:0"]
    assert_same_store(fc.store, quiet.store)
