"""All that callers and workers ask of a job store, whatever database it is in."""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any
from weakref import WeakSet

from weft.clock import wall
from weft.jobs.errors import JobNotFound, StoreError
from weft.jobs.lifecycle import FINAL, State, Step, advance, numbers
from weft.jobs.records import KEPT, Entry, Record
from weft.jobs.sql.database import Connection, Database, Desk, Fallen, Reader
from weft.jobs.sql.dependencies import over
from weft.jobs.sql.entering import enter, keyed
from weft.jobs.sql.ledger import Change, Ledger
from weft.jobs.sql.moving import arrived, depart
from weft.jobs.sql.turn import Report, Turn, take_turn

__all__ = ["Store"]

_COLUMNS = tuple(field.name for field in fields(Record))
_RECORD = ", ".join(_COLUMNS)
_OWNERS = f"SELECT DISTINCT owner FROM job WHERE state = {int(State.RUNNING)}"  # noqa: S608 - a number of ours
_RUNNING = f"SELECT DISTINCT queue FROM job INDEXED BY job_running WHERE state = {int(State.RUNNING)}"  # noqa: S608
_AVAILABLE = f"SELECT 1 FROM job INDEXED BY job_available WHERE queue = ? AND state = {int(State.AVAILABLE)} LIMIT 1"  # noqa: S608
_EXPIRED = f"SELECT id FROM job WHERE expires_at <= ? AND state IN ({numbers(FINAL)}) LIMIT ?"  # noqa: S608
_NEW_SCHEDULE = "INSERT INTO schedule (task, last_tick) VALUES (?, ?) ON CONFLICT (task) DO NOTHING"
_PRUNED_AT_ONCE = 500


class _Open:
    """The database, opened by this process."""

    def __init__(self, ledger: Ledger, reader: Reader) -> None:
        self.ledger = ledger
        self.reader = reader
        self.reading = threading.Lock()


