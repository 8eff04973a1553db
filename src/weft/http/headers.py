"""Header fields: case-insensitive, several to a name, in their order (RFC 9110, section 5)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from weft.errors import InvalidValue
from weft.http.url import pairs_of

__all__ = ["HeaderItems", "Headers", "checked"]

HeaderItems: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_UNSAFE = re.compile(r"[\r\n\x00]")


class Headers(Mapping[str, str]):
    """The header fields of an answer. Read-only; any thread.

    `headers["x"]` joins several fields of a name by ", " (as RFC 9110, section 5.3 allows); `get_list` keeps them
    apart, which `Set-Cookie` needs. Iteration gives each name once, in lower case.
    """

    __slots__ = ("_found", "raw")

    def __init__(self, raw: Iterable[tuple[str, str]] = ()) -> None:
        self.raw = tuple(raw)
        found: dict[str, list[str]] = {}
        for name, value in self.raw:
            found.setdefault(name.lower(), []).append(value)
        self._found = found

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._found[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._found

    def __repr__(self) -> str:
        return f"Headers({list(self.raw)!r})"

    def get_list(self, name: str) -> list[str]:
        """Each field of that name, in order; [] if there is none."""
        return list(self._found.get(name.lower(), ()))


def checked(items: HeaderItems) -> tuple[tuple[str, str], ...]:
    """Check header fields to be sent.

    Raises:
        InvalidValue: a name is no token, or a value holds CR, LF or NUL, which would let it write further fields.
    """
    return tuple(_checked(name, value) for name, value in pairs_of(items))


def _checked(name: str, value: str) -> tuple[str, str]:
    if not isinstance(name, str) or not _TOKEN.match(name):
        raise InvalidValue(f"header name {name!r} is not a token: write letters, digits and hyphens, as 'X-Request-Id'")
    if not isinstance(value, str):
        raise InvalidValue(f"header {name} is {value!r}: write a string, {str(value)!r}")
    if _UNSAFE.search(value):
        raise InvalidValue(f"header {name} holds a line break or NUL: remove it, or percent-encode {value!r}")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise InvalidValue(f"header {name} holds letters beyond Latin-1: percent-encode {value!r}") from error
    return name, value.strip(" \t")
