"""Facts about `weft.executors.threads`; what every executor promises is in `tests/contracts/test_executors.py`."""

import asyncio
import contextvars
import gc
import os
import subprocess
import sys
import textwrap
import threading
import warnings
import weakref
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from contextlib import suppress

import pytest

from weft import clock
from weft.errors import InvalidValue, Overloaded, TaskCancelled
from weft.executors import worker
from weft.executors.lanes import Batch
from weft.executors.lending import lending
from weft.executors.threads import ThreadExecutor
from weft.executors.work import State, Work
from weft.executors.worker import Worker

SOON = 30.0  # seconds for what must happen; not a time that any test waits


@pytest.fixture
def make():
    """A constructor of executors, which are shut down in the end."""
    made = []

    def make(*args, **kwargs):
        made.append(ThreadExecutor(*args, **kwargs))
        return made[-1]

    yield make
    for executor in made:
        executor.shutdown()


class Held:
    """A call that begins and then waits until it is let go."""

    def __init__(self):
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.go.wait(SOON)
        return "let go"


@pytest.fixture
def held():
    """Makes calls that wait; all are let go in the end, before executors are shut down."""
    calls = []

    def held():
        calls.append(Held())
        return calls[-1]

    yield held
    for call in calls:
        call.go.set()


class Probe:
    """Something that can be watched by a weak reference."""


class Ended:
    """Collects works that are done, and can wait for a number of them."""

    def __init__(self):
        self.works = []
        self._more = threading.Condition()

    def __call__(self, work):
        with self._more:
            self.works.append(work)
            self._more.notify_all()

    def wait_for(self, number):
        with self._more:
            assert self._more.wait_for(lambda: len(self.works) >= number, SOON)
        return self.works


@pytest.fixture
def ended():
    return Ended()


def work(done, fn, *args, **options):
    return Work(fn, args, {}, done, **options)


def hold_up(executor, held):
    """Start a work that waits, and wait until it does."""
    call = held()
    begun = work(lambda _: None, call)
    executor.start(begun)
    assert call.begun.wait(SOON)
    return begun, call


def settle(executor, condition):
    """Wait for a figure that changes just after a result can be seen: a worker lies down after its call."""
    for _ in range(100_000):
        if condition(executor.statistics()):
            return
        os.sched_yield()
    pytest.fail(f"never came true: {executor.statistics()}")


# The standard library's door


def test_it_can_be_an_event_loops_default_executor(make):
    """set_default_executor() insists on a ThreadPoolExecutor, and ThreadExecutor is one by type."""
    executor = make(1)
    assert isinstance(executor, ThreadPoolExecutor)

    async def main():
        asyncio.get_running_loop().set_default_executor(executor)
        return await asyncio.to_thread(threading.current_thread)

    assert isinstance(asyncio.run(main()), Worker)


def test_submit_is_not_bounded_by_the_queue_size(make, held):
    """The standard interface never refuses for want of room."""
    executor = make(1, queue_size=0)
    hold_up(executor, held)
    futures = [executor.submit(abs, -1) for _ in range(100)]
    assert executor.statistics().queued == 100
    executor.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in futures)


def test_a_future_cancelled_by_shutdown_is_completed_for_wait(make, held):
    """wait() does not hang on a future that shutdown(cancel_futures=True) has cancelled."""
    executor = make(1)
    hold_up(executor, held)
    future = executor.submit(abs, -1)
    executor.shutdown(wait=False, cancel_futures=True)
    assert wait([future], SOON).done == {future}


def test_buffersize_bounds_how_far_map_reads_ahead(make):
    """map() takes `buffersize` items at once and one more for each result that is asked for."""
    source = iter(range(100))
    results = make(2).map(abs, source, buffersize=3)
    assert next(source) == 3
    assert [next(results), next(results)] == [0, 1]
    assert next(source) == 6
    assert list(results) == [2, 4, 5, *range(7, 100)]


def test_buffersize_must_be_positive(make):
    """Zero would never begin."""
    with pytest.raises(ValueError, match="buffersize"):
        make(1).map(abs, [1], buffersize=0)


def test_a_buffered_map_does_not_go_on_after_shutdown(make):
    """What would have to be fed to the executor is refused, as a submit would be."""
    executor = make(1)
    results = executor.map(abs, range(10), buffersize=2)
    executor.shutdown()
    with pytest.raises(RuntimeError):
        list(results)


