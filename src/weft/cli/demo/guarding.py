"""What the demo may call for whoever types addresses into its page: its own upstream, and the public internet."""

import os
import socket
from functools import cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from weft.http.guards import Guard, guard
from weft.http.url import target

__all__ = ["UPSTREAM", "guard_for", "guarded_session"]

UPSTREAM = "WEFT_DEMO_UPSTREAM"
"""The environment variable by which the command tells the application where its upstream is."""


def guard_for(url: str) -> Guard:
    """The guard for a call to this address: the upstream's port for its own addresses, else whatever is public."""
    upstream = os.environ.get(UPSTREAM, "")
    return _upstream_alone(upstream) if upstream and url.startswith(f"{upstream}/") else _public()


def guarded_session(rules: Guard) -> requests.Session:
    """A session for one call, as `requests.get` makes one, which keeps to a guard."""
    session = requests.Session()
    session.trust_env = False  # a proxy would make the connection, beyond our sight
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(rules))
    return session


@cache
def _public() -> Guard:
    return guard()


@cache
def _upstream_alone(upstream: str) -> Guard:
    where = target(upstream)
    return guard(ports=[where.port], allow=[where.host])


class _Adapter(HTTPAdapter):
    """Checks each address as it is written, redirects included, and lets its connections check where they lead."""

    def __init__(self, rules: Guard) -> None:
        self._rules = rules
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _guarded(HTTPConnectionPool, HTTPConnection, self._rules),
            "https": _guarded(HTTPSConnectionPool, HTTPSConnection, self._rules),
        }

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self._rules.check_url(target(request.url or ""))
        return super().send(request, *args, **kwargs)


class _Checked:
    """A connection that looks at the network addresses of its host before it opens a socket, and at the one it got."""

    rules: Guard
    host: str
    port: int

    def _new_conn(self) -> socket.socket:
        for *_, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            self.rules.check_address(self.host, str(address[0]))
        made: socket.socket = super()._new_conn()  # type: ignore[misc]  # urllib3's, mixed in below
        self.rules.check_address(self.host, made.getpeername()[0])
        return made


def _guarded(pool: type, connection: type, rules: Guard) -> type:
    checked = type("Checked", (_Checked, connection), {"rules": rules})
    return type("Guarded", (pool,), {"ConnectionCls": checked})
