"""Facts about summaries of many calls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.calls.call import call
from weft.outcome import Cancelled, Failed, Ok, Refused, TimedOut
from weft.scopes.task import Task
from weft.telemetry.summary import Slowest, Summary, error_kind, outcome_name


def ended(outcome, created=0.0, started=0.5, ended_at=2.0):
    task = Task(call(len, "x"), lambda task, fate: None)
    task.settle(outcome)
    task.created_at, task.started_at, task.ended_at = created, started, ended_at
    return task


@pytest.mark.parametrize(
    ("outcome", "word", "kind"),
    [
        (Ok(1), "ok", None),
        (Failed(ConnectionError("no")), "failed", "ConnectionError"),
        (TimedOut(1.0), "timed_out", None),
        (Cancelled(), "cancelled", None),
        (Refused("full"), "refused", None),
    ],
)
def test_each_outcome_has_a_word(outcome, word, kind):
    """Each of the five outcomes has its word, and only a failure has a kind of error."""
    assert (outcome_name(outcome), error_kind(outcome)) == (word, kind)


def test_tasks_are_counted_by_outcome_and_kind_of_error():
    """Tasks add up by outcome; failed ones by the class of their error too."""
    summary = Summary()
    for outcome in (Ok(1), Ok(2), Failed(ValueError()), Failed(KeyError()), Failed(ValueError()), TimedOut()):
        summary.add_task(ended(outcome))
    assert summary.outcomes == {"ok": 2, "failed": 3, "timed_out": 1}
    assert summary.errors == {"ValueError": 2, "KeyError": 1}
    assert summary.calls == 6


def test_a_task_under_way_is_left_out():
    """A task that has not ended is not counted."""
    summary = Summary()
    summary.add_task(Task(call(len, "x"), lambda task, fate: None))
    assert summary.calls == 0


def test_a_call_that_never_began_has_no_latency():
    """A refused call is counted, and does not pull the percentiles down."""
    summary = Summary()
    summary.add_task(ended(Refused("full"), started=None))
    assert summary.calls == 1
    assert summary.latency.count == 0


def test_speed_up_is_the_time_of_all_calls_over_the_wall_time():
    """Ten calls of 1 s that run within 2 s are 5 times faster than one after the other."""
    summary = Summary()
    for n in range(10):
        summary.add("ok", 100.0 + n % 2, 101.0 + n % 2)
    assert (summary.wall, summary.busy, summary.speed_up) == (2.0, 10.0, 5.0)


def test_nothing_has_no_speed_up():
    """Without calls there is no speed-up and no percentile, and the summary still becomes JSON."""
    facts = json.loads(json.dumps(Summary().as_dict()))
    assert facts["speed_up"] is None
    assert facts["latency"] == dict.fromkeys(("min", "mean", "p50", "p95", "p99", "max"))


CALLS = st.lists(
    st.tuples(st.sampled_from(["ok", "failed"]), st.floats(0, 100), st.floats(0, 10), st.sampled_from([None, "E"]))
)


@given(CALLS, CALLS)
def test_merging_is_the_same_as_adding_to_one(left, right):
    """Two merged summaries are what one would be that had counted everything."""

    def summary(calls):
        made = Summary()
        for word, start, seconds, kind in calls:
            made.add(word, start, start + seconds, kind)
        return made

    merged, whole = summary(left), summary(left + right)
    merged.merge(summary(right))
    assert (merged.outcomes, merged.errors, merged.wall) == (whole.outcomes, whole.errors, whole.wall)
    assert merged.busy == pytest.approx(whole.busy)


@given(st.lists(st.integers(0, 50)), st.integers(0, 8))
def test_slowest_keeps_what_sorting_would(durations, keep):
    """The kept items are the longest ones, slowest first, the earlier of two equals first."""
    slowest = Slowest(keep)
    for position, seconds in enumerate(durations):
        slowest.add(seconds, (seconds, position))
    by_hand = sorted(((s, p) for p, s in enumerate(durations)), key=lambda item: (-item[0], item[1]))
    assert slowest.items() == by_hand[:keep]


def test_items_need_not_be_comparable():
    """Equally slow items are never compared with each other."""
    slowest = Slowest(2)
    for _ in range(3):
        slowest.add(1.0, object())
    assert len(slowest.items()) == 2
