"""Scopes in both colours: what is left of a block is nothing, and what its calls came to is known."""

import asyncio
import contextlib
import contextvars
import threading
import time

import pytest

import weft
from weft.clock import now
from weft.executors.loop import LoopExecutor
from weft.outcome import Cancelled, Failed, Ok, Refused, TimedOut
from weft.runtime import process
from weft.scopes.core import Core
from weft.scopes.join import as_join
from weft.testing.clock import run_virtual, virtual_clock


async def double(x):
    await asyncio.sleep(0)
    return 2 * x


async def forever():
    await asyncio.Event().wait()


def fail():
    raise KeyError("on purpose")


async def fail_async():
    raise KeyError("on purpose")


def in_time(attempt, bound, between=lambda: None):
    """Make the attempt, up to three times: a machine busy with something else may hold up any one of them."""
    for _ in range(3):
        started = now()
        result = attempt()
        took = now() - started
        if took < bound:
            return result
        between()
    raise AssertionError(f"three times in a row too late, at last after {took:.3f} s")


# -- the sync colour


def test_async_and_plain_functions_start_alike_from_a_thread():
    """What is started is the same object, whatever runs it; its value is there when the block is left."""
    with weft.scope(deadline=5) as scope:
        on_loop = scope.start(double, 21)
        on_thread = scope.start(threading.get_ident)
    assert on_loop.result() == 42
    assert on_thread.result() != threading.get_ident()
    assert scope.outcomes() == [Ok(42), on_thread.outcome]


def test_a_result_can_be_had_inside_the_block():
    """`task.result()` waits for that task alone; the others go on."""
    gate = threading.Event()
    with weft.scope(deadline=5) as scope:
        slow = scope.start(gate.wait)
        assert scope.start(double, 1).result() == 2
        assert not slow.done
        gate.set()
    assert slow.result() is True


def test_the_first_failure_cancels_the_rest_and_leaves_as_a_group():
    """join="all": one failure is enough; the others end as Cancelled with the reason."""
    with pytest.raises(ExceptionGroup) as caught, weft.scope() as scope:
        waiting = scope.start(forever)
        scope.start(fail)
    assert [type(e) for e in caught.value.exceptions] == [KeyError]
    assert waiting.outcome == Cancelled("another call of its scope failed")


def test_an_error_of_the_block_itself_leaves_as_it_is():
    """A web framework's own exceptions (abort(404)) must not arrive wrapped in a group."""
    with pytest.raises(LookupError, match="mine"), weft.scope() as scope:
        waiting = scope.start(forever)
        raise LookupError("mine")
    assert waiting.outcome == Cancelled("its scope's block raised LookupError")


def test_settled_raises_nothing_and_each_call_has_its_outcome():
    """Partial results are a first-class answer."""
    with weft.scope(join="settled") as scope:
        scope.start(double, 1)
        scope.start(fail)
    assert scope.outcomes()[0] == Ok(2)
    match scope.outcomes()[1]:
        case Failed(KeyError()):
            pass
        case other:
            pytest.fail(str(other))
    assert scope.values() == [2]


def test_at_the_deadline_what_is_unfinished_is_timed_out():
    """A thread that is stuck and a coroutine that waits end alike, at the deadline and no later than 50 ms after."""
    gate = threading.Event()

    def attempt():
        with weft.scope(deadline=0.1, join="settled") as scope:
            scope.start(double, 1)
            scope.start(forever)
            scope.start(gate.wait)
        return scope.outcomes()

    assert in_time(attempt, 0.15) == [Ok(2), TimedOut(0.1), TimedOut(0.1)]
    gate.set()


def test_a_strict_scope_raises_deadline_exceeded_with_the_partial_results():
    """What did come in time is on the error."""
    with pytest.raises(weft.DeadlineExceeded) as caught, weft.scope(deadline=0.05) as scope:
        scope.start(double, 1)
        scope.start(forever)
    assert caught.value.outcomes == (Ok(2), TimedOut(0.05))
    assert isinstance(caught.value, TimeoutError)


