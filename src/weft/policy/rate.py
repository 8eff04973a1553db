"""A rate limit that spaces calls out instead of bunching them.

GCRA, the generic cell rate algorithm of ITU-T I.371: one number, the theoretical arrival time of the next call,
stands for the whole bucket. Unlike a counted window it never lets two windows' worth through at an edge.
"""

import math

from weft.errors import InvalidValue, Overloaded
from weft.policy.verdict import GO, Stop, Verdict, Wait

__all__ = ["Rate"]


class Rate:
    """At most `calls` in `per` seconds, of which `burst` may come at once. Not concurrency safe.

    Args:
        calls: how many in each period, more than 0.
        per: the period in seconds, more than 0.
        burst: how many may start together after a rest, at least 1 (default: 1, evenly spaced).

    Attributes:
        interval: seconds between two calls.
        tolerance: seconds that a call may come before its time, for the burst.
    """

    def __init__(self, calls: float, per: float = 1.0, burst: int = 1) -> None:
        if not (0 < calls < math.inf and 0 < per < math.inf):
            raise InvalidValue(f"a rate of {calls:g} calls in {per:g} s cannot be kept: write weft.rate(10, per=1.0)")
        if burst < 1:
            raise InvalidValue(f"a burst of {burst} lets nothing through: write burst=1 or more")
        self.interval = per / calls
        self.tolerance = self.interval * (burst - 1)
        self._due = -math.inf

    def reserve(self, now: float, patience: float = math.inf) -> Verdict:
        """Book the next slot: Go, Wait until it comes, or Stop if that is longer than `patience` seconds away.

        A Stop books nothing.
        """
        due = max(self._due, now)
        wait = due - self.tolerance - now
        if wait > patience:
            return Stop(Overloaded(f"the rate limit's next slot is {wait:.3g} s away", retry_after=wait))
        self._due = due + self.interval
        return Wait(wait) if wait > 0 else GO
