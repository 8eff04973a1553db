"""PostgreSQL as others have set it up, and as it is on a bad day."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import chores
import databases
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from weft import jobs
from weft.jobs import stores
from weft.jobs.lifecycle import State
from weft.jobs.postgresql.database import _Writer
from weft.jobs.postgresql.driver import Session
from weft.jobs.sql.entering import enter
from weft.jobs.sql.ledger import Change
from weft.jobs.sql.turn import Turn, take_turn

PLACES = ["postgresql"]
SOON = 30.0
HERE = str(Path(__file__).parent)


@pytest.fixture
def server(place):
    """A session of somebody else's in the store's database."""
    with psycopg.connect(place, autocommit=True) as connection:
        yield connection


# -- as others have set it up


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_equal_jobs_are_one_whatever_isolation_the_database_has(place, server, level):
    """Four processes store the same hundred unique jobs: none is stored twice, and nobody is refused."""
    name = place.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")
    places = [stores.open_store(place) for _ in range(4)]
    failures = []

    def fill(store):
        job = chores.note.using(unique=True)
        try:
            for number in range(100):
                store.enqueue([job.entry(b'{"word":"%d"}' % number)]).wait()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=fill, args=(each,)) for each in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = len(places[0].records(most=1000))
    for each in places:
        each.close()
    assert (stored, failures) == (100, [])


def test_a_schema_that_was_made_for_us_is_enough(place, server):
    """Where an administrator has made the schema `weft`, its owner needs no right to make others."""
    role = f"weft_test_{secrets.token_hex(6)}"
    server.execute(f"CREATE ROLE {role} LOGIN; CREATE SCHEMA weft AUTHORIZATION {role}")
    try:
        with closing(stores.open_store(place.replace("postgres@", f"{role}@"))) as store:
            store.enqueue([chores.note.entry(b'{"word":"a"}')]).wait()
            assert len(store.records()) == 1
    finally:
        server.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_of_several_hosts_the_one_that_answers_is_taken(place):
    """A URL may name the hosts of a cluster; a password in it is not shown."""
    user, _, host = urlsplit(place).netloc.rpartition("@")
    name = place.rpartition("/")[2]
    url = f"postgresql://{user.partition(':')[0]}:secret@127.0.0.1:1,{host}/{name}?target_session_attrs=read-write"
    with closing(stores.open_store(url)) as store:
        assert store.name == f"postgresql://{user.partition(':')[0]}@127.0.0.1:1,{host}/{name}"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_all_text_is_refused(server, encoding):
    """The words of an error may have any character: where they could not be stored, a worker would stand still."""
    name = f"weft_test_{secrets.token_hex(6)}"
    server.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        with pytest.raises(jobs.StoreError, match=f"has the encoding {encoding}, and jobs need one with UTF8"):
            stores.open_store(f"{databases.POSTGRESQL}/{name}")
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_text_is_unicode_whatever_the_environment_says(place, monkeypatch):
    """Libpq's variable PGCLIENTENCODING, set for other programs, does no harm."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with closing(stores.open_store(place)) as store:
        store.enqueue([chores.note.using(queue="größe→").entry(b'{"word":"a"}')]).wait()
        assert store.counts().keys() == {"größe→"}


@pytest.fixture
def pooler():
    """A pool between us and the server, which drops the settings of a session (ignore_startup_parameters)."""
    inside = urlsplit(databases.POSTGRESQL)
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve():
            with suppress(OSError):
                while True:
                    caller, _ = door.accept()
                    threading.Thread(target=relay, args=(caller,), daemon=True).start()

        def relay(caller):
            server = socket.create_connection((inside.hostname, inside.port))
            head = caller.recv(65536)
            while head[4:8] != (196608).to_bytes(4, "big"):  # SSL or GSS is asked for, and refused
                caller.sendall(b"N")
                head = caller.recv(65536)
            words = head[8:-2].split(b"\0")
            kept = [word for pair in batched(words, 2) if pair[0] != b"options" for word in pair]
            body = (196608).to_bytes(4, "big") + b"\0".join(kept) + b"\0\0"
            server.sendall((len(body) + 4).to_bytes(4, "big") + body)
            threading.Thread(target=pump, args=(server, caller), daemon=True).start()
            pump(caller, server)

        def pump(source, target):
            with suppress(OSError), source, target:
                while data := source.recv(65536):
                    target.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)


