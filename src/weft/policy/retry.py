"""Whether to try again, and when.

Exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS 2015). No retry is granted
that could not start before the deadline.
"""

import math
from dataclasses import dataclass

from weft.errors import InvalidValue, Overloaded
from weft.policy.verdict import Stop, Verdict, Wait

__all__ = ["Retry"]

_DOUBLINGS = 1000  # more would leave the range of a float; by then `longest` has long ruled


@dataclass(frozen=True, slots=True)
class Retry:
    """Try up to `attempts` more times after a failure that is one of `on`. Immutable, so safe to share.

    Args:
        attempts: further attempts after the first, at least 0.
        backoff: seconds before the first retry, at most; doubles with each.
        longest: no wait is longer than this many seconds.
        on: the exception types worth another try.
    """

    attempts: int = 2
    backoff: float = 0.1
    longest: float = 5.0
    on: tuple[type[BaseException], ...] = (OSError, TimeoutError, Overloaded)

    def __post_init__(self) -> None:
        if self.attempts < 0:
            raise InvalidValue(f"{self.attempts} retries cannot be made: write attempts=0 for none")
        if not (0 <= self.backoff < math.inf and 0 <= self.longest < math.inf):
            raise InvalidValue("backoff and longest are seconds, 0 or more")

    def after(self, failures: int, error: BaseException, remaining: float, chance: float) -> Verdict:
        """Decide after the `failures`-th failure (from 1), with `remaining` seconds left and `chance` in 0..1."""
        if failures > self.attempts or not isinstance(error, self.on):
            return Stop(error)
        wait = chance * min(self.longest, self.backoff * 2.0 ** min(failures - 1, _DOUBLINGS))
        if isinstance(error, Overloaded):
            wait = max(wait, error.retry_after)
        return Wait(wait) if wait < remaining else Stop(error)