def test_a_buffered_map_keeps_its_executor(make):
    """The executor of a map that must still be fed lives as long as the iterator."""
    results = ThreadExecutor(1).map(abs, range(10), buffersize=2)
    gc.collect()
    assert list(results) == list(range(10))


def test_map_uses_all_workers(make):
    """As many calls as there are workers meet at a barrier."""
    barrier = threading.Barrier(4)
    assert sorted(make(4).map(lambda _: barrier.wait(SOON), range(4))) == [0, 1, 2, 3]


def test_map_makes_way_between_two_calls(make):
    """A work that is started while a map runs waits for one call of the map, not for all."""
    executor, order, other = make(1), [], threading.Event()

    def call(number):
        if number == 0:
            executor.start(work(lambda _: other.set(), order.append, "other"))
        order.append(number)

    list(executor.map(call, range(10)))
    assert other.wait(SOON)
    assert order == [0, "other", *range(1, 10)]


def test_map_cancelled_by_shutdown_raises_cancelled_error(make, held):
    """The results of calls that had begun are yielded; the next is a CancelledError."""
    executor, call = make(1), held()
    results = executor.map(lambda number: call() and number, range(10))
    assert call.begun.wait(SOON)
    executor.shutdown(wait=False, cancel_futures=True)
    call.go.set()
    assert next(results) == 0
    with pytest.raises(CancelledError):
        next(results)


def test_map_counts_its_calls(make):
    """Figures count calls and not the lanes in which they run."""
    executor = make(2)
    assert len(list(executor.map(abs, range(50)))) == 50
    executor.shutdown()
    figures = executor.statistics()
    assert (figures.started, figures.finished, figures.queued) == (50, 50, 0)


# Slots that are lent


@pytest.mark.parametrize("size", [1, 3])
def test_nested_submits_never_deadlock(make, size):
    """A worker that waits for a result lends its slot, however deep the nesting."""
    executor = make(size)

    def leaves(depth):
        if depth == 0:
            return 1
        return sum(future.result(SOON) for future in [executor.submit(leaves, depth - 1) for _ in range(2)])

    assert executor.submit(leaves, 4).result(SOON) == 16
    settle(executor, lambda now: now.lent == 0 and now.running == 0)


def test_nested_maps_never_deadlock(make):
    """So does a worker that waits for the next result of a map."""
    executor = make(1)

    def leaves(depth):
        return 1 if depth == 0 else sum(executor.map(leaves, [depth - 1] * 2))

    assert executor.submit(leaves, 3).result(SOON) == 8


def test_any_wait_can_be_wrapped_in_lending(make):
    """`with lending()` serves for waits of which the executor cannot know; blocks may be nested."""
    executor = make(1)

    def outer():
        futures = [executor.submit(abs, -1)]
        with lending(), lending():
            lent = executor.statistics().lent
            return lent, len(wait(futures, SOON).done)

    assert executor.submit(outer).result(SOON) == (1, 1)
    settle(executor, lambda now: now.lent == 0)


def test_lending_does_nothing_on_foreign_threads():
    """The block can be entered anywhere, as often as wanted."""
    with lending(), lending():
        pass


def test_an_exception_leaves_the_lending_block_and_ends_the_loan(make):
    """The slot is reclaimed whatever happens in the block."""
    executor = make(1)

    def call():
        with lending():
            raise LookupError

    assert isinstance(executor.submit(call).exception(SOON), LookupError)
    settle(executor, lambda now: now.lent == 0 and now.idle == 1)


def test_the_pool_shrinks_back_after_a_loan(make, held):
    """When a lender returns, one worker too many is awake; from the next end of a call there are `max_workers`."""
    executor, first = make(1), held()
    lent, back = threading.Event(), threading.Event()

    def lender():
        with lending():
            lent.set()
            assert back.wait(SOON)
        return first()

    returned = executor.submit(lender)
    assert lent.wait(SOON)
    _, second = hold_up(executor, held)
    back.set()
    assert first.begun.wait(SOON)
    assert executor.statistics().running == 2
    queued = executor.submit(abs, -1)
    second.go.set()
    settle(executor, lambda now: now.running == 1)
    assert not queued.done()
    first.go.set()
    assert (returned.result(SOON), queued.result(SOON)) == ("let go", 1)


# weft's own door


