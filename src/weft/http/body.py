"""Bodies to send, from what callers have."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlencode

from weft.errors import InvalidCall, InvalidValue
from weft.http.url import pairs_of

__all__ = ["Data", "encoded"]

Data: TypeAlias = bytes | bytearray | memoryview | str | Mapping[str, Any] | Iterable[tuple[str, Any]]

_FORM = "application/x-www-form-urlencoded"


def encoded(data: Data | None, json: Any) -> tuple[bytes | None, str]:
    """Make the body and its Content-Type ("" for bytes, of which we know nothing).

    Raises:
        InvalidValue: both `data` and `json` are given, or `json` holds what JSON cannot say.
    """
    if json is None:
        return (None, "") if data is None else _from_data(data)
    if data is not None:
        raise InvalidValue("data= and json= are two bodies: write one of them")
    return _from_json(json), "application/json"


def _from_json(value: Any) -> bytes:
    import json  # noqa: PLC0415 - `import weft.http` stays cheap

    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise InvalidValue(f"json= cannot be written as JSON ({error}): RFC 8259 has no NaN and no circles") from error
    except TypeError as error:
        raise InvalidCall(f"json= cannot be written as JSON: {error}") from error
    return text.encode()


def _from_data(data: Data) -> tuple[bytes, str]:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), ""
    if isinstance(data, str):
        return data.encode(), "text/plain; charset=utf-8"
    try:
        return urlencode(pairs_of(data), doseq=True).encode(), _FORM
    except (TypeError, ValueError) as error:
        raise InvalidCall("data= is no body: write bytes, a string, or a mapping of form fields") from error
