"""Time, through one door.

Deadlines, waits and timings are all read from `now()`, so that `weft.testing` can put a virtual clock behind it and
no test has to sleep.
"""

import time
from collections.abc import Callable

__all__ = ["Clock", "install", "now"]

Clock = Callable[[], float]

_clock: Clock = time.monotonic


def now() -> float:
    """Seconds on a clock that never goes back (`time.monotonic`, or the virtual clock of a test). Any thread."""
    return _clock()


def install(clock: Clock) -> Clock:
    """Put another clock behind `now()` and return the one that stood there. For tests only."""
    global _clock
    before, _clock = _clock, clock
    return before
