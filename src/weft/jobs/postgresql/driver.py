"""psycopg, as the store asks for it: `?` for a value, and one way to connect."""

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from weft.jobs.errors import StoreError

try:
    import psycopg
    from psycopg.pq import TransactionStatus
except ImportError as missing:  # pragma: no cover - the extra is not installed
    raise ImportError("jobs in PostgreSQL need psycopg: run pip install 'weft[postgresql]'") from missing

__all__ = ["Failure", "Raw", "Session", "connect", "disown"]

Failure = psycopg.Error
Raw = psycopg.Connection[tuple[Any, ...]]

_SETTINGS = (
    "-c search_path=weft -c timezone=UTC "
    # Whoever has waited for the lock has to see what was committed meanwhile, whatever the database has by default.
    "-c default_transaction_isolation=read\\ committed "
    # A process that was stopped in the middle of a transaction holds up all others no longer than that.
    "-c idle_in_transaction_session_timeout=15s "
    # A machine that is gone is known to be, and its locks are free, in about that time.
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=11000"
)
# The same for a server that is gone: else whoever waits for its answer waits for a quarter of an hour, or two hours.
_OURS: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 11_000,
}
_CONNECTING = 5  # seconds


def connect(url: str, name: str) -> Raw:
    """A connection whose transactions are begun and ended by hand.

    Raises:
        StoreError: there is no such server, or it refuses us; or it is none for jobs.
    """
    try:
        raw = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=_CONNECTING,
            options=_SETTINGS,
            application_name="weft",
            client_encoding="utf8",
            **_OURS,
        )
    except psycopg.Error as error:
        raise StoreError(f"the job store {name} cannot be reached: {error}") from error
    try:
        _refuse(raw, name)
    except BaseException:
        raw.close()
        raise
    return raw


def _refuse(raw: Raw, name: str) -> None:
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"the database {name} has the encoding {encoding}, and jobs need one with UTF8: make another")
    if raw.execute("SHOW search_path").fetchone() != ("weft",):
        raise StoreError(
            f"the job store {name} does not heed our settings: a pool in between (PgBouncer) drops them. Connect "
            "straight to the server"
        )


class Session:
    """A connection whose statements have `?` for each value, made anew where it was lost. For one thread at a time.

    Args:
        url: the server and the database.
        name: the same, for messages.

    Raises:
        StoreError: it cannot be reached.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self.raw = connect(url, name)

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run it."""
        return self.raw.execute(_translated(sql), parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Run it for each, without waiting for the answer to one before the next is sent."""
        rows = parameters if isinstance(parameters, list) else list(parameters)
        if len(rows) == 1:
            self.execute(sql, rows[0])
        elif rows:
            with self.raw.cursor() as cursor:
                cursor.executemany(_translated(sql), rows)

    def first(self, sql: str, parameters: Sequence[Any] = (), /) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run what nothing has come before: on a new connection, if the server has ended this one meanwhile.

        Or if a statement on it was left by an exception of a signal handler: its answer is still to come.
        """
        try:
            if self.raw.pgconn.transaction_status == TransactionStatus.IDLE:
                return self.execute(sql, parameters)
        except psycopg.OperationalError:
            if not self.raw.broken and not self.raw.closed:
                raise
        self.raw.close()
        self.raw = connect(self._url, self._name)
        return self.execute(sql, parameters)

    def close(self) -> None:
        """End it."""
        self.raw.close()


def disown(raw: Raw) -> None:
    """In a forked child: leave the connection to the parent, with which the server is to see it end.

    Nothing is sent, as `close` would. psycopg lets go of what another process has made without touching it.
    """
    with suppress(Failure, OSError):  # it is closed
        os.close(raw.fileno())


@lru_cache(maxsize=256)
def _translated(sql: str) -> str:
    # Hints for SQLite's planner are none of PostgreSQL's business. The texts are all our own.
    return re.sub(r" INDEXED BY \w+", "", sql).replace("%", "%%").replace("?", "%s")
