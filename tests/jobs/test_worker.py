"""A worker and its jobs, in this process."""

import asyncio
import os
import time

import chores
import pytest

import weft
from weft import jobs
from weft.jobs.lifecycle import State

SOON = 20
PLACES = ["sqlite", "memory", "postgresql"]


def test_jobs_run_where_they_belong(store, worker):
    """Plain ones on a thread, async ones on the loop, those with cpu=True in a process."""
    worker()
    assert chores.note.enqueue("a").result(SOON) == "a"
    assert chores.note_async.enqueue("b").result(SOON) == "async b"
    assert chores.pid.enqueue().result(SOON) != os.getpid()
    assert chores.scale.enqueue(chores.Size(2, 1), 3).result(SOON) == chores.Size(6)
    assert chores.seen == ["a", "b"]


def test_a_coroutine_stores_and_waits_without_blocking(store, worker):
    """`await job.enqueue(...)` is durable, `await handle.wait()` gives the value, `result()` says what to write."""
    worker()

    async def main():
        handle = await chores.note.enqueue("a")
        assert await handle.wait(SOON) == "a"
        with pytest.raises(weft.WouldBlock, match="await handle.wait"):
            handle.result()
        unique = chores.note.using(delay=60, unique=True)
        return await unique.enqueue("b"), await unique.enqueue("b")

    first, second = asyncio.run(main())
    assert first.uid == second.uid


def test_failures_are_tried_again_and_end_as_dead_letters(store, worker):
    """Three attempts, then the error is kept with its traceback; a person may have it run again."""
    worker()
    handle = chores.fail.enqueue("x")
    with pytest.raises(jobs.JobFailed, match="LookupError: x"):
        handle.result(SOON)
    assert chores.seen == ["x"] * 3
    assert (handle.status(), handle.record().attempt) == (State.DISCARDED, 3)
    handle.retry()
    with pytest.raises(jobs.JobFailed):
        handle.result(SOON)
    assert chores.seen == ["x"] * 6


def test_a_job_may_give_itself_up_or_ask_for_later(store, worker):
    """`Discard` ends it at once; `Snooze` has it run again without counting the attempt."""
    worker()
    with pytest.raises(jobs.JobFailed, match="not worth another try"):
        chores.discard.enqueue().result(SOON)
    assert chores.seen == ["once"]
    assert chores.snooze.enqueue().result(SOON) == 1


def test_what_a_job_cannot_return_is_told(store, worker):
    """A result that JSON cannot carry is the job's failure, and says so."""
    worker()
    with pytest.raises(jobs.JobFailed, match="returned what JSON cannot carry"):
        chores.returns_a_lock.enqueue().result(SOON)


def test_an_unknown_job_is_kept(store, worker, monkeypatch):
    """A name that is declared nowhere (after a deploy) fails in words, and can be retried when it is."""
    from weft.jobs import declaring

    handle = chores.note.using(retries=0).enqueue("a")
    monkeypatch.delitem(declaring._known, "chores.note")
    worker()
    with pytest.raises(jobs.JobFailed, match="no job is declared as 'chores.note' in this process: import its module"):
        handle.result(SOON)
    monkeypatch.undo()
    handle.retry()
    assert handle.result(SOON) == "a"


def test_the_urgent_come_first(store, worker):
    """Larger priorities first, in the order of their storing among equals."""
    for word, priority in (("c", 0), ("d", 0), ("e", -5), ("a", 10), ("b", 10)):
        last = chores.note.using(priority=priority).enqueue(word)
    worker({"default": 1})
    last.result(SOON)
    for record in store.records():
        jobs.handle(record.uid).result(SOON)
    assert chores.seen == ["a", "b", "c", "d", "e"]


def test_later_jobs_wait_in_the_store(store, worker, monkeypatch):
    """A delayed job begins when its time has come, not before; clocks that are set back harm nobody."""
    handle = chores.note.using(delay=3600).enqueue("later")
    running = worker()
    assert chores.note.enqueue("now").result(SOON) == "now"
    assert handle.status() is State.SCHEDULED
    monkeypatch.setattr("weft.clock._calendar", lambda: time.time() - 86_400)
    assert chores.note.enqueue("yesterday").result(SOON) == "yesterday"
    monkeypatch.setattr("weft.clock._calendar", lambda: time.time() + 3601)
    running._serving._desk.bell.ring_here()
    assert handle.result(SOON) == "later"


