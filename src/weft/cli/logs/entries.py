"""What a log says, piece by piece: a line of JSON, a line of one of the usual text formats, or any other text."""

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from weft.cli.logs.levels import severity

__all__ = ["Entry", "continues", "grouped", "grouped_backwards", "parse"]

_MOST = 1000  # lines of one entry: a file may be nothing but indented lines

# Who writes JSON lines calls the same things by other names: ours come first, then those of python-json-logger,
# structlog, the Elastic Common Schema and zap.
_TIME = ("time", "timestamp", "@timestamp", "asctime", "ts")
_LEVEL = ("level", "levelname", "log.level", "severity")
_LOGGER = ("logger", "name", "logger_name", "log.logger")
_MESSAGE = ("message", "msg", "event")
_REQUEST = ("request_id",)
_STACKS = ("exc", "exception", "exc_info", "stack_info", "stack")

_MOMENT = r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?\]?"
_NAME = r"[A-Za-z_][\w./-]*"
_WORD = r"(?:TRACE|DEBUG|INFO|SUCCESS|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|Level \d+)"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?P<time>{_MOMENT}) +(?P<level>{_WORD}) +(?P<logger>{_NAME})(?= |$)",  # our own, and the most usual one
        rf"(?P<time>{_MOMENT}) - (?P<logger>{_NAME}) - (?P<level>{_WORD}) - ",  # logging's HOWTO
        rf"(?P<level>{_WORD}):(?P<logger>{_NAME}):",  # logging.basicConfig
        rf"(?P<level>{_WORD}): ",  # uvicorn
        rf"(?P<time>{_MOMENT}) \[(?P<level>[a-z]+) *\]",  # structlog
        rf"(?P<time>{_MOMENT}).{{0,60}}?\b(?P<level>{_WORD})\b",  # gunicorn, loguru, and others of that kind
    )
)
_COLOR = re.compile(r"\x1b\[[\d;:]*m")
_RAISED = re.compile(r"(?:[A-Z]\w*|(?:[A-Za-z_]\w*\.)+\w+)(?::|$)")  # "ValueError: ...", "socket.timeout"
_LINKS = ("Traceback (most recent call last):", "The above exception was the", "During handling of the above")


@dataclass(frozen=True, slots=True)
class Entry:
    """One record, as far as it can be made out.

    Attributes:
        text: all of it, as it stands in the log, without colours.
        fields: the JSON object that it is; None: it is text.
        message: what it says; of text, nothing: where its message begins is not known.
        extras: fields that have no place of their own.
        stack: tracebacks, line by line.
    """

    text: str
    fields: dict[str, Any] | None = None
    time: str = ""
    level: str = ""
    logger: str = ""
    request_id: str = ""
    message: str = ""
    extras: dict[str, Any] = field(default_factory=dict)
    stack: tuple[str, ...] = ()

    @property
    def severity(self) -> int | None:
        """The number of its level; None where it has none."""
        return severity(self.level)


def parse(text: str) -> Entry:
    """Make out what can be made out. Any text is an entry."""
    fields = _object(text) if text.startswith("{") else None
    return _from_text(_COLOR.sub("", text)) if fields is None else _from_fields(text, fields)


def continues(before: str, line: str) -> bool:
    """Whether a line of text belongs to the record of the line before: indented, blank, or part of a traceback."""
    if before.startswith("{"):
        return False
    if not line or line[0].isspace() or line.startswith(_LINKS):
        return True
    return before[:1].isspace() and _RAISED.match(line) is not None and not _heads(line)


def grouped(lines: Iterable[str]) -> Iterator[str]:
    """The texts of whole records, from the lines of a log."""
    group: list[str] = []
    for line in lines:
        if group and not (len(group) < _MOST and continues(group[-1], line)):
            yield "\n".join(group)
            group.clear()
        group.append(line)
    if group:
        yield "\n".join(group)


def grouped_backwards(lines: Iterable[str]) -> Iterator[str]:
    """The same, from the last line to the first."""
    group: list[str] = []
    for line in lines:
        if group and not (len(group) < _MOST and continues(line, group[-1])):
            yield "\n".join(reversed(group))
            group.clear()
        group.append(line)
    if group:
        yield "\n".join(reversed(group))


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _heads(line: str) -> bool:
    return any(form.match(line) for form in _FORMS)


def _from_text(text: str) -> Entry:
    for form in _FORMS:
        found = form.match(text)
        if found is not None:
            named = found.groupdict("")
            return Entry(text, time=named.get("time", ""), level=named["level"], logger=named.get("logger", ""))
    return Entry(text)


def _from_fields(text: str, fields: dict[str, Any]) -> Entry:
    rest = dict(fields)
    return Entry(
        text,
        fields,
        time=_moment(_take(rest, _TIME)),
        level=_words(_take(rest, _LEVEL)),
        logger=_words(_take(rest, _LOGGER)),
        request_id=_words(_take(rest, _REQUEST)),
        message=_words(_take(rest, _MESSAGE)),
        stack=tuple(_stack(rest)),
        extras=rest,
    )


def _take(rest: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if name in rest:
            return rest.pop(name)
    return None


def _stack(rest: dict[str, Any]) -> Iterator[str]:
    for name in _STACKS:
        found = rest.get(name)
        text = found.get("stack") if isinstance(found, dict) else found
        if isinstance(text, str) and text:
            del rest[name]
            yield from text.rstrip("\n").split("\n")


def _words(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _moment(value: Any) -> str:
    """A time as it is written, but for the seconds since 1970 that some write."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _words(value)
    try:
        seconds, thousandths = divmod(round(value * 1000), 1000)
        return time.strftime(f"%Y-%m-%dT%H:%M:%S.{thousandths:03d}Z", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return _words(value)
