"""How many calls were made in one context, such as a web request, and how long it waited on them."""

from contextvars import ContextVar
from threading import Lock
from typing import Any, NamedTuple

from weft.clock import now
from weft.outcome import Cancelled, Failed, Ok, Refused, TimedOut
from weft.scopes.task import Task

__all__ = ["Tally", "Totals", "tallying"]


class Totals(NamedTuple):
    """What the calls of one context came to.

    Attributes:
        calls: how many were started.
        wait: seconds during which at least one of them was under way.
        ok: how many succeeded; the others likewise.
    """

    calls: int
    wait: float
    ok: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    refused: int = 0


_NONE = Totals(0, 0.0)


class Tally:
    """Counts calls, whichever scopes, threads and loops they belong to. Any thread.

    Scopes that are opened while it is the value of `tallying` tell it of each of their calls. Calls that overlap are
    waited for once: so what `wait` leaves of a request's duration was spent on something else.
    """

    __slots__ = ("_live", "_lock", "_outcomes", "_since", "_until", "_wait")

    def __init__(self) -> None:
        self._lock = Lock()  # calls of one request may end on several loops
        self._outcomes = {Ok: 0, Failed: 0, TimedOut: 0, Cancelled: 0, Refused: 0}
        self._live = 0
        self._since = 0.0  # of the stretch in which something is under way, or was last
        self._until = 0.0
        self._wait = 0.0  # in the stretches before it

    def began(self, task: Task[Any]) -> None:
        """Count a call that is under way."""
        with self._lock:
            if not self._live:
                self._since = max(task.created_at, self._until)
            self._live += 1

    def ended(self, task: Task[Any]) -> None:
        """Count what it came to."""
        with self._lock:
            self._live -= 1
            self._outcomes[type(task.outcome)] += 1
            self._until = max(self._until, self._since, task.ended_at or 0.0)
            if not self._live:
                self._wait += self._until - self._since

    def totals(self) -> Totals:
        """The count so far. What is under way counts as cancelled, since that is what the end of its request does."""
        if not self._live and not self._until:
            return _NONE
        with self._lock:
            wait = self._wait + (max(0.0, now() - self._since) if self._live else 0.0)
            ok, failed, late, cancelled, refused = self._outcomes.values()
            live = self._live
        calls = ok + failed + late + cancelled + refused + live
        return Totals(calls, wait, ok, failed, late, cancelled + live, refused)


tallying: ContextVar[Tally | None] = ContextVar("weft_tally", default=None)