def test_jobs_come_by_themselves_once_among_all_workers(store, worker, monkeypatch):
    """At each time of its schedule there is one job, however many workers there are; missed ones as declared."""
    clock = [1_700_000_000.0]  # 22:13:20
    monkeypatch.setattr("weft.clock._calendar", lambda: clock[0])
    first, second = worker({"clock": 1}), worker({"clock": 1})

    def comes_to(time_now, count):
        clock[0] = time_now
        for each in (first, second):
            if each._serving._desk is not None:
                each._serving._desk.bell.ring_here()
        end = time.monotonic() + SOON
        while store.counts().get("clock", {}).get(State.COMPLETED, 0) < count and time.monotonic() < end:
            time.sleep(0.001)
        return sorted(chores.seen)

    assert comes_to(clock[0] + 2801, 2) == ["hourly", "hourly or later"]
    assert comes_to(clock[0] - 1000, 2) == ["hourly", "hourly or later"]  # the clock was set back
    assert comes_to(clock[0] + 1000, 2) == ["hourly", "hourly or later"]
    assert comes_to(clock[0] + 3600, 4) == ["hourly"] * 2 + ["hourly or later"] * 2
    first.stop()
    second.stop()
    clock[0] += 5 * 3600
    first = worker({"clock": 1})
    assert comes_to(clock[0], 5) == ["hourly"] * 2 + ["hourly or later"] * 3


def test_a_job_runs_after_those_that_it_needs(store, worker):
    """When all of them are complete; where one is not done, what follows is cancelled, and what follows that."""
    first, second = chores.note.enqueue("1"), chores.note.using(delay=3600).enqueue("2")
    third = chores.note.using(after=[first, second]).enqueue("3")
    last = chores.note.using(after=third).enqueue("4")
    worker()
    assert first.result(SOON) == "1"
    assert (third.status(), last.status()) == (State.SCHEDULED, State.SCHEDULED)
    second.retry()  # now
    assert last.result(SOON) == "4"
    assert chores.seen == ["1", "2", "3", "4"]
    assert chores.note.using(after=first).enqueue("5").result(SOON) == "5"
    failing = chores.fail.enqueue("x")
    follows = chores.note.using(after=[first, failing]).enqueue("6")
    further = chores.note.using(after=follows).enqueue("7")
    with pytest.raises(jobs.JobCancelled):
        further.result(SOON)
    assert f"job {failing.uid}, after which it was to run, was discarded" in follows.record().error
    assert chores.note.using(after=failing).enqueue("8").status() is State.CANCELLED
    with pytest.raises(jobs.JobNotFound, match="that another could run after"):
        chores.note.using(after="nobody").enqueue("9")


def test_a_late_job_is_given_up(store, worker):
    """On a thread it is abandoned, and its slot goes to the next; in a process it is killed."""
    worker({"default": 1})
    late, computing = chores.sleep_beyond_its_time.enqueue(), chores.compute_for_ever.enqueue()
    with pytest.raises(jobs.JobFailed, match=r"not done within 0.05 s"):
        late.result(SOON)
    with pytest.raises(jobs.JobFailed, match=r"not done within 0.3 s"):
        computing.result(SOON)
    assert chores.note.enqueue("next").result(SOON) == "next"


def test_a_late_attempt_does_not_end_the_next_one(store, worker):
    """The abandoned thread returns while the second attempt runs: only the second is heard."""
    worker({"default": 2})
    assert chores.late_then_good.using(timeout=0.3).enqueue("x").result(SOON) == 2
    assert chores.seen == [1, 2]
    assert chores.note.enqueue("next").result(SOON) == "next"


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (chores.fail_with_odd_words, r"no file \\udcff"),
        (chores.fail_without_words, "Unspeakable"),
        (chores.fail_with_nul, r"LookupError: a\\x00b"),
        (chores.return_odd_text, "returned what JSON cannot carry"),
        (chores.return_a_circle, "returned what JSON cannot carry"),
    ],
)
def test_whatever_a_job_says_its_worker_lives(store, worker, job, words):
    """Text that no store takes, errors without words, values in themselves: the job's failures, and nobody else's."""
    worker()
    with pytest.raises(jobs.JobFailed, match=words):
        job.enqueue().result(SOON)
    assert chores.note.enqueue("next").result(SOON) == "next"


