"""Where a job is put that is to exist if, and only if, a transaction is committed."""

import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from weft.errors import InvalidCall
from weft.jobs.outbox.rows import text_of
from weft.jobs.records import Entry

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
    from sqlalchemy.orm import Session, scoped_session

    Transaction = (
        str | Session | scoped_session[Any] | Connection | AsyncSession | async_scoped_session[Any] | AsyncConnection
    )
    """SQLAlchemy's session or connection; in Django, the name of the database, as in DATABASES: "default"."""

__all__ = ["Transaction", "put", "serve_django", "unknown"]

_DJANGO = (
    "to enqueue in a transaction of Django's, add 'weft.adapters.django_jobs' to INSTALLED_APPS, and run "
    "manage.py migrate"
)

_put_in_django: Callable[[str, Sequence[str]], None] | None = None


def put(transaction: "Transaction", entries: Sequence[Entry]) -> Coroutine[Any, Any, None] | None:
    """Write the jobs' rows in this transaction; where that is SQLAlchemy's of async code, what is to be awaited.

    Raises:
        InvalidCall: it is no transaction that we know.
        InvalidValue: the database is in memory, where no relay sees it.
        OutboxMissing: the database has no table for it.
    """
    texts = [text_of(entry) for entry in entries]
    if isinstance(transaction, str):
        if _put_in_django is None:
            raise InvalidCall(_DJANGO)
        _put_in_django(transaction, texts)
        return None
    if "sqlalchemy" not in sys.modules:
        raise InvalidCall(unknown(transaction))
    from weft.jobs.outbox.sqlalchemy import put_rows  # noqa: PLC0415 - the library is an extra

    return put_rows(transaction, texts)


def serve_django(put_rows: Callable[[str, Sequence[str]], None]) -> None:
    """Django's application is there: it puts rows into the database of this name. (For it.)"""
    global _put_in_django
    _put_in_django = put_rows


def unknown(transaction: object) -> str:
    """What to say of something that is none."""
    return (
        f"{type(transaction).__name__} is no transaction: pass SQLAlchemy's session or connection, or, in Django, the "
        'name of the database: compress.enqueue_in("default", ...)'
    )
