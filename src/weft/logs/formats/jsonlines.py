"""The JSON format: one object a line, that every parser takes and no terminal stumbles over.

The line is put together by hand around the standard library's C function that quotes a string. orjson and msgspec are
faster: from a record to the bytes of its line, with the same masking, by hand, `json`, orjson and msgspec take 2.6,
3.9, 2.4 and 2.3 us without extra fields, and 6.5, 6.2, 4.4 and 4.3 with three (Python 3.11, two shared cores,
2026-11-25). But they cannot be told which characters to escape for a terminal, both raise on a lone surrogate, and
orjson on whole numbers over 64 bits: each would need all of this beside it. A microsecond or two is not worth a
dependency. Nested values, which are rare, go through the standard library's encoder.
"""

import logging
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from weft.logs.formats.masking import masked
from weft.logs.formats.parts import error_text, extras, message
from weft.logs.formats.stamps import utc_iso
from weft.logs.formats.values import as_json, encodable, text_of

__all__ = ["JsonFormatter"]

_RESERVED = frozenset({"time", "level", "logger", "message", "exception", "stack"})
_CALLER = frozenset({"file", "line", "function"})
_TEXT = {str}
_LONGEST = 64  # characters of a name that is remembered: names of fields may come from outside


class JsonFormatter(logging.Formatter):
    """Lines such as `{"time":"2026-11-25T02:15:24.123Z","level":"INFO","logger":"shop","message":"added","item":3}`.

    The time is UTC. Fields given as `extra` and those of `weft.logs.bind` stand beside the others; one that is called
    as one of them gets an underscore, and no name occurs twice. An error is an object of its `type`, `message` and
    `stack`. Values that JSON does not know are shown as text. Any thread.

    Args:
        fields: further ones for every line, such as `{"service": "shop"}`; those of a record come first.
        caller: whether to add the `file`, `line` and `function` of the call.
    """

    safe = True  # needs nobody to make its output neutral

    def __init__(self, *, fields: Mapping[str, Any] | None = None, caller: bool = False) -> None:
        super().__init__()
        self._caller = caller
        self._taken = _RESERVED | _CALLER if caller else _RESERVED
        self._fields = masked(fields or {})
        self._always = self._members(self._fields)

    def format(self, record: logging.LogRecord) -> str:
        """The record as a JSON object, on one line."""
        line = (
            f'{{"time":"{utc_iso(record.created)}","level":{_quoted_name(record.levelname)},'
            f'"logger":{_quoted_name(record.name)},"message":{_quoted(message(record))}'
        )
        if self._caller:
            line += f',"file":{_quoted(record.pathname)},"line":{record.lineno},"function":{_quoted(record.funcName)}'
        found = extras(record)
        line += self._members({**self._fields, **found} if self._fields else found) if found else self._always
        if record.exc_info or record.exc_text or record.stack_info:
            line += _error(record)
        return line + "}"

    def _members(self, found: Mapping[Any, Any]) -> str:
        if not self._taken.isdisjoint(found) or set(map(type, found)) != _TEXT:
            found = {self._free(text_of(name), found): value for name, value in found.items()}
        return "".join([f"{_label(name)}{_value(value)}" for name, value in found.items()])

    def _free(self, name: str, found: Mapping[Any, Any]) -> str:
        if name not in self._taken:
            return name
        while name in self._taken or name in found:
            name += "_"
        return name


def _error(record: logging.LogRecord) -> str:
    kind, error, _ = record.exc_info if isinstance(record.exc_info, tuple) else (None, None, None)
    if error is None:
        return f',"stack":{_quoted(error_text(record) or "")}'
    told = {"type": getattr(kind, "__name__", "?"), "message": text_of(error), "stack": error_text(record)}
    return f',"exception":{as_json(told, ascii_only=True)}'


def _value(value: object) -> str:
    return _quoted(value) if type(value) is str else as_json(value, ascii_only=True)


def _quoted(text: str) -> str:
    if text.isprintable():
        return encode_basestring(text)
    return encode_basestring_ascii(encodable(text))  # all that a terminal might take for a command is escaped


@lru_cache(4096)
def _quoted_name(name: object) -> str:
    return _quoted(str(name))  # None, in a record that was not made by a logger


def _label(name: str) -> str:
    return f",{_quoted_name(name) if len(name) <= _LONGEST else _quoted(name)}:"