def test_a_deadline_holds_when_the_loop_itself_is_blocked():
    """Somebody's blocking call on the background loop does not hold up a thread beyond its deadline."""
    gate, blocked = threading.Event(), threading.Event()

    async def block_the_loop():
        blocked.set()
        gate.wait(5)

    def attempt():
        gate.clear()
        with weft.scope(deadline=0.1, join="settled") as scope:
            scope.start(block_the_loop)
        return scope

    try:
        scope = in_time(attempt, 0.15, gate.set)
    finally:
        gate.set()
    assert blocked.is_set()
    assert scope.outcomes() == [TimedOut(0.1)]


def test_a_coroutine_that_ignores_cancellation_is_abandoned_and_counted():
    """The deadline does not wait for it; statistics show it until it ends."""
    release = []

    async def stubborn():
        while not release:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    started = now()
    with weft.scope(deadline=0.05, join="settled") as scope:
        task = scope.start(stubborn)
    assert now() - started < 0.1
    assert task.outcome == TimedOut(0.05)
    assert weft.statistics().abandoned_on_loops == 1
    release.append(True)
    with weft.scope(deadline=5) as scope:
        scope.start(until, lambda: weft.statistics().abandoned_on_loops == 0)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_first_success_wins_and_the_rest_are_cancelled():
    """join="first": a failure is no success, and a loser is told why."""
    with weft.scope(join="first") as scope:
        scope.start(fail)
        loser = scope.start(forever)
        scope.start(double, 3)
    assert scope.values() == [6]
    assert loser.outcome == Cancelled("its scope had what it wanted")


def test_a_quorum_out_of_reach_fails_early():
    """Two of three cannot succeed any more when two have failed: nobody waits for the third."""
    with pytest.raises(ExceptionGroup, match="2 had to succeed"), weft.scope(join=weft.quorum(2)) as scope:
        scope.start(fail)
        scope.start(fail_async)
        scope.start(forever)


def test_an_inner_scope_never_outlives_the_outer_one():
    """Deadlines nest: the inner one is clamped, whatever it asks for."""
    with weft.scope(deadline=1.0) as outer, weft.scope(deadline=60) as inner:
        assert inner.deadline == outer.deadline
    with weft.scope(deadline=60) as outer, weft.scope(deadline=1.0) as inner:
        assert inner.deadline < outer.deadline


@pytest.mark.parametrize("own", [None, 60])
def test_an_error_tells_the_deadline_that_was_missed(own):
    """Where an outer deadline comes first, it is its seconds that the outcome and the error tell."""
    with virtual_clock() as clock, pytest.raises(weft.DeadlineExceeded, match="deadline of 3 s") as caught:  # noqa: SIM117
        with weft.scope(deadline=3), weft.scope(deadline=own) as inner:
            late = inner.start(forever)
            clock.advance(3)
    assert (late.outcome, caught.value.after) == (TimedOut(3), 3)


def test_remaining_tells_any_code_how_much_is_left():
    """Code that knows nothing of the scope can bound its own waits, on threads and on the loop."""
    assert weft.remaining() is None

    async def ask():
        return weft.remaining()

    with weft.scope(deadline=10) as scope:
        answers = [scope.start(weft.remaining), scope.start(ask)]
        assert 9 < weft.remaining() <= 10
    assert all(9 < answer.result() <= 10 for answer in answers)


def test_context_variables_travel_into_calls_on_threads_and_on_the_loop():
    """Each call sees a copy of its starter's context; what it sets stays its own."""
    user = contextvars.ContextVar("user")
    user.set("ada")

    def read_and_set():
        seen = user.get()
        user.set("somebody else")
        return seen

    async def read():
        return user.get()

    with weft.scope(deadline=5) as scope:
        tasks = [scope.start(read_and_set), scope.start(read), scope.start(read_and_set)]
    assert [task.result() for task in tasks] == ["ada"] * 3
    assert user.get() == "ada"


