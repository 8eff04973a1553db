"""A job as a row of the outbox holds it: JSON, so that a person can read it and another version of weft can, too."""

from typing import Any, get_type_hints

import msgspec

from weft.jobs.codec import decode_json, encode_json
from weft.jobs.records import Entry

__all__ = ["entry_of", "text_of"]

_HINTS = {**get_type_hints(Entry), "arguments": msgspec.Raw}
_FIELDS: list[Any] = [
    (name, _HINTS[name], Entry._field_defaults[name]) if name in Entry._field_defaults else (name, _HINTS[name])
    for name in Entry._fields
]
# A field that is unknown here is an option that would be lost.
_Row = msgspec.defstruct("Row", _FIELDS, forbid_unknown_fields=True)


def text_of(entry: Entry) -> str:
    """The row's JSON."""
    return encode_json({**entry._asdict(), "arguments": msgspec.Raw(entry.arguments)}).decode()


def entry_of(text: str) -> Entry:
    """The job that is to be stored.

    Raises:
        ValueError: it is none, or a newer weft has written it.
    """
    row = decode_json(text.encode(), _Row)
    found = {name: getattr(row, name) for name in Entry._fields}
    return Entry(**{**found, "arguments": bytes(found["arguments"])})
