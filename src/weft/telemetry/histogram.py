"""Percentiles of any number of durations, in constant memory and with a bounded error.

A duration is counted in a bucket whose bounds grow by a constant factor, so that each percentile is right to within
1 % of itself, be it 2 ms or 20 s. Sources: C. Masson, J. E. Rim and H. K. Lee, "DDSketch: A Fast and Fully-Mergeable
Quantile Sketch with Relative-Error Guarantees", VLDB 2019 (the bounds); G. Tene's HdrHistogram (the fixed range).
"""

import math
from collections import Counter
from collections.abc import Iterator

from weft.errors import InvalidValue

__all__ = ["RELATIVE_ERROR", "Histogram"]

RELATIVE_ERROR = 0.01

_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GROWTH = math.log(_GROWTH)
_LEAST = 1e-6
_MOST = 1e6


class Histogram:
    """Counts durations in logarithmic buckets: at most 1,400 of them, some 150 KiB, however many are recorded.

    `count`, `total`, `minimum`, `maximum` and `mean` are exact; a quantile is within 1 % of the recorded duration of
    that rank. Durations below 1 microsecond count as 1 microsecond, those above 1,000,000 seconds as that.

    Not concurrency safe: keep one for each thread and `merge` them. Can be pickled.

    Attributes:
        count: how many durations were recorded.
        total: their sum, in seconds.
        minimum: the shortest, in seconds; infinity while there is none.
        maximum: the longest, in seconds; 0.0 while there is none.
    """

    __slots__ = ("_buckets", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0
        self.minimum = math.inf
        self.maximum = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration.

        Raises:
            InvalidValue: a negative duration, or not a number.
        """
        if not seconds >= 0:
            raise InvalidValue(f"{seconds!r} is no duration: record the seconds from the start to the end, 0 or more")
        self._buckets[_index(seconds)] += 1
        self.count += 1
        self.total += seconds
        self.minimum = min(self.minimum, seconds)
        self.maximum = max(self.maximum, seconds)

    def merge(self, other: "Histogram") -> None:
        """Add all that the other one has counted; the other stays as it is. The same as having recorded it here."""
        self._buckets.update(other._buckets)  # noqa: SLF001 - its own kind
        self.count += other.count
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    @property
    def mean(self) -> float | None:
        """The exact mean in seconds, or None while nothing is recorded."""
        return self.total / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """The duration, in seconds, that the share `q` (0 to 1) of all recorded ones do not exceed.

        By nearest rank: the answer is within 1 % of a duration that was recorded, never between two of them.
        None while nothing is recorded.

        Raises:
            InvalidValue: `q` is not from 0 to 1.
        """
        if not 0 <= q <= 1:
            raise InvalidValue(f"there is no quantile {q!r}: write 0.95 for the 95th percentile")
        if not self.count:
            return None
        rank = max(1, math.ceil(q * self.count))
        return min(max(_middle(self._bucket_of(rank)), self.minimum), self.maximum)

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Each bucket in use, the fastest first: its upper bound in seconds, and how many durations fell into it."""
        for index in sorted(self._buckets):
            yield _GROWTH**index, self._buckets[index]

    def _bucket_of(self, rank: int) -> int:
        seen = 0
        for index in sorted(self._buckets):
            seen += self._buckets[index]
            if seen >= rank:
                break
        return index


def _index(seconds: float) -> int:
    return math.ceil(math.log(min(max(seconds, _LEAST), _MOST)) / _LOG_GROWTH)


def _middle(index: int) -> float:
    # As far, relatively, from the lower bound as from the upper one.
    return 2 * _GROWTH**index / (_GROWTH + 1)
