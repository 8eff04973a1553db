"""What a job can know of itself, and say."""

from collections.abc import Callable
from contextvars import ContextVar

from weft.clock import now
from weft.errors import InvalidCall
from weft.jobs.records import Claim
from weft.jobs.settling import storable

__all__ = ["CurrentJob", "current", "running"]

_LONGEST = 200


class CurrentJob:
    """The job that runs this code. Any thread."""

    __slots__ = ("_cancelled", "_claim", "_tell", "_until")

    def __init__(self, claim: Claim, tell: Callable[[Claim, float, str], object]) -> None:
        self._claim = claim
        self._until = None if claim.timeout is None else now() + claim.timeout
        self._tell = tell
        self._cancelled = False

    @property
    def uid(self) -> str:
        """Its id."""
        return self._claim.uid

    @property
    def task(self) -> str:
        """The name of its function."""
        return self._claim.task

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._claim.attempt

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more: it was cancelled, or is late. Long loops ask now and then."""
        return self._cancelled

    @property
    def remaining(self) -> float | None:
        """Seconds left of its timeout, at least 0.0; None: it has none."""
        return None if self._until is None else max(0.0, self._until - now())

    def progress(self, fraction: float, note: str = "") -> None:
        """Say how far the job is: a fraction of 1, and words (200 characters).

        It is written with the worker's next turn. In a process of its own it is heard by nobody.
        """
        self._tell(self._claim, min(1.0, max(0.0, float(fraction))), storable(str(note)[:_LONGEST]))

    def call_off(self) -> None:
        """Nobody waits for it any more. (For the worker.)"""
        self._cancelled = True


running: ContextVar[CurrentJob | None] = ContextVar("weft_job", default=None)


def current() -> CurrentJob:
    """The job that runs this code.

    Raises:
        InvalidCall: none does.
    """
    found = running.get()
    if found is None:
        raise InvalidCall("no job runs this code: weft.jobs.current() is for functions that a worker runs")
    return found
