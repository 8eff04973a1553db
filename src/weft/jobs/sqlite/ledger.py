"""The one who writes: a thread that puts all changes which wait into one transaction (group commit).

A commit that survives a power cut waits for the disk. Of a hundred callers who wait at once, each pays for a hundredth
of that wait (D. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984).

When one commit is over, its callers come again: the next waits for them a moment (PostgreSQL's `commit_delay`).

Among processes a lock of ours stands before SQLite's own: whoever waits in SQLite's busy handler sleeps and tries
again, and starves; whoever waits in `flock` is woken in turn.
"""

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from weft.jobs.errors import StoreError
from weft.jobs.sqlite.places import Files
from weft.jobs.sqlite.schema import migrate

__all__ = ["Change", "Ledger", "connect"]

log = logging.getLogger("weft.jobs")

T = TypeVar("T")
Act = Callable[[sqlite3.Connection], T]

_MOST = 1000  # changes in one transaction, so that nobody waits for very many others
_GATHER = 0.0003  # seconds to wait for those whose last change has just been written, when there were several
_BUSY = 30.0  # seconds for SQLite's own lock, which only strangers to us can hold


class Change(Generic[T]):
    """A change on its way. `wait` from any thread.

    Attributes:
        durable: it must survive a power cut.
        then: to be called when it is written.
    """

    __slots__ = ("_act", "_error", "_over", "_value", "durable", "then")

    def __init__(self, act: Act[T], *, durable: bool, then: Callable[[], object] | None) -> None:
        self._act = act
        self.durable = durable
        self.then = then
        self._over = threading.Lock()
        self._over.acquire()
        self._error: BaseException | None = None
        self._value: Any = None

    def run(self, connection: sqlite3.Connection) -> None:
        """Make the change. (For the ledger.)"""
        self._value = self._act(connection)

    def end(self, error: BaseException | None = None) -> None:
        """It is written, or has failed. (For the ledger.)"""
        self._error = error
        self._over.release()

    def wait(self) -> T:
        """What it has come to, once it is written.

        Raises:
            StoreError: it could not be written.
        """
        self._over.acquire()
        self._over.release()
        return self.value()

    def value(self) -> T:
        """The same, when it is over."""
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value


class Ledger:
    """Writes to one store, for all threads of this process. A forked child makes its own.

    Args:
        files: where.
        synchronous: "FULL": a durable change has reached the disk; "NORMAL": it survives the end of the process, and a
            power cut may take the last moments.

    Raises:
        StoreError: the file is none of ours, or cannot be opened.
    """

    def __init__(self, files: Files, *, synchronous: str = "FULL") -> None:
        self.files = files
        self._synchronous = synchronous
        self._waiting: list[Change[Any]] = []
        self._stirred = threading.Condition(threading.Lock())
        self._enough = 1  # changes that wait, at which the ledger wants to be woken
        self._several = 0  # changes of the last transaction, if there were several
        self._closing = False
        self._file = os.open(files.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._connection = connect(files)
            self._prepare()
        except BaseException:
            os.close(self._file)
            raise
        self._thread = threading.Thread(target=self._serve, name="weft-ledger", daemon=True)
        self._thread.start()

    def change(self, act: Act[T], *, durable: bool = True, then: Callable[[], object] | None = None) -> Change[T]:
        """Have a change made, together with all others that wait. It may be tried twice. Any thread; does not wait.

        `then` is called in the ledger's thread when it is written: once for all changes of a transaction that name it.

        Raises:
            StoreError: the ledger is closed.
        """
        made: Change[T] = Change(act, durable=durable, then=then)
        with self._stirred:
            if self._closing:
                raise StoreError("the job store has been closed")
            self._waiting.append(made)
            if len(self._waiting) >= self._enough:
                self._stirred.notify()
        return made

    def disown(self) -> None:
        """In a forked child: were it to hold the parent's lock, nobody could write when the parent is killed."""
        os.close(self._file)

    def close(self) -> None:
        """Write what waits, and close the file. Idempotent."""
        with self._stirred:
            closed_before, self._closing = self._closing, True
            self._stirred.notify()
        if not closed_before:
            self._thread.join()

    def _prepare(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            migrate(self._connection)
        except sqlite3.Error as error:
            self._connection.close()
            raise StoreError(f"{self.files.database} cannot be used as a job store: {error}") from error
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _serve(self) -> None:
        try:
            while batch := self._next():
                self._write(batch)
        finally:
            self._connection.close()
            os.close(self._file)

    def _next(self) -> list[Change[Any]]:
        with self._stirred:
            if self._several and self._waiting:
                self._enough = self._several + len(self._waiting)
                self._stirred.wait_for(lambda: len(self._waiting) >= self._enough, _GATHER)
            self._enough = 1
            while not self._waiting and not self._closing:
                self._stirred.wait()
        # The lock first, then the changes: those who come while we wait for it are written as well.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._stirred:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        self._several = len(batch) if len(batch) > 1 else 0
        return batch

    def _write(self, batch: list[Change[Any]]) -> None:
        try:
            error = self._attempt(batch)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        if error is None or len(batch) == 1:
            for change in batch:
                change.end(error)
            if error is None:
                self._follow({change.then for change in batch if change.then is not None})
            return
        for change in batch:  # one of them is to blame, and alone is to fail
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._write([change])

    def _follow(self, calls: set[Callable[[], object]]) -> None:
        for call in calls:
            try:
                call()
            except Exception:
                log.exception("what was to follow a change of the job store failed")

    def _attempt(self, batch: list[Change[Any]]) -> BaseException | None:
        connection = self._connection
        try:
            durable = any(change.durable for change in batch)
            connection.execute(f"PRAGMA synchronous = {self._synchronous if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            for change in batch:
                change.run(connection)
            connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits must be told
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                told = StoreError(f"the job store {self.files.database} could not be written: {error}")
                told.__cause__ = error
                return told
            return error
        return None


def connect(files: Files) -> sqlite3.Connection:
    """A connection to the store, for one thread at a time; transactions are begun and ended by hand.

    Raises:
        StoreError: the file cannot be opened.
    """
    try:
        return sqlite3.connect(files.database, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreError(f"the job store {files.database} cannot be opened: {error}") from error
