"""Races between callers, the loop and the clock, provoked with a tiny switch interval, barriers and repetition."""

import asyncio
import random
import sys
import threading

import pytest

import weft
from weft.outcome import Cancelled, Failed, Ok, TimedOut

CALLERS = 8


@pytest.fixture(autouse=True)
def _tiny_switch_interval():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(caller, count=CALLERS):
    """Run `caller(number)` on threads that start together; errors of any of them are raised."""
    barrier, errors = threading.Barrier(count), []

    def run(number):
        barrier.wait()
        try:
            caller(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


async def echo(x):
    await asyncio.sleep(0)
    return x


def identity(x):
    return x


def test_no_answer_is_lost_or_mixed_up_between_callers():
    """Eight threads, each with many scopes of mixed calls: each gets its own values, in order."""

    def caller(number):
        for turn in range(40):
            with weft.scope(deadline=30) as scope:
                for n in range(10):
                    scope.start(echo if n % 2 else identity, (number, turn, n))
            assert scope.values() == [(number, turn, n) for n in range(10)]

    in_threads(caller)


def test_every_task_has_exactly_one_outcome_whoever_ends_it():
    """Cancelled by its handle, by its scope, by the deadline or by its end: one outcome, and it never changes."""
    chance = random.Random(7)

    def caller(_):
        for _ in range(60):
            with weft.scope(deadline=0.02, join="settled") as scope:
                tasks = [scope.start(asyncio.sleep, chance.choice([0, 0.001, 0.019, 0.02, 5])) for _ in range(6)]
                chance.choice(tasks).cancel()
                if chance.random() < 0.2:
                    scope.cancel()
            seen = scope.outcomes()
            assert all(isinstance(outcome, Ok | Cancelled | TimedOut) for outcome in seen)
            assert seen == scope.outcomes()

    in_threads(caller)
    assert weft.statistics().limits[0].inside == 0


def test_results_asked_for_by_many_threads_at_once():
    """Every waiter of a task is woken, whether it came before the end, with it, or after."""
    for _ in range(50):
        gate = threading.Event()
        with weft.scope(deadline=30) as scope:
            task = scope.start(gate.wait)

            def caller(number, task=task, gate=gate):
                if number == 0:
                    gate.set()
                assert task.result(timeout=20) is True

            in_threads(caller, 4)


def test_batches_of_many_callers_share_a_limit_and_lose_nothing():
    """Four callers stream 300 calls each through one limit of three."""
    weft.limit("shared", 3)

    def caller(number):
        got = [outcome.unwrap() for outcome in weft.map(echo, [(number, n) for n in range(300)], limit="shared")]
        assert got == [(number, n) for n in range(300)]

    in_threads(caller, 4)
    [shared] = [limit for limit in weft.statistics().limits if limit.name == "shared"]
    assert (shared.inside, shared.queued) == (0, 0)


def test_starting_while_the_scope_ends_is_done_or_told():
    """A call started at the very end by another thread runs, or is cancelled, or is refused; none is forgotten."""
    for _ in range(100):
        tasks, ready = [], threading.Event()

        def latecomer(scope, tasks=tasks, ready=ready):
            ready.set()
            try:
                while True:
                    tasks.append(scope.start(echo, 1))
                    if len(tasks) > 200:
                        return
            except weft.ScopeClosed:
                pass

        with weft.scope(deadline=10) as scope:
            helper = threading.Thread(target=latecomer, args=(scope,))
            helper.start()
            ready.wait()
        helper.join(10)
        assert not helper.is_alive()
        for task in tasks:
            waited = task.outcome or _outcome_of(task)
            assert isinstance(waited, Ok | Cancelled), waited


def _outcome_of(task):
    try:
        return Ok(task.result(timeout=10))
    except weft.TaskCancelled:
        return task.outcome
    except BaseException as error:
        return Failed(error)


def test_a_limit_redefined_under_load_keeps_working():
    """Calls inside the old limit give back to the old one; the new one counts its own."""

    def caller(number):
        for turn in range(50):
            if number == 0:
                weft.limit("moving", 1 + turn % 3)
            weft.map(echo, range(5), limit="moving", deadline=20).values()

    weft.limit("moving", 2)
    in_threads(caller, 4)
