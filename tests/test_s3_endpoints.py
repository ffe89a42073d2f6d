"""Where S3 is, whom it is trusted to be, and by which keys it is asked."""

import os
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from .support.fault_proxy import Rule, error, fault_proxy
from .support.framecache import Framecache

#: A service that cannot be used is told long before the deadline of 60 s.
AT_ONCE = 30


def legacy(s3, bucket):
    """A frame that needs no plan."""
    s3.put_object(Bucket=bucket, Key="cache/timelines/old/frames/0.jpg", Body=b"\xff\xd8x")


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_endpoint_below_a_path_is_asked_there_with_and_without_a_slash_at_its_end(s3_endpoint, s3, bucket, slash):
    legacy(s3, bucket)
    with fault_proxy(s3_endpoint, below="/storage/v1/s3") as proxy:
        fc = Framecache(f"s3://{bucket}", options=["--endpoint", proxy.url + slash])
        assert len(fc.frames("old")) == 1
        assert proxy.count() > 0


def test_the_endpoint_of_a_profiles_services_section_is_used_as_one_of_ones_own(s3_endpoint, s3, bucket, tmp_path):
    legacy(s3, bucket)
    # By name: only a bucket in the path can be found there.
    endpoint = s3_endpoint.replace("127.0.0.1", "localhost")
    config = tmp_path / "config"
    config.write_text(f"[profile x]\nservices = here\n[services here]\ns3 =\n  endpoint_url = {endpoint}\n")
    fc = Framecache(f"s3://{bucket}", environment={"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "x"})
    assert len(fc.frames("old", timeout=30)) == 1


def test_the_authorities_of_aws_ca_bundle_are_trusted_and_others_refused_at_once(s3_endpoint, s3, bucket, tmp_path):
    legacy(s3, bucket)
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    (tmp_path / "empty.pem").write_text("")
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with fault_proxy(s3_endpoint, tls=tls) as proxy:
        fc = Framecache(f"s3://{bucket}", options=["--endpoint", proxy.url])
        fc.environment = {"AWS_CA_BUNDLE": str(tmp_path / "ca.pem")}
        assert len(fc.frames("old")) == 1
        for unusable in ("other.pem", "empty.pem", "none.pem"):
            fc.environment = {"AWS_CA_BUNDLE": str(tmp_path / unusable)}
            done = fc.run("frames", "old", code=75, timeout=AT_ONCE)
            assert "AWS_CA_BUNDLE" in done.err and str(tmp_path) not in done.err, done.describe()


def expects_key(good):
    """Refuses whoever signs with another key than the first of `good`."""

    def fault(call):
        used = call.handler.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        if used == good[0]:
            call.send(call.forward())
        else:
            error(400, "ExpiredToken")(call)

    return fault


def test_keys_that_were_renewed_in_their_file_are_used_when_the_old_ones_are_refused(s3_endpoint, s3, bucket, serve, v1, tmp_path):
    legacy(s3, bucket)
    file, good = tmp_path / "credentials", ["AKONE"]

    def write(key):
        (tmp_path / "new").write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = s\naws_session_token = t\n")
        os.rename(tmp_path / "new", file)

    write("AKONE")
    keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_CONFIG_FILE": "/dev/null"}
    with fault_proxy(s3_endpoint) as proxy:
        proxy.rules = [Rule(expects_key(good))]
        server = serve("--endpoint", proxy.url, store=f"s3://{bucket}", environment=keys)
        with server.channel() as channel:
            stub = v1.FrameServiceStub(channel)
            ask = lambda: list(stub.ListTimelines(v1.ListTimelinesRequest(), timeout=30).timelines)
            assert ask() == ["old"]
            for key in ("AKTWO", "AKTHREE"):
                write(key)
                good[0] = key
                before = len(proxy.calls)
                with ThreadPoolExecutor(4) as callers:
                    assert list(callers.map(lambda _: ask(), range(4))) == [["old"]] * 4
                assert len(proxy.calls) - before <= 16
