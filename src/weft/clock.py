"""Time, through one door.

Deadlines, waits and timings are all read from `now()`, so that `weft.testing` can put a virtual clock behind it and
no test has to sleep. What is stored has the time of `wall()`.
"""

import time
from collections.abc import Callable

__all__ = ["Clock", "install", "install_calendar", "now", "wall"]

Clock = Callable[[], float]

_clock: Clock = time.monotonic
_calendar: Clock = time.time


def now() -> float:
    """Seconds on a clock that never goes back (`time.monotonic`, or the virtual clock of a test). Any thread."""
    return _clock()


def wall() -> float:
    """Seconds since 1970, for what outlives the process. It may be set back or forth: nothing is measured with it."""
    return _calendar()


def install(clock: Clock) -> Clock:
    """Put another clock behind `now()` and return the one that stood there. For tests only."""
    global _clock
    before, _clock = _clock, clock
    return before


def install_calendar(calendar: Clock) -> Clock:
    """Put another calendar behind `wall()` and return the one that stood there. For tests only."""
    global _calendar
    before, _calendar = _calendar, calendar
    return before
