"""A budget that all calls of the process share: whoever does not fit waits for those who leave."""

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from weft.executors.loop import LoopExecutor
from weft.policy.budget import Budget
from weft.policy.verdict import Stop, Wait

__all__ = ["BudgetStatistics", "SharedBudget"]

Ticket: TypeAlias = "tuple[LoopExecutor, asyncio.Future[None]]"


@dataclass(frozen=True, slots=True)
class BudgetStatistics:
    """A budget at one moment."""

    name: str
    size: int
    spent: int
    queued: int
    refused: int


class SharedBudget:
    """A `Budget` that may be used from any thread and any loop. The lock guards it.

    Args:
        name: what refusals and statistics call it.
        size: what those inside may cost together.
        waiting: how many may wait; one more is refused.
    """

    def __init__(self, name: str, size: int, *, waiting: int) -> None:
        self._lock = threading.Lock()
        self._budget: Budget[Ticket] = Budget(name, size, waiting)

    async def enter(self, loop: LoopExecutor, cost: int) -> None:
        """Take a share, waiting until there is enough; give it back with `leave`.

        Raises:
            Overloaded: the waiting room is full, or this is more than all there is (then `retry_after` is 0).
        """
        ticket = (loop, loop.loop.create_future())
        with self._lock:
            verdict = self._budget.enter(ticket, cost)
        if isinstance(verdict, Stop):
            raise verdict.error
        if isinstance(verdict, Wait):
            await self._wait(ticket, cost)

    def leave(self, cost: int) -> None:
        """Give a share back, to whoever waits for it first. Any thread."""
        with self._lock:
            called = self._budget.leave(cost)
        self._call(called)

    def statistics(self) -> BudgetStatistics:
        """How far it is spent now. Any thread."""
        with self._lock:
            b = self._budget
            return BudgetStatistics(b.name, b.size, b.spent, b.queued, b.refused)

    async def _wait(self, ticket: Ticket, cost: int) -> None:
        try:
            await ticket[1]
        except BaseException:
            with self._lock:
                called = self._budget.withdraw(ticket)
            if called is None:
                self.leave(cost)
            else:
                self._call(called)
            raise

    def _call(self, tickets: Iterable[Ticket]) -> None:
        for loop, called in tickets:
            # A closed loop takes no call. Its waiter is gone with it, and by its end has given the share back.
            with suppress(RuntimeError):
                if loop.here:
                    _grant(called)
                else:
                    loop.loop.call_soon_threadsafe(_grant, called)


def _grant(called: "asyncio.Future[None]") -> None:
    # A waiter cancelled in this very moment finds that it could not withdraw, and gives its share back.
    if not called.done():
        called.set_result(None)
