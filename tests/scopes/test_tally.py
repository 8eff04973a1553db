"""Counting the calls of a context, and the time that it waited on them."""

import asyncio
from types import SimpleNamespace

import pytest

import weft
from weft.clock import now
from weft.outcome import Cancelled, Failed, Ok, Refused, TimedOut
from weft.scopes.tally import Tally, Totals, tallying


@pytest.fixture
def tally():
    tally = Tally()
    token = tallying.set(tally)
    yield tally
    tallying.reset(token)


def task(start, end, outcome=None):
    return SimpleNamespace(created_at=start, ended_at=end, outcome=outcome or Ok(1))


def counted(*events):
    """The totals after some tasks' beginnings and endings, each the first and the second time that it is named."""
    tally, begun = Tally(), set()
    for each in events:
        (tally.ended if id(each) in begun else tally.began)(each)
        begun.add(id(each))
    return tally.totals()


async def nothing(*_):
    pass


# -- the sum


def test_calls_that_overlap_are_waited_for_once():
    """`wait` is the time in which at least one call was under way; gaps between calls do not count."""
    a, b, c = task(1.0, 3.0), task(2.0, 4.0), task(10.0, 11.5)
    assert counted(a, b, a, b, c, c) == Totals(3, 4.5, ok=3)


def test_a_call_that_was_asked_for_while_another_ran_does_not_count_that_time_again():
    """A call that is launched late counts from when it was asked for, but no moment counts twice."""
    a, b = task(1.0, 3.0), task(2.0, 4.0)
    assert counted(a, a, b, b).wait == 3.0


def test_an_end_that_is_told_late_counts_when_it_was():
    """A call that its caller gave up before its loop heard of it ended then, and the wait never shrinks."""
    given_up, other = task(1.0, 2.0, TimedOut(1.0)), task(1.5, 5.0)
    assert counted(given_up, other, other, given_up) == Totals(2, 4.0, ok=1, timed_out=1)


def test_what_is_under_way_counts_as_cancelled():
    """A call that has not ended counts as cancelled, and has been waited for until now."""
    present = now()
    totals = counted(task(present - 60, None))
    assert totals[:1] + totals[2:] == (1, 0, 0, 0, 1, 0)
    assert totals.wait >= 60


def test_every_outcome_has_its_number():
    """Each of the five outcomes is counted by itself."""
    ends = [Ok(1), Failed(ValueError()), TimedOut(), Cancelled(), Refused("full")]
    tasks = [task(0.0, 1.0, end) for end in ends for _ in range(1 + ends.index(end))]
    assert counted(*tasks, *tasks) == Totals(15, 1.0, ok=1, failed=2, timed_out=3, cancelled=4, refused=5)


# -- what is counted


def test_scopes_and_batches_are_counted(tally):
    """The calls of every scope and batch that is opened in the context count, with what they came to."""
    with weft.scope(join="settled") as scope:
        scope.start(int, "no number")
        scope.start(nothing)
    weft.map(nothing, range(5)).outcomes()
    assert tally.totals() == (7, tally.totals().wait, 6, 1, 0, 0, 0)
    assert tally.totals().wait > 0


def test_calls_made_by_calls_are_counted(tally):
    """What a call starts in its turn, on a thread or on the loop, counts as well."""

    def on_a_thread():
        weft.map(nothing, range(2)).outcomes()

    async def on_the_loop():
        await weft.map(nothing, range(3))

    with weft.scope() as scope:
        scope.start(on_a_thread)
        scope.start(on_the_loop)
    assert tally.totals().calls == 7


def test_calls_of_two_loops_are_counted_together(tally):
    """A context may use the background loop, and one of its own after that."""
    weft.map(nothing, range(2)).outcomes()

    async def elsewhere():
        await weft.map(nothing, range(3))

    asyncio.run(elsewhere())
    assert tally.totals().ok == 5


def test_refused_and_late_calls_are_counted(tally):
    """A full limit and a deadline are told apart."""
    weft.limit("of this test", 1, waiting=0)
    never = weft.call(asyncio.Event().wait).using(limit="of this test")
    with weft.scope(deadline=0.05, join="settled") as scope:
        scope.start(never)
        scope.start(never)
    assert tally.totals()[2:] == (0, 0, 1, 0, 1)


def test_a_call_that_comes_after_the_end_is_counted(tally):
    """A call that is settled at its start, since its scope has been cancelled, counts as cancelled."""
    with weft.scope(join="settled") as scope:
        scope.cancel()
        scope.start(nothing)
    assert tally.totals() == (1, tally.totals().wait, 0, 0, 0, 1, 0)


def test_others_are_not_counted(tally):
    """A scope that was opened outside of the context keeps its calls to itself, whoever starts them."""
    token = tallying.set(None)
    scope = weft.scope()
    with scope:
        tallying.reset(token)
        scope.start(nothing)
    assert tally.totals() == Totals(0, 0.0)
