"""Jobs in PostgreSQL: connections that break, and servers that are set up otherwise."""

import threading
import time

import chores
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from weft.jobs.postgresql.driver import Session
from weft.jobs.stores import open_store

SOON = 20
PLACES = ["postgresql"]


@pytest.fixture
def server(place):
    with psycopg.connect(place, autocommit=True) as connection:
        yield connection


@pytest.fixture
def breaks(store, server, monkeypatch):
    """The connection breaks once, after it was committed, and before that can be told."""
    writer = store._open.ledger._writer
    commit, left = writer.commit, [1]

    def committed_and_lost():
        commit()
        if left:
            left.pop()
            server.execute("SELECT pg_terminate_backend(%s)", (writer.connection.raw.info.backend_pid,))
            while True:
                writer.connection.execute("SELECT 1")

    monkeypatch.setattr(writer, "commit", committed_and_lost)
    return left


def test_a_job_whose_commit_nobody_hears_of_is_stored_once(store, breaks):
    """Its caller is told that it is, instead of that it might not be."""
    handle = chores.note.enqueue("a")
    assert not breaks
    assert [record.uid for record in store.records()] == [handle.uid]


def test_a_worker_whose_session_is_ended_is_not_taken_for_dead(store, worker, server):
    """It comes back at once, and its jobs are started once, though another worker looks for dead ones meanwhile."""
    chores.seen.clear()
    first = worker({"default": 1})
    handle = chores.wait_for_go.enqueue()
    assert chores.EVENTS["begun"].wait(SOON)
    worker({"other": 1})
    desk = first._serving._desk
    for _ in range(5):
        before = desk._session
        server.execute("SELECT pg_terminate_backend(%s)", (before.info.backend_pid,))
        until(lambda before=before: desk._session is not before)
    chores.EVENTS["go"].set()
    assert handle.result(SOON) is False  # nobody called it off
    assert handle.record().attempt == 1


def test_a_server_that_is_stricter_by_default_changes_nothing(server, place):
    """Transactions are as they must be, whatever the database says."""
    name = conninfo_to_dict(place)["dbname"]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    server.execute(f"ALTER DATABASE {name} SET search_path = 'elsewhere'")
    session = Session(place, "here")
    assert session.execute("SHOW transaction_isolation").fetchone() == ("read committed",)
    session.close()
    store = open_store(place)
    assert store.counts() == {}
    store.close()


def until(true):
    pause, end = threading.Event(), time.monotonic() + SOON
    while not true():
        assert time.monotonic() < end
        pause.wait(0.01)