def test_a_work_is_done_on_the_worker_with_its_times_and_its_value(make, ended):
    """done() is called once, after the end, with state, value and three times in order."""
    make(1).start(work(ended, abs, -1))
    (done,) = ended.wait_for(1)
    assert (done.state, done.value, done.error) == (State.ENDED, 1, None)
    assert done.queued_at <= done.started_at <= done.ended_at


def test_a_work_runs_in_its_own_context(make, ended):
    """Works bring their context; without one they run in the worker's own, which starts empty."""
    variable = contextvars.ContextVar("variable", default="empty")
    variable.set("set")
    executor = make(1)
    executor.start(work(ended, variable.get, context=contextvars.copy_context()))
    executor.start(work(ended, variable.get))
    assert [done.value for done in ended.wait_for(2)] == ["set", "empty"]


def test_works_that_do_not_fit_are_refused_together(make, held, ended):
    """start_many() takes all or none, says what is full, and counts what it refuses."""
    executor = make(1, thread_name_prefix="shop", queue_size=2)
    hold_up(executor, held)
    with pytest.raises(Overloaded, match=r"shop: 1 calls running, 0 of 2 queued"):
        executor.start_many([work(ended, abs, -1) for _ in range(3)])
    executor.start_many([work(ended, abs, -1) for _ in range(2)])
    with pytest.raises(Overloaded):
        executor.start(work(ended, abs, -1))
    assert (executor.statistics().refused, executor.statistics().queued) == (4, 2)


def test_free_slots_are_room(make, held, ended):
    """With queue_size=0 a work is taken exactly when it can run at once."""
    executor = make(2, queue_size=0)
    hold_up(executor, held)
    executor.start(work(ended, abs, -1))
    ended.wait_for(1)
    settle(executor, lambda now: now.idle == 1)
    hold_up(executor, held)
    with pytest.raises(Overloaded):
        executor.start(work(ended, abs, -1))


def test_owners_share_the_workers_evenly(make, held, ended):
    """An owner with 2 works is not starved by one with 500."""
    executor, order = make(1), []
    _, call = hold_up(executor, held)
    executor.start_many([work(ended, order.append, "many", owner="many") for _ in range(500)])
    executor.start_many([work(ended, order.append, "few", owner="few") for _ in range(2)])
    call.go.set()
    ended.wait_for(502)
    assert order[:4] == ["many", "few", "many", "few"]


def test_one_worker_serves_calls_that_come_one_by_one(make):
    """The last worker to lie down is the first to be woken, so that few threads are ever started."""
    executor = make(8)
    for _ in range(50):
        executor.submit(abs, -1).result(SOON)
        settle(executor, lambda now: now.running == 0 and now.idle == now.workers)
    assert executor.statistics().spawned == 1


def test_the_last_worker_to_lie_down_is_the_first_to_be_woken(make, held):
    """Those at the bottom of the stack grow old and retire."""
    executor = make(2)
    for _, call in [hold_up(executor, held) for _ in range(2)]:
        call.go.set()
    for _ in range(3):
        settle(executor, lambda now: now.idle == 2)
        woken = executor._pool.idle[-1]
        assert executor.submit(threading.current_thread).result(SOON) is woken


def test_works_started_together_run_together(make, ended):
    """One worker is woken by start_many(), and wakes the next: in the end as many run as there is work for."""
    barrier = threading.Barrier(5)
    make(5).start_many([work(ended, barrier.wait, SOON) for _ in range(5)])
    assert sorted(done.value for done in ended.wait_for(5)) == [0, 1, 2, 3, 4]


def test_a_queued_work_that_is_cancelled_never_runs(make, held, ended):
    """cancel() returns True, makes room at once, and keeps done() from being called."""
    executor = make(1, queue_size=1)
    _, call = hold_up(executor, held)
    never, ran = work(ended, pytest.fail, "it ran"), work(ended, abs, -1)
    executor.start(never)
    assert executor.cancel(never)
    assert never.state is State.CANCELLED
    assert not executor.cancel(never)
    executor.start(ran)
    call.go.set()
    assert ended.wait_for(1) == [ran]
    assert executor.statistics().cancelled == 1


def test_a_running_work_that_is_cancelled_lends_its_slot(make, held, ended):
    """cancel() returns False; another call runs in its place; its late end is counted and told to nobody."""
    executor, call = make(1), held()
    stuck = work(ended, call)
    executor.start(stuck)
    assert call.begun.wait(SOON)
    assert not executor.cancel(stuck)
    assert stuck.state is State.ABANDONED
    assert executor.submit(abs, -1).result(SOON) == 1
    figures = executor.statistics()
    assert (figures.abandoned, figures.lent, figures.abandonments) == (1, 1, 1)
    call.go.set()
    settle(executor, lambda now: (now.abandoned, now.lent, now.finished) == (0, 0, 2))
    assert ended.works == []


