"""CPU-bound calls in scopes: they run beyond the GIL, end at the deadline, and a crash is one call's affair."""

import asyncio
import os
import signal

import pytest

import weft
from weft.clock import now
from weft.outcome import Ok, TimedOut


@weft.cpu
def square(x):
    return x * x, os.getpid()


def spin():
    while True:
        pass


def die(number):
    os.kill(os.getpid(), number)


def test_a_marked_function_runs_in_another_process():
    """Decorated, or marked where it is started."""
    with weft.scope(deadline=30) as scope:
        decorated = scope.start(square, 12)
        marked = scope.start(weft.cpu(os.getpid))
    assert decorated.result()[0] == 144
    assert os.getpid() not in {decorated.result()[1], marked.result()}


def test_a_computation_past_its_deadline_is_killed():
    """Not abandoned: its process is gone, and the next call has a new one."""
    with weft.scope(deadline=30) as scope:
        scope.start(square, 1)  # the workers are up
    started = now()
    with weft.scope(deadline=0.3, join="settled") as scope:
        task = scope.start(weft.cpu(spin))
    late = now() - started - 0.3
    assert task.outcome == TimedOut(0.3)
    assert late < 0.05
    assert weft.run(square, 3)[0] == 9


def test_a_crash_is_the_failure_of_one_call():
    """The error names the signal; calls beside it are unharmed, and the worker is replaced."""
    with weft.scope(deadline=30, join="settled") as scope:
        crash = scope.start(weft.cpu(die), signal.SIGKILL)
        others = [scope.start(square, n) for n in range(6)]
    with pytest.raises(weft.WorkerCrashed, match="SIGKILL"):
        crash.result()
    assert [task.result()[0] for task in others] == [n * n for n in range(6)]


def test_processes_serve_async_code_alike():
    """`await` differs, nothing else does."""

    async def main():
        return await weft.map(square, range(4), deadline=30, join="all")

    assert [value for value, _ in asyncio.run(main())] == [0, 1, 4, 9]


def test_what_cannot_be_pickled_fails_its_call_with_what_to_write():
    """A lambda has no name by which another process could find it."""
    with weft.scope(deadline=30, join="settled") as scope:
        task = scope.start(weft.cpu(lambda: 1))
        fine = scope.start(square, 2)
    assert not task.outcome.ok
    with pytest.raises(Exception, match="module"):
        task.result()
    assert isinstance(fine.outcome, Ok)
