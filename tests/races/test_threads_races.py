"""Races inside the thread executor: threads are switched every microsecond, and the accounts must balance."""

import gc
import os
import random
import sys
import threading
from concurrent.futures import CancelledError, wait
from functools import partial

import pytest

from weft.executors.lending import lending
from weft.executors.threads import ThreadExecutor
from weft.executors.work import State, Work

SOON = 60.0  # seconds for what must happen; not a time that any test waits


@pytest.fixture(autouse=True)
def _switch_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*calls):
    """Run calls at the same time, each on its own thread; raise what they raise."""
    barrier, errors = threading.Barrier(len(calls)), []

    def run(call):
        barrier.wait(SOON)
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def balanced(executor):
    """Whether the books of an executor at rest are in order."""
    pool = executor._pool
    with pool.lock:
        return (pool.awake, pool.waiting, pool.stuck, len(pool.queue)) == (0, 0, 0, 0) and (
            pool.slots == pool.settings.max_workers
            and len(pool.idle) == len(pool.workers)
            and pool.started == pool.finished
        )


def at_rest(executor):
    for _ in range(1_000_000):
        if balanced(executor):
            return True
        os.sched_yield()
    return False


def test_every_future_gets_the_result_of_its_own_call():
    """Many threads submit and map at the same time, to few workers."""
    with ThreadExecutor(3) as executor:

        def submit():
            futures = [(number, executor.submit(pow, number, 2)) for number in range(200)]
            assert all(future.result(SOON) == number**2 for number, future in futures)

        def collect():
            for _ in range(5):
                assert list(executor.map(abs, range(100), timeout=SOON)) == list(range(100))
                assert list(executor.map(abs, range(50), buffersize=3)) == list(range(50))

        together(submit, submit, submit, collect, collect)
        assert at_rest(executor)


def test_a_work_is_either_done_once_or_cancelled():
    """done() is called exactly once unless cancel() said True or the work was abandoned; then never."""
    done = []
    with ThreadExecutor(2, queue_size=None) as executor:
        works = [Work(abs, (-1,), {}, done.append, owner=number % 3) for number in range(1500)]
        cancelled = set()

        def start():
            for first in range(0, len(works), 10):
                executor.start_many(works[first : first + 10])

        def cancel():
            for work in works:
                if executor.cancel(work):
                    cancelled.add(work)

        together(start, cancel, cancel)
        assert at_rest(executor)
    assert len(done) == len(set(done))
    assert cancelled == {work for work in works if work.state is State.CANCELLED}
    abandoned = {work for work in works if work.state is State.ABANDONED}
    assert set(done) == set(works) - cancelled - abandoned


def cancel_once_begun(executor, work, begun):
    assert begun.wait(SOON)
    executor.cancel(work)


def test_a_call_abandoned_at_its_end_gives_its_slot_back():
    """Whether cancel() or the end comes first, no slot is lent for ever."""
    with ThreadExecutor(2) as executor:
        for _ in range(300):
            begun = threading.Event()
            work = Work(begun.set, (), {}, lambda _: None)
            together(partial(executor.start, work), partial(cancel_once_begun, executor, work, begun))
        assert at_rest(executor)


def test_no_call_is_lost_between_retiring_and_waking():
    """Workers whose time is up at once retire while calls come in."""
    with ThreadExecutor(2, idle_timeout=0) as executor:

        def submit():
            for _ in range(150):
                assert executor.submit(abs, -1).result(SOON) == 1

        together(submit, submit, executor.trim, submit)
        assert executor.statistics().retired > 0


def test_loans_balance_under_load():
    """Nested calls from many threads on a pool of one; in the end no slot is lent."""
    with ThreadExecutor(1) as executor:

        def leaves(depth):
            if depth == 0:
                return 1
            with lending():
                return sum(executor.map(leaves, [depth - 1] * 2)) + executor.submit(leaves, 0).result(SOON)

        def ask():
            for _ in range(5):
                assert executor.submit(leaves, 3).result(SOON) == 15

        together(ask, ask, ask)
        assert at_rest(executor)


@pytest.mark.parametrize("cancel", [False, True])
def test_whatever_was_taken_before_shutdown_comes_to_an_end(cancel):
    """A future or map that submit() or map() has returned is completed, whenever shutdown() came in between."""
    for _ in range(20):
        executor, futures, maps = ThreadExecutor(2), [], []

        def submit(executor=executor, futures=futures):
            while True:
                try:
                    futures.append(executor.submit(abs, -1))
                except RuntimeError:
                    return

        def collect(executor=executor, maps=maps):
            while True:
                try:
                    maps.append(executor.map(abs, range(10), timeout=SOON))
                except RuntimeError:
                    return

        together(submit, submit, collect, lambda executor=executor: executor.shutdown(cancel_futures=cancel))
        assert not wait(futures, SOON).not_done
        for results in maps:
            try:
                assert list(results) == list(range(10))
            except CancelledError:
                assert cancel


def test_a_map_that_is_given_up_leaves_nothing_behind():
    """Its time is up in the moment in which a result arrives, or its reader goes away."""
    with ThreadExecutor(2) as executor:

        def give_up():
            chance = random.Random(7)
            for _ in range(100):
                results = executor.map(abs, range(20), timeout=chance.random() / 2000)
                try:
                    for expected, result in enumerate(results):
                        assert expected == result
                        if chance.random() < 0.1:
                            break
                except TimeoutError:
                    pass
                results.close()

        together(give_up, give_up, give_up)
        assert at_rest(executor)


def test_the_threads_of_a_dropped_executor_always_end():
    """Whatever its workers do when the last reference goes, no one of them sleeps on."""
    for _ in range(30):
        executor = ThreadExecutor(3, idle_timeout=None)
        futures = [executor.submit(abs, -1) for _ in range(5)]
        workers = set(executor._pool.workers)
        del executor
        gc.collect()
        assert not wait(futures, SOON).not_done
        for worker in workers:
            worker.join(SOON)
            assert not worker.is_alive()


def test_a_failing_initializer_leaves_no_call_without_an_answer(caplog):
    """Workers fail one after the other while calls come in: each is refused or told."""
    for _ in range(20):
        executor, futures = ThreadExecutor(3, initializer=exec, initargs=("raise LookupError",)), []

        def submit(executor=executor, futures=futures):
            for _ in range(20):
                try:
                    futures.append(executor.submit(abs, -1))
                except RuntimeError:
                    return

        together(submit, submit)
        assert not wait(futures, SOON).not_done
        assert all(isinstance(future.exception(), RuntimeError) for future in futures)
        executor.shutdown()
        assert (executor._pool.awake, executor.statistics().workers) == (0, 0)
