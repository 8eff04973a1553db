"""Jobs that are enqueued inside the application's own transaction, through SQLAlchemy."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import chores
import databases
import pytest
from sqlalchemy import MetaData, create_engine, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import weft
from weft import jobs
from weft.jobs import stores
from weft.jobs.outbox import relays
from weft.jobs.outbox.relay import Relay
from weft.jobs.outbox.rows import text_of

HERE = str(Path(__file__).parent)
SOON = 20.0


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str]


OUTBOX = jobs.outbox_table(Base.metadata)


@contextmanager
def sqlite(folder):
    yield f"sqlite:///{folder / 'app.db'}", f"sqlite+aiosqlite:///{folder / 'app.db'}"


@contextmanager
def postgresql(folder):
    with databases.postgresql(folder) as url:
        yield (url.replace("postgresql:", "postgresql+psycopg:"),) * 2


@pytest.fixture(params=[sqlite, postgresql], ids=["sqlite", "postgresql"])
def urls(request, tmp_path):
    with request.param(tmp_path) as found:
        yield found


@pytest.fixture
def engine(urls, store):
    made = create_engine(urls[0])
    Base.metadata.create_all(made)
    yield made
    relays.close_all()
    relays._relays.clear()
    made.dispose()


def waiting(engine):
    with engine.connect() as connection:
        return len(connection.execute(select(OUTBOX)).all())


def words(store):
    return sorted(record.arguments for record in store.records())


def test_a_job_exists_if_its_transaction_commits(engine, store, worker):
    """It is in the store soon after, is run, and nothing stays in the outbox."""
    with Session(engine) as session:
        session.add(Order(word="a"))
        handle = chores.note.enqueue_in(session, "a")
        with pytest.raises(jobs.JobNotFound, match="has not been committed or was rolled back"):
            handle.status()
        session.commit()
    worker()
    assert handle.result(SOON) == "a"
    assert waiting(engine) == 0


def test_a_job_of_a_transaction_that_is_rolled_back_never_was(engine, store):
    """Neither in the outbox nor in the store."""
    with Session(engine) as session:
        chores.note.enqueue_in(session, "a")
        session.rollback()
        chores.note.enqueue_in(session, "b")
        session.commit()
    relays.sweep_all()
    assert words(store) == ['{"word":"b"}']


def test_a_savepoint_takes_its_jobs_back(engine, store):
    """What was enqueued inside goes with it; what was before and after stays."""
    with Session(engine) as session:
        chores.note.enqueue_in(session, "before")
        with pytest.raises(LookupError), session.begin_nested():
            chores.note.enqueue_in(session, "inside")
            raise LookupError
        chores.note.enqueue_in(session, "after")
        session.commit()
    relays.sweep_all()
    assert words(store) == ['{"word":"after"}', '{"word":"before"}']


def test_many_jobs_in_a_connections_transaction(engine, store):
    """Core's connections serve as well as sessions."""
    with engine.begin() as connection:
        handles = chores.note.enqueue_many_in(connection, [(str(number),) for number in range(1200)])
    relays.sweep_all()
    assert {record.uid for record in store.records(most=2000)} == {handle.uid for handle in handles}
    assert waiting(engine) == 0


def test_in_autocommit_each_job_is_there_at_once(engine, store):
    """There is no transaction then."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        chores.note.enqueue_in(connection, "a")
    relays.sweep_all()
    assert words(store) == ['{"word":"a"}']


def test_async_sessions(urls, engine, store, worker):
    """`await job.enqueue_in(session, ...)`: the same, and rolled back as well."""
    worker()

    async def main():
        asynchronous = create_async_engine(urls[1])
        async with AsyncSession(asynchronous) as session:
            await chores.note.enqueue_in(session, "never")
            await session.rollback()
            handle = await chores.note.enqueue_in(session, "a")
            await session.run_sync(lambda inner: chores.note.enqueue_many_in(inner, [("b",), ("c",)]))
            await session.commit()
        value = await handle.wait(SOON)
        await asynchronous.dispose()
        return value

    assert asyncio.run(main()) == "a"
    relays.sweep_all()
    assert words(store) == ['{"word":"a"}', '{"word":"b"}', '{"word":"c"}']


def test_a_relay_that_died_after_storing_moves_the_row_again_and_stores_no_second_job(engine, store):
    """The row is deleted after the job is stored, and the job has the row's id."""
    with Session(engine) as session:
        handle = chores.note.enqueue_in(session, "a")
        session.commit()
    relays.sweep_all()
    (record,) = store.records()
    entry = chores.note.entry(b'{"word":"a"}')._replace(uid=handle.uid)
    with engine.begin() as connection:
        connection.execute(insert(OUTBOX).values(entry=text_of(entry)))
    relays.sweep_all()
    assert store.records() == [record]
    assert waiting(engine) == 0