def test_a_lambda_around_an_async_function_is_awaited_on_the_loop():
    """The one mistake everybody makes works as meant."""
    with weft.scope(deadline=5) as scope:
        task = scope.start(lambda: double(4))
    assert task.result() == 8


def test_one_task_can_be_cancelled_by_its_handle():
    """The others go on, and a cancelled call is no failure of the scope."""
    with weft.scope(deadline=5) as scope:
        waiting = scope.start(forever)
        scope.start(double, 1)
        waiting.cancel()
    assert waiting.outcome == Cancelled("cancelled by its handle")
    with pytest.raises(weft.TaskCancelled):
        waiting.result()


def test_a_scope_can_be_cancelled_as_a_whole():
    """What is under way ends, what is started later ends at once, and the block goes on."""
    with weft.scope() as scope:
        waiting = scope.start(forever)
        scope.cancel()
        late = scope.start(double, 1)
    assert waiting.outcome == late.outcome == Cancelled("its scope was cancelled")


def test_calls_can_start_calls_in_their_own_scope():
    """A scope ends with the last call, also with those that calls have started."""
    with weft.scope(deadline=5) as scope:

        def parent():
            return scope.start(double, 5)

        child = scope.start(parent)
    assert child.result().result() == 10


def test_nested_scopes_on_a_single_thread_do_not_deadlock():
    """A worker that waits lends its slot, to any depth."""
    weft.close(0)
    weft.configure(threads=1)
    try:

        def nest(depth):
            if not depth:
                return 1
            with weft.scope() as scope:
                parts = [scope.start(nest, depth - 1) for _ in range(2)]
            return sum(part.result() for part in parts)

        with weft.scope(deadline=20) as scope:
            total = scope.start(nest, 4)
        assert total.result() == 16
    finally:
        weft.close(0)
        weft.configure(threads=None)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("colour", ["thread", "loop"])
def test_exits_and_interrupts_in_a_call_hang_nothing(error, colour):
    """They are the outcome of their call, and the loop and the worker go on."""

    def raise_it():
        raise error

    async def raise_it_async():
        raise error

    with weft.scope(deadline=5, join="settled") as scope:
        task = scope.start(raise_it if colour == "thread" else raise_it_async)
        after = scope.start(double, 1)
    assert task.outcome == Failed(error)
    assert after.result() == 2


def test_stop_iteration_of_a_plain_function_arrives_as_it_is():
    """Futures cannot carry it, ours must."""
    with weft.scope(deadline=5, join="settled") as scope:
        task = scope.start(next, iter([]))
    with pytest.raises(StopIteration):
        task.result()


def test_an_error_whose_str_raises_hangs_nothing():
    """Nobody formats a user's exception on the way."""

    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def raise_it():
        raise Unprintable

    with pytest.raises(ExceptionGroup) as caught, weft.scope(deadline=5) as scope:
        scope.start(raise_it)
    assert isinstance(caught.value.exceptions[0], Unprintable)


# -- mistakes are told before anything runs


def test_a_coroutine_that_was_called_already_is_refused_with_the_cure():
    """The message shows the line to write; the coroutine is closed, so that Python does not complain as well."""
    with weft.scope() as scope, pytest.raises(weft.InvalidCall, match=r"write start\(double, \.\.\.\)"):
        scope.start(double(1))


@pytest.mark.parametrize("wrong", [None, 42, "fetch"])
def test_what_cannot_be_called_is_refused(wrong):
    """Before anything runs, and by what was written."""
    with weft.scope() as scope, pytest.raises(weft.InvalidCall, match="is not callable"):
        scope.start(wrong)