def test_progress_takes_whatever_it_is_given(store, worker):
    """A fraction that is no number and words that are no text are made such."""
    worker()
    handle = chores.say_odd_things.enqueue()
    assert handle.result(SOON) is None


def test_a_turn_that_fails_ends_no_worker(store, worker, monkeypatch, caplog):
    """Whatever it is: it is logged, and tried again."""
    monkeypatch.setattr("weft.jobs.sql.worker._HURT", 0.01)
    real, failing = store.turn, [2]

    def broken(turn):
        if failing[0]:
            failing[0] -= 1
            raise RuntimeError("unforeseen")
        return real(turn)

    monkeypatch.setattr(store, "turn", broken)
    worker()
    assert chores.note.enqueue("a").result(SOON) == "a"
    assert caplog.text.count("RuntimeError: unforeseen") == 2


def test_one_count_of_slots_holds_for_all_kinds(store, worker):
    """A queue of one slot runs one job at a time, be it plain or async."""
    worker({"default": 1})
    held, other = chores.wait_for_go.enqueue(), chores.note_async.enqueue("a")
    assert chores.EVENTS["begun"].wait(SOON)
    assert chores.seen == []
    chores.EVENTS["go"].set()
    assert other.result(SOON) == "async a"
    assert held.result(SOON) is False


def test_jobs_are_not_hoarded_behind_a_long_one(store, worker):
    """What a worker has taken ahead, it gives back when a job turns out to be long; another worker runs it."""
    first = worker({"default": 1})
    for number in range(50):
        last = chores.note.enqueue(str(number))
    last.result(SOON)
    handles = [chores.wait_for_go.enqueue(), *chores.note.enqueue_many([(f"n{number}",) for number in range(50)])]
    assert chores.EVENTS["begun"].wait(SOON)
    worker({"default": 1})
    assert [handle.result(SOON) for handle in handles[1:]] == [f"n{number}" for number in range(50)]
    assert handles[0].status() is State.RUNNING
    chores.EVENTS["go"].set()
    first.stop(grace=SOON)


def test_stuck_threads_do_not_use_up_a_queue_at_once(store, worker):
    """Slots of abandoned threads go to the next jobs; when too many are stuck, jobs are left to other workers."""
    worker({"default": 1})
    for _ in range(4):
        with pytest.raises(jobs.JobFailed, match="not done within"):
            chores.sleep_beyond_its_time.enqueue().result(SOON)
    assert chores.note.enqueue("fifth").result(SOON) == "fifth"
    with pytest.raises(jobs.JobFailed, match="not done within"):
        chores.sleep_beyond_its_time.enqueue().result(SOON)
    waiting = chores.note.enqueue("sixth")
    with pytest.raises(jobs.ResultTimeout):
        waiting.result(1.3)  # more than one turn
    assert waiting.status() is State.AVAILABLE
    chores.EVENTS["go"].set()
    assert waiting.result(SOON) == "sixth"


def test_the_time_of_computing_jobs_begins_when_they_do(store, worker):
    """However many wait for a process: waiting is not counted."""
    worker({"default": 10})
    handles = [chores.compute_a_little.using(timeout=2).enqueue() for _ in range(30)]
    assert {handle.result(60) for handle in handles} == {sum(range(3_000_000))}


def test_long_chains_are_dropped_and_done(store, worker):
    """A chain that is longer than Python's stack is deep."""
    first = handle = chores.note.using(delay=3600).enqueue("0")
    for number in range(1, 1200):
        handle = chores.note.using(after=handle).enqueue(str(number))
    first.cancel()
    assert handle.status() is State.CANCELLED


