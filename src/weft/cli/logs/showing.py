"""How an entry looks: JSON as text to be read, text as it is, and nothing that could steer the terminal."""

import json
import re
from collections.abc import Iterator
from typing import Any

from weft.cli.logs.entries import Entry
from weft.cli.output import Style, printable

__all__ = ["as_json", "plain", "render"]

_COLORS = ((50, ("red", "bold")), (40, ("red",)), (30, ("yellow",)), (20, ("green",)))
_WIDTH = 8  # of CRITICAL
_INDENT = "  "
_SIMPLE = re.compile(r"[^\s\"'=]+")
_PLAIN = Style(color=False)


def render(entry: Entry, style: Style) -> str:
    """The entry in one or more lines; all but the first are indented, as far as it was JSON."""
    if entry.fields is None:
        return _colored(entry, style)
    return "\n".join(_lines(entry, style))


def plain(entry: Entry) -> str:
    """The same, without colours."""
    return render(entry, _PLAIN)


def as_json(entry: Entry) -> str:
    """The entry as one line of JSON: as it stands in the log if it is one, else an object with its text as `message`.

    Characters that could steer a terminal are escaped; to who parses it that is the same.
    """
    if entry.fields is None:
        return json.dumps({"message": entry.text})
    text = entry.text
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _colored(entry: Entry, style: Style) -> str:
    text = "\n".join(map(_safe, entry.text.split("\n")))
    if not entry.level:
        return text
    return text.replace(entry.level, style(entry.level, *_color(entry)), 1)


def _lines(entry: Entry, style: Style) -> Iterator[str]:
    first, *more = map(_safe, entry.message.split("\n"))
    head = (
        style(_safe(entry.time), "dim"),
        style(f"{_safe(entry.level):<{_WIDTH}}", *_color(entry)) if entry.level else "",
        style(_safe(entry.logger), "cyan"),
        style(f"[{_safe(entry.request_id)}]", "magenta") if entry.request_id else "",
        first,
        *(f"{style(f'{_safe(name)}=', 'dim')}{_value(value)}" for name, value in entry.extras.items()),
    )
    yield " ".join(filter(None, head))
    yield from (_INDENT + line for line in more)
    yield from (_INDENT + style(_safe(line), "dim") for line in entry.stack)


def _color(entry: Entry) -> tuple[str, ...]:
    severity = entry.severity or 0
    return next((names for least, names in _COLORS if severity >= least), ("dim",))


def _value(value: Any) -> str:
    if isinstance(value, str) and _SIMPLE.fullmatch(value):
        return _safe(value)
    return _safe(json.dumps(value, ensure_ascii=False))


def _safe(text: str) -> str:
    return text if text.isprintable() else printable(text.expandtabs(4))


def _escaped(character: str) -> str:
    if character in "\t\r":  # between the values: within them JSON allows none
        return " "
    return json.dumps(character)[1:-1] if ord(character) > 0x7F else rf"\u{ord(character):04x}"  # noqa: PLR2004