def batched(items, size):
    return [tuple(items[at : at + size]) for at in range(0, len(items), size)]


def test_a_pool_that_drops_our_settings_is_refused(place, pooler, server):
    """Our tables would lie beside the application's own, and their names mean those."""
    with pytest.raises(jobs.StoreError, match="a pool in between .*straight to the server"):
        stores.open_store(f"postgresql://postgres@127.0.0.1:{pooler}/{place.rpartition('/')[2]}")
    assert server.execute("SELECT to_regclass('public.job')").fetchone() == (None,)


def test_a_long_idempotency_key_is_one(store):
    """An index takes some 2,700 bytes that cannot be compressed; a list of addresses may be longer."""
    keys = ["".join(map(str, range(5000))), "".join(map(str, range(5001)))]
    handles = [chores.note.using(idempotency_key=key).enqueue("a") for key in (*keys, *keys)]
    assert [each.uid for each in handles[:2]] == [each.uid for each in handles[2:]]
    assert len(store.records()) == 2


# -- on a bad day


def test_a_look_that_a_signal_has_cut_short_spoils_no_later_one(store, server):
    """An exception of a signal handler (an alarm, a soft time limit) ends a look at the store, and only that one."""
    handle = chores.note.enqueue("a")
    assert handle.status() is State.AVAILABLE

    def ring(*_):
        raise TimeoutError("the alarm")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with server.transaction():
            server.execute("LOCK TABLE weft.job IN ACCESS EXCLUSIVE MODE")
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(TimeoutError, match="the alarm"):
                handle.status()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert handle.status() is State.AVAILABLE


def test_what_has_rung_is_not_kept(store):
    """A notification that comes while a worker asks something else is not kept for anybody: there may be millions."""
    desk = store.desk()
    for number in range(5):
        store.enqueue([chores.note.entry(b'{"word":"%d"}' % number)]).wait()
        store.fallen(desk)
    assert not desk._session._notifies_backlog
    desk.close()


_LOCKS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def test_a_forked_child_does_not_keep_its_parent_alive(place, server):
    """The child of a worker that was killed holds none of its locks, and can use the store itself."""
    code = f"""
import os, signal, sys
sys.path.insert(0, {HERE!r})
import chores
from weft import jobs
store = jobs.use({place!r})
chores.note.enqueue("parent")
desk = store.desk()
if os.fork() == 0:
    chores.note.enqueue("child")
    print("stored", flush=True)
    sys.stdin.read()
    os._exit(0)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout.readline() == "stored\n"
        assert server.execute(_LOCKS).fetchone() == (1,)
        parent.kill()
        os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)
        end = time.monotonic() + 10
        while server.execute(_LOCKS).fetchone() != (0,):
            assert time.monotonic() < end
    with closing(stores.open_store(place)) as store:
        assert {record.arguments for record in store.records()} == {'{"word":"parent"}', '{"word":"child"}'}


def end_session(server, desk):
    """Have the server end a worker's session, as an administrator or a cut network does."""
    pid = desk._session.info.backend_pid
    assert server.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (True,)


def test_a_worker_whose_session_was_ended_is_back_at_once(store, server):
    """Before anybody takes it for dead: it does not wait for its next look."""
    desk = store.desk()
    end_session(server, desk)
    desk.bell.wait(SOON)
    assert server.execute(_LOCKS).fetchone() == (1,)
    desk.close()