def test_a_spare_worker_is_used_again_or_retires(make, held):
    """After the stuck call has ended the pool is back to its size, and the surplus worker is idle."""
    executor = make(1, idle_timeout=0)
    stuck, call = hold_up(executor, held)
    executor.cancel(stuck)
    executor.submit(abs, -1).result(SOON)
    call.go.set()
    settle(executor, lambda now: now.workers == 0)
    assert (executor.statistics().spawned, executor.statistics().retired) == (2, 2)


def test_no_more_slots_are_lent_than_are_spare(make, held):
    """With `spare` slots lent the next stuck call keeps its own."""
    executor = make(1, spare=1)
    for _ in range(2):
        executor.cancel(hold_up(executor, held)[0])
    queued = executor.submit(abs, -1)
    figures = executor.statistics()
    assert (figures.abandoned, figures.lent, figures.queued) == (2, 1, 1)
    assert not queued.done()
    executor.shutdown(wait=False, cancel_futures=True)


def test_a_work_abandoned_while_it_lends_has_one_slot_lent(make):
    """Waiting and being abandoned are not counted twice, in whichever order they come and go."""
    executor, lent, back, go = make(1), threading.Event(), threading.Event(), threading.Event()

    def call():
        with lending():
            lent.set()
            assert back.wait(SOON)
        assert go.wait(SOON)

    stuck = work(pytest.fail, call)
    executor.start(stuck)
    assert lent.wait(SOON)
    executor.cancel(stuck)
    assert executor.statistics().lent == 1
    back.set()
    assert executor.submit(abs, -1).result(SOON) == 1
    assert executor.statistics().lent == 1
    go.set()
    settle(executor, lambda now: (now.lent, now.abandoned, now.idle) == (0, 0, 2))


def test_a_work_abandoned_before_it_lends_has_one_slot_lent(make, held):
    """The other way round: it was stuck, and now waits for something nested."""
    executor, lent, back = make(1), threading.Event(), threading.Event()
    first = held()

    def call():
        first()
        with lending():
            lent.set()
            assert back.wait(SOON)

    stuck = work(pytest.fail, call)
    executor.start(stuck)
    assert first.begun.wait(SOON)
    executor.cancel(stuck)
    first.go.set()
    assert lent.wait(SOON)
    assert executor.statistics().lent == 1
    back.set()
    settle(executor, lambda now: (now.lent, now.abandoned, now.idle) == (0, 0, 1))


def test_a_work_that_was_never_started_cannot_be_cancelled(make):
    """cancel() leaves alone what is none of its own."""
    stranger = work(pytest.fail, abs, -1)
    assert not make(1).cancel(stranger)
    assert stranger.state is State.QUEUED


# Ending


def test_shutdown_does_not_wait_for_abandoned_calls(make, held):
    """Nobody waits for them, and neither does shutdown(wait=True), even if it was called before."""
    executor = make(1)
    stuck, _ = hold_up(executor, held)
    waiting = threading.Thread(target=executor.shutdown)
    waiting.start()
    executor.cancel(stuck)
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_shutdown_keeps_its_time_limit(make, held, ended):
    """After `timeout` what is queued is cancelled and told so; what runs is left alone."""
    executor = make(1)
    hold_up(executor, held)
    executor.start(work(ended, abs, -1))
    executor.shutdown(timeout=0.001)
    (dropped,) = ended.works
    assert dropped.state is State.CANCELLED
    assert isinstance(dropped.error, TaskCancelled)


def test_drain_tells_whether_everything_ended(make, held, ended):
    """False: something still runs. Later it can be True."""
    executor = make(1)
    _, call = hold_up(executor, held)
    executor.start(work(ended, abs, -1))
    assert not executor.drain(0.001)
    assert len(ended.works) == 1
    call.go.set()
    assert executor.drain(SOON)
    assert executor.statistics().workers == 0


def test_a_worker_may_shut_its_own_executor_down(make):
    """shutdown(wait=True) does not wait for the thread that calls it."""
    executor = make(2)
    assert executor.submit(executor.shutdown).result(SOON) is None


