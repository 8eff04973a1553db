"""Policies are pure: no clock, no thread, no loop is needed to show what they decide."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InvalidValue, Overloaded
from weft.policy.bulkhead import Bulkhead
from weft.policy.rate import Rate
from weft.policy.retry import Retry
from weft.policy.verdict import GO, Stop, Wait


def test_a_bulkhead_admits_up_to_its_size_then_seats_then_refuses():
    """Two places and one seat: two go, one waits, the fourth is refused with the reason."""
    bulkhead = Bulkhead("db", 2, 1)
    assert [bulkhead.enter(n, owner=None) for n in (1, 2)] == [GO, GO]
    assert bulkhead.enter(3, owner=None) == Wait(math.inf)
    match bulkhead.enter(4, owner=None):
        case Stop(Overloaded(reason=reason)):
            assert reason == "limit 'db' is full: 2 running, 1 waiting"
        case other:
            pytest.fail(f"expected a refusal, got {other}")


def test_a_place_is_handed_over_not_thrown_open():
    """Who leaves names who comes in; meanwhile a newcomer finds no free place."""
    bulkhead = Bulkhead("db", 1, 5)
    bulkhead.enter("first", owner=None)
    bulkhead.enter("second", owner=None)
    assert bulkhead.leave() == "second"
    assert not bulkhead.admit()
    assert bulkhead.leave() is None
    assert bulkhead.admit()


def test_a_waiting_room_is_fair_between_owners():
    """A request with many calls does not keep one with few from its turn."""
    bulkhead = Bulkhead("db", 1, 100)
    bulkhead.admit()
    for n in range(10):
        bulkhead.enter(("big", n), owner="big")
    bulkhead.enter(("small", 0), owner="small")
    assert [bulkhead.leave() for _ in range(2)] == [("big", 0), ("small", 0)]


def test_withdrawing_a_ticket_that_was_called_says_so():
    """A ticket that holds a place already cannot be withdrawn: its holder must leave instead."""
    bulkhead = Bulkhead("db", 1, 5)
    bulkhead.admit()
    bulkhead.enter("waiting", owner=None)
    assert bulkhead.leave() == "waiting"
    assert not bulkhead.withdraw("waiting", owner=None)


@pytest.mark.parametrize(("size", "waiting"), [(0, 1), (-1, 1), (1, -1)])
def test_an_impossible_limit_is_refused_with_what_to_write(size, waiting):
    """A limit of zero lets nothing run, so it cannot be made."""
    with pytest.raises(InvalidValue, match="write "):
        Bulkhead("db", size, waiting)


@given(st.lists(st.sampled_from(["enter", "leave"]), max_size=200), st.integers(1, 4), st.integers(0, 4))
def test_no_history_puts_more_inside_than_the_size(history, size, waiting):
    """Whatever comes and goes, the number inside stays within the size, and the queue within the waiting room."""
    bulkhead = Bulkhead("x", size, waiting)
    holders = 0
    for ticket, event in enumerate(history):
        if event == "enter":
            holders += bulkhead.enter(ticket, owner=ticket % 3) == GO
        elif holders:
            holders -= bulkhead.leave() is None
        assert bulkhead.inside == holders <= size
        assert bulkhead.queued <= waiting


def test_a_rate_spaces_calls_evenly():
    """Ten a second means one each 100 ms, the first at once."""
    rate = Rate(10)
    waits = [rate.reserve(now=5.0) for _ in range(3)]
    assert waits[0] == GO
    assert [round(w.seconds, 6) for w in waits[1:]] == [0.1, 0.2]


def test_a_burst_may_start_together_after_a_rest():
    """With burst=3 three calls go at once, the fourth waits one interval."""
    rate = Rate(10, burst=3)
    assert [rate.reserve(now=5.0) for _ in range(3)] == [GO, GO, GO]
    assert round(rate.reserve(now=5.0).seconds, 6) == 0.1


def test_a_slot_beyond_the_patience_is_refused_and_not_booked():
    """A refusal says when to come back, and leaves the slot to others."""
    rate = Rate(1)
    rate.reserve(now=0.0)
    match rate.reserve(now=0.0, patience=0.5):
        case Stop(Overloaded(retry_after=seconds)):
            assert seconds == 1.0
    assert rate.reserve(now=0.0, patience=1.0) == Wait(1.0)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=60), st.integers(1, 5))
def test_no_second_lets_more_through_than_calls_and_burst(gaps, burst):
    """GCRA's promise: in any window of one second at most calls + burst start."""
    rate, now, starts = Rate(10, burst=burst), 0.0, []
    for gap in gaps:
        now += gap
        match rate.reserve(now):
            case Wait(seconds):
                starts.append(now + seconds)
            case _:
                starts.append(now)
    for start in starts:
        assert sum(start <= other < start + 1 - 1e-9 for other in starts) <= 10 + burst


@pytest.mark.parametrize(
    "wrong", [{"calls": 0}, {"calls": -1}, {"calls": math.nan}, {"calls": 1, "per": 0}, {"calls": 1, "burst": 0}]
)
def test_an_impossible_rate_is_refused(wrong):
    """Zero, negative and NaN rates are told at once."""
    with pytest.raises(InvalidValue):
        Rate(**wrong)


def test_retries_back_off_exponentially_up_to_the_longest():
    """With full chance the waits are 0.1, 0.2, 0.4, then the longest."""
    retry = Retry(attempts=4, backoff=0.1, longest=0.5)
    waits = [retry.after(n, ConnectionError(), remaining=9, chance=1.0) for n in range(1, 5)]
    assert [w.seconds for w in waits] == [0.1, 0.2, 0.4, 0.5]


def test_retries_stop_at_the_count_at_other_errors_and_at_the_deadline():
    """No retry that is one too many, of a bug, or that could only start too late."""
    retry = Retry(attempts=1, backoff=1.0)
    lost = ConnectionError()
    assert retry.after(2, lost, remaining=9, chance=1) == Stop(lost)
    bug = KeyError("a bug")
    assert retry.after(1, bug, remaining=9, chance=1) == Stop(bug)
    assert retry.after(1, lost, remaining=0.5, chance=1) == Stop(lost)


def test_a_refusal_is_retried_no_sooner_than_it_asks():
    """The server's Retry-After outranks our own backoff."""
    verdict = Retry(attempts=1, backoff=0.1).after(1, Overloaded("full", retry_after=3.0), remaining=9, chance=0.0)
    assert verdict == Wait(3.0)


def test_a_negative_number_of_retries_is_refused():
    """It could only be a mistake."""
    with pytest.raises(InvalidValue, match="attempts=0"):
        Retry(attempts=-1)


def test_retries_by_the_thousand_wait_no_longer_than_the_longest_wait():
    """Doubling ends before the range of a float does."""
    patient = Retry(attempts=10_000, backoff=0.1, longest=5)
    assert patient.after(5_000, OSError(), remaining=math.inf, chance=1.0) == Wait(5)
