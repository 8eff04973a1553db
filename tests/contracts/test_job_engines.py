"""What jobs promise, whatever engine keeps them."""

import asyncio
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import kombu
import pytest

import weft
from weft import jobs
from weft.jobs import declaring, stores
from weft.jobs.lifecycle import State
from weft.jobs.moving import move

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "jobs")]

import databases  # noqa: E402 - from beside this file
import job_chores as chores  # noqa: E402

SOON = 30


@pytest.fixture(params=sorted(databases.PLACES))
def place(request, tmp_path):
    """The URL of an engine in which there is nothing."""
    with databases.PLACES[request.param](tmp_path) as url:
        yield url


@pytest.fixture
def engine(place, monkeypatch):
    # Those of other tests ask for what not every engine has.
    mine = {name: job for name, job in declaring._known.items() if "job_chores" in name}
    monkeypatch.setattr(declaring, "_known", mine)
    chores.seen.clear()
    chores.go_on.clear()
    chores.begun.clear()
    yield jobs.use(place)
    chores.go_on.set()
    found, stores._store = stores._store, None
    found.close()


@pytest.fixture
def worker(engine):
    """A worker, until the end of the test."""
    made = jobs.Worker({"default": 4}).start()
    yield made
    chores.go_on.set()
    made.stop(grace=0)


def until(true):
    end = time.monotonic() + SOON
    pause = threading.Event()
    while not true():
        assert time.monotonic() < end
        pause.wait(0.02)


def test_jobs_run_where_they_belong(engine, worker):
    """Plain ones on a thread, async ones on the loop, those with cpu=True in a process; with typed arguments."""
    assert chores.note.enqueue("a").result(SOON) == "a"
    assert chores.note_async.enqueue("b").result(SOON) == "async b"
    assert chores.pid.enqueue().result(SOON) > 0
    assert chores.scale.enqueue(chores.Size(2, 1), 3).result(SOON) == chores.Size(6, 3)


def test_what_a_job_enqueues_in_a_process_of_its_own_goes_to_the_same_engine(engine, worker, monkeypatch):
    """Nobody has said anything there, and an environment variable that says something else does not count."""
    monkeypatch.setenv("WEFT_JOBS", "sqlite:/nowhere/at/all.db")
    assert jobs.handle(chores.enqueue_another.enqueue().result(SOON)).result(SOON) > 0


def test_a_coroutine_stores_and_waits(engine, worker):
    """`await job.enqueue(...)` is durable, `await handle.wait()` gives the value."""

    async def main():
        handle = await chores.note.enqueue("a")
        return await handle.wait(SOON)

    assert asyncio.run(main()) == "a"


def test_what_is_stored_is_known_before_it_runs(engine):
    """A job that no worker has taken is available, with its arguments; an unknown one is told to be."""
    handle = chores.note.enqueue("a")
    record = handle.record()
    assert (record.state, record.arguments, record.attempt) == (State.AVAILABLE, '{"word":"a"}', 0)
    assert engine.pending({"default"})
    assert not engine.pending({"mail"})
    assert engine.counts() == {"default": {State.AVAILABLE: 1}}
    assert [each.uid for each in engine.records()] == [handle.uid]
    with pytest.raises(jobs.JobNotFound):
        jobs.handle("nobody").status()


def test_storing_the_same_call_twice_stores_one_job(engine, worker):
    """Whoever cannot know whether a call was stored stores it again: the id is the same, and so is the job."""
    entry = chores.note.entry(b'{"word":"a"}')
    assert [engine.enqueue([entry]).wait(), engine.enqueue([entry]).wait()] == [[entry.uid]] * 2
    assert jobs.handle(entry.uid).result(SOON) == "a"
    assert chores.note.enqueue("last").result(SOON) == "last"
    assert chores.seen == ["a", "last"]


