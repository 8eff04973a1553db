"""What becomes of a line for which there is no room."""

import pytest

from weft.errors import InvalidValue
from weft.logs.overload import Drop, Overload
from weft.policy.verdict import Wait


def test_block_waits_for_the_rest_of_the_stall():
    """The timeout counts from the moment at which the log was full, so that a stall holds everybody up once."""
    policy = Overload(timeout=1.0)
    assert policy.when_full(0.0) == Wait(1.0)
    assert policy.when_full(0.75) == Wait(0.25)
    assert policy.when_full(1.0) is Drop.NEW
    assert policy.when_full(60.0) is Drop.NEW


def test_the_others_never_wait():
    """drop_new gives the line up at once, drop_old the oldest ones."""
    assert Overload("drop_new").when_full(0.0) is Drop.NEW
    assert Overload("drop_old").when_full(0.0) is Drop.OLD


def test_lines_are_shed_from_the_high_water_mark_on():
    """Below the mark every level passes; from it on, only the given one and those above it."""
    policy = Overload(shed_below=30, high_water=0.5)
    assert [policy.floor(fill) for fill in (0.0, 0.49, 0.5, 1.0)] == [0, 0, 30, 30]


@pytest.mark.parametrize(
    ("wrong", "instead"),
    [
        ({"policy": "ignore"}, "'block', 'drop_new', 'drop_old'"),
        ({"timeout": -1}, "write the seconds"),
        ({"timeout": float("inf")}, "write the seconds"),
        ({"high_water": 0}, "high_water=0.75"),
        ({"high_water": 1.1}, "high_water=0.75"),
    ],
)
def test_nonsense_is_refused_with_what_to_write(wrong, instead):
    """An impossible value is told where it was written, with what to write instead."""
    with pytest.raises(InvalidValue, match=instead):
        Overload(**wrong)