@pytest.mark.parametrize("deadline", [-1, 0, float("nan")])
def test_an_impossible_deadline_is_refused(deadline):
    """No time at all is a mistake, not a very strict deadline."""
    with pytest.raises(weft.InvalidValue, match="above 0"):
        weft.scope(deadline=deadline)


@pytest.mark.parametrize("deadline", ["2", True, [1]])
def test_a_deadline_that_is_no_number_is_refused(deadline):
    """Its type is told, with an example."""
    with pytest.raises(weft.InvalidCall, match=r"write deadline=2\.0"):
        weft.scope(deadline=deadline)


def test_a_start_after_the_end_is_refused():
    """Nothing outlives its scope, and nothing joins it later."""
    with weft.scope() as scope:
        pass
    with pytest.raises(weft.ScopeClosed, match="has ended"):
        scope.start(double, 1)


def test_a_start_before_the_beginning_shows_the_with():
    """A scope that was never entered owns nothing."""
    with pytest.raises(weft.ScopeClosed, match="with weft.scope"):
        weft.scope().start(double, 1)


def test_a_scope_is_entered_once():
    """Two blocks need two scopes."""
    with weft.scope() as scope, pytest.raises(weft.ScopeClosed, match="make a new one"):
        scope.__enter__()


# -- the async colour


def test_the_same_words_work_in_async_code():
    """`async with` and `await` are all that differs."""

    async def main():
        async with weft.scope(deadline=5) as scope:
            on_loop = scope.start(double, 21)
            on_thread = scope.start(threading.get_ident)
            assert await on_loop == 42
        assert await on_thread != threading.get_ident()
        return scope.outcomes()

    assert asyncio.run(main())[0] == Ok(42)


def test_an_async_scope_runs_on_the_loop_it_is_opened_on():
    """No second loop, no thread: objects that belong to the server's loop stay usable."""

    async def where():
        return asyncio.get_running_loop()

    async def main():
        async with weft.scope() as scope:
            task = scope.start(where)
        return await task is asyncio.get_running_loop()

    assert asyncio.run(main())


def test_blocking_waits_on_a_loops_thread_are_refused_with_the_line_to_write():
    """Each of them names its replacement, and nothing blocks."""

    async def main():
        with pytest.raises(weft.WouldBlock, match="async with weft.scope"):
            weft.scope().__enter__()
        with pytest.raises(weft.WouldBlock, match=r"await weft\.map"):
            weft.map(double, [1]).outcomes()
        with pytest.raises(weft.WouldBlock, match=r"await .*double"):
            weft.run(double, 1)
        async with weft.scope() as scope:
            task = scope.start(double, 1)
            with pytest.raises(weft.WouldBlock, match="await task"):
                task.result()
        assert task.result() == 2  # ended: nothing to wait for

    asyncio.run(main())


def test_trouble_cuts_an_async_block_short():
    """A block that waits for something else does not hold up the failure of its calls."""

    async def main():
        async with weft.scope() as scope:
            scope.start(fail)
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup, match="1 of 1 calls failed"):
        asyncio.run(main())


def test_the_deadline_cuts_an_async_block_short():
    """Also where the join is settled: the block has not come to its end, and that must be known."""

    async def main():
        async with weft.scope(deadline=2, join="settled"):
            await asyncio.Event().wait()

    with pytest.raises(weft.DeadlineExceeded, match="the block was not done"):
        run_virtual(main())


def test_a_cancellation_from_outside_goes_through():
    """`asyncio.timeout` around a scope works as around anything else, and the calls are cancelled."""

    async def main():
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1), weft.scope() as scope:
                task = scope.start(forever)
                await asyncio.Event().wait()
        assert not isinstance(caught.value, weft.DeadlineExceeded)
        assert isinstance(task.outcome, Cancelled)
        assert asyncio.current_task().cancelling() == 0

    run_virtual(main())


