"""What many calls came to, added up as they end, in constant memory."""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from weft.outcome import Cancelled, Failed, Ok, Outcome, Refused, TimedOut
from weft.scopes.task import Task
from weft.telemetry.histogram import Histogram

__all__ = ["Slowest", "Summary", "error_kind", "outcome_name"]

T = TypeVar("T")

_NAMES: dict[type, str] = {
    Ok: "ok", Failed: "failed", TimedOut: "timed_out", Cancelled: "cancelled", Refused: "refused",
}  # fmt: skip


def outcome_name(outcome: Outcome[Any]) -> str:
    """The outcome as a word for tables and JSON: "ok", "failed", "timed_out", "cancelled" or "refused"."""
    return _NAMES[type(outcome)]


def error_kind(outcome: Outcome[Any]) -> str | None:
    """The class of the error with which the call failed ("ConnectionError"), or None where it raised none."""
    return type(outcome.error).__name__ if isinstance(outcome, Failed) else None


@dataclass(slots=True)
class Summary:
    """Totals over calls. Not concurrency safe: keep one for each thread and `merge` them.

    Attributes:
        outcomes: how many calls came to what, by `outcome_name` (or by the words of whoever adds).
        errors: how many calls failed in which way, by the kind of error.
        latency: the durations of the calls that have run, from their start to their end.
        first: when the earliest call began, in seconds on the clock of the calls.
        last: when the latest call ended, on the same clock.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=Histogram)
    first: float | None = None
    last: float | None = None

    def add(self, outcome: str, start: float | None, end: float, error: str | None = None) -> None:
        """Count one call.

        Args:
            outcome: what it came to, in one word.
            start: when it began to run, in seconds; None: it never did, and has no latency.
            end: when it ended, in seconds on the same clock.
            error: the kind of error, if it failed.
        """
        self.outcomes[outcome] += 1
        if error is not None:
            self.errors[error] += 1
        if start is not None:
            self.latency.record(max(0.0, end - start))
            self._span(start, end)

    def add_task(self, task: Task[Any]) -> None:
        """Count a task that has ended; one that is under way is left out."""
        if task.outcome is not None and task.ended_at is not None:
            self.add(outcome_name(task.outcome), task.started_at, task.ended_at, error_kind(task.outcome))

    def merge(self, other: "Summary") -> None:
        """Add all that the other one has counted; the other stays as it is."""
        self.outcomes.update(other.outcomes)
        self.errors.update(other.errors)
        self.latency.merge(other.latency)
        if other.first is not None and other.last is not None:
            self._span(other.first, other.last)

    @property
    def calls(self) -> int:
        """How many calls were counted."""
        return self.outcomes.total()

    @property
    def wall(self) -> float:
        """Seconds from the start of the earliest call to the end of the latest."""
        return 0.0 if self.first is None or self.last is None else self.last - self.first

    @property
    def busy(self) -> float:
        """Seconds that the calls have taken together; one after the other would have taken no longer.

        (And shorter where calls at once slow each other down: on a busy CPU, or at a server that queues them.)
        """
        return self.latency.total

    @property
    def speed_up(self) -> float | None:
        """How many times faster than one after the other at most: `busy / wall`. None while nothing took any time.

        By Little's law the same number is how many calls were under way on average.
        """
        return self.busy / self.wall if self.wall else None

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain data, fit for JSON; durations in seconds, None where nothing is known."""
        latency = self.latency
        some = latency.count > 0
        return {
            "calls": self.calls,
            "outcomes": dict(self.outcomes),
            "errors": dict(self.errors.most_common()),
            "wall": self.wall,
            "busy": self.busy,
            "speed_up": self.speed_up,
            "latency": {
                "min": latency.minimum if some else None,
                "mean": latency.mean,
                "p50": latency.quantile(0.50),
                "p95": latency.quantile(0.95),
                "p99": latency.quantile(0.99),
                "max": latency.maximum if some else None,
            },
        }

    def _span(self, start: float, end: float) -> None:
        self.first = start if self.first is None else min(self.first, start)
        self.last = end if self.last is None else max(self.last, end)


class Slowest(Generic[T]):
    """Keeps the `keep` items that took longest, of any number. Not concurrency safe.

    Args:
        keep: how many; 0 keeps none.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._seen = 0
        self._heap: list[tuple[float, int, T]] = []

    def add(self, seconds: float, item: T) -> None:
        """Consider one item; of equally slow ones the earlier is kept."""
        self._seen += 1
        heapq.heappush(self._heap, (seconds, -self._seen, item))
        if len(self._heap) > self._keep:
            heapq.heappop(self._heap)

    def items(self) -> list[T]:
        """The kept items, the slowest first."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]
