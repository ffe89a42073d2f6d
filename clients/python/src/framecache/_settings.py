"""Where the server is and how to speak to it."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from typing import List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

import grpc

from ._errors import invalid

_LOOPBACK = ("localhost", "127.", "[::1]")


@dataclass(frozen=True)
class Settings:
    """Everything a client is made of; what is pickled of it."""

    #: "host:port", "unix:/path", "http://host:port" or "https://host:port"; None: start a private server.
    target: Optional[str] = None
    token: Optional[str] = field(default=None, repr=False)
    #: Paths of PEM files.
    tls_ca: Optional[str] = None
    tls_cert: Optional[str] = None
    tls_key: Optional[str] = None
    #: Seconds that one call may take; None: as long as it goes on.
    timeout: Optional[float] = None

    def checked(self) -> Settings:
        if self.timeout is not None and not self.timeout > 0:
            raise invalid(f"a timeout must be above 0 seconds: timeout={self.timeout}", "timeout")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise invalid("a client certificate and its key come together: give tls_cert and tls_key", "tls_cert")
        if self.target is not None:
            address(self.target)
        return self


def address(target: str) -> Tuple[str, bool]:
    """gRPC's address of a target, and whether it is behind TLS."""
    unix = target.startswith("unix:") and len(target) > len("unix:")
    if unix or ("://" not in target and target.rpartition(":")[2].isdecimal()):
        return target, False
    url = urlsplit(target)
    if url.scheme not in ("http", "https") or not url.netloc or url.path not in ("", "/"):
        raise invalid(f"a server is host:port, unix:/path or https://host:port: target={target}", "target")
    secure = url.scheme == "https"
    netloc = url.netloc if url.port else f"{url.netloc}:{443 if secure else 80}"
    return netloc, secure


def from_environment(settings: Settings, env: Mapping[str, str] = os.environ) -> Settings:
    """What the caller left open, taken from FRAMECACHE_SERVER, FRAMECACHE_TOKEN and FRAMECACHE_TLS_CA."""
    target = settings.target or env.get("FRAMECACHE_SERVER") or None
    token = settings.token or env.get("FRAMECACHE_TOKEN") or None
    # As the command line has it: host:port is behind TLS where an authority is named.
    plain = target is None or target.startswith(("unix:", "http:"))
    authority = settings.tls_ca or (None if plain else env.get("FRAMECACHE_TLS_CA")) or None
    return dataclasses.replace(settings, target=target, token=token, tls_ca=authority).checked()


def metadata(settings: Settings) -> List[Tuple[str, str]]:
    return [("authorization", f"Bearer {settings.token}")] if settings.token else []


def channel_options(target: str) -> List[Tuple[str, object]]:
    options: List[Tuple[str, object]] = [
        # Each client has its own connection, so that closing one disturbs no other.
        ("grpc.use_local_subchannel_pool", 1),
        # A peer that died without a word is noticed in half a minute, while a call waits for it.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Frames are some 100 kB: HTTP/2's usual pieces of 16 KiB cost a sixth of the time to receive them.
        ("grpc.http2.max_frame_size", 1 << 20),
    ]
    if is_loopback(target):
        options.append(("grpc.enable_http_proxy", 0))
    if target.startswith("unix:"):
        # gRPC would name the socket's path, which is no authority that HTTP/2 servers accept.
        options.append(("grpc.default_authority", "localhost"))
    return options


def is_loopback(target: str) -> bool:
    """Whether it names this machine; `http://` in front or not."""
    return target.partition("://")[2].startswith(_LOOPBACK) or target.startswith(("unix:",) + _LOOPBACK)


def credentials(settings: Settings, secure: bool) -> Optional[grpc.ChannelCredentials]:
    """TLS where the target says https or a certificate was named; else None."""
    if not (secure or settings.tls_ca or settings.tls_cert):
        return None
    return grpc.ssl_channel_credentials(*(_read(settings, name) for name in ("tls_ca", "tls_key", "tls_cert")))


def _read(settings: Settings, name: str) -> Optional[bytes]:
    path = getattr(settings, name)
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            pem = file.read()
    except OSError as error:
        raise invalid(f"a PEM file cannot be read: {name}={path}, {error.strerror}", name) from None
    # gRPC says only that there is no server.
    what = "private key" if name == "tls_key" else "certificate"
    if f"{what.upper()}-----".encode() not in pem:
        raise invalid(f"a PEM file holds no {what}: {name}={path}", name)
    return pem
