"""What the demo's applications share: the page's files, the headers, and what may be asked for. Pure."""

import ipaddress
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from weft.cli.demo.upstream import ADDRESSES, EXAMPLES

__all__ = ["FILES", "HEADERS", "LARGEST_BODY", "LINES", "TOO_LARGE", "Job", "Refusal", "barred", "file", "settings"]

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
TOO_LARGE = f"Send at most {LARGEST_BODY} bytes."

_SCRIPTS, _STYLES = ("page.js", "photos.js", "outbox.js"), ("style.css", "calls.css", "photos.css")
FILES = {"": "index.html", "photos": "photos.html", **{name: name for name in (*_SCRIPTS, *_STYLES, "icon.svg")}}
"""The last word of an address, and the file of the page that it shows."""

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_DEADLINE = 1.5  # seconds, at first
_MOST_URLS = 40
_LONGEST_URL = 2000
_LONGEST_DEADLINE = 30.0


class Refusal(ValueError):
    """What was asked for is not done; the message is for the person at the page, `status` for the browser."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class Job:
    """What to check, and by when, in seconds."""

    urls: list[str]
    deadline: float

    @classmethod
    def read(cls, content_type: str, body: bytes) -> "Job":
        """Read what the page has sent.

        The type is asked for, because a foreign page may send all others without the browser's asking us first (CORS).

        Raises:
            Refusal: it is no JSON; there are no addresses, too many or too long ones; or the deadline is none.
        """
        if content_type.partition(";")[0].strip() != "application/json":
            raise Refusal("Send application/json.", 415)
        if len(body) > LARGEST_BODY:
            raise Refusal(TOO_LARGE, 413)
        try:
            document = json.loads(body)
        except ValueError as error:
            raise Refusal(f"That is no JSON: {error}") from error
        given = document if isinstance(document, dict) else {}
        urls, deadline = given.get("urls"), given.get("deadline", _DEADLINE)
        if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
            raise Refusal("Send at least one address.")
        if len(urls) > _MOST_URLS or max(map(len, urls)) > _LONGEST_URL:
            raise Refusal(f"At most {_MOST_URLS} addresses of at most {_LONGEST_URL} characters, please.")
        if isinstance(deadline, bool) or not isinstance(deadline, int | float) or not 0 < deadline <= _LONGEST_DEADLINE:
            raise Refusal(f"The deadline is a number of seconds, up to {_LONGEST_DEADLINE:g}.")
        return cls(urls, float(deadline))


@cache
def file(name: str) -> tuple[bytes, str] | None:
    """A file of the page and its content type, or None."""
    if name not in FILES:
        return None
    found = FILES[name]
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


def barred(method: str, header: Callable[[str], str | None]) -> int:
    """The status by which a request is turned away at the door; 0: it may come in.

    421: it names the server otherwise than this machine does, against DNS rebinding. 403: a page of somebody else's
    makes the browser send it. (Programs send no Origin, and may.)
    """
    host, origin = header("host") or "", header("origin")
    if not _host_allowed(host):
        return 421
    return 403 if method == "POST" and origin is not None and urlsplit(origin).netloc != host else 0


def _host_allowed(host: str) -> bool:
    listening = os.environ.get(HOST, "127.0.0.1")
    return not _loopback(listening) or _loopback(host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host)


def _loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