def test_what_no_store_takes_is_set_aside_and_holds_nobody_up(engine, store):
    """The row stays, with the reason; the others go on."""
    with engine.begin() as connection:
        connection.execute(insert(OUTBOX).values(entry='{"nonsense": 1}'))
        never = chores.note.using(after=["gone"]).entry(b'{"word":"never"}')
        connection.execute(insert(OUTBOX).values(entry=text_of(never._replace(created_at=never.created_at - 3600))))
        chores.note.enqueue_in(connection, "a")
    relays.sweep_all()
    assert words(store) == ['{"word":"a"}']
    with engine.connect() as connection:
        errors = [row.error for row in connection.execute(select(OUTBOX.c.error).order_by(OUTBOX.c.id))]
    assert "this row cannot be read" in errors[0]
    assert "there is no job 'gone'" in errors[1]


def test_a_job_waits_for_the_one_that_it_follows(engine, store):
    """That one may be in another relay's hands: the row stays until it is stored, and is not set aside."""
    first = chores.note.entry(b'{"word":"first"}')
    with engine.begin() as connection:
        chores.note.using(after=[first.uid]).enqueue_in(connection, "second")
    relays.sweep_all()
    assert (words(store), waiting(engine)) == ([], 1)
    store.enqueue([first]).wait()
    relays.sweep_all()
    assert (words(store), waiting(engine)) == (['{"word":"first"}', '{"word":"second"}'], 0)


def test_a_commit_while_the_relay_ends_is_no_reason_for_it_to_go_on():
    """The thread that was told to end does; another begins for what is new."""
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    class Slow:
        name = "slow"

        def drain(self, most, move):
            begun.set()
            go.wait(SOON)
            return 0

        def leave(self):
            pass

    relay = Relay(Slow)
    relay.start()
    begun.wait()
    closing = threading.Thread(target=lambda: (relay.close(), ended.set()), daemon=True)
    closing.start()
    while relay._thread is not None:
        pass
    relay.expect(1)
    go.set()
    assert ended.wait(SOON)
    relay.close()


def test_relays_of_several_threads_store_each_job_once(engine, store):
    """They share the rows, or find them moved."""
    with Session(engine) as session:
        chores.note.enqueue_many_in(session, [(str(number),) for number in range(300)])
        session.commit()
    barrier = threading.Barrier(4)

    def sweep():
        (known,) = relays._relays.values()
        barrier.wait()
        Relay(lambda: known.outbox).sweep()

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for relay in relays._relays.values():  # the application's own, which may hold them all
        relay.close()
    assert len(store.records(most=1000)) == 300


def test_a_database_without_the_table_is_told(urls, store):
    """With what to write."""
    made = create_engine(urls[0])
    with Session(made) as session, pytest.raises(jobs.OutboxMissing, match=r"outbox_table\(Base.metadata\)"):
        chores.note.enqueue_in(session, "a")
    relays._relays.clear()
    made.dispose()


@pytest.mark.parametrize("wrong", [object(), "default"])
def test_what_is_no_transaction_is_told(store, wrong):
    """With what would be one."""
    with pytest.raises(weft.InvalidCall, match="SQLAlchemy's session|INSTALLED_APPS"):
        chores.note.enqueue_in(wrong, "a")


def test_a_database_in_memory_is_refused(store):
    """No relay could see it."""
    made = create_engine("sqlite://")
    Base.metadata.create_all(made)
    with Session(made) as session, pytest.raises(weft.InvalidValue, match="cannot see a database in memory"):
        chores.note.enqueue_in(session, "a")
    made.dispose()


def test_the_table_may_be_declared_twice():
    """By two models' modules, say."""
    metadata = MetaData()
    assert jobs.outbox_table(metadata) is jobs.outbox_table(metadata)


