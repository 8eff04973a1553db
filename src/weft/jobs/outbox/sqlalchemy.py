"""The outbox in databases that are spoken to through SQLAlchemy: Core and ORM, in threads and in async code."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from weft.errors import InvalidCall, InvalidValue
from weft.jobs.errors import OutboxMissing
from weft.jobs.outbox.moving import Move, Moved, Row
from weft.jobs.outbox.putting import unknown
from weft.jobs.outbox.relay import Relay
from weft.jobs.outbox.relays import relay_for

try:
    from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, delete, event, insert, select, update
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.exc import OperationalError, ProgrammingError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_scoped_session
    from sqlalchemy.orm import Session, scoped_session
    from sqlalchemy.pool import SingletonThreadPool, StaticPool
    from sqlalchemy.schema import BLANK_SCHEMA
except ImportError as missing:  # pragma: no cover - the extra is not installed
    raise ImportError("an outbox in SQLAlchemy's database needs it: run pip install 'weft[sqlalchemy]'") from missing

__all__ = ["outbox_table", "put_rows", "relay_of"]

T = TypeVar("T")

_MARK = "weft_outbox"  # in `Connection.info`: the rows that its transaction has put
_UNDEFINED_TABLE = "42P01"  # PostgreSQL, appendix A


def outbox_table(metadata: MetaData) -> Table:
    """Declare the table `weft_outbox` beside the application's own: `weft.jobs.outbox_table(Base.metadata)`.

    It is then created as they are, by `metadata.create_all(engine)` or a revision of Alembic's. It lies in the schema
    that the database takes by default. Twice does no harm.
    """
    if "weft_outbox" in metadata.tables:
        return metadata.tables["weft_outbox"]
    return Table(
        "weft_outbox",
        metadata,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("entry", Text, nullable=False),
        Column("error", Text),  # why it is set aside
        schema=BLANK_SCHEMA,
    )


_table = outbox_table(MetaData())


def put_rows(transaction: object, texts: Sequence[str]) -> Coroutine[Any, Any, None] | None:
    """Write rows in the transaction of a session or a connection; see `weft.jobs.outbox.putting.put`."""
    match transaction:
        case Session() | scoped_session():
            _put(texts, transaction.connection())
        case Connection():
            _put(texts, transaction)
        case AsyncSession() | async_scoped_session() | AsyncConnection():
            return _put_async(texts, transaction)
        case _:
            raise InvalidCall(unknown(transaction))
    return None


def relay_of(engine: object) -> Relay:
    """The relay of the database that this engine speaks to.

    Raises:
        InvalidCall: it is no engine of SQLAlchemy's.
        InvalidValue: no other connection can see the database: it is in memory.
    """
    found = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    if not isinstance(found, Engine):
        raise InvalidCall(f"{type(engine).__name__} is no engine: pass what SQLAlchemy's create_engine has returned")
    if isinstance(found.pool, StaticPool | SingletonThreadPool):
        raise InvalidValue(
            f"{found.url}: a relay has a connection of its own and cannot see a database in memory: use a file, "
            "sqlite:///app.db, also in tests"
        )
    # What `Engine.execution_options` returns has the same dialect, and the outbox keeps it alive.
    return relay_for(id(found.dialect), partial(_OutboxOfEngine, found))


async def _put_async(
    texts: Sequence[str], transaction: "AsyncSession | async_scoped_session[Any] | AsyncConnection"
) -> None:
    connection = transaction if isinstance(transaction, AsyncConnection) else await transaction.connection()
    await connection.run_sync(partial(_put, texts))


def _put(texts: Sequence[str], connection: Connection) -> None:
    relay_of(connection.engine)
    _telling(connection, partial(connection.execute, insert(_table), [{"entry": text} for text in texts]))
    connection.info[_MARK] = connection.info.get(_MARK, 0) + len(texts)
    for name, act in (("commit", _commits), ("commit_twophase", _commits), ("rollback", _rolls_back)):
        if not event.contains(connection, name, act):
            event.listen(connection, name, act)


def _commits(connection: Connection, *_: object) -> None:
    # It is about to be committed: SQLAlchemy has no event for after.
    relay_of(connection.engine).expect(connection.info.pop(_MARK, 0))


def _rolls_back(connection: Connection) -> None:
    # In autocommit that is how a connection's use ends, with all that it has put committed.
    if connection.info.pop(_MARK, 0):
        relay_of(connection.engine).expect(0)


def _telling(connection: Connection, act: Callable[[], T]) -> T:
    try:
        return act()
    except (OperationalError, ProgrammingError) as error:
        code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        if code == _UNDEFINED_TABLE or "no such table: weft_outbox" in str(error.orig):
            raise OutboxMissing(
                f"{connection.engine.url} has no table weft_outbox: write weft.jobs.outbox_table(Base.metadata) beside "
                "your models, and create it as you create them (Base.metadata.create_all(engine), or Alembic)"
            ) from error
        raise


class _OutboxOfEngine:
    """The table, through an engine. For one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self.name = str(engine.url)
        self._engine = engine
        self._locks = engine.dialect.name != "sqlite"  # there, readers would keep all writers waiting
        self._own: AsyncEngine | None = None  # an async engine's connections belong to the loop that uses them
        self._runner: asyncio.Runner | None = None

    def drain(self, most: int, move: Move) -> int:
        """See `Outbox.drain`."""
        if self._locks:
            return self._run(lambda connection: _settle(connection, move(_read(connection, most))))
        rows = self._run(lambda connection: _read(connection, most))
        if not rows:
            return 0
        moved = move(rows)  # outside of any transaction: nobody waits for the store meanwhile
        return self._run(lambda connection: _settle(connection, moved))

    def leave(self) -> None:
        """See `Outbox.leave`."""
        if self._runner is not None and self._own is not None:
            self._runner.run(self._own.dispose())
            self._runner.close()
            self._runner = self._own = None

    def _run(self, act: Callable[[Connection], T]) -> T:
        if not self._engine.dialect.is_async:
            with self._engine.begin() as connection:
                return _telling(connection, partial(act, connection))
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._run_async(act))

    async def _run_async(self, act: Callable[[Connection], T]) -> T:
        if self._own is None:
            engine = self._engine
            self._own = AsyncEngine(Engine(engine.pool.recreate(), engine.dialect, engine.url))
        async with self._own.begin() as connection:
            return await connection.run_sync(lambda found: _telling(found, partial(act, found)))


def _read(connection: Connection, most: int) -> list[Row]:
    oldest = select(_table.c.id, _table.c.entry).where(_table.c.error.is_(None)).order_by(_table.c.id).limit(most)
    return [(row.id, row.entry) for row in connection.execute(oldest.with_for_update(skip_locked=True))]


def _settle(connection: Connection, moved: Moved) -> int:
    if moved.done:
        connection.execute(delete(_table).where(_table.c.id.in_(moved.done)))
    for number, fault in moved.faults.items():
        connection.execute(update(_table).where(_table.c.id == number).values(error=fault))
    return len(moved.done) + len(moved.faults)