def test_failures_are_tried_again_and_end_as_dead_letters(engine, worker):
    """Three attempts, then the error is kept with its traceback; a person may have it run again."""
    handle = chores.fail.enqueue("x")
    with pytest.raises(jobs.JobFailed, match="LookupError: x"):
        handle.result(SOON)
    assert chores.seen == ["x"] * 3
    assert (handle.status(), handle.record().attempt) == (State.DISCARDED, 3)
    handle.retry()
    with pytest.raises(jobs.JobFailed):
        handle.result(SOON)
    assert chores.seen == ["x"] * 6


def test_a_second_attempt_can_succeed(engine, worker):
    """The attempt is told to the job."""
    assert chores.second_time_lucky.enqueue().result(SOON) == 2


def test_a_job_may_give_itself_up_or_ask_for_later(engine, worker):
    """`Discard` ends it at once; `Snooze` has it run again without counting the attempt."""
    with pytest.raises(jobs.JobFailed, match="not worth another try"):
        chores.give_up.enqueue().result(SOON)
    assert chores.snooze.enqueue().result(SOON) == 1


def test_a_job_says_how_far_it_is(engine, worker):
    """A fraction and words, as long as it runs; 1.0 when it is complete."""
    handle = chores.tell.enqueue(0.25, "a quarter")
    until(lambda: handle.progress() == (0.25, "a quarter"))
    assert handle.status() is State.RUNNING
    chores.go_on.set()
    assert handle.result(SOON) is True
    assert handle.progress() == (1.0, "a quarter")


def test_a_running_job_can_be_cancelled(engine, worker):
    """It is told, and stands as cancelled."""
    handle = chores.wait_for_cancel.enqueue()
    assert chores.begun.wait(SOON)
    assert handle.cancel() is State.RUNNING
    with pytest.raises(jobs.JobCancelled):
        handle.result(SOON)


def test_a_job_that_waits_can_be_cancelled(engine):
    """At once; and no worker runs it then."""
    handle, other = chores.note.enqueue("never"), chores.note.enqueue("a")
    assert handle.cancel() is State.CANCELLED
    with pytest.raises(jobs.ImpossibleStep):
        handle.cancel()
    worker = jobs.Worker().start()
    assert other.result(SOON) == "a"
    worker.stop()
    assert chores.seen == ["a"]


def test_a_job_that_is_late_is_a_failure(engine, worker):
    """Its timeout is told in the error, and to the job."""
    with pytest.raises(jobs.JobFailed, match="not done within 0.2 s"):
        chores.too_long.enqueue().result(SOON)


def test_a_delayed_job_waits(engine, worker):
    """It stands as scheduled, and what is stored after it comes before."""
    handle = chores.note.using(delay=1.0).enqueue("later")
    assert handle.status() is State.SCHEDULED
    chores.note.enqueue("now").result(SOON)
    handle.result(SOON)
    assert chores.seen == ["now", "later"]


def test_what_cannot_be_stored_is_told(engine, worker):
    """An argument that is none of JSON's fails where it is given; a result that is none fails the job."""
    with pytest.raises(jobs.NotSerializable, match="word=object"):
        chores.note.enqueue(object())
    with pytest.raises(jobs.JobFailed, match="returned what JSON cannot carry"):
        chores.unspeakable.enqueue().result(SOON)


def test_a_job_of_an_unknown_name_is_kept(engine, worker):
    """After a deploy that has lost its function it ends as a dead letter, which says what to do."""
    entry = chores.note.entry(b'{"word":"a"}')._replace(task="shop.gone", max_attempts=1)
    engine.enqueue([entry]).wait()
    with pytest.raises(jobs.JobFailed, match="no job is declared as 'shop.gone'"):
        jobs.handle(entry.uid).result(SOON)
    assert engine.record(entry.uid).arguments == '{"word":"a"}'


