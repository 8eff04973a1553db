"""What the store asks of a database, and of a worker's place at it."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

__all__ = ["Bell", "Connection", "Database", "Desk", "Fallen", "Reader", "Register", "Rows", "Writer"]


class Rows(Protocol):
    """What a statement has found."""

    @property
    def rowcount(self) -> int:
        """Rows changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All that are left."""


class Connection(Protocol):
    """Statements with `?` for each value. For one thread at a time."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Rows:
        """Run it."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Run it for each."""


class Reader(Connection, Protocol):
    """A connection that looks, and changes nothing."""

    def close(self) -> None:
        """End it."""


class Writer(Protocol):
    """The connection through which a process writes. Belongs to the ledger's thread.

    Attributes:
        connection: for statements, between `begin` and `commit`.
    """

    @property
    def connection(self) -> Connection:
        """For statements, between `begin` and `commit`."""

    def enter(self) -> None:
        """Wait for this process's turn among all that write, where the database itself would have them starve."""

    def leave(self) -> None:
        """The turn is over."""

    def begin(self, *, durable: bool, alone: bool) -> None:
        """Begin a transaction.

        Args:
            durable: when it is committed, it has reached the disk.
            alone: no other transaction that must be alone runs beside it.
        """

    def commit(self) -> None:
        """End it: all that was done in it is there, for everybody."""

    def rollback(self) -> bool:
        """End it, if one has begun; whether it is known that nothing was done, should `commit` have failed."""

    def close(self) -> None:
        """Let go of it."""

    def disown(self) -> None:
        """In a forked child: it is the parent's, whose locks must end with the parent."""


class Register(Protocol):
    """A worker's claim to be alive, and what it has begun. `begin` and `end` from any thread.

    Attributes:
        name: by which running jobs name their owner.
    """

    name: str

    def begin(self, job: int) -> None:
        """Note that a job has begun."""

    def end(self, job: int) -> None:
        """Note that it has ended."""


class Bell(Protocol):
    """Rung when there is something to do."""

    def ring_here(self) -> None:
        """Wake the worker of this bell. Any thread."""

    def wait(self, seconds: float) -> None:
        """Sleep until it rings, or for so long."""


class Fallen(Protocol):
    """An owner that has died, to be buried, or left, when the turn is taken that tells of it.

    Attributes:
        name: the owner.
        begun: the jobs that it had begun; None: nobody knows.
    """

    @property
    def name(self) -> str:
        """The owner."""

    @property
    def begun(self) -> frozenset[int] | None:
        """The jobs that it had begun; None: nobody knows."""

    def bury(self) -> None:
        """Its jobs have been seen to."""

    def leave(self) -> None:
        """They have not: somebody else is to see to them."""


class Desk(Protocol):
    """A worker's place at the store. Belongs to the worker's thread."""

    @property
    def owner(self) -> Register:
        """Its claim to be alive."""

    @property
    def bell(self) -> Bell:
        """Rung when there is something to do."""

    def fallen(self, owners: Sequence[str]) -> list[Fallen]:
        """Those that have died: of all workers there were, and of these owners of running jobs."""

    def abandon(self) -> None:
        """Leave without having settled all: others see to it, as if this worker had died."""

    def close(self) -> None:
        """Leave in good order: nothing is running, and all is settled."""

    def disown(self) -> None:
        """In a forked child: the place is the parent's, and must not look alive when that one is dead."""


class Database(Protocol):
    """A database that holds a job store. Concurrency safe.

    Attributes:
        name: for messages; it shows no password.
        url: by which a child of this process opens the same.
        failures: what its driver raises.
    """

    @property
    def name(self) -> str:
        """For messages; it shows no password."""

    @property
    def url(self) -> str:
        """By which a child of this process opens the same. It may hold a password."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""

    def writer(self) -> Writer:
        """A connection that writes; the tables are there, and up to date.

        Raises:
            StoreError: it cannot be reached, is no job store, or a newer weft has written it.
        """

    def reader(self) -> Reader:
        """A connection that reads.

        Raises:
            StoreError: it cannot be reached.
        """

    def desk(self, slots: int) -> Desk:
        """A place for one worker, in which so many jobs can have begun at the same time."""

    def ring(self, desks: Sequence[Desk], writer: Connection) -> None:
        """Wake every worker of this store: these, of this process, and all others. Never waits."""

    def close(self) -> None:
        """The store is closed."""
