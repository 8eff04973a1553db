"""When a file is put aside, what it is called, and which old ones are given up."""

import time

import pytest

from weft.errors import InvalidValue
from weft.logs.targets.rotation import Rotation, archive_name, archives, expired

NOON = time.mktime((2026, 11, 25, 12, 0, 0, 0, 0, -1))
HOUR = 3600


def test_a_file_is_put_aside_before_it_grows_too_large():
    """The size is that with the bytes to come; an empty file is never put aside, however much comes."""
    rotation = Rotation(max_bytes=100)
    assert not rotation.due(90, 10, NOON, NOON)
    assert rotation.due(90, 11, NOON, NOON)
    assert not rotation.due(0, 1000, NOON, NOON)
    assert rotation.room(90) == 10
    assert rotation.room(200) == 0


@pytest.mark.parametrize(
    ("every", "before", "after"),
    [
        ("minute", 59, 60),
        ("hour", HOUR - 1, HOUR),
        ("day", 12 * HOUR - 1, 12 * HOUR),
        ("month", 5 * 24 * HOUR, 6 * 24 * HOUR),
    ],
)
def test_a_new_period_begins_a_new_file(every, before, after):
    """The first line of another minute, hour, day or month of local time begins a new file; earlier ones do not."""
    rotation = Rotation(every=every)
    assert not rotation.due(1, 1, NOON, NOON + before)
    assert rotation.due(1, 1, NOON, NOON + after)


def test_a_clock_that_was_set_back_rotates_nothing():
    """A file that was last written in what is now the future is not put aside for it."""
    assert not Rotation(every="hour").due(1, 1, NOON, NOON - 5 * HOUR)


def test_names_grow_with_time():
    """An old file is named after the moment, behind all others, also where the clock stands still or goes back."""
    first = archive_name("app.log", 0.25, [])
    assert first == "app.log.19700101T000000.250Z"
    second = archive_name("app.log", 0.25, ["app.log", first + ".gz", "app.log.lock"])
    assert second == "app.log.19700101T000000.251Z"
    assert archive_name("app.log", -5, [first, second]) == "app.log.19700101T000000.252Z"


def test_only_our_old_files_are_ours():
    """What others have put beside the log is neither listed nor given up."""
    ours = ["app.log.19700101T000000.250Z.gz", "app.log.19700101T000001.000Z"]
    names = [
        "app.log",
        "app.log.1",
        "app.log.20261125",
        "app.log.19700101T000000.250Z.gz.partial",
        "xapp.log.19700101T000000.250Z",
    ]
    assert archives("app.log", [*names, *ours]) == ours
    assert expired("app.log", [*names, *ours], 0) == ours


def test_the_newest_are_kept():
    """Of five old files the last two are kept; a file and its compressed form are one."""
    old = [f"a.19700101T00000{n}.000Z" for n in range(5)]
    assert expired("a", [*old, old[0] + ".gz"], 2) == [old[0], old[0] + ".gz", old[1], old[2]]
    assert expired("a", old, None) == []


@pytest.mark.parametrize(
    ("wrong", "instead"),
    [
        ({"max_bytes": -1}, "max_bytes=100_000_000"),
        ({"every": "week"}, "'minute', 'hour', 'day', 'month'"),
        ({"every": "day", "keep": -1}, "0 or more"),
        ({"keep": 3}, "max_bytes= or every="),
        ({"compress": True}, "max_bytes= or every="),
    ],
)
def test_nonsense_is_refused_with_what_to_write(wrong, instead):
    """An impossible value is told where it was written, with what to write instead."""
    with pytest.raises(InvalidValue, match=instead):
        Rotation(**wrong)
