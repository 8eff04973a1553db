"""The text format: time, level, logger, message, and the extra fields as `name=value`."""

import logging
import re
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from weft.logs.formats.escaping import neutral
from weft.logs.formats.parts import error_text, extras, message
from weft.logs.formats.stamps import local_iso
from weft.logs.formats.values import as_json, text_of

__all__ = ["TextFormatter"]

_COLORS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_BARE = re.compile(r"[^\s\"'=]+")
_NOT_BARE = re.compile(r"[\s\"'=]")
_NESTED = (list, tuple, set, frozenset, deque, Mapping)


class TextFormatter(logging.Formatter):
    """Lines such as `2026-11-25T02:15:24.123+00:00 INFO     shop.cart added item=3 request_id=4f1a`. Any thread.

    The time is local, with its offset. Fields given as `extra` and those of `weft.logs.bind` follow the message in
    logfmt; a traceback follows on lines of its own, indented. Nothing in a record can steer a terminal or forge a line.

    Args:
        color: whether the level is in colour, for a terminal.
    """

    safe = True  # needs nobody to make its output neutral

    def __init__(self, *, color: bool = False) -> None:
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, without the last newline."""
        body = f"{record.name} {message(record)}"
        found = extras(record)
        if found:
            body += _logfmt(found)
        if record.exc_info or record.exc_text or record.stack_info:
            body = f"{body}\n{error_text(record)}"
        if not body.isprintable():
            body = neutral(body)
        return f"{local_iso(record.created)} {self._level(record.levelname)} {body}"

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The time as this format shows it."""
        return local_iso(record.created) if datefmt is None else time.strftime(datefmt, time.localtime(record.created))

    def _level(self, name: str) -> str:
        return f"\x1b[{_COLORS.get(name, '1')}m{name:<8}\x1b[0m" if self._color else f"{name:<8}"


def _logfmt(found: Mapping[Any, Any]) -> str:
    return "".join([f" {_label(name)}={_value(value)}" for name, value in found.items()])


def _label(name: object) -> str:
    text = name if type(name) is str else text_of(name)
    return text if text.isidentifier() else _NOT_BARE.sub("_", text)


def _value(value: object) -> str:
    if type(value) is str:
        text = value
    else:
        text = as_json(value, ascii_only=False) if isinstance(value, _NESTED) else text_of(value)
    if _BARE.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