def test_finished_jobs_can_be_forgotten(engine, worker):
    """Those whose time is over, and none before."""
    handle = chores.note.enqueue("a")
    handle.result(SOON)
    assert engine.prune(time.time()) == 0
    assert engine.prune(time.time() + 100_000) == 1
    with pytest.raises(jobs.JobNotFound):
        handle.record()


def test_a_worker_that_is_stopped_hands_back_what_runs(engine):
    """After its grace; another worker runs it again, and the attempt is not counted."""
    first = jobs.Worker({"default": 1}).start()
    handle = chores.tell.enqueue(0.5, "on")
    assert chores.begun.wait(SOON)
    first.stop(grace=0.1)
    assert handle.status() is State.AVAILABLE
    chores.go_on.set()
    second = jobs.Worker({"default": 1}).start()
    assert handle.result(SOON) is True
    second.stop()
    assert handle.record().attempt == 1


def test_what_an_engine_lacks_is_refused_when_a_job_is_declared(engine):
    """With what to do instead; and so is an engine that lacks what a declared job asks for."""
    options = {
        "priority": 5, "unique": True, "unique_for": 60, "idempotency_key": "k", "cron": "0 * * * *", "after": ["x"],
    }  # fmt: skip
    refused, told = set(), []
    for name, value in options.items():
        try:
            chores.pid.using(**{name: value})
        except weft.InvalidCall as error:
            refused.add(name)
            told.append(f"asks for {name}=" in str(error) and engine.name in str(error))
    assert refused == engine.lacks.keys() - {"limit", "move"}
    assert all(told)


# -- processes that die


@contextmanager
def worker_process(place):
    code = f"""
import sys
sys.path[:0] = [{str(HERE)!r}]
import job_chores
from weft import jobs
if "celery" in {place!r}:
    from weft.jobs.celery import book, worker
    book._ALIVE, worker._SAY = 3, 0.8  # 15 s and 4 s would be long for a test
jobs.use({place!r})
jobs.Worker({{"default": 4}}).run()
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield process
        finally:
            process.kill()


SURVIVING = [pytest.param(name, id=name) for name in sorted(databases.PLACES) if name != "memory"]


@pytest.mark.parametrize("place", SURVIVING, indirect=True)
def test_a_killed_worker_loses_nothing(engine, place, tmp_path):
    """What ran runs again, what had ended does not, and what waited is done."""
    path = tmp_path / "log"
    done = chores.log.enqueue(str(path), "done")
    with worker_process(place) as first:
        done.result(SOON)
        running = chores.log.enqueue(str(path), "running", 1.0)
        waiting = [chores.log.enqueue(str(path), f"waiting {number}", 0.02) for number in range(20)]
        until(lambda: "begin running" in path.read_text())
        first.kill()
    with worker_process(place):
        for handle in (running, *waiting):
            handle.result(60)
    lines = path.read_text().splitlines()
    assert lines.count("end done") == lines.count("end running") == 1
    assert lines.count("begin running") == 2
    assert {f"end waiting {number}" for number in range(20)} <= set(lines)


@pytest.mark.parametrize("place", SURVIVING, indirect=True)
def test_a_job_that_kills_its_worker_is_given_up(engine, place, tmp_path):
    """After three processes, with the signal named where it ran alone; what ran beside it succeeds."""
    path = tmp_path / "log"
    beside = [chores.log.enqueue(str(path), f"beside {number}", 0.05) for number in range(4)]
    poison = chores.kill_worker.enqueue(str(path))
    with worker_process(place) as first:
        assert first.wait(SOON) == -9
    with worker_process(place) as second:
        with pytest.raises(jobs.JobFailed, match="given up: .*SIGKILL"):
            poison.result(60)
        for handle in beside:
            handle.result(60)
        assert second.poll() is None
    assert path.read_text().count("poison") == 3


# -- servers that cannot be had for a while


CELERY = [pytest.param(name, id=name) for name in sorted(databases.PLACES) if name.startswith("celery")]


@pytest.mark.parametrize("place", CELERY, indirect=True)
def test_what_a_job_has_come_to_is_written_when_redis_can_be_had_again(engine, worker, monkeypatch):
    """Also its progress, where that could not be written, is no failure of the job's; and cancelling works again."""
    from weft.jobs.celery import worker as module

    monkeypatch.setattr(module, "_HURT", 0.01)
    handle = chores.tell.enqueue(0.25, "a quarter")
    assert chores.begun.wait(SOON)
    left = threading.Semaphore(5)
    change, pages_of = engine.book.change, engine.book.pages_of

    def flaky(method):
        def call(*given):
            if left.acquire(blocking=False):
                raise jobs.StoreError("away")
            return method(*given)

        return call

    monkeypatch.setattr(engine.book, "change", flaky(change))
    monkeypatch.setattr(engine.book, "pages_of", flaky(pages_of))
    chores.go_on.set()
    assert handle.result(SOON) is True
    chores.begun.clear()
    other = chores.wait_for_cancel.enqueue()
    assert chores.begun.wait(SOON)
    left.release(3)
    until(lambda: not left._value)
    other.cancel()
    with pytest.raises(jobs.JobCancelled):
        other.result(SOON)