KILLED = """
import os, sys
sys.path.insert(0, {here!r})
import chores
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from weft import jobs
from weft.jobs.outbox import relay
jobs.use({store!r})
relay.Relay.expect = lambda self, rows: None  # it dies before its relay has looked
engine = create_engine({url!r})
session = Session(engine)
session.execute(text("INSERT INTO orders (id, word) VALUES (1, 'a')"))
chores.note.enqueue_in(session, "a")
if sys.argv[1] == "after":
    session.commit()
os._exit(9)
"""


KILLED_WHILE_RELAYING = """
import os, signal, sys
sys.path.insert(0, {here!r})
import chores
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from weft import jobs
from weft.jobs.outbox import sqlalchemy
jobs.use({store!r})
sqlalchemy._settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # stored, and not yet deleted
with Session(create_engine({url!r})) as session:
    chores.note.enqueue_many_in(session, [("a",), ("b",)])
    session.commit()
signal.pause()
"""


FORKED = """
import asyncio, os, sys
sys.path.insert(0, {here!r})
import chores
from sqlalchemy.ext.asyncio import create_async_engine
from weft import jobs
from weft.jobs.outbox import relays
jobs.use({store!r})
engine = create_async_engine({url!r})
async def put(word):
    async with engine.begin() as connection:
        handle = await chores.note.enqueue_in(connection, word)
    await engine.dispose()
    await asyncio.wait_for(handle.wait(), 15)
worker = jobs.Worker().start()
asyncio.run(put("parent"))
worker.stop()
child = os.fork()
jobs.Worker().start()
asyncio.run(put("child" if child == 0 else "parent again"))
os._exit(0 if child == 0 else os.waitpid(child, 0)[1])
"""


def test_a_fork_leaves_each_process_a_relay_that_works(urls, engine, place, store):
    """That of the parent goes on, and the child's has connections and an event loop of its own."""
    code = FORKED.format(here=HERE, store=place, url=urls[1])
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=SOON + 20)
    assert len(words(store)) == 3


def test_a_relay_that_is_killed_after_storing_leaves_nothing_to_be_stored_twice(urls, engine, place, store):
    """Its rows are still there; the next relay stores no second job for them."""
    code = KILLED_WHILE_RELAYING.format(here=HERE, store=place, url=urls[0])
    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ).returncode == -signal.SIGKILL
    before = store.records()
    assert (len(before), waiting(engine)) == (2, 2)
    jobs.relay(engine)
    relays.sweep_all()
    assert (store.records(), waiting(engine)) == (before, 0)


@pytest.mark.parametrize(("moment", "orders"), [("before", 0), ("after", 1)])
def test_a_process_that_dies_leaves_the_order_and_its_job_or_neither(urls, engine, place, moment, orders):
    """Whatever the moment: a worker that looks after the database finds the job of a committed order."""
    code = KILLED.format(here=HERE, store=place, url=urls[0])
    assert subprocess.run([sys.executable, "-c", code, moment], check=False, env=os.environ).returncode == 9
    jobs.relay(engine)
    relays.sweep_all()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar() == orders
    assert len(stores.store().records()) == orders


def test_a_worker_looks_after_what_was_left_behind(urls, engine, place, store, worker):
    """`weft.jobs.relay(engine)`: some seconds after its process has died, the job is run by another."""
    code = KILLED.format(here=HERE, store=place, url=urls[0])
    subprocess.run([sys.executable, "-c", code, "after"], check=False, env=os.environ)
    jobs.relay(engine)
    worker()
    while not store.records():
        pass
    assert jobs.handle(store.records()[0].uid).result(SOON) == "a"


def test_a_worker_until_empty_empties_the_outbox_as_well(urls, engine, place, store, tmp_path):
    """`weft worker shop --until-empty` does not end before what was left behind is done."""
    code = KILLED.format(here=HERE, store=place, url=urls[0])
    subprocess.run([sys.executable, "-c", code, "after"], check=False, env=os.environ)
    (tmp_path / "shop.py").write_text(f"""
import sys
sys.path.insert(0, {HERE!r})
import chores, sqlalchemy
from weft import jobs
from weft.jobs.outbox import relay
relay.Relay.start = lambda self: None  # the thread that looks is late
jobs.relay(sqlalchemy.create_engine({urls[0]!r}))
""")
    command = [sys.executable, "-m", "weft.cli", "worker", "shop", "--queues", "default=1", "--until-empty"]
    subprocess.run([*command, "--store", place], cwd=tmp_path, check=True, env=os.environ, timeout=60)
    assert [str(record.state) for record in store.records()] == ["completed"]
