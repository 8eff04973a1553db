"""The joins decide without a loop, a thread or a clock."""

import pytest

from weft.errors import DeadlineExceeded, InvalidCall, InvalidValue, Overloaded
from weft.outcome import Failed, Ok, Refused, TimedOut
from weft.scopes.join import Count, Verdict, as_join, conclusion, quorum, verdict


@pytest.mark.parametrize(
    ("join", "count", "expected"),
    [
        ("all", Count(ok=5, live=1), Verdict.KEEP),
        ("all", Count(ok=5, bad=1, live=1), Verdict.HOPELESS),
        ("settled", Count(bad=5, live=1), Verdict.KEEP),
        ("first", Count(ok=1, live=5), Verdict.ENOUGH),
        ("first", Count(bad=5, live=1), Verdict.KEEP),
        ("first", Count(bad=5, live=0, closed=False), Verdict.KEEP),
        ("first", Count(bad=5, live=0, closed=True), Verdict.HOPELESS),
        (quorum(2), Count(ok=1, live=5), Verdict.KEEP),
        (quorum(2), Count(ok=2, live=5), Verdict.ENOUGH),
        (quorum(2), Count(ok=0, bad=4, live=1, closed=True), Verdict.HOPELESS),
    ],
)
def test_a_join_decides_by_counting(join, count, expected):
    """Each join keeps going, has enough, or gives up, by the counts alone."""
    assert verdict(as_join(join), count) is expected


def test_strict_failures_leave_as_one_group_in_the_order_they_came():
    """The group says how many of how many, and holds the errors themselves; a refusal is in it as Overloaded."""
    lost = ConnectionError("lost")
    error = conclusion(as_join("all"), Count(ok=3, bad=2), [Failed(lost), Refused("full")], [], allowed=None)
    assert isinstance(error, ExceptionGroup)
    assert error.message == "2 of 5 calls failed"
    assert error.exceptions[0] is lost
    assert isinstance(error.exceptions[1], Overloaded)


def test_calls_that_were_only_late_raise_deadline_exceeded_with_all_outcomes():
    """The error carries what the others came to, so that partial results are not lost."""
    outcomes = [Ok(1), TimedOut(2.0)]
    error = conclusion(as_join("all"), Count(ok=1, bad=1), [TimedOut(2.0)], outcomes, allowed=2.0)
    assert isinstance(error, DeadlineExceeded)
    assert error.outcomes == (Ok(1), TimedOut(2.0))
    assert str(error) == "1 of 2 calls were not done by the deadline of 2 s"


def test_system_exit_in_a_call_makes_a_base_exception_group():
    """It is raised where the scope is left, and cannot be swallowed by `except Exception`."""
    error = conclusion(as_join("all"), Count(bad=1), [Failed(SystemExit(3))], [], allowed=None)
    assert isinstance(error, BaseExceptionGroup)
    assert not isinstance(error, Exception)


def test_a_met_quorum_raises_nothing_whatever_failed():
    """Failures beside enough successes are no failure of the scope."""
    assert conclusion(quorum(1), Count(ok=1, bad=3), [Failed(KeyError())] * 3, [], allowed=None) is None


def test_settled_raises_nothing():
    """Partial results are its answer."""
    assert conclusion(as_join("settled"), Count(bad=3), [], [], allowed=None) is None


def test_an_unknown_join_names_the_known_ones():
    """A typing mistake is told at once."""
    with pytest.raises(InvalidValue, match="'all', 'settled', 'first'"):
        as_join("any")


@pytest.mark.parametrize(
    ("needed", "error"), [(0, InvalidValue), (-1, InvalidValue), (1.5, InvalidCall), (True, InvalidCall)]
)
def test_an_impossible_quorum_is_refused(needed, error):
    """Nought of the calls, or half a call, is not a quorum."""
    with pytest.raises(error):
        quorum(needed)