@pytest.mark.parametrize("place", CELERY, indirect=True)
def test_an_answer_of_redis_that_is_lost_has_a_job_run_once(engine, worker, monkeypatch):
    """It was written that the job begins, and the worker was never told: it asks again, and begins it at once."""
    from weft.jobs.celery import worker as module

    monkeypatch.setattr(module, "_HURT", 0.01)
    change = engine.book.change
    lost = []

    def deaf(uid, decide):
        answer = change(uid, decide)
        if not lost and threading.current_thread() is not threading.main_thread():
            lost.append(uid)
            raise jobs.StoreError("the answer is lost")
        return answer

    monkeypatch.setattr(engine.book, "change", deaf)
    handle = chores.tell.enqueue(0.25, "a quarter")
    chores.go_on.set()
    assert handle.result(3.0) is True  # a message that is told to come later takes 5 s
    assert lost == [handle.uid]
    assert handle.record().attempt == 1


@pytest.mark.parametrize("place", CELERY, indirect=True)
def test_a_message_that_a_worker_has_taken_along_is_sent_again(engine):
    """Redis forgets a message as it hands it over, before the worker can note that it has it."""
    handle = chores.note.enqueue("a")
    with kombu.Connection(engine._broker) as connection, connection.SimpleQueue("default") as messages:
        assert messages.clear() == 1
    made = jobs.Worker({"default": 4}).start()
    try:
        assert handle.result(30) == "a"
    finally:
        made.stop(grace=0)
    assert chores.seen == ["a"]


# -- from one engine to another


def test_what_waits_can_be_moved_to_any_engine(engine, tmp_path):
    """From a file: jobs keep their ids, arguments and delays; those that wait for others, or are waited for, stay."""
    source = stores.open_store(f"sqlite:{tmp_path / 'before.db'}")
    plain, later = chores.note.entry(b'{"word":"a"}'), chores.note.using(delay=2.0).entry(b'{"word":"b"}')
    first = chores.note.entry(b'{"word":"first"}')
    source.enqueue([plain, later, first, chores.note.entry(b'{"word":"second"}')._replace(after=(first.uid,))]).wait()
    assert sum(move(source, engine)) == 2
    assert {record.arguments for record in source.records()} == {'{"word":"first"}', '{"word":"second"}'}
    assert engine.record(later.uid).state is State.SCHEDULED
    worker = jobs.Worker().start()
    assert jobs.handle(plain.uid).result(SOON) == "a"
    assert jobs.handle(later.uid).result(SOON) == "b"
    worker.stop()
    source.close()


