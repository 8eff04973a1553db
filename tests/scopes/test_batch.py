"""Batches: results in order, inputs of any length, and the same handle in both colours."""

import asyncio
import itertools
import threading
import tracemalloc

import pytest

import weft
from weft.outcome import Failed, Ok, TimedOut
from weft.testing.clock import run_virtual, virtual_clock


async def double(x):
    await asyncio.sleep(0)
    return 2 * x


def triple(x):
    return 3 * x


async def odd_fails(x):
    if x % 2:
        raise ValueError(x)
    return x


async def forever(*_):
    await asyncio.Event().wait()


@pytest.mark.parametrize("fn", [double, triple])
@pytest.mark.parametrize("limit", [1, 3, 100, None])
def test_outcomes_come_in_the_order_of_the_input(fn, limit):
    """Whatever ends first, and however many run at once."""
    outcomes = weft.map(fn, range(50), limit=limit, deadline=20).outcomes()
    assert outcomes == [Ok(fn(x) if fn is triple else 2 * x) for x in range(50)]


def test_values_are_strict():
    """The first failure cancels the rest and is raised in a group; with none, the values come in order."""
    assert weft.map(double, range(5)).values() == [0, 2, 4, 6, 8]
    with pytest.raises(ExceptionGroup) as caught:
        weft.map(odd_fails, range(5)).values()
    assert isinstance(caught.value.exceptions[0], ValueError)


def test_await_gives_outcomes_or_with_a_strict_join_values():
    """`await` and `.result()` answer what the join asks for."""

    async def main():
        assert await weft.map(double, [1, 2]) == [Ok(2), Ok(4)]
        assert await weft.map(double, [1, 2], join="all") == [2, 4]
        with pytest.raises(ExceptionGroup):
            await weft.map(odd_fails, [1, 2], join="all")

    asyncio.run(main())
    assert weft.map(double, [1, 2]).result() == [Ok(2), Ok(4)]
    assert weft.map(double, [1, 2], join="all").result() == [2, 4]


def test_several_iterables_feed_several_arguments():
    """As with the built-in map, the shortest ends it."""

    async def add(a, b):
        return a + b

    assert weft.map(add, [1, 2, 3], [10, 20]).values() == [11, 22]