def test_shutdown_ends_the_threads(make, monkeypatch):
    """With wait=True no thread is alive any more, not even one that is on its way out."""
    run = Worker.run

    def linger(worker):
        run(worker)
        for _ in range(10_000):
            os.sched_yield()

    monkeypatch.setattr(Worker, "run", linger)
    executor = make(4)
    barrier = threading.Barrier(4)
    threads = set(executor.map(lambda _: (barrier.wait(SOON), threading.current_thread())[1], range(4)))
    assert len(threads) == 4
    executor.shutdown()
    assert not any(thread.is_alive() for thread in threads)


def test_a_dropped_executor_lets_its_threads_go():
    """Without a reference to the executor its workers finish what is queued and end."""
    executor = ThreadExecutor(1)
    thread = executor.submit(threading.current_thread).result(SOON)
    futures = [executor.submit(abs, -1) for _ in range(10)]
    del executor
    gc.collect()
    assert [future.result(SOON) for future in futures] == [1] * 10
    thread.join(SOON)
    assert not thread.is_alive()


def test_a_failed_initializer_is_told_to_works_and_maps(make, ended, caplog):
    """Queued works are done with BrokenThreadPool as error; a map raises it."""
    go = threading.Event()

    def initializer():
        go.wait(SOON)
        raise LookupError

    executor = make(1, initializer=initializer)
    results = executor.map(abs, range(3))
    executor.start(work(ended, abs, -1))
    go.set()
    (refused,) = ended.wait_for(1)
    assert type(refused.error).__name__ == "BrokenThreadPool"
    with pytest.raises(type(refused.error)):
        next(results)
    assert "Exception in initializer" in caplog.text


# Workers


@pytest.fixture
def time():
    """A clock that stands still until it is moved."""
    times = [1000.0]
    before = clock.install(lambda: times[0])
    yield times
    clock.install(before)


def test_idle_workers_retire_when_their_time_is_up(make, time):
    """By the clock of weft, the one that has been idle for longest first."""
    executor = make(2, idle_timeout=30)
    barrier = threading.Barrier(2)
    list(executor.map(lambda _: barrier.wait(SOON), range(2)))
    settle(executor, lambda now: now.idle == 2)
    time[0] += 20
    executor.submit(abs, -1).result(SOON)
    settle(executor, lambda now: now.idle == 2)
    assert executor.trim() == 0
    time[0] += 10
    assert executor.trim() == 1
    time[0] += 20
    assert executor.trim() == 1
    assert (executor.statistics().workers, executor.statistics().retired) == (0, 2)
    assert executor.submit(abs, -1).result(SOON) == 1


def test_workers_retire_by_themselves(make):
    """Nobody has to call trim()."""
    executor = make(2, idle_timeout=0.001)
    executor.submit(abs, -1).result(SOON)
    settle(executor, lambda now: now.retired == 1)


def test_a_worker_wakes_in_vain_and_goes_back_to_sleep(make, time):
    """When the lock's timeout passes and weft's clock says that it is too early, the worker stays."""
    executor = make(1, idle_timeout=0.001)
    executor.submit(abs, -1).result(SOON)
    settle(executor, lambda now: now.idle == 1)
    pool, looked = executor._pool, threading.Semaphore(0)
    take = pool.take
    pool.take = lambda worker: (take(worker), looked.release())[0]
    for _ in range(3):
        assert looked.acquire(timeout=SOON)
    assert (executor.statistics().workers, executor.statistics().retired) == (1, 0)
    time[0] += 1
    settle(executor, lambda now: now.retired == 1)


def test_rousing_a_worker_twice_does_no_harm(make):
    """A gate that is open cannot be opened further, and an open gate is not a call."""
    executor = make(1)
    executor.submit(abs, -1).result(SOON)
    settle(executor, lambda now: now.idle == 1)
    (worker,) = executor._pool.workers
    for _ in range(10):
        worker.rouse()
    assert executor.submit(abs, -1).result(SOON) == 1
    assert executor.statistics().spawned == 1


def test_a_thread_is_named_after_what_it_runs(make, ended):
    """The name is the prefix, a number and the label or, without one, the function's name."""
    executor = make(1, thread_name_prefix="shop")

    def load_user():
        return threading.current_thread().name

    executor.start(work(ended, load_user))
    executor.start(work(ended, load_user, label="users"))
    names = [done.value for done in ended.wait_for(2)]
    assert names[0] == f"shop-0 {load_user.__qualname__}"
    assert names[1] == "shop-0 users"
    settle(executor, lambda now: now.idle == 1)
    assert [worker.name for worker in executor._pool.workers] == ["shop-0"]


