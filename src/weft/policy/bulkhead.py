"""A fixed number of places and a bounded waiting room (the bulkhead of Nygard's *Release It!*).

Places are handed over, not thrown open: whoever leaves names the one who comes in, so a newcomer cannot push past
those who wait. The waiting room is fair between owners.
"""

import math
from typing import Generic, TypeVar

from weft.errors import InvalidValue, Overloaded
from weft.fairness import FairQueue
from weft.policy.verdict import GO, Stop, Verdict, Wait

__all__ = ["Bulkhead"]

T = TypeVar("T")


class Bulkhead(Generic[T]):
    """Admission to `size` places with `waiting` seats before the door. Not concurrency safe.

    Args:
        name: what the refusal names.
        size: calls inside at once, at least 1.
        waiting: calls that may wait for a place, at least 0; one more is refused.
    """

    def __init__(self, name: str, size: int, waiting: int) -> None:
        if size < 1:
            raise InvalidValue(f"limit {name!r} has size {size}, and nothing could ever run: write size=1 or more")
        if waiting < 0:
            raise InvalidValue(f"limit {name!r} has {waiting} waiting places: write waiting=0 to refuse at once")
        self.name = name
        self.size = size
        self.waiting = waiting
        self.inside = 0
        self.refused = 0
        self._queue: FairQueue[T] = FairQueue()

    @property
    def queued(self) -> int:
        """How many wait for a place."""
        return len(self._queue)

    def admit(self) -> bool:
        """Take a place if one is free. (Nobody waits while one is: places are handed over.)"""
        free = self.inside < self.size
        self.inside += free
        return free

    def enter(self, ticket: T, owner: object) -> Verdict:
        """Take a place (Go), a seat in the waiting room (Wait without end), or be refused (Stop)."""
        if self.admit():
            return GO
        if len(self._queue) >= self.waiting:
            self.refused += 1
            return Stop(Overloaded(f"limit {self.name!r} is full: {self.inside} running, {len(self._queue)} waiting"))
        self._queue.push(owner, ticket)
        return Wait(math.inf)

    def leave(self) -> T | None:
        """Give the place back; the ticket returned, if any, has it now."""
        if self._queue:
            return self._queue.pop()
        self.inside -= 1
        return None

    def withdraw(self, ticket: T, owner: object) -> bool:
        """Leave the waiting room. False: the ticket was called already and holds a place."""
        return self._queue.remove(owner, ticket)
