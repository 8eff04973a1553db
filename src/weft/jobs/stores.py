"""Which engine keeps the jobs of this process: one URL tells."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from weft.errors import InvalidValue
from weft.jobs.addresses import masked
from weft.jobs.engine import Engine

__all__ = ["address", "chosen", "inherit", "install", "on_change", "open_store", "store", "use"]

VARIABLE = "WEFT_JOBS"
DEFAULT = "sqlite:weft-jobs.db"
_FORMS = (
    "sqlite:jobs.db, sqlite:/var/lib/shop/jobs.db?synchronous=normal, postgresql://user@host/database, "
    "celery+redis://host/0, celery+amqp://user:password@host//?results=redis://host/1, or memory: in tests"
)

_lock = threading.RLock()
_store: Engine | None = None
_inherited: str | None = None  # the URL of the store of the process that has started this one
_watchers: list[Callable[[Engine], object]] = []


def open_store(url: str) -> Engine:
    """Open the store that the URL names.

    - `sqlite:jobs.db`, `sqlite:/var/lib/shop/jobs.db?synchronous=normal`: a file, for the processes of one machine
    - `postgresql://user@host/database`: for any number of machines; `weft[postgresql]`
    - `celery+redis://...`, `celery+amqp://...?results=redis://...`: through Celery; `weft[celery]`
    - `memory:`: for this process, as long as it lives

    Raises:
        InvalidValue: there is no such kind of store.
        UnsuitablePlace: the file lies on a network share.
        StoreError: it cannot be opened.
    """
    opener = _OPENERS.get(urlsplit(url).scheme)
    found = None if opener is None else opener(url)
    if found is None:
        raise InvalidValue(f"{masked(url)!r} names no job store: write {_FORMS}")
    return found


def use(url: str) -> Engine:
    """Put this process's jobs in the store that the URL names; see `open_store`. Where the application starts.

    Without it, the environment variable WEFT_JOBS tells; without that, it is the file weft-jobs.db in the folder where
    the process was started.

    Raises:
        InvalidCall: a job has been declared with an option that this store lacks.
    """
    return _put(open_store(url))


def store() -> Engine:
    """The store of this process, opened at first use. Any thread."""
    found = _store
    if found is not None:
        return found
    with _lock:
        return _store or _put(open_store(_inherited or os.environ.get(VARIABLE, DEFAULT)))


def chosen() -> Engine | None:
    """The store of this process, if it is open."""
    return _store


def address() -> str | None:
    """The URL of this process's store, for a child of it; None: it is not open."""
    return None if _store is None else _store.url


def inherit(url: str | None) -> None:
    """Where nothing is said in this process, its jobs go where those of the process do that has started it."""
    global _inherited
    _inherited = url


def on_change(call: Callable[[Engine], object]) -> None:
    """Have this called with each store that is to become the process's own; what it raises keeps it from that."""
    _watchers.append(call)


def install(new: Engine | None) -> Engine | None:
    """Put another store in the place of this process's own, and return that one. (For tests.)"""
    global _store
    with _lock:
        before, _store = _store, new
    return before


def _put(new: Engine) -> Engine:
    try:
        for call in _watchers:
            call(new)
    except BaseException:
        new.close()
        raise
    before = install(new)
    if before is not None:
        before.close()
    return new


# -- the kinds of store; each is imported when it is chosen


def _sqlite(url: str) -> Engine | None:
    from weft.jobs.sql.store import Store  # noqa: PLC0415 - a process needs one kind of store
    from weft.jobs.sqlite.database import SQLite  # noqa: PLC0415

    parts = urlsplit(url)
    path, options = unquote(parts.path), _options(parts)
    synchronous = options.pop("synchronous", "full").upper()
    if parts.netloc or not path or options or synchronous not in {"FULL", "NORMAL"}:
        return None
    return Store(SQLite(Path(path), synchronous=synchronous))


def _memory(url: str) -> Engine | None:
    from weft.jobs.sql.store import Store  # noqa: PLC0415 - as above
    from weft.jobs.sqlite.passing import PassingSQLite  # noqa: PLC0415

    return Store(PassingSQLite()) if url == "memory:" else None


def _postgresql(url: str) -> Engine | None:
    from weft.jobs.postgresql.database import PostgreSQL  # noqa: PLC0415 - as above
    from weft.jobs.sql.store import Store  # noqa: PLC0415

    return Store(PostgreSQL(url))


def _celery(url: str) -> Engine | None:
    from weft.jobs.celery.engine import CeleryEngine  # noqa: PLC0415 - as above

    parts = urlsplit(url)
    options = _options(parts)
    broker = parts._replace(scheme=parts.scheme.removeprefix("celery+"), query="").geturl()
    results = options.pop("results", broker if parts.scheme.startswith("celery+redis") else None)
    visibility = options.pop("visibility", "300")
    durable = options.pop("durable", "yes")
    if options or results is None or durable not in {"yes", "no"} or not visibility.isdecimal():
        return None
    return CeleryEngine(broker, results, durable=durable == "yes", visibility=float(visibility))


_OPENERS: dict[str, Callable[[str], Engine | None]] = {
    "sqlite": _sqlite,
    "memory": _memory,
    "postgresql": _postgresql,
    "postgres": _postgresql,
    "celery+redis": _celery,
    "celery+rediss": _celery,
    "celery+amqp": _celery,
    "celery+amqps": _celery,
}


def _options(parts: SplitResult) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(parts.query).items()}


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)
