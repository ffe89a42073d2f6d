"""Starts a server that speaks S3 (moto), prints its endpoint, and serves until it is ended. usage: s3_server.py"""

import logging
import signal

from moto.server import ThreadedMotoServer


def start():
    """A running server on a free port, and its endpoint."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return server, f"http://{host}:{port}"


if __name__ == "__main__":
    _server, endpoint = start()
    print(endpoint, flush=True)
    signal.pause()
