"""What the demo's two applications share: the page's files, the headers, and what may be asked for. Pure."""

import ipaddress
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from weft.cli.demo.sites import Check
from weft.cli.demo.upstream import ADDRESSES, EXAMPLES
from weft.clock import now

__all__ = ["HEADERS", "LARGEST_BODY", "LINES", "BadRequest", "Job", "Stopwatch", "file", "host_allowed", "settings"]

HOST = "WEFT_DEMO_HOST"
"""The environment variable by which the command tells the application the address it listens at."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LINES = "application/x-ndjson"
LARGEST_BODY = 128 * 1024
"""Bytes that the page may send: 40 addresses of 2,000 characters fit, in any encoding."""

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FILES = {"": "index.html", "style.css": "style.css", "page.js": "page.js", "icon.svg": "icon.svg"}
_DEADLINE = 1.5  # seconds, at first
_MOST_URLS = 40
_LONGEST_URL = 2000
_LONGEST_DEADLINE = 30.0


class BadRequest(ValueError):
    """What was asked for is impossible; the message is for the person at the page."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to check, and by when."""

    urls: list[str]
    deadline: float

    @classmethod
    def of(cls, document: Any) -> "Job":
        """Read what the page has sent.

        Raises:
            BadRequest: there are no addresses, too many or too long ones, or the deadline is none.
        """
        given = document if isinstance(document, dict) else {}
        urls, deadline = given.get("urls"), given.get("deadline", _DEADLINE)
        if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
            raise BadRequest("Send at least one address.")
        if len(urls) > _MOST_URLS or max(map(len, urls)) > _LONGEST_URL:
            raise BadRequest(f"At most {_MOST_URLS} addresses of at most {_LONGEST_URL} characters, please.")
        if isinstance(deadline, bool) or not isinstance(deadline, int | float) or not 0 < deadline <= _LONGEST_DEADLINE:
            raise BadRequest(f"The deadline is a number of seconds, up to {_LONGEST_DEADLINE:g}.")
        return cls(urls, float(deadline))


class Stopwatch:
    """Writes a run down as lines of JSON: one for each call, and at the end one with the seconds it took."""

    def __init__(self) -> None:
        self._began = now()

    def line(self, check: Check) -> bytes:
        """A call that has ended."""
        return _line(asdict(check))

    def last(self) -> bytes:
        """The end of the run."""
        return _line({"total": now() - self._began})

    def lines(self, checks: Iterator[Check]) -> Iterator[bytes]:
        """The whole run, for applications that stream from a thread."""
        for check in checks:
            yield self.line(check)
        yield self.last()


@cache
def file(name: str) -> tuple[bytes, str] | None:
    """A file of the page and its content type, or None."""
    if name not in _FILES:
        return None
    found = _FILES[name]
    return files(__package__).joinpath("page", found).read_bytes(), f"{_TYPES[found.rpartition('.')[2]]}; charset=utf-8"


def settings(server: str) -> dict[str, Any]:
    """What the page has to know; `server` is what serves it, in words."""
    upstream = os.environ.get("WEFT_DEMO_UPSTREAM", "")
    return {
        "server": server,
        "upstream": upstream,
        "deadline": _DEADLINE,
        "addresses": [upstream + path for path in ADDRESSES],
        "examples": [{"name": name, "url": upstream + path, "about": about} for name, path, about in EXAMPLES],
    }


def host_allowed(host: str) -> bool:
    """Whether a request's Host may be answered: on loopback only loopback's names, against DNS rebinding."""
    listening = os.environ.get(HOST, "127.0.0.1")
    return not _loopback(listening) or _loopback(host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host)


def _loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"