def test_no_more_run_at_once_than_the_limit():
    """The highest number under way at any time is the limit itself."""
    running, most = 0, 0

    async def count(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    weft.map(count, range(200), limit=7).values()
    assert most == 7


def test_an_endless_input_is_pulled_only_as_needed():
    """Reading ten outcomes of an endless input starts little more, and leaving the loop cancels the rest."""
    pulled = itertools.count()
    taken = []
    for outcome in weft.map(double, pulled, limit=5):
        taken.append(outcome.unwrap())
        if len(taken) == 10:
            break
    assert taken == [2 * n for n in range(10)]
    assert next(pulled) < 10 + 2 * 5 + 16 + 2


def test_a_slow_input_does_not_hold_back_what_has_ended():
    """Each outcome is handed out before the input is asked for one more item than it must be."""
    taken, taken_at_pull = [], []

    async def note(x):
        return x

    def slowly():
        for n in range(5):
            yield n
            weft.run(asyncio.sleep, 0)  # by its end, the call that was started before it on the same loop has ended
            taken_at_pull.append(len(taken))

    for outcome in weft.map(note, slowly(), limit=100):
        taken.append(outcome.unwrap())  # noqa: PERF401 - the input looks at the list meanwhile
    assert taken == [0, 1, 2, 3, 4]
    assert taken_at_pull == [0, 1, 2, 3, 4]


def test_a_long_input_runs_in_constant_memory():
    """Twenty times as many streamed outcomes take no more memory at their peak."""

    def peak(count):
        tracemalloc.start()
        try:
            assert sum(1 for _ in weft.map(quick, iter(range(count)), limit=50)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    async def quick(x):
        return x

    peak(1_000)
    assert peak(20_000) < 1.5 * peak(1_000) + 100_000


@pytest.mark.parametrize("source", [range(100), iter(range(100))])
def test_streaming_in_async_code(source):
    """`async for` gives the same outcomes in the same order."""

    async def main():
        return [outcome.unwrap() async for outcome in weft.map(double, source, limit=8)]

    assert asyncio.run(main()) == [2 * x for x in range(100)]


def test_an_async_input_is_pulled_as_needed():
    """An async generator feeds a batch in async code; in a thread it is refused with what to write."""

    async def numbers():
        for n in range(20):
            await asyncio.sleep(0)
            yield n

    async def main():
        return [outcome.unwrap() async for outcome in weft.map(double, numbers(), limit=3)]

    assert asyncio.run(main()) == [2 * n for n in range(20)]
    with pytest.raises(weft.InvalidCall, match="async for"):
        weft.map(double, numbers()).outcomes()


def test_as_completed_hands_out_tasks_as_they_end():
    """The slow one comes last, though it was first; each task tells which call it was."""
    gate = threading.Event()

    def maybe_wait(x):
        return gate.wait(10) if x == 0 else x

    order = []
    for task in weft.map(maybe_wait, [0, 1, 2, 3]).as_completed():
        order.append(task.args[0])
        if len(order) == 3:
            gate.set()
    assert sorted(order[:3]) == [1, 2, 3]
    assert order[3] == 0


def test_as_completed_of_started_tasks_in_both_colours():
    """Tasks of any scope, in the order in which they end."""

    async def wait_for(event, x):
        await event.wait()
        return x

    async def main():
        first, second = asyncio.Event(), asyncio.Event()
        async with weft.scope() as scope:
            tasks = [scope.start(wait_for, first, 1), scope.start(wait_for, second, 2)]
            second.set()
            order = []
            async for task in weft.as_completed(tasks):
                order.append(task.outcome.unwrap())
                first.set()
        return order

    assert asyncio.run(main()) == [2, 1]
    with weft.scope() as scope:
        tasks = [scope.start(double, x) for x in range(10)]
        assert sorted(task.result() for task in weft.as_completed(tasks)) == [2 * x for x in range(10)]


def test_at_the_deadline_a_list_is_answered_in_full():
    """Each item has an outcome, also those that never began: zip(urls, outcomes) stays right."""

    async def main():
        return await weft.map(wait_if_odd, list(range(50)), limit=10, deadline=1)

    async def wait_if_odd(x):
        if x % 2:
            await asyncio.Event().wait()
        return x

    outcomes = run_virtual(main())
    assert len(outcomes) == 50
    assert outcomes[0] == Ok(0)
    assert set(outcomes[21:]) == {TimedOut(1.0)}


def test_at_the_deadline_an_endless_input_ends():
    """Nothing more is pulled from a generator after the deadline."""

    async def main():
        return [outcome async for outcome in weft.map(forever, itertools.count(), limit=3, deadline=1)]

    outcomes = run_virtual(main())
    assert outcomes
    assert set(outcomes) == {TimedOut(1.0)}


def test_a_failure_ends_a_strict_batch_of_endless_input():
    """Nobody pulls for ever for a batch that has failed."""
    with pytest.raises(ExceptionGroup):
        weft.map(odd_fails, itertools.count(), limit=3).values()


def test_an_error_of_the_input_itself_leaves_as_it_is():
    """A generator that raises ends the batch with its own error; what runs is cancelled."""

    def broken():
        yield 1
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="the file is gone"):
        weft.map(forever, broken(), deadline=10).outcomes()


def test_the_consumers_own_code_does_not_belong_to_the_batch():
    """Code in the loop's body keeps its own deadline, and the calls have the batch's."""

    async def ask(_):
        return weft.remaining()

    with weft.scope(deadline=100):
        for outcome in weft.map(ask, [1, 2], deadline=5):
            assert outcome.unwrap() <= 5
            assert weft.remaining() > 50


def test_gather_makes_different_calls_at_once():
    """Each is a `weft.call` or a function without arguments; values come in their order."""
    batch = weft.gather(weft.call(double, 4), weft.call(triple, 5), lambda: "third")
    assert batch.result() == [8, 15, "third"]


def test_gather_can_be_settled():
    """Partial results of different calls."""

    def fail():
        raise KeyError

    ok, failed = weft.gather(weft.call(double, 4), fail, join="settled").result()
    assert ok == Ok(8)
    assert isinstance(failed, Failed)


def test_first_takes_the_first_success():
    """A failure is passed over, the losers are cancelled, the value is the answer; in both colours."""

    def fail():
        raise KeyError

    assert weft.first(fail, weft.call(forever), weft.call(double, 4), deadline=5).result() == 8

    async def main():
        return await weft.first(fail, weft.call(forever), weft.call(double, 4), deadline=5)

    assert asyncio.run(main()) == 8


def test_first_raises_when_all_fail():
    """As a group of all their errors."""

    def fail():
        raise KeyError

    with pytest.raises(ExceptionGroup, match="2 of 2 calls failed"):
        weft.first(fail, fail).result()


def test_first_raises_at_the_deadline():
    """When nobody succeeded in time."""
    begun = threading.Semaphore(0)

    async def wait():
        begun.release()
        await forever()

    def pass_time(clock):
        for _ in range(2):
            begun.acquire()
        clock.advance(2)

    with virtual_clock() as clock:
        helper = threading.Thread(target=pass_time, args=(clock,))
        helper.start()
        with pytest.raises(weft.DeadlineExceeded):
            weft.first(wait, wait, deadline=1).result()
        helper.join()


def test_the_first_of_nothing_is_refused():
    """It would never come."""
    with pytest.raises(weft.InvalidCall, match="never comes"):
        weft.first()


def test_a_quorum_of_calls():
    """The first two successes are enough; the third is cancelled."""
    values = weft.gather(weft.call(double, 1), weft.call(forever), weft.call(double, 2), join=weft.quorum(2)).result()
    assert values == [2, 4]


def test_an_empty_input_is_an_empty_answer():
    """Nothing to do is done at once."""
    assert weft.map(double, []).outcomes() == []
    assert weft.gather().result() == []
    assert list(weft.as_completed([])) == []


def test_collected_results_stay_and_a_stream_is_gone():
    """Asking twice gives the same list; a stream cannot be read again."""
    batch = weft.map(double, [1, 2])
    assert batch.outcomes() == batch.outcomes() == [Ok(2), Ok(4)]
    assert batch.values() == [2, 4]
    stream = weft.map(double, [1])
    list(stream)
    with pytest.raises(weft.InvalidCall, match="has been consumed"):
        list(stream)


def test_nothing_starts_before_it_is_asked_for():
    """A batch that nobody asks does nothing, and leaks nothing."""
    ran = []
    weft.map(ran.append, [1, 2])
    assert ran == []


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        ((double, 42), weft.InvalidCall, "cannot be iterated"),
        ((None, [1]), weft.InvalidCall, "not callable"),
    ],
)
def test_wrong_arguments_are_told_before_anything_runs(arguments, error, hint):
    """Each by what was written, and with what to write."""
    with pytest.raises(error, match=hint):
        weft.map(*arguments)


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"limit": -1}, {"deadline": -1}, {"deadline": float("nan")}, {"timeout": 0}]
)
def test_impossible_options_are_told_where_they_are_written(options):
    """Not at the first result, but at the call of map."""
    with pytest.raises(weft.InvalidValue):
        weft.map(double, [1], **options)


def test_leaving_an_async_stream_early_cancels_the_rest():
    """`break` in `async for`, with the generator closed, leaves no call behind."""
    seen = []

    async def note(x):
        try:
            return x if x == 0 else await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(x)
            raise

    async def main():
        stream = aiter(weft.map(note, range(10), limit=5))
        assert await anext(stream) == Ok(0)
        await stream.aclose()

    asyncio.run(main())
    assert {1, 2, 3, 4} <= set(seen)


def test_a_cancelled_consumer_cancels_its_batch():
    """The calls end with the coroutine that wanted them."""
    ended = []

    async def note(x):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(x)

    async def main():
        async def consumer():
            await weft.map(note, range(3))

        running = asyncio.create_task(consumer())
        while weft.statistics().limits[0].inside != 3:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    assert sorted(ended) == [0, 1, 2]
