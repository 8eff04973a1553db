"""A sum that those inside share, such as memory, with a bounded waiting room.

First come, first served, without exception: if small ones passed, a large one would wait for ever beside them.
"""

import math
from collections import OrderedDict
from typing import Generic, TypeVar

from weft.errors import InvalidValue, Overloaded
from weft.policy.verdict import GO, Stop, Verdict, Wait

__all__ = ["Budget"]

T = TypeVar("T")


class Budget(Generic[T]):
    """Admission by what each one costs. Not concurrency safe.

    Args:
        name: what the refusal names.
        size: what those inside may cost together, above 0.
        waiting: how many may wait, at least 0; one more is refused.

    Attributes:
        spent: what those inside cost together; at most `size`.
    """

    def __init__(self, name: str, size: int, waiting: int) -> None:
        if size < 1:
            raise InvalidValue(f"budget {name!r} has size {size}, and nothing would ever fit: write size=1 or more")
        if waiting < 0:
            raise InvalidValue(f"budget {name!r} has {waiting} waiting places: write waiting=0 to refuse at once")
        self.name = name
        self.size = size
        self.waiting = waiting
        self.spent = 0
        self.refused = 0
        self._queue: OrderedDict[T, int] = OrderedDict()

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._queue)

    def enter(self, ticket: T, cost: int) -> Verdict:
        """Be inside (Go), wait without end (Wait), or be refused (Stop): there is no room to wait, or none ever."""
        if cost > self.size:
            self.refused += 1
            return Stop(
                Overloaded(f"budget {self.name!r} is {self.size}, and this alone needs {cost}", retry_after=0.0)
            )
        if not self._queue and self.spent + cost <= self.size:
            self.spent += cost
            return GO
        if len(self._queue) >= self.waiting:
            self.refused += 1
            return Stop(
                Overloaded(f"budget {self.name!r} is spent: {self.spent} of {self.size}, {self.queued} waiting")
            )
        self._queue[ticket] = cost
        return Wait(math.inf)

    def leave(self, cost: int) -> list[T]:
        """Give back what an entry took; the tickets returned are inside now."""
        self.spent -= cost
        return self._admit()

    def withdraw(self, ticket: T) -> list[T] | None:
        """Leave the waiting room; the tickets returned, which stood behind, are inside now.

        None: this one was called already and is inside.
        """
        return None if self._queue.pop(ticket, None) is None else self._admit()

    def _admit(self) -> list[T]:
        called: list[T] = []
        while self._queue:
            ticket, cost = next(iter(self._queue.items()))
            if self.spent + cost > self.size:
                break
            del self._queue[ticket]
            self.spent += cost
            called.append(ticket)
        return called
