"""Values in what JSON knows: whatever is given to be logged can be shown, and no parser stumbles over it."""

import json
import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from weft.logs.formats.parts import safe_repr

__all__ = ["as_json", "encodable", "plain", "text_of"]

_LARGEST = 1024  # bits of a whole number
_WORDS = {None: "null", True: "true", False: "false"}
_NUMBERS = frozenset({int, float})  # of which `repr` is JSON

# Made once: `json.dumps` makes one for each call that asks for something of its own.
_to_ascii = json.JSONEncoder(separators=(",", ":")).encode
_to_text = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def as_json(value: object, *, ascii_only: bool) -> str:
    """The value as JSON. It was masked before, so it neither holds itself nor is endlessly deep. Raises nothing."""
    if value is None or value is True or value is False:
        return _WORDS[value]
    if type(value) in _NUMBERS and _can_be_written(value):  # type: ignore[arg-type]  # one of them
        return repr(value)
    try:
        known = plain(value)
    except Exception:  # noqa: BLE001 - another thread may be changing it
        known = safe_repr(value)
    return (_to_ascii if ascii_only else _to_text)(known)


def plain(value: object) -> Any:
    """The value in what JSON knows; what it does not know as text."""
    if isinstance(value, str):
        return encodable(value)
    if value is None or isinstance(value, int | float):
        return value if _can_be_written(value) else safe_repr(value)
    if isinstance(value, Mapping):
        return {text_of(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset | deque):
        return [plain(each) for each in value]
    return text_of(value)


def text_of(value: object) -> str:
    """The value as `str` has it, or as it can be had; bytes that are text, as text."""
    try:
        return encodable(value.decode() if isinstance(value, bytes) else str(value))
    except Exception:  # noqa: BLE001 - it may raise anything
        return safe_repr(value)


def encodable(text: str) -> str:
    """The text, with lone surrogates as escapes: parsers disagree on them (RFC 8259, 8.2)."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _can_be_written(value: float | None) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or int(value).bit_length() < _LARGEST
