"""From a record to its frame, by whatever formatter, without ever raising into the code that logs.

The standard library's own formatter is not called but done again: with the time made once a second, and without the
parts that this format does not use. The bytes are the same.
"""

import logging
import re
import time
from collections.abc import Callable
from operator import attrgetter
from typing import TypeAlias

from weft.logs.formats.escaping import neutral as neutralised
from weft.logs.formats.parts import message, safe_repr
from weft.logs.formats.stamps import cached, utc_iso
from weft.logs.records import complete
from weft.logs.ring.frame import frame

__all__ = ["Encoder", "encoder_for"]

Encoder: TypeAlias = Callable[[logging.LogRecord], bytes]

_PLAIN = logging.Formatter()


def encoder_for(
    formatter: logging.Formatter | None, *, neutral: bool, on_error: Callable[[logging.LogRecord], object]
) -> Encoder:
    """A function that makes frames of records as this formatter shows them. It raises nothing; any thread.

    A record that cannot be formatted becomes a line that shows what can be shown of it, and `on_error` is told.

    Args:
        formatter: any; None: the standard library's default.
        neutral: whether what could forge a line or steer a terminal is escaped, and secrets among named arguments are
            masked; formatters with the attribute `safe` do so by themselves.
        on_error: called with the record while the error is being handled.
    """
    chosen = formatter or _PLAIN
    text_of = _text_of(chosen, masking=neutral)
    escape = neutralised if neutral and not getattr(chosen, "safe", False) else _as_it_is

    def encode(record: logging.LogRecord) -> bytes:
        try:
            text = text_of(record)
            if text.isprintable():  # so it has neither newlines nor surrogates
                return (text + "\n").encode()
            return frame(escape(text))
        except Exception as error:  # noqa: BLE001 - arguments may raise anything
            on_error(record)
            return frame(neutralised(_what_can_be_shown(record, error)))

    return encode


def _as_it_is(text: str) -> str:
    return text


def _text_of(formatter: logging.Formatter, *, masking: bool) -> Callable[[logging.LogRecord], str]:
    if getattr(formatter, "safe", False):
        return formatter.format
    if _is_stock(formatter):
        return _stock(formatter, masking=masking)

    def formatted(record: logging.LogRecord) -> str:
        complete(record)
        return formatter.format(record)

    return formatted


def _is_stock(formatter: logging.Formatter) -> bool:
    style = formatter._style  # noqa: SLF001 - to do what it does
    defaults = getattr(style, "_defaults", None)
    return type(formatter) is logging.Formatter and type(style) is logging.PercentStyle and not defaults


def _stock(formatter: logging.Formatter, *, masking: bool) -> Callable[[logging.LogRecord], str]:
    style = formatter._style  # noqa: SLF001 - to do what it does
    template, names = _positional(style._fmt)  # noqa: SLF001
    values = attrgetter(*names, "levelno")  # with one more than is needed, for the tuple that two make
    uses_time, stamp = formatter.usesTime(), _stamp(formatter)

    def format_stock(record: logging.LogRecord) -> str:
        if record.exc_info or record.exc_text or record.stack_info:
            complete(record)
            return formatter.format(record)
        record.message = message(record) if masking else record.getMessage()
        if uses_time:
            record.asctime = stamp(record)
        return template % values(record)

    return format_stock


def _positional(template: str) -> tuple[str, list[str]]:
    """The template with its fields by position, and their names: making a record's `__dict__` costs most of all."""
    names: list[str] = []

    def take(found: re.Match[str]) -> str:
        if found[1]:
            names.append(found[1])
            return "%"
        return found[0]

    return re.sub(r"%%|%\((\w+)\)", take, template) + "%.0s", names


def _stamp(formatter: logging.Formatter) -> Callable[[logging.LogRecord], str]:
    """As `Formatter.formatTime`, remembering the second."""
    wanted, convert = formatter.datefmt, formatter.converter
    seconds = cached(lambda second: time.strftime(wanted or formatter.default_time_format, convert(second)))
    milliseconds = formatter.default_msec_format

    def stamp(record: logging.LogRecord) -> str:
        text = seconds(int(record.created))
        return text if wanted or not milliseconds else milliseconds % (text, record.msecs)

    return stamp


def _what_can_be_shown(record: logging.LogRecord, error: Exception) -> str:
    head = f"{utc_iso(record.created)} {record.levelname} {record.name}"
    why = f"could not be formatted: {type(error).__name__}"
    return f"{head} ({why}) {safe_repr(record.msg)} with {safe_repr(record.args)}"
