"""The store: what is written together, what survives, who is alive, and what is refused."""

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import chores
import pytest

from weft import jobs
from weft.errors import InvalidValue
from weft.jobs import stores
from weft.jobs.lifecycle import ImpossibleStep, State
from weft.jobs.sql.ledger import Ledger
from weft.jobs.sql.turn import Turn
from weft.jobs.sqlite.database import SQLite
from weft.jobs.sqlite.owners import Owner, dead_owners
from weft.jobs.sqlite.places import files_of

HERE = str(Path(__file__).parent)


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(SQLite(tmp_path / "x.db"))
    yield made
    made.close()


def held(ledger):
    """Keep the ledger from writing, as another process would; returns what lets it go on."""
    file = os.open(ledger._database.files.lock, os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    return lambda: os.close(file)


# -- the ledger


def test_all_that_waits_is_one_transaction(ledger):
    """A hundred changes that wait share one commit."""
    commits = []
    let_go = held(ledger)
    changes = [ledger.change(lambda connection: commits.append(connection.total_changes)) for _ in range(100)]
    ledger._writer.connection.set_trace_callback(
        lambda statement: commits.append(statement) if statement == "COMMIT" else None
    )
    let_go()
    for change in changes:
        change.wait()
    assert commits.count("COMMIT") == 1


def test_a_bad_change_fails_alone(ledger):
    """The others of its transaction are made all the same."""
    let_go = held(ledger)
    first = ledger.change(lambda connection: connection.execute("SELECT 1").fetchone())
    bad = ledger.change(lambda connection: connection.execute("SELECT * FROM nowhere"))
    raising = ledger.change(lambda _connection: {}["x"])
    last = ledger.change(lambda connection: connection.execute("SELECT 2").fetchone())
    let_go()
    assert (first.wait(), last.wait()) == ((1,), (2,))
    with pytest.raises(jobs.StoreError, match="no such table: nowhere"):
        bad.wait()
    with pytest.raises(KeyError):
        raising.wait()


def test_what_is_durable_waits_for_the_disk(tmp_path):
    """A durable change is committed with synchronous=FULL, unless NORMAL was chosen; others with NORMAL."""
    ask = "PRAGMA synchronous"
    for chosen, expected in (("FULL", 2), ("NORMAL", 1)):
        ledger = Ledger(SQLite(tmp_path / f"{chosen}.db", synchronous=chosen))
        found = [
            ledger.change(lambda connection: connection.execute(ask).fetchone()[0], durable=durable).wait()
            for durable in (True, False)
        ]
        ledger.close()
        assert found == [expected, 1]


def test_a_full_disk_is_told_and_loses_nothing_that_was_stored(store):
    """Enqueuing fails with what is wrong; what was stored before is there, and later there is room again."""
    chores.note.enqueue("before")
    ledger = store._open.ledger
    size = ledger.change(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0]).wait()
    ledger.change(lambda connection: connection.execute(f"PRAGMA max_page_count = {size}").fetchone()).wait()
    with pytest.raises(jobs.StoreError, match="could not be written: database or disk is full"):
        chores.note.enqueue("x" * 100_000)
    ledger.change(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone()).wait()
    chores.note.enqueue("after")
    assert [record.arguments for record in store.records()] == ['{"word":"after"}', '{"word":"before"}']


def test_a_closed_store_says_so(store):
    """After close, everything is refused with a word."""
    store.close()
    store.close()
    with pytest.raises(jobs.StoreError, match="has been closed"):
        chores.note.enqueue("x")


@pytest.mark.parametrize("content", [b"this is no database, whatever its name may say. " * 100])
def test_a_file_that_is_none_is_told(tmp_path, content):
    """A foreign file is left alone, and the error names it."""
    path = tmp_path / "jobs.db"
    path.write_bytes(content)
    with pytest.raises(jobs.StoreError, match=r"jobs.db cannot be used as a job store: file is not a database"):
        stores.open_store(f"sqlite:{path}")
    assert path.read_bytes() == content