class Store:
    """Jobs in a database. Any number of threads and processes; a forked child may go on using it.

    Args:
        database: where they are.

    Raises:
        StoreError: it cannot be reached, is no job store, or a newer weft has written it.
    """

    lacks: Mapping[str, str] = {}

    def __init__(self, database: Database) -> None:
        self.database = database
        self._desks: tuple[Desk, ...] = ()  # replaced as a whole: the ledger reads it at any time
        self._opening = threading.Lock()
        self._opened: _Open | None = None
        self._left_behind: list[_Open | None] = []
        self._closed = False
        _ = self._open  # what is wrong with it is told at once
        _stores.add(self)

    @property
    def name(self) -> str:
        """Where it is, for messages."""
        return self.database.name

    @property
    def url(self) -> str:
        """By which a child of this process opens the same."""
        return self.database.url

    def after_fork(self) -> None:
        """In a forked child: threads stayed with the parent, and its connections must not be used, nor closed, here."""
        if self._opened is not None:
            self._opened.ledger.disown()
        self._left_behind.append(self._opened)
        self._opened, self._opening = None, threading.Lock()
        for desk in self._desks:
            desk.disown()
        self._desks = ()

    @property
    def _open(self) -> "_Open":
        with self._opening:
            if self._closed:
                raise StoreError("the job store has been closed")
            if self._opened is None:
                self._opened = _Open(Ledger(self.database), self.database.reader())
            return self._opened

    # -- callers

    def enqueue(self, entries: Sequence[Entry]) -> Change[list[str]]:
        """Store jobs; the uid of each, or of the one that stands for it already. See `Ledger.change`."""
        alone = any(map(keyed, entries))
        return self._open.ledger.change(
            lambda connection: enter(connection, entries), alone=alone, repeatable=True, then=self._ring
        )

    def record(self, uid: str) -> Record:
        """All that is known of a job.

        Raises:
            JobNotFound: there is none.
        """
        rows = self._read(f"SELECT {_RECORD} FROM job WHERE uid = ?", (uid,))  # noqa: S608 - columns of ours
        if not rows:
            raise self._unknown(uid)
        return _record(rows[0])

    def records(
        self, *, state: State | None = None, queue: str | None = None, task: str | None = None, most: int = 100
    ) -> list[Record]:
        """The youngest jobs that fit."""
        wanted = {"state": None if state is None else int(state), "queue": queue, "task": task}
        given = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in given) or "1 = 1"
        rows = self._read(f"SELECT {_RECORD} FROM job WHERE {where} ORDER BY id DESC LIMIT ?", (*given.values(), most))  # noqa: S608 - columns of ours
        return [_record(row) for row in rows]

    def pending(self, queues: Iterable[str]) -> bool:
        """Whether any job of these queues runs, or could now. Cheap, however many are finished."""
        here = set(queues)
        # In the order in which jobs go: one that begins between the two looks is seen by the second.
        return any(self._read(_AVAILABLE, (queue,)) for queue in here) or any(
            row[0] in here for row in self._read(_RUNNING)
        )

    def counts(self) -> dict[str, dict[State, int]]:
        """Queue -> state -> how many."""
        found: dict[str, dict[State, int]] = {}
        for queue, state, count in self._read("SELECT queue, state, count(*) FROM job GROUP BY 1, 2 ORDER BY 1, 2"):
            found.setdefault(str(queue), {})[State(state)] = int(count)
        return found

    def cancel(self, uid: str) -> State:
        """Cancel a job that has not begun, or ask its worker to; the state it is in then.

        Raises:
            JobNotFound: there is none.
            ImpossibleStep: it has ended.
        """

        def cancel_now(connection: Connection) -> State:
            state = self._state(connection, uid)
            target = advance(state, Step.CANCEL)
            if state is State.RUNNING:
                connection.execute("UPDATE job SET cancel_requested = 1 WHERE uid = ?", (uid,))
                return state
            connection.execute(
                "UPDATE job SET state = ?, finished_at = ?, expires_at = ? WHERE uid = ?",
                (int(target), wall(), wall() + KEPT, uid),
            )
            over(connection, uid, target, wall())
            return target

        return self._open.ledger.change(cancel_now, then=self._ring).wait()

    def retry(self, uid: str) -> None:
        """Have a job run again, or sooner, with all its attempts.

        Raises:
            JobNotFound: there is none.
            ImpossibleStep: it is running, or about to.
        """

        def revive(connection: Connection) -> None:
            target = advance(self._state(connection, uid), Step.REVIVE)
            connection.execute("DELETE FROM dependency WHERE uid = ?", (uid,))
            connection.execute(
                "UPDATE job SET state = ?, attempt = 0, crashes = 0, cancel_requested = 0, finished_at = NULL, "
                "expires_at = NULL, result = NULL, scheduled_at = NULL WHERE uid = ?",
                (int(target), uid),
            )

        self._open.ledger.change(revive, then=self._ring).wait()

    def prune(self, before: float) -> int:
        """Forget finished jobs whose time to be kept was over then, a few at a time; how many."""
        gone = 0
        while True:
            found = self._open.ledger.change(lambda connection: _prune(connection, before), durable=False).wait()
            gone += found
            if found < _PRUNED_AT_ONCE:
                return gone

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        with self._opening:
            opened, self._opened, self._closed = self._opened, None, True
        if opened is not None:
            opened.ledger.close()
            with opened.reading:
                opened.reader.close()
        self.database.close()

    def depart(self, most: int) -> list[Entry]:
        """Take so many jobs that wait out of the store, to be stored in another. `arrived` ends it; see there."""
        return self._open.ledger.change(lambda connection: depart(connection, most), repeatable=True).wait()

    def arrived(self, uids: Sequence[str]) -> None:
        """These, which have departed, are stored elsewhere."""
        self._open.ledger.change(lambda connection: arrived(connection, uids), repeatable=True).wait()

    def returned(self, entries: Sequence[Entry]) -> None:
        """These, which have departed, stay: they are jobs of this store again, and departed no more, at once."""

        def put_back(connection: Connection) -> None:
            enter(connection, entries)
            arrived(connection, [entry.uid for entry in entries])

        self._open.ledger.change(put_back, repeatable=True, then=self._ring).wait()

    # -- workers

    def desk(self, slots: int = 64) -> Desk:
        """A place for one worker, in which so many jobs can have begun at the same time."""
        desk = self.database.desk(slots)
        with self._opening:
            self._desks = (*self._desks, desk)
        return desk

    def fallen(self, desk: Desk) -> list[Fallen]:
        """The owners that have died, as this worker sees it."""
        return desk.fallen([row[0] for row in self._read(_OWNERS)])

    def turn(self, turn: Turn) -> Report:
        """Take a worker's turn. Blocks until it is written."""
        return self._open.ledger.change(lambda connection: take_turn(connection, turn), durable=False).wait()

    def last_tick(self, task: str, now: float) -> float:
        """The time that the schedule of this job came to last; now, if it is new here. (For workers.)"""

        def look(connection: Connection) -> float:
            connection.execute(_NEW_SCHEDULE, (task, now))
            return float(connection.execute("SELECT last_tick FROM schedule WHERE task = ?", (task,)).fetchone()[0])

        return self._open.ledger.change(look).wait()

    def leave(self, desk: Desk, *, settled: bool) -> None:
        """A worker goes.

        Args:
            desk: its own.
            settled: nothing is running, and all is written. Else others see to it, as if it had died.
        """
        with self._opening:
            self._desks = tuple(each for each in self._desks if each is not desk)
        if settled:
            desk.close()
        else:
            desk.abandon()

    def _ring(self, writer: Connection) -> None:
        self.database.ring(self._desks, writer)

    def _state(self, connection: Connection, uid: str) -> State:
        row = connection.execute("SELECT state FROM job WHERE uid = ?", (uid,)).fetchone()
        if row is None:
            raise self._unknown(uid)
        return State(row[0])

    def _unknown(self, uid: str) -> JobNotFound:
        return JobNotFound(f"there is no job {uid!r} in {self.name}: it was pruned, or never was")

    def _read(self, query: str, arguments: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        opened = self._open
        try:
            with opened.reading:
                return opened.reader.execute(query, arguments).fetchall()
        except self.database.failures as error:
            raise StoreError(f"the job store {self.name} could not be read: {error}") from error


def _prune(connection: Connection, before: float) -> int:
    return connection.execute(
        f"DELETE FROM job WHERE id IN ({_EXPIRED})",  # noqa: S608 - numbers of ours
        (before, _PRUNED_AT_ONCE),
    ).rowcount


def _record(row: tuple[Any, ...]) -> Record:
    found = dict(zip(_COLUMNS, row, strict=True))
    text = bytes(found.pop("arguments")).decode("utf-8", "replace")
    state, wanted = State(found.pop("state")), bool(found.pop("cancel_requested"))
    return Record(**found, arguments=text, state=state, cancel_requested=wanted)


_stores: WeakSet[Store] = WeakSet()


def _after_fork() -> None:
    for store in tuple(_stores):
        store.after_fork()


os.register_at_fork(after_in_child=_after_fork)