def test_workers_are_daemons(make):
    """So that the interpreter does not wait for them without limit."""
    assert make(1).submit(threading.current_thread).result(SOON).daemon


def test_what_tidies_up_runs_after_each_call_and_harms_none(make, monkeypatch, caplog):
    """`after_each_call` has a function called once after each call, on its thread, before the outcome is told."""
    monkeypatch.setattr(worker, "_tidies", [])
    where = []

    def tidy():
        where.append(threading.current_thread())
        raise SystemExit

    for _ in range(2):
        worker.after_each_call(tidy)
    executor = make(max_workers=1)
    threads = [executor.submit(threading.current_thread).result(SOON), *executor.map(lambda _: where[-1], [0])]
    assert where[0] is threads[0] is threads[1]
    executor.shutdown()
    assert len(where) == 2
    assert caplog.text.count("after a call") == 2


def test_a_callback_that_raises_does_not_end_the_worker(make, ended, caplog):
    """It is logged; BaseExceptions are no different."""

    def done(_):
        raise SystemExit

    executor = make(1)
    executor.start(work(done, abs, -1))
    executor.start(work(ended, abs, -1))
    ended.wait_for(1)
    assert "exception in the callback" in caplog.text
    assert executor.statistics().spawned == 1


def test_an_exception_that_cannot_be_printed_does_no_harm(make):
    """Neither as the error of a call nor as that of a callback."""

    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    def call():
        raise Unprintable

    executor = make(1)
    assert type(executor.submit(call).exception(SOON)) is Unprintable
    assert executor.submit(abs, -1).result(SOON) == 1


def test_an_idle_worker_keeps_nothing_of_its_last_call(make):
    """Function, arguments and result are gone when their users let go of them."""
    executor = make(1)
    thing = Probe()
    result = executor.submit(lambda given: (given, Probe())[1], thing).result(SOON)
    watched = [weakref.ref(thing), weakref.ref(result)]
    del thing, result
    settle(executor, lambda now: now.idle == 1)
    assert [each() for each in watched] == [None, None]


def test_a_result_of_a_map_lives_as_long_as_its_reader_wants(make):
    """Neither the iterator nor a lane keeps what was yielded."""
    executor = make(1)
    alive = []
    for thing in executor.map(lambda _: Probe(), range(10)):
        alive.append(weakref.ref(thing))
        del thing
        assert alive[-1]() is None


def test_an_exception_takes_its_future_and_its_call_along(make):
    """There is no reference cycle through the traceback: without the garbage collector all goes at once."""

    def call(given):
        raise LookupError

    executor = make(1)
    thing = Probe()
    future = executor.submit(call, thing)
    watched = [weakref.ref(thing), weakref.ref(future)]
    del thing
    settle(executor, lambda now: now.finished == 1 and now.idle == 1)
    gc.disable()
    try:
        with suppress(LookupError):
            future.result()
        del future
        assert [each() for each in watched] == [None, None]
    finally:
        gc.enable()


def test_an_exception_of_a_map_is_in_no_cycle(make):
    """It goes with the handler that has caught it."""
    results = make(1).map(int, ["not a number"])
    gc.disable()
    try:
        try:
            next(results)
        except ValueError as error:
            error.probe = Probe()
            watched = weakref.ref(error.probe)
        assert watched() is None
    finally:
        gc.enable()


def test_a_call_cancelled_in_the_queue_passes_in_silence(make, held, caplog):
    """Its turn comes, nothing is run, and nothing goes wrong."""
    executor = make(1)
    _, call = hold_up(executor, held)
    assert executor.submit(pytest.fail, "it ran").cancel()
    call.go.set()
    assert executor.submit(abs, -1).result(SOON) == 1
    assert caplog.text == ""


def test_a_result_that_comes_when_the_time_is_up_is_taken(make):
    """A map's reader that gave up waiting in the very moment of the wake-up is ready for the next wait."""
    batch = Batch(make(1)._pool, abs, iter([(-1,)]), None)
    gate = batch.gate

    class Late:
        release = gate.release

        def acquire(self, timeout=None):
            if timeout is None:
                return gate.acquire()
            batch.settle(0, batch.results, "late")
            return False

    batch.gate = Late()
    assert batch.wait_for(0, end=0.0) == "late"
    assert gate.locked()


