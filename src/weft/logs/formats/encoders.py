"""From a record to its frame, by whatever formatter, without ever raising into the code that logs.

The standard library's own formatter is not called but done again: with the time made once a second, and without the
parts that this format does not use. The bytes are the same.
"""

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
from typing import TypeAlias

from weft.logs.formats.escaping import neutral as neutralised
from weft.logs.formats.masking import without_secrets
from weft.logs.formats.parts import message, safe_repr
from weft.logs.formats.stamps import cached, utc_iso
from weft.logs.records import complete
from weft.logs.ring.frame import frame

__all__ = ["Encoder", "encoder_for", "notice_of"]

Encoder: TypeAlias = Callable[[logging.LogRecord], bytes]
_Text: TypeAlias = Callable[[logging.LogRecord], str]

_PLAIN = logging.Formatter()
_METHODS = frozenset({"format", "formatMessage", "formatTime", "usesTime"})
_FIELD = re.compile(r"%%|%\((\w+)\)(?=[#0+ -]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa])|(?P<strange>%)")


def encoder_for(
    formatter: logging.Formatter | None, *, neutral: bool, on_error: Callable[[logging.LogRecord], object]
) -> Encoder:
    """A function that makes frames of records as this formatter shows them. It raises nothing; any thread.

    A record that cannot be formatted becomes one that says so, in the same format if that can be: with its time, level
    and logger, and what can be shown of its message and arguments. `on_error` is told.

    Args:
        formatter: any; None: the standard library's default.
        neutral: whether what could forge a line or steer a terminal is escaped, and secrets among the arguments are
            masked (in formats of weft's and the standard library's: a formatter of the user's own asks the record for
            its message). Formatters with the attribute `safe` do all that by themselves.
        on_error: called with the record while the error is being handled.
    """
    chosen = formatter or _PLAIN
    text_of = _text_of(chosen, masking=neutral)
    ours = getattr(chosen, "safe", False)
    escape = neutralised if neutral and not ours else _as_it_is

    def encode(record: logging.LogRecord) -> bytes:
        try:
            text = text_of(record)
            if text.isprintable():  # so it has neither newlines nor surrogates
                return (text + "\n").encode()
            return frame(escape(text))
        except Exception as error:  # noqa: BLE001 - arguments may raise anything
            on_error(record)
            what = _what_can_be_shown(record, error)
            whole = f"{_head(record)} {what}"
            with suppress(Exception):  # in the same format, which may be somebody's JSON
                return frame(neutralised(text_of(_in_place_of(record, what if ours else whole))))
            return frame(neutralised(whole))

    return encode


def notice_of(encode: Encoder, text: str) -> bytes:
    """The frame of a sentence that a log says of itself: a warning of the logger `weft.logs`."""
    return encode(logging.LogRecord("weft.logs", logging.WARNING, __file__, 0, text, None, None, "notice"))


def _as_it_is(text: str) -> str:
    return text


def _text_of(formatter: logging.Formatter, *, masking: bool) -> _Text:
    if getattr(formatter, "safe", False):
        return formatter.format
    if type(formatter) is logging.Formatter and _METHODS.isdisjoint(formatter.__dict__):
        return _stock(formatter, masking=masking)
    return _completely(formatter.format)


# -- the standard library's formatter


def _stock(formatter: logging.Formatter, *, masking: bool) -> _Text:
    """As `Formatter.format`."""
    uses_time, stamp, line_of = formatter.usesTime(), _stamp(formatter), _line(formatter)

    def format_stock(record: logging.LogRecord) -> str:
        record.message = message(record) if masking else record.getMessage()
        if uses_time:
            record.asctime = stamp(record)
        line = line_of(record)
        if record.exc_info or record.exc_text or record.stack_info:
            return _with_error(line, record, formatter)
        return line

    return format_stock


def _with_error(text: str, record: logging.LogRecord, formatter: logging.Formatter) -> str:
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    stack = formatter.formatStack(record.stack_info) if record.stack_info else ""
    for part in (record.exc_text, stack):
        if part:
            text += part if text.endswith("\n") else f"\n{part}"
    return text


def _line(formatter: logging.Formatter) -> _Text:
    """As `Formatter.formatMessage`: by position, since making a record's `__dict__` costs most of all."""
    style = formatter._style  # noqa: SLF001 - to do what it does
    form = style._fmt  # noqa: SLF001
    found = list(_FIELD.finditer(form))
    if (
        type(style) is not logging.PercentStyle
        or getattr(style, "_defaults", None)
        or any(each["strange"] for each in found)
    ):
        return _completely(formatter.formatMessage)
    template = _FIELD.sub(lambda each: "%" if each[1] else each[0], form) + "%.0s"
    values = attrgetter(*(each[1] for each in found if each[1]), "levelno")  # one more, for the tuple that two make
    return lambda record: template % values(record)


def _completely(show: _Text) -> _Text:
    def shown(record: logging.LogRecord) -> str:
        complete(record)
        return show(record)

    return shown


def _stamp(formatter: logging.Formatter) -> _Text:
    """As `Formatter.formatTime`, remembering the second."""
    wanted = formatter.datefmt
    milliseconds = "" if wanted else formatter.default_msec_format

    def render(second: int) -> str:
        # The converter is looked up each time, because many set it when the handler is long made.
        return time.strftime(wanted or formatter.default_time_format, formatter.converter(second))

    seconds = cached(render)

    def stamp(record: logging.LogRecord) -> str:
        text = seconds(int(record.created))
        return milliseconds % (text, record.msecs) if milliseconds else text

    return stamp


# -- what cannot be formatted


def _what_can_be_shown(record: logging.LogRecord, error: Exception) -> str:
    shown = safe_repr(record.msg), safe_repr(without_secrets(record.args))
    return f"(could not be formatted: {type(error).__name__}) {shown[0]} with {shown[1]}"


def _in_place_of(record: logging.LogRecord, text: str) -> logging.LogRecord:
    """A record like it that says this. Without its error and its extra fields: one of them may be what is wrong."""
    made = logging.LogRecord(
        record.name, record.levelno, record.pathname, record.lineno, text, None, None, record.funcName
    )
    made.created, made.msecs, made.levelname = record.created, record.msecs, record.levelname
    return made


def _head(record: logging.LogRecord) -> str:
    with suppress(Exception):
        return f"{utc_iso(record.created)} {record.levelname} {record.name}"
    known = record.__dict__
    return " ".join(safe_repr(known.get(name)) for name in ("created", "levelname", "name"))
