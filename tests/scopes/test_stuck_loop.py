"""A blocking call on the event loop stops everything that runs there, and no deadline of a thread that waits."""

import threading

import pytest

import weft
from weft.clock import now
from weft.outcome import TimedOut


@pytest.fixture
def gate():
    """Opens when the test is over; whoever waits for it on the loop has stuck the loop."""
    gate = threading.Event()
    yield gate
    gate.set()


def seconds(attempt):
    """The shortest of three attempts: a machine busy with something else may hold up any one of them."""
    return min(_timed(attempt) for _ in range(3))


def _timed(attempt):
    started = now()
    attempt()
    return now() - started


def test_waiting_for_one_call_ends_with_the_deadline(gate):
    """`task.result()` in the block of a scope, with or without a timeout of its own."""

    async def stuck():
        gate.wait()

    for timeout in (None, 60):

        def attempt(timeout=timeout):
            with pytest.raises(weft.DeadlineExceeded), weft.scope(deadline=0.1) as scope:
                scope.start(stuck).result(timeout)

        assert seconds(attempt) < 0.15


def test_a_batch_ends_with_the_deadline(gate):
    """Its consumer has waited long enough; the end of its scope does not wait once more."""

    async def stuck(_):
        gate.wait()

    def attempt():
        assert weft.map(stuck, [1, 2], deadline=0.1).outcomes() == [TimedOut(0.1)] * 2

    assert seconds(attempt) < 0.15


def test_a_timeout_shorter_than_the_deadline_leaves_the_call_under_way(gate):
    """It says so, and the call may still end."""

    async def stuck():
        gate.wait()
        return 1

    with weft.scope(deadline=60) as scope:
        task = scope.start(stuck)
        with pytest.raises(TimeoutError, match="it goes on"):
            task.result(timeout=0.001)
        gate.set()
    assert task.result() == 1


def test_tasks_as_they_complete_end_with_the_deadline(gate):
    """Those of a stuck loop have timed out when their time is up."""

    async def stuck():
        gate.wait()

    def attempt():
        with weft.scope(deadline=0.1, join="settled") as scope:
            tasks = [scope.start(stuck), scope.start(stuck)]
            assert [task.outcome for task in weft.as_completed(tasks)] == [TimedOut(0.1)] * 2

    assert seconds(attempt) < 0.15
