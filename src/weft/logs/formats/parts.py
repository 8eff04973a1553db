"""What a record consists of, as far as all formats need it: its message, its extra fields, its error."""

import logging
import reprlib
from collections.abc import Mapping
from typing import Any

from weft.logs.context import fields
from weft.logs.formats.masking import masked, without_secrets
from weft.logs.records import Record

__all__ = ["error_text", "extras", "message", "safe_repr"]

_PLAIN = logging.LogRecord("", 0, "", 0, "", None, None).__dict__
_COLORED = "color_message"  # what uvicorn adds: its message again, for a terminal
_STANDARD = frozenset({*_PLAIN, "message", "asctime", "taskName", _COLORED})
_STOCK = logging.Formatter()
_SIMPLE = frozenset({str, int, float, bool, type(None)})

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 1000


def message(record: logging.LogRecord) -> str:
    """The message with its arguments; secrets in those that have named parts are masked.

    Raises:
        Exception: whatever the arguments' own methods raise, or `%` where they do not fit.
    """
    text, args = record.msg, record.args
    if type(text) is not str:
        text = str(text)
    if not args:
        return text
    if type(args) is not tuple:
        return str(text % without_secrets(args))
    for each in args:
        if type(each) not in _SIMPLE:
            return text % tuple(map(without_secrets, args))
    return text % args


def extras(record: logging.LogRecord) -> Mapping[str, Any] | None:
    """The fields of the context and those given as `extra`, which win; secret ones masked. None: there are none."""
    around, own = fields(), None
    if type(record) is not Record:
        known = record.__dict__
        if len(known) - ("message" in known) - ("asctime" in known) > len(_PLAIN):
            own = {name: value for name, value in known.items() if name not in _STANDARD}
    found = {**around, **own} if around and own else around or own
    return masked(found) if found else None


def error_text(record: logging.LogRecord) -> str | None:
    """The traceback, and the stack where one was asked for; None: there is neither. Kept in the record, as always."""
    if record.exc_info and not record.exc_text:
        record.exc_text = _STOCK.formatException(record.exc_info)
    parts = [part for part in (record.exc_text, record.stack_info) if part]
    return "\n".join(parts) if parts else None


def safe_repr(value: object) -> str:
    """The value's `repr`, shortened; or what is wrong with it."""
    try:
        return _short.repr(value)
    except Exception as error:  # noqa: BLE001 - it may raise anything
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"
