"""Which store this process puts its jobs in."""

import os
import threading
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from weft.errors import InvalidValue
from weft.jobs.sqlite.store import SQLiteStore

__all__ = ["install", "open_store", "store", "use"]

VARIABLE = "WEFT_JOBS"
DEFAULT = "sqlite:weft-jobs.db"

_lock = threading.RLock()
_store: SQLiteStore | None = None


def open_store(url: str) -> SQLiteStore:
    """Open the store that the URL names: `sqlite:jobs.db`, `sqlite:/var/lib/shop/jobs.db?synchronous=normal`.

    Raises:
        InvalidValue: there is no such kind of store.
        UnsuitablePlace: the file lies on a network share.
        StoreError: it cannot be opened.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    synchronous = options.pop("synchronous", "full").upper()
    if parts.scheme != "sqlite" or parts.netloc or not path or options or synchronous not in {"FULL", "NORMAL"}:
        raise InvalidValue(
            f"{url!r} names no job store: write sqlite:jobs.db, or sqlite:/var/lib/shop/jobs.db?synchronous=normal"
        )
    return SQLiteStore(Path(path), synchronous=synchronous)


def use(url: str) -> SQLiteStore:
    """Put this process's jobs in the store that the URL names; see `open_store`. Where the application starts.

    Without it, the environment variable WEFT_JOBS tells; without that, it is the file weft-jobs.db in the folder where
    the process was started.
    """
    return _put(open_store(url))


def store() -> SQLiteStore:
    """The store of this process, opened at first use. Any thread."""
    found = _store
    if found is not None:
        return found
    with _lock:
        return _store or _put(open_store(os.environ.get(VARIABLE, DEFAULT)))


def install(new: SQLiteStore | None) -> SQLiteStore | None:
    """Put another store in the place of this process's own, and return that one. (For tests.)"""
    global _store
    with _lock:
        before, _store = _store, new
    return before


def _put(new: SQLiteStore) -> SQLiteStore:
    before = install(new)
    if before is not None:
        before.close()
    return new


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)
