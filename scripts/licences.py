"""Fails when a dependency's licence is not on the allow list. usage: cargo metadata ... | licences.py"""

import json
import re
import sys

# What may be linked into a binary under MIT OR Apache-2.0 with notices kept, and nothing more.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "WTFPL",
    "Zlib",
}


def tokens(expression):
    """SPDX tokens; the old form `MIT/Apache-2.0` means OR."""
    text = re.sub(r"\s*/\s*", " OR ", expression)
    text = re.sub(r"(\S+) WITH (\S+)", r"\1_WITH_\2", text)
    return [t.replace("_WITH_", " WITH ") for t in re.findall(r"[()]|[^\s()]+", text)]


def allowed(expression):
    """Whether the licence expression can be met with allowed licences alone."""
    rest = tokens(expression)

    def alternatives():
        value = conjunction()
        while rest and rest[0] == "OR":
            rest.pop(0)
            value = conjunction() or value
        return value

    def conjunction():
        value = term()
        while rest and rest[0] == "AND":
            rest.pop(0)
            value = term() and value
        return value

    def term():
        token = rest.pop(0)
        if token != "(":
            return token in ALLOWED
        value = alternatives()
        rest.pop(0)
        return value

    return alternatives()


def main():
    packages = json.load(sys.stdin)["packages"]
    bad = [
        f"{p['name']} {p['version']}: {p['license'] or 'no licence stated'}"
        for p in packages
        if not p["license"] or not allowed(p["license"])
    ]
    for line in bad:
        print(f"licence not on the allow list: {line}", file=sys.stderr)
    print(f"{len(packages) - len(bad)} of {len(packages)} packages have an allowed licence")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
