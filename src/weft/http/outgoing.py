"""What a call to another server is: frozen, and checked before anything runs."""

import math
from dataclasses import dataclass, field
from typing import cast

from weft.errors import InvalidCall, InvalidValue
from weft.http.guards import Guard
from weft.http.headers import HeaderItems, checked
from weft.http.url import Target, target

__all__ = ["DEFAULT_OPTIONS", "DEFAULT_TIMEOUTS", "Options", "Request", "Timeouts"]

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_VERSIONS = (None, "1.1", "2", "3")
_SOCKS = ("http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://")


def _check_seconds(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidCall(f"{name}={value!r} is not a number of seconds: write {name}=2.0")
    if math.isnan(value) or value <= 0:
        raise InvalidValue(f"{name}={value!r} leaves no time for anything: write seconds above 0, or None for no bound")


def _check_count(name: str, value: int, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidValue(f"{name}={value!r}: write a whole number, {least} or more")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may wait, in seconds; None is no bound.

    Attributes:
        connect: for the connection: name, TCP and TLS together.
        read: the longest silence of the server.
        total: for everything, from the start to the last byte.

    Raises:
        InvalidValue: a number is negative, zero or NaN.
    """

    connect: float | None = 10.0
    read: float | None = 30.0
    total: float | None = None

    def __post_init__(self) -> None:
        for name in ("connect", "read", "total"):
            value = getattr(self, name)
            if value is not None:
                _check_seconds(name, value)


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True, unsafe_hash=False, eq=True)
class Options:
    """How a call travels. Calls with equal options share handles and connections.

    Attributes:
        follow_redirects: whether redirects are followed (http and https alone).
        max_redirects: how many; one more is `TooManyRedirects`.
        max_body: bytes of the body, decoded; one more is `BodyTooLarge`. None: no bound.
        verify: whether the server's certificate is checked.
        ca: a file of trusted certificates (PEM); None: `SSL_CERT_FILE`, `CURL_CA_BUNDLE` or `REQUESTS_CA_BUNDLE`, the
            system's own, or certifi's, whichever is found first.
        cert: the client's certificate and key (PEM files); one file may hold both.
        proxy: its URL; None: as the environment says (`https_proxy`, `no_proxy`...); "": none.
        http_version: "1.1", "2" or "3"; None: HTTP/2 where TLS negotiates it (ALPN), else 1.1.
        guard: what the call may reach.
    """

    follow_redirects: bool = True
    max_redirects: int = 10
    max_body: int | None = 64 * 1024 * 1024
    verify: bool = True
    ca: str | None = None
    cert: tuple[str, str] | None = None
    proxy: str | None = None
    http_version: str | None = None
    guard: Guard | None = None
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_count("max_redirects", self.max_redirects, least=0)
        if self.max_body is not None:
            _check_count("max_body", self.max_body, least=1)
        if self.http_version not in _VERSIONS:
            raise InvalidValue(f"http_version={self.http_version!r}: write '1.1', '2', '3' or None")
        if self.proxy and not self.proxy.lower().startswith(_SOCKS):
            raise InvalidValue(f"proxy={self.proxy!r} has no scheme: write proxy='http://{self.proxy}'")
        if self.proxy and self.guard is not None:
            raise InvalidValue("a guard cannot see behind a proxy: leave out proxy= or guard=")
        fields = (self.follow_redirects, self.max_redirects, self.max_body, self.verify, self.ca, self.cert)
        object.__setattr__(self, "_hash", hash((*fields, self.proxy, self.http_version, self.guard)))

    def __hash__(self) -> int:
        # Asked for at each call, and all fields are frozen.
        return self._hash


DEFAULT_OPTIONS = Options()


@dataclass(frozen=True, slots=True)
class Request:
    """One call, checked when it is made. Can be sent any number of times, by any engine. Any thread.

    Attributes:
        method: the verb, in capitals.
        url: the address; a fragment stays here.
        headers: name and value pairs, or a mapping.
        body: the bytes to send; None: no body.
        timeouts: how long it may wait.
        options: how it travels.
        target: where the address leads.

    Raises:
        InvalidURL: the address cannot be called.
        InvalidValue: a header, the verb, a timeout or an option is impossible. The message says what to write instead.
    """

    method: str
    url: str
    headers: HeaderItems = ()
    body: bytes | None = None
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    options: Options = DEFAULT_OPTIONS
    target: Target = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.method or not _TOKEN.issuperset(self.method):
            raise InvalidValue(f"method={self.method!r} is no HTTP verb: write 'GET'")
        object.__setattr__(self, "headers", checked(self.headers) if self.headers else ())
        if self.body is not None and not isinstance(self.body, bytes):
            raise InvalidCall(f"body is {type(self.body).__name__}: write bytes, such as text.encode()")
        object.__setattr__(self, "target", target(self.url))

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The header fields as checked pairs."""
        return cast("tuple[tuple[str, str], ...]", self.headers)

    @property
    def safe(self) -> bool:
        """Whether the verb only reads (RFC 9110, section 9.2.1). Others are never sent twice on our own account."""
        return self.method in {"GET", "HEAD", "OPTIONS", "TRACE"}