def test_a_cancellation_while_the_block_waits_at_its_end_goes_through():
    """The calls are cancelled first, and none is left behind."""

    async def main():
        async def host():
            async with weft.scope() as scope:
                tasks.append(scope.start(forever))

        tasks = []
        running = asyncio.create_task(host())
        await until(lambda: tasks and tasks[0].started_at)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert isinstance(tasks[0].outcome, Cancelled)

    asyncio.run(main())


def test_a_sync_scope_inside_an_async_one_runs_on_the_servers_loop():
    """A plain view called on a thread by an async server starts no second loop."""

    async def where():
        return asyncio.get_running_loop()

    def view():
        with weft.scope() as inner:
            task = inner.start(where)
        return task.result()

    async def main():
        async with weft.scope() as scope:
            task = scope.start(view)
        return await task is asyncio.get_running_loop()

    assert asyncio.run(main())


def test_cancelling_the_outer_scope_reaches_a_scope_opened_on_a_thread():
    """Nothing outlives its scope, through any nesting of colours."""
    inner_tasks = []

    def view():
        with weft.scope(join="settled") as inner:
            inner_tasks.append(inner.start(forever))

    async def main():
        async with weft.scope() as scope:
            scope.start(view)
            await until(lambda: inner_tasks and inner_tasks[0].started_at)
            scope.cancel()
        await until(lambda: inner_tasks[0].done)

    asyncio.run(main())
    assert isinstance(inner_tasks[0].outcome, Cancelled)


def test_a_task_can_be_awaited_on_another_loop_than_its_own():
    """A handle has no colour and no home."""
    with weft.scope(deadline=5) as scope:
        gate = threading.Event()
        task = scope.start(gate.wait)

        async def elsewhere():
            asyncio.get_running_loop().call_soon(gate.set)
            return await task

        assert asyncio.run(elsewhere()) is True


def test_async_code_hands_blocking_functions_to_wefts_threads():
    """`await weft.to_thread(fn)` returns the value, raises the error, and carries the context."""
    tenant = contextvars.ContextVar("tenant")

    async def main():
        tenant.set("acme")
        assert await weft.to_thread(tenant.get) == "acme"
        with pytest.raises(KeyError):
            await weft.to_thread(fail)

    asyncio.run(main())


# -- time, under the virtual clock


@pytest.mark.parametrize("cancelled_by", ["its owner", "its first success"])
def test_a_cancelled_scope_whose_block_goes_on_keeps_its_deadline(cancelled_by):
    """Losers cancelled, block still at work: when the time is up, the block is cut short as in any other scope."""
    join = "settled" if cancelled_by == "its owner" else "first"

    async def main():
        started = now()
        with pytest.raises(weft.DeadlineExceeded, match="the block was not done"):
            async with weft.scope(deadline=1, join=join) as scope:
                scope.start(double, 1)
                if cancelled_by == "its owner":
                    scope.cancel()
                await asyncio.sleep(60)
        assert asyncio.current_task().cancelling() == 0
        return now() - started

    assert run_virtual(main()) == pytest.approx(1)


def test_a_call_started_after_the_deadline_does_not_run():
    """It is timed out at once, also where it is the first and no timer has run yet."""
    ran = []

    async def note():
        ran.append(True)

    with virtual_clock() as clock:
        with weft.scope(deadline=1, join="settled") as scope:
            clock.advance(2)
            late = scope.start(note)
        assert late.outcome == TimedOut(1)
        clock.settle()  # what the loop launches after us, it must launch at this clock's time
    assert not ran


def test_hours_pass_in_no_time_under_the_virtual_clock():
    """The deadline of an hour is met to the second, without anybody sleeping."""
    real_start = time.monotonic()
    with virtual_clock() as clock, weft.scope(deadline=3600, join="settled") as scope:
        task = scope.start(forever)
        clock.advance(3599)
        assert not task.done
        clock.advance(1)
        assert task.outcome == TimedOut(3600)
        assert task.ended_at - task.created_at == 3600
    assert time.monotonic() - real_start < 5