def test_a_running_job_can_be_cancelled(store, worker):
    """A thread is told and abandoned, a coroutine is cancelled; one that waits never begins."""
    worker({"default": 1})
    handle = chores.wait_for_go.enqueue()
    assert chores.EVENTS["begun"].wait(SOON)
    waiting = chores.note.enqueue("never")
    assert waiting.cancel() is State.CANCELLED
    assert handle.cancel() is State.RUNNING
    with pytest.raises(jobs.JobCancelled):
        handle.result(SOON)
    chores.EVENTS["go"].set()
    chores.EVENTS["begun"].clear()
    coroutine = chores.wait_for_ever.enqueue()
    assert chores.EVENTS["begun"].wait(SOON)
    coroutine.cancel()
    with pytest.raises(jobs.JobCancelled):
        coroutine.result(SOON)
    assert chores.note.enqueue("next").result(SOON) == "next"
    assert set(chores.seen) == {True, "cancelled", "next"}


def test_progress_is_seen_while_it_runs(store, worker):
    """A fraction and words, written with the worker's next turn."""
    worker()
    handle = chores.half_way.enqueue()
    assert chores.EVENTS["begun"].wait(SOON)
    end = time.monotonic() + SOON
    while handle.progress() != (0.5, "half of it") and time.monotonic() < end:
        pass
    assert handle.progress() == (0.5, "half of it")
    chores.EVENTS["go"].set()
    assert handle.result(SOON) == "all"
    assert handle.progress()[0] == 1.0


def test_stopping_hands_back_what_is_not_done(store, worker):
    """After the grace, jobs under way and those that wait go to another worker, and no attempt is charged."""
    first = worker({"default": 1})
    handle, waiting = chores.wait_for_go.enqueue(), chores.note.enqueue("a")
    assert chores.EVENTS["begun"].wait(SOON)
    first.stop(grace=0)
    assert (handle.status(), handle.record().attempt) == (State.AVAILABLE, 0)
    assert (waiting.status(), waiting.record().attempt) == (State.AVAILABLE, 0)
    chores.EVENTS["go"].set()
    worker()
    assert handle.result(SOON) is False
    assert waiting.result(SOON) == "a"


def test_stopping_lets_jobs_end_within_the_grace(store, worker):
    """What ends in time is done, and settled."""
    first = worker()
    handle = chores.wait_for_go.enqueue()
    assert chores.EVENTS["begun"].wait(SOON)
    first.ask_to_stop()
    chores.EVENTS["go"].set()
    first.stop(grace=SOON)
    assert handle.status() is State.COMPLETED


def test_a_job_cannot_end_its_worker(store, worker):
    """SystemExit is its failure; a fork in it is its own affair."""
    worker()
    with pytest.raises(jobs.JobFailed, match="SystemExit: 3"):
        chores.leave.enqueue().result(SOON)
    assert chores.fork.enqueue().result(SOON) == os.getpid()
    assert chores.note.enqueue("next").result(SOON) == "next"


def test_a_store_that_cannot_be_written_is_tried_again(store, worker, caplog, monkeypatch):
    """A worker whose turn fails keeps what it has to say, and says it when the store can be written again."""
    monkeypatch.setattr("weft.jobs.sql.worker._HURT", 0.01)
    worker()
    handle = chores.wait_for_go.enqueue()
    assert chores.EVENTS["begun"].wait(SOON)
    real, failing = store.turn, [3]

    def broken(turn):
        if turn.settled and failing[0]:
            failing[0] -= 1
            raise jobs.StoreError("disk full")
        return real(turn)

    monkeypatch.setattr(store, "turn", broken)
    chores.EVENTS["go"].set()
    assert handle.result(SOON) is False
    assert caplog.text.count("the job store could not be written; trying again") == 3


def test_current_is_for_jobs():
    """Outside of one it says so."""
    with pytest.raises(weft.InvalidCall, match="no job runs this code"):
        jobs.current()


@pytest.mark.parametrize("queues", [{}, {"mail": 0}])
def test_a_worker_needs_a_queue_with_a_slot(store, queues):
    """Nothing to do is a mistake."""
    with pytest.raises(weft.InvalidValue, match="name at least one"):
        jobs.Worker(queues)


def test_a_worker_is_started_once(store, worker):
    """A second start is a mistake; each queue is served by those who name it."""
    made = jobs.embedded(mail=1)
    with pytest.raises(weft.InvalidCall, match="make another"):
        made.start()
    here, elsewhere = chores.note.using(queue="mail").enqueue("a"), chores.note.enqueue("b")
    assert here.result(SOON) == "a"
    assert elsewhere.status() is State.AVAILABLE
    made.stop()
