"""What both clients are made of."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, List, Optional, Tuple, Union

from . import _requests
from ._errors import invalid
from ._server import PrivateServer, arguments
from ._settings import Settings, from_environment, is_loopback
from .v1 import frame_service_pb2 as pb
from .v1 import media_service_pb2 as media


class Base:
    """Settings, and the private server where no other was named."""

    def __init__(
        self,
        target: Optional[str] = None,
        *,
        token: Optional[str] = None,
        tls_ca: Optional[str] = None,
        tls_cert: Optional[str] = None,
        tls_key: Optional[str] = None,
        timeout: Optional[float] = None,
        store: Optional[str] = None,
        source_roots: Union[None, str, List[str]] = None,
        source_buckets: Union[None, str, List[str]] = None,
        workers: Optional[int] = None,
    ) -> None:
        """
        Args:
            target: "host:port", "unix:/path" or "https://host:port"; default FRAMECACHE_SERVER. With neither, a
                `framecache serve` is started at first use, on a Unix socket that only this user can reach, and
                ended with this process or `close()`.
            token: Bearer token; default FRAMECACHE_TOKEN.
            tls_ca: Path of the PEM file of the authority that signed the server's certificate; default
                FRAMECACHE_TLS_CA, or the system's authorities.
            tls_cert: Path of the PEM file of this client's certificate.
            tls_key: Path of the PEM file of its key.
            timeout: Seconds that one call may take, a stream to its end; default: as long as it goes on.
            store: Of a server that is started: a folder or s3://bucket; default FRAMECACHE_STORE.
            source_roots: Of a server that is started: folders that it may read; default: the current one, where no
                buckets are named either.
            source_buckets: Of a server that is started: buckets that it may read; default: none.
            workers: Of a server that is started: threads that decode; default: all cores.
        """
        settings = from_environment(Settings(target, token, tls_ca, tls_cert, tls_key, timeout))
        own = {"store": store, "source_roots": source_roots, "source_buckets": source_buckets, "workers": workers}
        server = PrivateServer(arguments(own)) if settings.target is None else None
        if server is None and any(value is not None for value in own.values()):
            raise invalid(
                f"{', '.join(own)} are for a server of one's own: target={settings.target}", "store",
                "leave target and FRAMECACHE_SERVER out, or set them where that server is started",
            )
        self._begin(settings, server, local=server is not None)

    def _begin(self, settings: Settings, server: Optional[PrivateServer], local: bool) -> None:
        self._settings = settings
        self._server = server
        self._local = local

    def _target(self) -> str:
        if self._settings.target is not None:
            return self._settings.target
        assert self._server is not None
        return self._server.target()

    def _ended(self, seconds: float) -> Optional[str]:
        """How the private server ended by itself, after so many seconds at most; None: it did not, or there is none."""
        return None if self._server is None else self._server.ended(seconds)

    @property
    def _near(self) -> bool:
        """Bytes to and from the server cross no network."""
        return self._settings.target is None or is_loopback(self._settings.target)

    def __reduce__(self) -> Tuple[Callable[..., Any], Tuple[Any, ...]]:
        """Settings travel, never a connection; a private server is its maker's, and shared."""
        settings = dataclasses.replace(self._settings, target=self._target())
        return _restored, (type(self), settings, self._local)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.target or 'a server of its own'!r})"


def _restored(kind: Any, settings: Settings, local: bool) -> Any:
    client = kind.__new__(kind)
    client._begin(settings, None, local)
    return client


def clear_request(timeline: str, profile: Optional[str], options: Any) -> Any:
    request = pb.ClearTimelineRequest(timeline=timeline)
    older_than = options.pop("older_than", None)
    return _requests.fill(request, profile=profile, older_than_seconds=older_than, **options)


def timeline_request(timeline: str, profile: Optional[str], check_sources: bool) -> Any:
    return _requests.fill(pb.GetTimelineRequest(timeline=timeline), profile=profile, check_sources=check_sources)


def list_request(timeline: str, profile: Optional[str]) -> Any:
    return _requests.fill(pb.ListFramesRequest(timeline=timeline), profile=profile)


def probe_request(source: _requests.Source, local: bool) -> Any:
    chunk = _requests.chunks(source, local)[0]
    request = media.ProbeMediaRequest(uri=chunk.uri, init_uri=chunk.init_uri)
    return _requests.fill(request, stream=chunk.stream if chunk.HasField("stream") else None)
