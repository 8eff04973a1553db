"""The names of files in the storage. They are ours, and fit for a path and a URL."""

import re
import secrets

from weft.errors import InvalidValue

__all__ = ["checked_key", "new_key"]

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


def new_key(ending: str = "") -> str:
    """One that nobody can guess: 32 hexadecimal digits, and an ending such as "webp"."""
    name = secrets.token_hex(16)
    return f"{name}.{ending}" if ending else name


def checked_key(key: str) -> str:
    """The key, if it is one: it begins with no dot, has no separator, and leads nowhere else.

    Raises:
        InvalidValue: it is none.
    """
    if _KEY.fullmatch(key) is None:
        raise InvalidValue(f"{key[:80]!r} is no key of a file: use `upload.key`, as it was received or made")
    return key
