"""Schedules, and clocks that were wrong."""

import chores
import pytest

from weft.jobs.sql.ticking import Ticking
from weft.jobs.sql.turn import Turn

PLACES = ["sqlite", "postgresql"]
HOUR = 3600.0
NOON = 1_700_049_600.0  # UTC
WRONG = NOON + 1_000_000 * HOUR


def come(store, ticking, now):
    """How many jobs a turn at this time has stored."""
    ticks = ticking.due(now)
    before = len(store.records())
    store.turn(Turn("worker", now, {}, ticks=ticks))
    ticking.stored(ticks, now)
    return len(store.records()) - before


@pytest.mark.parametrize("restarted", [False, True])
def test_a_schedule_outlives_a_clock_that_was_wrong(store, restarted):
    """A machine that starts in another century, before it knows the time, does not end the schedule until then."""
    ticking = Ticking([chores.hourly], store, WRONG)
    assert come(store, ticking, WRONG + HOUR) == 1
    if restarted:
        ticking = Ticking([chores.hourly], store, NOON + 1)
    assert come(store, ticking, NOON + 1) == 0
    assert [come(store, ticking, NOON + hours * HOUR + 1) for hours in (1, 2)] == [1, 1]


def test_what_has_come_does_not_come_again_when_the_clock_is_set_back_a_little(store):
    """Two hours, say: what fell into them has been done."""
    ticking = Ticking([chores.hourly], store, NOON + 1)
    assert [come(store, ticking, NOON + hours * HOUR + 1) for hours in (1, 2)] == [1, 1]
    for each in (ticking, Ticking([chores.hourly], store, NOON + 1)):
        assert [come(store, each, NOON + hours * HOUR + 1) for hours in (1, 2)] == [0, 0]
    assert come(store, ticking, NOON + 3 * HOUR + 1) == 1