@pytest.fixture
def hasty(monkeypatch):
    """Owners are taken for dead at the second look without their lock."""
    monkeypatch.setattr("weft.jobs.postgresql.desk._MISSING", -1.0)


def test_a_worker_that_comes_back_while_it_is_buried_is_not_buried_again(store, server, hasty):
    """Its jobs of before are others' now; those that it takes from then on are its own."""
    slow, other = store.desk(), store.desk()
    end_session(server, slow)
    (gone,) = other.fallen([slow.owner.name])
    assert slow.fallen([]) == []  # it is back
    gone.bury()
    assert slow.fallen([]) == []
    assert other.fallen([slow.owner.name]) == []
    server.execute("DELETE FROM weft.owner")  # and somebody clears the table
    assert slow.fallen([]) == other.fallen([]) == []
    assert other.fallen([slow.owner.name]) == slow.fallen([other.owner.name]) == []
    slow.close()
    other.close()


def test_whoever_has_lost_his_own_session_takes_nobody_for_dead(store, server, hasty, monkeypatch):
    """Where another server has taken over, all workers are on their way to it, and some are there sooner."""
    time_now = 1000.0
    monkeypatch.setattr("weft.jobs.postgresql.desk.now", lambda: time_now)
    slow, quick = store.desk(), store.desk()
    end_session(server, slow)
    end_session(server, quick)
    assert quick.fallen([slow.owner.name]) == []
    time_now += 31.0
    assert [each.name for each in quick.fallen([])] == [slow.owner.name]
    slow.close()
    quick.close()


@pytest.fixture
def lost_answer(monkeypatch):
    """The next commit is made, and the connection ends before its answer has come."""
    real, answers = _Writer.commit, ["lost"]

    def commit(writer):
        real(writer)
        if answers:
            answers.pop()
            writer.connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(_Writer, "commit", commit)
    yield
    assert not answers


@pytest.mark.parametrize("options", [{}, {"unique": True}, {"idempotency_key": "a"}, {"unique_for": 60.0}])
def test_a_job_whose_commit_nobody_answers_is_stored_once(store, lost_answer, options):
    """It is stored again, under the same id; the caller need not know."""
    handle = chores.note.using(**options).enqueue("a")
    assert [record.uid for record in store.records()] == [handle.uid]


def test_a_turn_whose_commit_nobody_answers_is_not_taken_twice(store, lost_answer):
    """Its worker is told, and hands back what it was given without knowing; what was stored beside it is stored."""
    entries = [chores.note.entry(b'{"word":"%d"}' % number) for number in range(3)]
    stored = Change(lambda it: enter(it, entries), durable=True, alone=False, repeatable=True, then=None)
    turn = Turn("worker", 0.0, {"default": 1})
    taken = Change(lambda it: take_turn(it, turn), durable=False, alone=True, repeatable=False, then=None)
    store._open.ledger._write([stored, taken])
    assert stored.wait() == [entry.uid for entry in entries]
    with pytest.raises(jobs.StoreError, match="closed the connection"):
        taken.wait()
    assert len(store.records(state=State.RUNNING)) == 1
    report = store.turn(replace(turn, held=frozenset()))
    assert len(store.records(state=State.RUNNING)) == len(report.claims) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells of these options on Linux")
def test_a_network_that_is_gone_is_noticed_at_both_ends(store):
    """In some 11 seconds, also where something was sent that nobody acknowledges; by itself it takes a quarter hour."""
    raw = store._open.ledger._writer.connection.raw
    with socket.socket(fileno=os.dup(raw.fileno())) as ours:
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 11_000
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
    assert raw.execute("SHOW tcp_user_timeout").fetchone() == ("11000",)


# -- connections that somebody ends


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
    store = stores.open_store(place)
    assert store.counts() == {}
    store.close()


def until(true):
    pause, end = threading.Event(), time.monotonic() + SOON
    while not true():
        assert time.monotonic() < end
        pause.wait(0.01)
