"""The embedded database: a file, and a folder of locks beside it.

Among processes a lock of ours stands before SQLite's own: whoever waits in SQLite's busy handler sleeps and tries
again, and starves; whoever waits in `flock` is woken in turn.
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from urllib.parse import quote

from weft.jobs.errors import StoreError
from weft.jobs.sql.database import Connection, Desk
from weft.jobs.sql.schema import VERSION, missing
from weft.jobs.sqlite.bell import ring
from weft.jobs.sqlite.desk import SQLiteDesk
from weft.jobs.sqlite.places import Files, files_of

__all__ = ["SQLite"]

_BUSY = 30.0  # seconds for SQLite's own lock, which only strangers to us can hold


class SQLite:
    """Jobs in one file. Any number of threads and processes of one machine; a forked child may go on using it.

    Args:
        path: the file; it is made, its folder is not. Beside it a folder of the same name with ".d" holds locks.
        synchronous: "FULL": a stored job survives a power cut; "NORMAL": the end of its process, which is faster;
            "OFF": neither, for a file that ends with the process anyhow.

    Raises:
        UnsuitablePlace: the file is on a network share, or its folder does not exist.
    """

    failures = (sqlite3.Error,)

    def __init__(self, path: str | os.PathLike[str], *, synchronous: str = "FULL") -> None:
        self.files = files_of(path)
        self.synchronous = synchronous
        self._seen: tuple[int, set[str]] = (0, set())  # when workers last came or went, and those there are

    @property
    def name(self) -> str:
        """The file."""
        return str(self.files.database)

    @property
    def url(self) -> str:
        """By which a child of this process opens the same."""
        options = "" if self.synchronous == "FULL" else "?synchronous=normal"
        return f"sqlite:{quote(str(self.files.database))}{options}"

    def writer(self) -> "_Writer":
        """A connection that writes.

        Raises:
            StoreError: the file is no job store, or a newer weft has written it.
        """
        return _Writer(self.files, self.synchronous)

    def reader(self) -> sqlite3.Connection:
        """A connection that reads.

        Raises:
            StoreError: the file cannot be opened.
        """
        return _connect(self.files)

    def desk(self, slots: int) -> SQLiteDesk:
        """A place for one worker."""
        return SQLiteDesk(self.files.folder, slots)

    def ring(self, desks: Sequence[Desk], _writer: Connection) -> None:
        """Wake every worker."""
        for desk in desks:
            desk.bell.ring_here()
        changed = self.files.folder.stat().st_mtime_ns
        if self._seen[0] != changed:
            with os.scandir(self.files.folder) as found:
                names = {each.name.removesuffix(".owner") for each in found if each.name.endswith(".owner")}
            self._seen = changed, names
        ring(self.files.folder, self._seen[1] - {desk.owner.name for desk in desks})

    def close(self) -> None:
        """The file stays."""


class _Writer:
    def __init__(self, files: Files, synchronous: str) -> None:
        self._synchronous = synchronous
        self._level = ""  # of `synchronous`, as the connection has it
        self._file = os.open(files.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self.connection = _connect(files)
        except BaseException:
            os.close(self._file)
            raise
        try:
            self._prepare(files)
        except BaseException:
            self.close()
            raise

    def enter(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def leave(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def begin(self, *, durable: bool, alone: bool) -> None:  # noqa: ARG002 - all are alone here
        level = "NORMAL" if self._synchronous == "FULL" and not durable else self._synchronous
        if level != self._level:
            self.connection.execute(f"PRAGMA synchronous = {level}")
            self._level = level
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.connection.execute("COMMIT")

    def rollback(self) -> bool:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        return True

    def close(self) -> None:
        self.connection.close()
        os.close(self._file)

    def disown(self) -> None:
        os.close(self._file)

    def _prepare(self, files: Files) -> None:
        self.enter()
        try:
            self.connection.execute("PRAGMA journal_mode = WAL")
            _migrate(self.connection)
        except sqlite3.Error as error:
            raise StoreError(f"{files.database} cannot be used as a job store: {error}") from error
        finally:
            self.leave()


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the file up to date, in one transaction. Any number of processes may try at once.

    Raises:
        StoreError: a newer weft has written the file.
    """
    if missing(_version(connection)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in missing(_version(connection)):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _connect(files: Files) -> sqlite3.Connection:
    # For one thread at a time; transactions are begun and ended by hand.
    try:
        return sqlite3.connect(files.database, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreError(f"the job store {files.database} cannot be opened: {error}") from error
