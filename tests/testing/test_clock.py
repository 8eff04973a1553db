"""The virtual clock: time passes when it is told to, and to the point."""

import asyncio
import threading

import pytest

import weft
from weft.clock import now
from weft.testing.clock import run_virtual, virtual_clock


def test_sleeps_end_in_the_order_of_their_time():
    """Each timer sees the time it was set for, not the time at the end of the leap."""
    seen = []

    async def sleeper(seconds):
        await asyncio.sleep(seconds)
        seen.append((seconds, now() - start))

    with virtual_clock() as clock, weft.scope() as scope:
        start = clock.now()
        for seconds in (3, 1, 2):
            scope.start(sleeper, seconds)
        clock.advance(10)
        assert seen == [(1, 1), (2, 2), (3, 3)]
        assert clock.now() - start == 10


def test_time_stands_still_by_itself():
    """Without `advance` nothing that waits for a time goes on."""
    with virtual_clock() as clock, weft.scope(join="settled") as scope:
        task = scope.start(asyncio.sleep, 0.001)
        clock.settle()
        assert not task.done
        clock.advance(0.001)
        assert task.done


def test_a_thread_waits_in_virtual_time_too():
    """A deadline of 10 ms does not pass for a thread that waits for longer in truth, while the clock stands still."""

    def wait():
        with pytest.raises(weft.DeadlineExceeded):
            task.result()

    with virtual_clock() as clock, weft.scope(deadline=0.01, join="settled") as scope:
        task = scope.start(asyncio.Event().wait)
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        assert not task.done
        clock.advance(0.01)
        waiting.join(5)
        assert not waiting.is_alive()


def test_a_coroutine_leaps_over_its_waits():
    """`run_virtual` is asyncio.run without the waiting."""

    async def main():
        start = now()
        await asyncio.sleep(86_400)
        return now() - start

    assert run_virtual(main()) == 86_400


def test_time_waits_for_threads_at_work():
    """A call on a thread takes no virtual time, however long it really takes."""
    gate = threading.Event()

    async def main():
        asyncio.get_running_loop().call_soon(threading.Timer(0.05, gate.set).start)
        async with weft.scope(deadline=1) as scope:
            scope.start(gate.wait)

    run_virtual(main())


def test_the_real_clock_comes_back():
    """After the block, deadlines are real again, and the runtime is the one from before."""
    before = weft.statistics
    with virtual_clock() as clock:
        assert now() == clock.now()
    assert now() != clock.now()
    assert weft.statistics is before


def test_a_loop_that_never_rests_is_reported():
    """Instead of a test that hangs."""

    async def restless():
        while True:
            await asyncio.sleep(0)

    with virtual_clock(), weft.scope() as scope:
        scope.start(restless)
        loop = scope.core.loop.loop
        with pytest.raises(TimeoutError, match="come to rest"):
            loop.wait_until_idle(0.05)
        scope.cancel()