def test_a_file_of_a_newer_weft_is_refused(tmp_path):
    """An older weft does not touch what it does not know."""
    path = tmp_path / "jobs.db"
    stores.open_store(f"sqlite:{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(jobs.StoreError, match="schema 99, and this weft knows 3 at most"):
        stores.open_store(f"sqlite:{path}")


def test_network_shares_are_refused(tmp_path):
    """SQLite's locks cannot be relied on there; the error says where else to go."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    with pytest.raises(jobs.UnsuitablePlace, match=r"on a network share \(nfs4\).*local disk"):
        files_of(tmp_path / "jobs.db", mounts=str(mounts))
    mounts.write_text(f"server:/x / nfs rw 0 0\ntmpfs {tmp_path} tmpfs rw 0 0\n")
    assert files_of(tmp_path / "jobs.db", mounts=str(mounts)).folder.is_dir()
    with pytest.raises(jobs.UnsuitablePlace, match="there is no folder"):
        files_of(tmp_path / "nowhere" / "jobs.db")


@pytest.mark.parametrize(
    "url", ["", "jobs.db", "mysql:x", "sqlite:", "sqlite://host/x", "sqlite:x?sync=1", "sqlite:x?synchronous=off"]
)
def test_impossible_urls_are_told(url):
    """The error shows two that are right."""
    with pytest.raises(InvalidValue, match=r"write sqlite:jobs.db, sqlite:/var"):
        stores.open_store(url)


def test_the_environment_names_the_store(tmp_path, monkeypatch):
    """Without a word from the program, WEFT_JOBS says where the jobs are."""
    monkeypatch.setenv("WEFT_JOBS", f"sqlite:{tmp_path / 'of-env.db'}?synchronous=normal")
    try:
        chores.note.enqueue("x")
        assert (tmp_path / "of-env.db").exists()
    finally:
        stores._store.close()
        stores._store = None


# -- jobs in it


def test_equal_jobs_are_one_while_one_is_not_finished(store):
    """`unique` and `unique_for`: the second enqueue gives the handle of the first; other arguments are another job."""
    unique = chores.note.using(unique=True)
    first, second, other = unique.enqueue("a"), unique.enqueue("a"), unique.enqueue("b")
    assert first.uid == second.uid != other.uid
    first.cancel()
    assert unique.enqueue("a").uid != first.uid
    lasting = chores.note.using(unique_for=300)
    one = lasting.enqueue("c")
    one.cancel()
    assert lasting.enqueue("c").uid == one.uid


def test_equal_jobs_are_one_from_any_number_of_threads(store):
    """There is no moment between looking and storing."""
    barrier, uids = threading.Barrier(8), []

    def enqueue():
        barrier.wait()
        uids.append(chores.note.using(unique=True).enqueue("same").uid)

    threads = [threading.Thread(target=enqueue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(uids)) == 1
    assert len(store.records()) == 1


def test_an_idempotency_key_is_used_once(store):
    """Also when its job has ended."""
    keyed = chores.note.using(idempotency_key="order-7")
    first = keyed.enqueue("a")
    first.cancel()
    assert keyed.enqueue("another").uid == first.uid


def test_many_are_stored_together(store):
    """All or none, in order."""
    handles = chores.note.enqueue_many([("a",), ("b",), ("c",)])
    assert [handle.record().arguments for handle in handles] == ['{"word":"a"}', '{"word":"b"}', '{"word":"c"}']
    assert chores.note.enqueue_many([]) == []
    with pytest.raises(jobs.NotSerializable):
        chores.note.enqueue_many([("d",), (3,)])
    assert len(store.records()) == 3


def test_a_job_can_be_found_cancelled_and_revived(store):
    """By its id, as long as it is kept; what cannot be done is told."""
    handle = jobs.handle(chores.note.using(delay=3600).enqueue("a").uid)
    assert handle.status() is State.SCHEDULED
    assert handle.cancel() is State.CANCELLED
    with pytest.raises(jobs.JobCancelled, match=r"chores.note.* was cancelled"):
        handle.result()
    with pytest.raises(ImpossibleStep, match="a cancelled job cannot cancel"):
        handle.cancel()
    handle.retry()
    assert handle.status() is State.AVAILABLE
    assert store.counts() == {"default": {State.AVAILABLE: 1}}
    with pytest.raises(jobs.JobNotFound, match="it was pruned, or never was"):
        jobs.handle("nobody").status()
    with pytest.raises(jobs.ResultTimeout, match="is available after 0 s; it goes on"):
        handle.result(timeout=0)


def test_finished_jobs_are_forgotten_when_their_time_is_over(store, monkeypatch):
    """Completed ones after their `result_ttl`, given up and cancelled ones after a month; others never."""
    done, kept = chores.note.using(result_ttl=60).enqueue("a"), chores.note.enqueue("b")
    waiting, dropped = chores.note.using(delay=10).enqueue("c"), chores.note.enqueue("d")
    dropped.cancel()
    desk = store.desk()
    try:
        claims = store.turn(Turn(desk.owner.name, time.time(), {"default": 9})).claims
        from weft.jobs.settling import completed

        store.turn(Turn(desk.owner.name, time.time(), {}, [completed(claim, b"1", time.time()) for claim in claims]))
    finally:
        desk.close()
    assert store.prune(time.time()) == 0
    assert store.prune(time.time() + 61) == 1
    with pytest.raises(jobs.JobNotFound):
        done.status()
    assert store.prune(time.time() + 31 * 86_400) == 2
    assert [record.uid for record in store.records()] == [waiting.uid]
    assert kept.uid != dropped.uid


def test_only_the_holder_of_the_attempt_settles(store):
    """Fencing: what an owner says of a job that another has taken over meanwhile is not heard."""
    from weft.jobs.settling import completed, handed_back

    handle = chores.note.enqueue("a")
    first, second = store.desk(), store.desk()
    try:
        (claim,) = store.turn(Turn(first.owner.name, 1.0, {"default": 1})).claims
        store.turn(Turn(first.owner.name, 2.0, {}, [handed_back(claim)]))
        (again,) = store.turn(Turn(second.owner.name, 3.0, {"default": 1})).claims
        store.turn(Turn(first.owner.name, 4.0, {}, [completed(claim, b'"stale"', 4.0)]))
        assert handle.status() is State.RUNNING
        store.turn(Turn(second.owner.name, 5.0, {}, [completed(again, b'"fresh"', 5.0)]))
        assert handle.result() == "fresh"
    finally:
        first.close()
        second.close()


# -- who is alive


def test_the_living_are_never_taken_for_dead(tmp_path):
    """As long as the owner's process lives, however slow; and one that has left in good order is gone."""
    owner = Owner(tmp_path)
    assert list(dead_owners(tmp_path)) == []
    owner.close()
    assert list(dead_owners(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_owner_is_dead_at_once_and_its_register_tells(tmp_path):
    """After kill -9 the lock is free, and what had begun and not ended is in the register. One finder has it."""
    code = f"""
import os, signal
from pathlib import Path
from weft.jobs.sqlite.owners import Owner
owner = Owner(Path({str(tmp_path)!r}))
for job in (11, 12, 13):
    owner.begin(job)
owner.end(12)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (dead,) = dead_owners(tmp_path)
    assert dead.begun == {11, 13}
    assert list(dead_owners(tmp_path)) == []  # it is in our hands
    dead.leave()
    (dead,) = dead_owners(tmp_path)
    dead.bury()
    assert list(tmp_path.iterdir()) == []


def test_jobs_of_an_owner_without_a_file_are_taken_over(store, worker):
    """After a power cut the file may be gone, and the claim not: such jobs are nobody's, and are run uncharged."""
    handle = chores.note.enqueue("a")
    store.turn(Turn("123-gone", time.time(), {"default": 1}))
    assert handle.status() is State.RUNNING
    worker()
    assert handle.result(20) == "a"
    assert handle.record().attempt == 1


def test_a_worker_that_cannot_settle_is_as_good_as_dead(store, worker, monkeypatch):
    """If its last turn cannot be written, its jobs go to others."""
    monkeypatch.setattr("weft.jobs.sql.worker._SETTLING", 0.0)
    monkeypatch.setattr("weft.jobs.sql.worker._HURT", 0.001)
    first = worker()
    handle = chores.wait_for_go.enqueue()
    assert chores.EVENTS["begun"].wait(20)
    real = store.turn
    monkeypatch.setattr(store, "turn", lambda turn: real(turn) if turn.owner != name else 1 / 0)
    name = first._serving._desk.owner.name
    first.stop(grace=0)
    assert handle.status() is State.RUNNING
    chores.EVENTS["go"].set()
    worker()
    assert handle.result(20) is False


def test_a_register_tells_of_as_many_as_it_was_made_for(tmp_path):
    """The size is the owner's; a dead owner's is read to its end."""
    owner = Owner(tmp_path, 1000)
    for job in range(1, 1001):
        owner.begin(job)
    owner.abandon()
    (dead,) = dead_owners(tmp_path)
    assert dead.begun == frozenset(range(1, 1001))
    dead.bury()


def test_a_forked_child_does_not_keep_its_parent_alive(tmp_path):
    """The child of a worker that was killed holds none of its locks, and can use the store itself."""
    code = f"""
import os, signal, sys
sys.path.insert(0, {HERE!r})
import chores
from weft import jobs
store = jobs.use("sqlite:{tmp_path}/jobs.db")
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
        folder = files_of(tmp_path / "jobs.db").folder
        assert list(dead_owners(folder)) == []
        parent.kill()
        os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)
        (dead,) = dead_owners(folder)
        dead.bury()
    store = stores.open_store(f"sqlite:{tmp_path / 'jobs.db'}")
    assert {record.arguments for record in store.records()} == {'{"word":"parent"}', '{"word":"child"}'}
    store.close()
