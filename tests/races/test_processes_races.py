"""The process executor under callers that come, go and crash at the same time."""

import os
import queue
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from weft.errors import WorkerCrashed
from weft.executors.processes import ProcessExecutor
from weft.executors.work import State, Work


def together(tasks):
    """Run the tasks at the same time, from threads that all wait for each other first."""
    barrier = threading.Barrier(len(tasks))

    def run(task):
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as threads:
        return list(threads.map(run, tasks))


def test_a_work_is_either_done_once_or_cancelled():
    """However a cancellation meets the start or the end of its call: never both, never neither, never twice."""
    rounds = 150
    done = queue.SimpleQueue()
    with ProcessExecutor(2) as executor:
        works = [Work(abs, (-n,), {}, done.put) for n in range(rounds)]
        cancelled = set()
        for n, work in enumerate(works):
            executor.start(work)
            for _ in range(n % 7):  # a little later each time: before, during and after the call
                executor.statistics()
            if executor.cancel(work):
                cancelled.add(work)
    ended = [done.get() for _ in range(done.qsize())]
    assert len(ended) == len(set(ended))
    assert set(ended) == set(works) - cancelled
    assert all(work.state is State.ENDED and work.error is None for work in ended)
    assert all(work.state in {State.CANCELLED, State.ABANDONED} for work in cancelled)


def test_crashes_hit_the_calls_that_crash_and_no_others():
    """Among many callers each gets its own answer, while processes die left and right."""
    with ProcessExecutor(2) as executor:

        def caller(seed):
            dice = random.Random(seed)
            for _ in range(12):
                if dice.random() < 0.25:
                    assert isinstance(executor.submit(os._exit, seed).exception(), WorkerCrashed)
                else:
                    assert executor.submit(abs, -seed).result() == seed

        together([lambda seed=seed: caller(seed) for seed in range(1, 7)])


def test_a_submit_that_meets_the_shutdown_is_refused_or_answered():
    """No future is left behind without an outcome."""
    for _ in range(5):
        executor = ProcessExecutor(2)
        executor.submit(abs, -1).result()
        futures = queue.SimpleQueue()

        def submit(executor=executor, futures=futures):
            with suppress(RuntimeError):
                while True:
                    futures.put(executor.submit(abs, -1))

        together([submit, submit, lambda executor=executor: executor.shutdown(cancel_futures=True)])
        assert all(futures.get().done() for _ in range(futures.qsize()))
        assert executor.statistics().workers == 0


def test_a_future_is_cancelled_or_answered_never_both():
    """`Future.cancel` races with the supervisor that takes the call."""
    with ProcessExecutor(2) as executor:
        futures = [executor.submit(abs, -1) for _ in range(200)]
        said = together([lambda part=futures[n::4]: [future.cancel() for future in part] for n in range(4)])
        for n in range(4):
            for future, cancelled in zip(futures[n::4], said[n], strict=True):
                assert future.cancelled() if cancelled else future.result() == 1


def test_a_shutdown_finds_processes_that_are_only_starting():
    """A kill that comes while a process is on its way up ends it, and the shutdown."""
    for _ in range(5):
        executor = ProcessExecutor(2)
        future = executor.submit(signal.pause)
        executor.shutdown(timeout=0)
        assert future.done()
        assert executor.statistics().workers == 0
