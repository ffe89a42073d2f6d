"""Prints the digest of each row of a plan.json, as commit records carry it.

    python3 tests/oracles/plan_digest.py src/timeline/tests/plan.golden.json \
        > src/timeline/tests/digests.golden.txt

Independent of the Rust code: Python's json (which keeps the order of fields)
and hashlib over the stored file.
"""

import hashlib
import json
import sys


def canonical(value):
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


with open(sys.argv[1], encoding="utf-8") as file:
    plan = json.load(file)
parameters = sha256(canonical(plan["parameters"]))
for row in plan["spans"]:
    print(sha256(canonical({"parameters": parameters, "row": row})))
