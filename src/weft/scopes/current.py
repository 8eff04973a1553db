"""Which scope the running code belongs to, and how much time it has left."""

from contextvars import ContextVar
from typing import Protocol

from weft.clock import now

__all__ = ["Bounded", "current", "deadline", "remaining"]


class Bounded(Protocol):
    """What has a deadline: a scope."""

    @property
    def deadline(self) -> float | None:
        """On `weft.clock`, in seconds; None: unbounded."""

    @property
    def allowed(self) -> float | None:
        """The seconds that led to it."""


current: ContextVar[Bounded | None] = ContextVar("weft_scope", default=None)


def deadline() -> float | None:
    """The deadline of the scope that runs this code, on `weft.clock`; None outside of any, or where it has none."""
    scope = current.get()
    return None if scope is None else scope.deadline


def remaining() -> float | None:
    """Seconds left before the deadline of the scope that runs this code, at least 0.0; None: no deadline.

    Fit to be handed on as a timeout: `requests.get(url, timeout=weft.remaining())`.
    """
    until = deadline()
    return None if until is None else max(0.0, until - now())
