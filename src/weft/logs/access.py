r"""The access log: one line for each request that was answered, through the logger `weft.access`.

Ordinary configuration of `logging` says where the lines go. `common` and `combined` are the formats of NCSA and Apache:
the record's message is the line, and `%(message)s` prints it as they do. Characters that could forge a line or steer a
terminal are escaped as Apache does it (`\"`, `\n`, `\x1b`; bytes above 127 as `\xe9`). In `json` the record carries
what is known as fields, for `weft.logs` to print as JSON or as `name=value`.

The adapters make a `Hit` of each request. Its texts come from strangers as they sent them, a character for each byte
(latin-1, as WSGI has it); only secrets in queries have been masked.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, get_args
from urllib.parse import unquote_plus

from weft.errors import InvalidValue
from weft.logs.formats.masking import MASKED, is_secret, masked
from weft.logs.formats.stamps import cached
from weft.scopes.tally import Totals

__all__ = ["Format", "Hit", "combined", "common", "enabled", "line_of", "write"]

log = logging.getLogger("weft.access")


class Hit(NamedTuple):
    """One request and how it was answered.

    Attributes:
        received: when it came, in seconds since 1970.
        seconds: from then until the last byte of the answer was handed to the server, or the client was gone.
        method: such as "GET".
        path: with the query, in which the values of secrets are masked.
        protocol: such as "HTTP/1.1".
        status: of the answer; 499 if the client left before there was one, 101 for a websocket.
        size: bytes of the answer's body, or of the messages sent to a websocket.
        remote: the client's address; "" where there is none, as on a Unix socket.
        user: who has been let in, by the server or by the app's middleware; "" if nobody told.
        referer: where the client says it comes from.
        agent: what the client says it is.
        request_id: also in the answer's `X-Request-ID`, and on every line logged meanwhile.
        totals: the calls that weft made for the request.
        error: the class of the exception that the app raised; "" if it raised none.
        aborted: whether the answer ended before its last byte.
        headers: of the answer, by their names in lower case, where a format or fields of your own may want them.
    """

    received: float
    seconds: float
    method: str
    path: str
    protocol: str
    status: int
    size: int
    remote: str = ""
    user: str = ""
    referer: str = ""
    agent: str = ""
    request_id: str = ""
    totals: Totals = Totals(0, 0.0)
    error: str = ""
    aborted: bool = False
    headers: Mapping[str, str] = {}


Format: TypeAlias = Literal["common", "combined", "json"] | Callable[[Hit], str]


def enabled() -> bool:
    """Whether anybody wants the lines."""
    return log.isEnabledFor(logging.INFO)


def write(hit: Hit, format: Format, fields: Mapping[str, Any]) -> None:  # noqa: A002 - the field's name for it
    """Log the hit.

    Args:
        hit: what is known of the request.
        format: how to say it.
        fields: further ones, for the record to carry in any format. One that is called like an attribute of records
            gets an underscore; the values of secret ones are masked.
    """
    extra = {_free(name): value for name, value in masked(fields).items()} if fields else {}
    if format == "json":
        extra = {**_facts(hit), **extra}
    # By hand, because the caller that logging would look for says nothing here.
    log.handle(log.makeRecord(log.name, logging.INFO, __file__, 0, line_of(format)(hit), (), None, "write", extra))


# -- lines


def common(hit: Hit) -> str:
    """The Common Log Format of NCSA."""
    request = escaped(f"{hit.method} {hit.path} {hit.protocol}")
    when = _clf_time(int(hit.received))
    return f'{_word(hit.remote)} - {_word(hit.user)} [{when}] "{request}" {hit.status} {hit.size or "-"}'


def combined(hit: Hit) -> str:
    """The same with `Referer` and `User-Agent`, as Apache's `combined` has it."""
    return f'{common(hit)} "{escaped(hit.referer) or "-"}" "{escaped(hit.agent) or "-"}"'


def _word(text: str) -> str:
    return escaped(text).replace(" ", r"\x20") or "-"  # it stands without quotes


def _brief(hit: Hit) -> str:
    return f"{escaped(hit.method)} {escaped(hit.path)} {hit.status}"


_LINES: dict[str, Callable[[Hit], str]] = {"common": common, "combined": combined, "json": _brief}


def line_of(format: Format) -> Callable[[Hit], str]:  # noqa: A002
    """What makes the message of this format.

    Raises:
        InvalidValue: there is no such format.
    """
    if callable(format):
        return format
    if format not in _LINES:
        known = ", ".join(map(repr, get_args(get_args(Format)[0])))
        raise InvalidValue(f"there is no access log format {format!r}: write {known}, or a function of a Hit")
    return _LINES[format]


@cached
def _clf_time(second: int) -> str:
    moment = time.localtime(second)
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][
        moment.tm_mon - 1
    ]  # in any locale
    return time.strftime(f"%d/{month}/%Y:%H:%M:%S %z", moment)


# -- fields

_TAKEN = frozenset({*logging.LogRecord("", 0, "", 0, "", None, None).__dict__, "message", "asctime", "taskName"})


def _free(name: str) -> str:
    return f"{name}_" if name in _TAKEN else name


def _facts(hit: Hit) -> dict[str, Any]:
    facts = {
        "method": _readable(hit.method),
        "path": _readable(hit.path),
        "protocol": hit.protocol,
        "status": hit.status,
        "bytes": hit.size,
        "seconds": round(hit.seconds, 6),
        "remote": hit.remote,
        "user": _readable(hit.user),
        "referer": _readable(hit.referer),
        "user_agent": _readable(hit.agent),
        "request_id": hit.request_id,
        "calls": hit.totals.calls,
    }
    if hit.totals.calls:
        facts.update(_calls(hit.totals))
    if hit.error:
        facts["error"] = hit.error
    if hit.aborted:
        facts["aborted"] = True
    return {name: value for name, value in facts.items() if value != ""}


def _calls(totals: Totals) -> dict[str, Any]:
    outcomes = {f"calls_{name}": count for name, count in zip(totals._fields[2:], totals[2:], strict=True) if count}
    return {"calls_wait": round(totals.wait, 6), **outcomes}


def _readable(text: str) -> str:
    """Bytes that stand for UTF-8 as what they stand for."""
    return text if text.isascii() else _bytes(text).decode("utf-8", "backslashreplace")


# -- what strangers send

_NAMED = {'"': '"', "\\": "\\", "\b": "b", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 256))}
_ESCAPES |= {ord(char): f"\\{name}" for char, name in _NAMED.items()}


def escaped(text: str) -> str:
    """The text as Apache writes it between quotes (`ap_escape_logitem`)."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return _bytes(text).decode("latin-1").translate(_ESCAPES)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # not from a server, which hands on bytes: a user's name, say
        return text.encode("utf-8", "backslashreplace")


def without_secrets(address: str) -> str:
    """The address with the values of secret parameters masked: `/?token=[masked]`."""
    route, _, query = address.partition("?")
    if "=" not in query:
        return address
    return f"{route}?{'&'.join(map(_without_secret, query.split('&')))}"


def _without_secret(parameter: str) -> str:
    name, sign, _ = parameter.partition("=")
    plain = unquote_plus(name) if "%" in name else name
    return f"{name}={MASKED}" if sign and is_secret(plain[-_NAME:]) else parameter


_NAME = 64  # characters of a name that are looked at: its last word decides, and names are remembered
