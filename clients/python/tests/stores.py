"""Stores as other programs see them: objects under keys, read and written with nobody told."""

import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from urllib import request
from urllib.parse import quote
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"AWS_ACCESS_KEY_ID": "AKTESTTESTTEST", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_REGION": "us-east-1"}


class Folder:
    def __init__(self, path):
        self.path = Path(path)
        self.location = str(path)
        #: What a server needs to find it.
        self.environment = {}

    def write(self, key, data):
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def read(self, key):
        return (self.path / key).read_bytes()

    def remove(self, key):
        (self.path / key).unlink()

    def keys(self, prefix):
        """Of the objects whose keys begin with this, which ends at a slash; in order."""
        found = (path for path in (self.path / prefix).rglob("*") if path.is_file())
        return sorted(path.relative_to(self.path).as_posix() for path in found)


class Bucket:
    """On a server that takes any signature, as moto."""

    def __init__(self, endpoint):
        name = f"test-{uuid.uuid4().hex[:16]}"
        self._url = f"{endpoint}/{name}"
        self.location = f"s3://{name}"
        self.environment = {**KEYS, "FRAMECACHE_ENDPOINT": endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
        self._ask("PUT", "")

    def write(self, key, data):
        self._ask("PUT", quote(key), data)

    def read(self, key):
        return self._ask("GET", quote(key))

    def remove(self, key):
        self._ask("DELETE", quote(key))

    def keys(self, prefix):
        listing = ElementTree.fromstring(self._ask("GET", f"?list-type=2&prefix={quote(prefix)}"))
        return sorted(each.text for each in listing.iter() if each.tag.rpartition("}")[2] == "Key")

    def _ask(self, method, rest, data=None):
        signature = f"AWS4-HMAC-SHA256 Credential={KEYS['AWS_ACCESS_KEY_ID']}/20260101/us-east-1/s3/aws4_request"
        headers = {
            "Authorization": f"{signature}, SignedHeaders=host, Signature=any",
            # urllib would say that it is a form, which moto reads twice.
            "Content-Type": "application/octet-stream",
        }
        asked = request.Request(f"{self._url}/{rest}", data, headers, method=method)
        with request.build_opener(request.ProxyHandler({})).open(asked, timeout=20) as answer:
            return answer.read()


@contextmanager
def s3_server():
    """The endpoint of a server that is run with the packages of the repository's own tests; None without these."""
    python = ROOT / ".venv/bin/python"
    if not python.exists():
        yield None
        return
    words = [python, ROOT / "tests/support/s3_server.py"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=sys.stderr, text=True) as process:
        try:
            yield process.stdout.readline().strip() or None
        finally:
            process.terminate()