def test_an_attempt_has_its_own_timeout():
    """`using(timeout=…)` ends one call, the scope goes on."""

    async def main():
        async with weft.scope(join="settled", deadline=60) as scope:
            slow = scope.start(weft.call(asyncio.sleep, 10).using(timeout=1))
            fast = scope.start(weft.call(asyncio.sleep, 0.5, "done").using(timeout=1))
        assert slow.outcome == TimedOut(1.0)
        assert fast.outcome == Ok("done")
        assert slow.ended_at - slow.created_at == pytest.approx(1)

    run_virtual(main())


def test_a_retry_waits_and_tries_again():
    """The third attempt succeeds; the handle says how many there were."""
    tries = []

    async def flaky():
        tries.append(now())
        if len(tries) < 3:
            raise ConnectionError("lost")
        return "got it"

    async def main():
        async with weft.scope(deadline=60) as scope:
            task = scope.start(weft.call(flaky).using(retry=weft.Retry(3, backoff=1.0)))
        assert task.outcome == Ok("got it")
        assert task.attempts == 3

    run_virtual(main())


def test_a_refused_call_never_runs():
    """A full limit without a waiting room refuses, with the reason; the call is not made."""
    ran = []

    async def main():
        weft.limit("tiny", 1, waiting=0)
        async with weft.scope(join="settled", deadline=60) as scope:
            scope.start(weft.call(asyncio.sleep, 1).using(limit="tiny"))
            await asyncio.sleep(0.1)
            return scope.start(weft.call(ran.append, 1).using(limit="tiny"))

    task = run_virtual(main())
    assert task.outcome == Refused("limit 'tiny' is full: 1 running, 0 waiting")
    assert not ran


def test_a_scope_with_500_calls_does_not_starve_one_with_two():
    """Threads are dealt round robin between scopes: the small request's calls run among the first of the big one's."""
    weft.configure(threads=1)
    gate, order = threading.Event(), []

    with weft.scope(deadline=30) as outer:
        outer.start(gate.wait)  # holds the only thread until both scopes have queued all they have
        with weft.scope(deadline=30) as big, weft.scope(deadline=30) as small:
            for _ in range(500):
                big.start(order.append, "big")
            for _ in range(2):
                small.start(order.append, "small")
            weft.run(asyncio.sleep, 0)
            gate.set()
    assert max(place for place, who in enumerate(order) if who == "small") <= 4
    assert len(order) == 502


def test_a_closed_loop_of_an_inner_scope_does_not_keep_the_others_waiting():
    """Cancelling a scope goes past inner scopes whose loop is gone, and reaches those that are still there."""
    gone = asyncio.new_event_loop()

    async def main():
        async with weft.scope(join="settled") as outer:
            waiting = outer.start(forever)
            outer.core.adopt(Core(LoopExecutor(gone), process.runtime(), as_join("all"), until=None, allowed=None))
            gone.close()
            outer.cancel()
        return waiting.outcome

    assert isinstance(asyncio.run(main()), Cancelled)


def test_asking_again_and_again_leaves_nothing_behind():
    """A task that is polled keeps no memory of those who have gone."""
    gate = threading.Event()
    with weft.scope(deadline=10) as scope:
        task = scope.start(gate.wait)
        for _ in range(5):
            with pytest.raises(TimeoutError, match="it goes on"):
                task.result(timeout=0.001)
        assert task._waiters == []
        gate.set()
    assert task.result() is True


def test_an_outer_scope_does_not_remember_inner_ones_that_have_ended():
    """A hundred inner scopes of a long one leave nothing behind, also where the end comes before the greeting."""

    async def main():
        async with weft.scope() as outer:
            for _ in range(100):
                async with weft.scope() as inner:
                    inner.start(double, 1)
            outer.core.adopt(inner.core)  # a greeting from another loop can be this late
            return set(outer.core._children)

    assert asyncio.run(main()) == set()
