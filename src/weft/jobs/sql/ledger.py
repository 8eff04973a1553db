"""The one who writes: a thread that puts all changes which wait into one transaction (group commit).

A commit that survives a power cut waits for the disk. Of a hundred callers who wait at once, each pays for a hundredth
of that wait (D. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984).

When one commit is over, its callers come again: the next waits for them a moment (PostgreSQL's `commit_delay`).

"""

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from weft.jobs.errors import StoreError
from weft.jobs.sql.database import Connection, Database

__all__ = ["Change", "Ledger"]

log = logging.getLogger("weft.jobs")

T = TypeVar("T")
Act = Callable[[Connection], T]
Then = Callable[[Connection], object]

_MOST = 1000  # changes in one transaction, so that nobody waits for very many others
_GATHER = 0.0003  # seconds to wait for those whose last change has just been written, when there were several


class Change(Generic[T]):
    """A change on its way. `wait` from any thread.

    Attributes:
        durable: it must survive a power cut.
        alone: no other change may be under way beside it, of any process.
        repeatable: to be made twice does no harm.
        then: to be called when it is written.
    """

    __slots__ = ("_act", "_error", "_over", "_value", "alone", "durable", "repeatable", "then")

    def __init__(self, act: Act[T], *, durable: bool, alone: bool, repeatable: bool, then: Then | None) -> None:
        self._act = act
        self.durable = durable
        self.alone = alone
        self.repeatable = repeatable
        self.then = then
        self._over = threading.Lock()
        self._over.acquire()
        self._error: BaseException | None = None
        self._value: Any = None

    def run(self, connection: Connection) -> None:
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
        database: where.

    Raises:
        StoreError: it is none of ours, or cannot be opened.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Change[Any]] = []
        self._stirred = threading.Condition(threading.Lock())
        self._enough = 1  # changes that wait, at which the ledger wants to be woken
        self._several = 0  # changes of the last transaction, if there were several
        self._closing = False
        self._writer = database.writer()
        self._thread = threading.Thread(target=self._serve, name="weft-ledger", daemon=True)
        self._thread.start()

    def change(
        self,
        act: Act[T],
        *,
        durable: bool = True,
        alone: bool = True,
        repeatable: bool = False,
        then: Then | None = None,
    ) -> Change[T]:
        """Have a change made, together with all others that wait. It may be tried twice. Any thread; does not wait.

        Where a connection is lost in the middle of a commit, nobody knows whether it was made: it is made again if it
        is `repeatable`, and else fails.

        `then` is called in the ledger's thread when it is written: once for all changes of a transaction that name it.
        A change that only adds what nobody else looks for need not be `alone`.

        Raises:
            StoreError: the ledger is closed.
        """
        made: Change[T] = Change(act, durable=durable, alone=alone, repeatable=repeatable, then=then)
        with self._stirred:
            if self._closing:
                raise StoreError("the job store has been closed")
            self._waiting.append(made)
            if len(self._waiting) >= self._enough:
                self._stirred.notify()
        return made

    def disown(self) -> None:
        """In a forked child: were it to hold the parent's lock, nobody could write when the parent is killed."""
        self._writer.disown()

    def close(self) -> None:
        """Write what waits, and close the file. Idempotent."""
        with self._stirred:
            closed_before, self._closing = self._closing, True
            self._stirred.notify()
        if not closed_before:
            self._thread.join()

    def _serve(self) -> None:
        try:
            while batch := self._next():
                self._write(batch)
        finally:
            self._writer.close()

    def _next(self) -> list[Change[Any]]:
        with self._stirred:
            if self._several and self._waiting:
                self._enough = self._several + len(self._waiting)
                self._stirred.wait_for(lambda: len(self._waiting) >= self._enough, _GATHER)
            self._enough = 1
            while not self._waiting and not self._closing:
                self._stirred.wait()
        # Our turn first, then the changes: those who come while we wait for it are written as well.
        self._writer.enter()
        with self._stirred:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        self._several = len(batch) if len(batch) > 1 else 0
        return batch

    def _write(self, batch: list[Change[Any]], *, last: bool = False) -> None:
        try:
            error, unsure = self._attempt(batch)
        finally:
            self._writer.leave()
        if error is None:
            for change in batch:
                change.end()
            self._follow({change.then for change in batch if change.then is not None})
            return
        # Of several, one is to blame, and alone is to fail.
        again = [] if last else [each for each in batch if (each.repeatable if unsure else len(batch) > 1)]
        for change in batch:
            if change not in again:
                change.end(error)
        for change in again:
            self._writer.enter()
            self._write([change], last=True)

    def _follow(self, calls: set[Then]) -> None:
        for call in calls:
            try:
                call(self._writer.connection)
            except Exception:
                log.exception("what was to follow a change of the job store failed")

    def _attempt(self, batch: list[Change[Any]]) -> tuple[BaseException | None, bool]:
        """What has gone wrong, and whether all may have been written nevertheless."""
        writer, committing = self._writer, False
        try:
            writer.begin(durable=any(change.durable for change in batch), alone=any(change.alone for change in batch))
            for change in batch:
                change.run(writer.connection)
            committing = True
            writer.commit()
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits must be told
            unsure = not writer.rollback() and committing
            if isinstance(error, self._database.failures):
                told = StoreError(f"the job store {self._database.name} could not be written: {error}")
                told.__cause__ = error
                return told, unsure
            return error, unsure
        return None, False
