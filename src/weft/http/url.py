"""Addresses: checked before anything runs, parsed once.

The checks are those that keep one party from reading an address differently from another (RFC 3986, and RFC 9112
section 3.2 for the request line): no control characters, no spaces, no backslashes, an explicit http or https.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode, urljoin, urlsplit

from weft.http.errors import InvalidURL

__all__ = ["Params", "Target", "join", "pairs_of", "target", "with_params"]

Scalar: TypeAlias = str | int | float | bool | None
Several: TypeAlias = Mapping[str, Scalar | Iterable[Scalar]] | Iterable[tuple[str, Scalar]]
Params: TypeAlias = Several | str

_PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_KEPT = "!#$%&'()*+,/:;=?@[]~"  # reserved characters and "%" have their meaning already


class Target(NamedTuple):
    """Where an address leads.

    Attributes:
        url: the address in ASCII, as it is sent.
        scheme: "http" or "https".
        host: lower case, without brackets.
        port: the one given, or the scheme's own.
        authority: "host:port", the key for limits per host.
    """

    url: str
    scheme: str
    host: str
    port: int
    authority: str


@lru_cache(maxsize=4096)
def target(url: str) -> Target:
    """Parse an address. Cached; any thread.

    Raises:
        InvalidURL: it is no http(s) address; the message says what to write instead.
    """
    if not isinstance(url, str):
        raise InvalidURL(f"{url!r} is not a URL: write it as a string, such as 'https://example.org/'")
    if found := _FORBIDDEN.search(url):
        raise InvalidURL(f"{url!r} holds {found.group()!r} at {found.start()}: write it percent-encoded", url=url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidURL(f"{url!r} is not a URL ({error}): write https://host:port/path", url=url) from error
    scheme, host = parts.scheme, parts.hostname
    if scheme not in _PORTS:
        raise InvalidURL(
            f"{url!r} has no http or https scheme: write https://{url.partition('://')[2] or url}", url=url
        )
    if not host:
        raise InvalidURL(f"{url!r} names no host: write {scheme}://example.org/", url=url)
    host = _ascii_host(host, url)
    port = _PORTS[scheme] if port is None else port
    shown = f"[{host}]" if ":" in host else host
    return Target(_ascii(url, parts.hostname or "", host), scheme, host, port, f"{shown}:{port}")


def join(base: str, location: str) -> str:
    """Resolve a redirect's Location against the address that answered with it (RFC 3986, section 5)."""
    return urljoin(base, quote(location, safe=_KEPT))


def with_params(url: str, params: Params) -> str:
    """Add query parameters. A list gives the name once per item, None leaves it out, True is `true`."""
    text = params if isinstance(params, str) else urlencode(list(_words(params)))
    if not text:
        return url
    head, mark, fragment = url.partition("#")
    glue = "" if head.endswith(("?", "&")) else "&" if "?" in head else "?"
    return f"{head}{glue}{text}{mark}{fragment}"


def pairs_of(given: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Give the pairs of a mapping, or the pairs that are given."""
    items: Any = given
    return list(items.items() if isinstance(items, Mapping) else items)


def _words(params: Several) -> Iterable[tuple[str, str]]:
    for name, value in pairs_of(params):
        several = [value] if value is None or isinstance(value, str | int | float) else value
        yield from ((name, _word(one)) for one in several if one is not None)


def _word(value: Scalar) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _ascii_host(host: str, url: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise InvalidURL(f"{url!r} names a host that has no IDNA form: write it as xn--...", url=url) from error


def _ascii(url: str, host: str, ascii_host: str) -> str:
    if url.isascii():
        return url
    # Only the host may change its letters (IDNA); everything else is percent-encoded UTF-8 (RFC 3987, section 3.1).
    start = url.lower().find(host, url.find("://"))
    head, tail = url[:start], url[start + len(host) :]
    return quote(head, safe=_KEPT) + ascii_host + quote(tail, safe=_KEPT)
