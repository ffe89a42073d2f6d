"""Clients of other processes and machines: what this process's variables and folder say goes with them."""

from __future__ import annotations

import functools
import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from . import _requests
from ._client import Client
from ._settings import Settings, from_environment
from .options import ClientOptions

#: Of `Settings`.
_REACHED = ("target", "token", "tls_ca", "tls_cert", "tls_key", "timeout")
#: Of a server that is started.
_STARTED = ("store", "source_roots", "source_buckets", "workers")
#: Clients that a process keeps; each may have a server of its own.
KEPT = 8

#: Options of a `Client`, in an order of their own: a key.
Made = Tuple[Tuple[str, Any], ...]


def client_of(made: Made) -> Client:
    """This process's, opened once."""
    return _kept(os.getpid(), made)


@functools.lru_cache(maxsize=KEPT)
def _kept(_process: int, made: Made) -> Client:
    options: Dict[str, Any] = {name: list(value) if isinstance(value, tuple) else value for name, value in made}
    return Client(**options)


def made_of(given: Optional[ClientOptions], sources: Iterable[str] = (), workers: Optional[int] = None) -> Made:
    """Options that mean the same elsewhere. A server that is started there may read the sources."""
    options: Dict[str, Any] = {name: value for name, value in (given or {}).items() if value is not None}
    settings = from_environment(Settings(**{name: options[name] for name in _REACHED if name in options}))
    found = {name: getattr(settings, name) for name in _REACHED}
    found.update({name: options[name] for name in _STARTED if name in options})
    if settings.target is None:
        found["store"] = _place(found.get("store") or os.environ.get("FRAMECACHE_STORE") or "framecache-data")
        found.setdefault("workers", workers)
        if not {"source_roots", "source_buckets"} & found.keys():
            found["source_roots"], found["source_buckets"] = _roots_and_buckets(sources)
    unknown = sorted(options.keys() - found.keys())
    if unknown:
        raise TypeError(f"a client has no such option: {', '.join(unknown)}")
    return tuple(sorted((name, _hashable(value)) for name, value in found.items() if value))


def sources_of(sources: Optional[_requests.Sources], made: Made) -> List[_requests.Chunk]:
    """The same sources by names that mean the same elsewhere."""
    found = _requests.chunks(sources, local="target" not in dict(made))
    return [_chunk(message) for message in found]


def _chunk(message: Any) -> _requests.Chunk:
    return _requests.Chunk(**{descriptor.name: value for descriptor, value in message.ListFields()})


def _roots_and_buckets(sources: Iterable[str]) -> Tuple[List[str], List[str]]:
    roots, buckets = set(), set()
    for uri in sources:
        scheme, is_url, rest = uri.partition("://")
        if not is_url:
            roots.add(os.path.dirname(os.path.abspath(uri)))
        elif scheme == "s3":
            buckets.add(rest.partition("/")[0])
    return sorted(roots), sorted(buckets)


def _place(store: str) -> str:
    return store if "://" in store else os.path.abspath(store)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value


def unsaid(options: Mapping[str, Any]) -> Dict[str, Any]:
    """Without what was not said."""
    return {name: value for name, value in options.items() if value is not None}