def test_when_no_thread_can_be_started_the_call_is_refused(make, monkeypatch):
    """submit() raises and takes nothing; the executor works again when threads can be had."""
    executor = make(1)

    def start(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            executor.submit(abs, -1)
    figures = executor.statistics()
    assert (figures.queued, figures.workers) == (0, 0)
    assert executor.submit(abs, -1).result(SOON) == 1


def test_when_one_thread_can_be_had_it_does_all_the_work(make, held, monkeypatch):
    """A pool that cannot grow goes on with what it has."""
    executor = make(2)
    _, call = hold_up(executor, held)

    def start(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        future = executor.submit(abs, -1)
        call.go.set()
        assert future.result(SOON) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_workers": 0},
        {"queue_size": -1},
        {"spare": -1},
        {"idle_timeout": -0.1},
        {"exit_grace": -1},
    ],
)
def test_impossible_numbers_are_refused(wrong):
    """The message names the argument and what it must be."""
    with pytest.raises(InvalidValue, match=f"{next(iter(wrong))} must be at least"):
        ThreadExecutor(**wrong)


def test_by_default_the_machine_decides_on_the_number_of_workers(make):
    """max_workers comes from `weft.executors.sizing`."""
    from weft.executors.sizing import thread_workers

    assert make()._max_workers == thread_workers()


# Fork and exit


def fork(child):
    """Run `child` in a forked process; what it returns is the exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # since 3.12: this process has threads
        pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = child()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_starts_afresh(make, held, ended):
    """Workers, queue and figures of the parent do not concern the child; its lock is new."""
    executor = make(1)
    hold_up(executor, held)
    executor.start(work(ended, pytest.fail, "the parent's work ran in the child"))

    def child():
        figures = executor.statistics()
        fresh = (figures.workers, figures.queued, figures.started) == (0, 0, 0)
        return 0 if fresh and executor.submit(abs, -7).result(SOON) == 7 else 1

    with executor._pool.lock:  # whoever held it stays behind
        assert fork(child) == 0


def test_a_fork_inside_a_call_leaves_that_worker(make):
    """The thread that forked is a worker of the child's pool, and may wait for others there."""
    executor = make(1)

    def child():
        nested = executor.submit(abs, -7).result(SOON)
        return 0 if (nested, executor.statistics().running) == (7, 1) else 1

    assert executor.submit(fork, child).result(SOON) == 0


def run(script):
    """Run a script in an interpreter of its own; what it printed, and what it logged."""
    preamble = """
        import logging, os, threading, time
        from weft.executors.threads import ThreadExecutor
    """
    code = textwrap.dedent(preamble) + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SOON, check=True)
    return done.stdout, done.stderr


def test_a_stuck_call_does_not_hold_the_exit():
    """The interpreter waits for `exit_grace` seconds, says that something was lost, and exits."""
    out, err = run("""
        executor = ThreadExecutor(1, exit_grace=0.01)
        stuck = executor.submit(threading.Event().wait)
        never = executor.submit(print, "never")
    """)
    assert out == ""
    assert "the interpreter exits without the calls that still run or wait" in err


def test_calls_that_are_queued_at_exit_are_run():
    """Whatever ends within the grace is run, without a word."""
    assert run("""
        executor = ThreadExecutor(2, exit_grace=30)
        for number in range(100):
            executor.submit(os.write, 1, b".")
    """) == ("." * 100, "")


def test_nothing_can_be_submitted_after_the_exit_has_begun():
    """As with the standard library: RuntimeError."""
    out, _ = run("""
        import atexit
        from weft.executors import pool
        executor = ThreadExecutor(1)
        def late():
            try:
                executor.submit(print, "never")
            except RuntimeError as error:
                print(error)
        atexit.unregister(pool._at_exit)
        atexit.register(late)
        atexit.register(pool._at_exit)
    """)
    assert out == "cannot schedule new futures after shutdown\n"


def test_an_abandoned_call_does_not_cost_the_grace():
    """The exit waits for calls that somebody waits for."""
    _, err = run("""
        from weft.executors.work import Work
        executor = ThreadExecutor(1, exit_grace=1000)
        begun = threading.Event()
        stuck = Work(lambda: begun.set() or threading.Event().wait(), (), {}, print)
        executor.start(stuck)
        begun.wait()
        executor.cancel(stuck)
    """)
    assert err == ""