def test_a_move_that_was_cut_short_is_completed(engine, tmp_path):
    """Whoever dies between taking jobs out and storing them elsewhere loses none: the next one finds them."""
    source = stores.open_store(f"sqlite:{tmp_path / 'before.db'}")
    entries = [chores.note.entry(b'{"word":"a"}') for _ in range(3)]
    source.enqueue(entries).wait()
    assert len(source.depart(2)) == 2  # and then it was killed
    assert list(move(source, engine)) == [2, 1]
    assert {engine.record(entry.uid).state for entry in entries} == {State.AVAILABLE}
    assert source.records() == []
    source.close()


def test_what_the_other_engine_lacks_stays(engine, tmp_path):
    """A job that asks for what the target cannot do is told of, and kept where it is."""
    source = stores.open_store(f"sqlite:{tmp_path / 'before.db'}")
    urgent = chores.note.entry(b'{"word":"a"}')._replace(priority=5)
    source.enqueue([urgent]).wait()
    if "priority" in engine.lacks:
        with pytest.raises(weft.InvalidValue, match=f"{urgent.uid} .* stays in .*asks for priority"):
            list(move(source, engine))
        assert source.record(urgent.uid).state is State.AVAILABLE
    else:
        assert list(move(source, engine)) == [1]
    source.close()


def test_what_stays_is_in_one_place_whoever_is_killed(tmp_path, monkeypatch):
    """A job that cannot go is put back and departed no more in one step: else it would be in both stores later."""
    urgent = chores.note.entry(b'{"word":"a"}')._replace(priority=5)
    with (
        closing(stores.open_store(f"sqlite:{tmp_path / 'before.db'}")) as source,
        closing(stores.open_store(f"sqlite:{tmp_path / 'after.db'}")) as target,
    ):
        source.enqueue([urgent]).wait()
        with monkeypatch.context() as patched:
            patched.setattr(target, "lacks", {"priority": "it has none"}, raising=False)
            patched.setattr(source, "arrived", lambda _: pytest.fail("killed"))
            with pytest.raises(weft.InvalidValue, match="stays in"):
                list(move(source, target))
        assert list(move(source, target)) == [1]
        assert source.records() == []
        assert target.record(urgent.uid).state is State.AVAILABLE


@pytest.mark.parametrize("place", ["sqlite", "postgresql"], indirect=True)
def test_a_store_is_not_moved_to_itself(engine, place, tmp_path):
    """Under another name it is the same; its jobs stay, where they would go round for ever."""
    if place.startswith("sqlite"):
        (tmp_path / "other.db").symlink_to(tmp_path / "jobs.db")
        (tmp_path / "other.db.d").symlink_to(tmp_path / "jobs.db.d")
    other = f"sqlite:{tmp_path / 'other.db'}" if place.startswith("sqlite") else f"{place}?application_name=other"
    handle = chores.note.enqueue("a")
    with closing(stores.open_store(other)) as target:
        moving = move(engine, target)
        with pytest.raises(weft.InvalidValue, match="are the same store"):
            next(moving)
    assert handle.status() is State.AVAILABLE


def test_the_page_says_what_each_engine_lacks(engine):
    """The table of docs/how-to/job-engines.md has a "no" where this engine refuses, and nowhere else."""
    page = (HERE.parents[1] / "docs" / "how-to" / "job-engines.md").read_text("utf-8")
    table = page.split("## What each can do")[1].split("##")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    kinds = {"celery": "Celery", "postgresql": "PostgreSQL"}
    column = rows[0].index(next((kinds[each] for each in kinds if engine.name.startswith(each)), "SQLite, memory"))
    words = {"limit of a queue": ["limit"], "`weft jobs move` away from it": ["move"]}
    refused = set()
    for row in rows[2:]:
        names = words.get(row[0]) or [name.strip(" `") for name in row[0].split(",")]
        if row[column] == "no" and row[0] != "several machines":
            refused |= set(names)
    assert refused == set(engine.lacks)
