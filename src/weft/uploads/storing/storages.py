"""Which storage keeps the files of this process: one URL tells."""

import os
import threading
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from weft.errors import InvalidValue
from weft.uploads.storing.storage import Storage

__all__ = ["address", "inherit", "install", "open_storage", "storage", "use"]

VARIABLE = "WEFT_UPLOADS"
DEFAULT = "file:weft-uploads"
_FORMS = "file:uploads, file:/var/lib/shop/uploads, or s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-1"

_lock = threading.RLock()
_storage: Storage | None = None
_address: str | None = None  # the URL that has named it, or will


def open_storage(url: str) -> Storage:
    """Open the storage that the URL names.

    - `file:uploads`, `file:/var/lib/shop/uploads`: a folder
    - `s3://bucket/prefix?endpoint=...&region=...`: an object store that speaks S3; `weft[s3]`

    Raises:
        InvalidValue: there is no such kind of storage.
        ImportError: what it needs is not installed.
    """
    opener = _OPENERS.get(urlsplit(url).scheme)
    found = None if opener is None else opener(url)
    if found is None:
        raise InvalidValue(f"{url!r} names no storage of uploads: write {_FORMS}")
    return found


def use(url: str) -> Storage:
    """Keep this process's uploads in the storage that the URL names; see `open_storage`. Where the application starts.

    Without it, the environment variable WEFT_UPLOADS tells; without that, it is the folder weft-uploads in the folder
    where the process was started.

    Raises:
        InvalidValue: there is no such kind of storage.
        ImportError: what it needs is not installed.
    """
    new = open_storage(url)
    install(new)
    inherit(url)
    return new


def storage() -> Storage:
    """The storage of this process, opened at first use. Any thread."""
    global _storage
    found = _storage
    if found is not None:
        return found
    with _lock:
        if _storage is None:
            _storage = open_storage(address() or DEFAULT)
        return _storage


def address() -> str | None:
    """The URL that names the storage of this process, for a child of it; None: nobody has said one."""
    return _address or os.environ.get(VARIABLE)


def inherit(url: str | None) -> None:
    """Where nothing else is said in this process, take the storage of the one that has started it."""
    global _address
    _address = url


def install(new: Storage | None) -> Storage | None:
    """Put another storage in the place of this process's own, and return that one: one of your own, or in tests."""
    global _storage
    with _lock:
        before, _storage = _storage, new
        inherit(None)
    return before


# -- the kinds of storage; each is imported when it is chosen


def _file(url: str) -> Storage | None:
    from weft.uploads.storing.local import LocalStorage  # noqa: PLC0415 - a process needs one kind of storage

    parts = urlsplit(url)
    path = unquote(parts.path)
    return None if parts.netloc or parts.query or not path else LocalStorage(path)


def _s3(url: str) -> Storage | None:
    from weft.uploads.storing.objects import ObjectStorage  # noqa: PLC0415 - as above

    return ObjectStorage(url)


_OPENERS: dict[str, Callable[[str], Storage | None]] = {"file": _file, "s3": _s3}


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)
