"""The storage of this process."""

from weft.errors import InvalidCall
from weft.uploads.storage import Storage

__all__ = ["install", "storage"]

_storage: Storage | None = None


def install(new: Storage | None) -> Storage | None:
    """Put another storage in the place of this process's own, and return that one."""
    global _storage
    before, _storage = _storage, new
    return before


def storage() -> Storage:
    """The one of this process."""
    if _storage is None:
        raise InvalidCall("there is no storage")
    return _storage
