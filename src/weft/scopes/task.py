"""The handle for one started call. It has no colour: a thread writes `task.result()`, a coroutine `await task`."""

import os
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from weft.calls.call import Call
from weft.clock import now
from weft.outcome import Cancelled, Outcome, TimedOut
from weft.scopes.waiting import FORSAKE, LoopWaiter, ThreadWaiter, Waiter

if TYPE_CHECKING:
    import asyncio

__all__ = ["Task"]

T_co = TypeVar("T_co", covariant=True)

# Guards the one step from "under way" to "ended", which the loop and a caller whose deadline has passed may both try.
_ending = threading.Lock()


def _renew_lock() -> None:
    # In a forked child: whoever held it has stayed with the parent, and would never give it back.
    global _ending
    _ending = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Task(Generic[T_co]):
    """One call under way in a scope. Safe to use from any thread and any loop.

    Attributes:
        call: what was started.
        deadline: when it must be over, on `weft.clock`: its scope's; None: never.
        attempts: how often it has been tried.
        created_at: when it was started by the caller, on `weft.clock`, in seconds.
        started_at: when it began to run, or None.
        ended_at: when it ended, or None.
    """

    __slots__ = (
        "_allowed", "_give_up", "_outcome", "_waiters", "attempts", "call", "created_at", "deadline", "ended_at",
        "fate", "running", "started_at",
    )  # fmt: skip

    def __init__(
        self,
        call: Call[T_co],
        give_up: "Callable[[Task[Any], Cancelled], object]",
        *,
        deadline: float | None = None,
        allowed: float | None = None,
    ) -> None:
        self.call = call
        self._give_up = give_up
        self.deadline = deadline
        self._allowed = allowed
        self._outcome: Outcome[T_co] | None = None
        self._waiters: list[Waiter] = []
        self.attempts = 0
        self.created_at = now()
        self.started_at: float | None = None
        self.ended_at: float | None = None
        # Of the scope's core, on its loop alone: the asyncio task, and what the call came to if that ends cancelled.
        self.running: asyncio.Task[Any] | None = None
        self.fate: Outcome[Any] | None = None

    @property
    def name(self) -> str:
        """What logs and waterfalls call it: the function's name, or the name given."""
        return self.call.name

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments, to tell which call this is."""
        return self.call.args

    @property
    def outcome(self) -> Outcome[T_co] | None:
        """What the call came to, or None while it is under way. Never waits."""
        return self._outcome

    @property
    def done(self) -> bool:
        """Whether it has ended. Never waits."""
        return self._outcome is not None

    def result(self, timeout: float | None = None) -> T_co:
        """Wait for the end, blocking, and return the value or raise the error.

        Args:
            timeout: seconds to wait at most; the scope's deadline bounds the wait in any case.

        Raises:
            DeadlineExceeded: the call was not done by its deadline.
            TimeoutError: `timeout` ran out; the call goes on.
            WouldBlock: asked on an event loop's thread before the end; write `await task` there.
            TaskCancelled: the call was cancelled.
            Overloaded: the call was refused.
        """
        if self._outcome is None:
            waiter = ThreadWaiter("await task")
            self.announce_to(waiter)
            self._wait(waiter, timeout)
        return cast("Outcome[T_co]", self._outcome).unwrap()

    def __await__(self) -> Generator[None, None, T_co]:
        if self._outcome is None:
            waiter = LoopWaiter()
            self.announce_to(waiter)
            yield from waiter.__await__()
        return cast("Outcome[T_co]", self._outcome).unwrap()

    def cancel(self) -> None:
        """Ask for the end of this call alone; returns at once. A call that has ended stays as it is."""
        self._give_up(self, Cancelled("cancelled by its handle"))

    def announce_to(self, waiter: Waiter) -> None:
        """Wake the waiter when the call ends, or at once if it has ended. (For code that builds waits of its own.)"""
        self._waiters.append(waiter)
        # Between the append and this look the end may have come and found the list without us.
        if self._outcome is not None:
            waiter.wake()

    def _wait(self, waiter: ThreadWaiter, timeout: float | None) -> None:
        bounded = self.deadline is not None and (timeout is None or now() + timeout >= self.deadline + FORSAKE)
        if timeout is None or bounded:
            if not waiter.wait_until(self.deadline):
                self.forsake()
        elif not waiter.wait(timeout):
            self._forget(waiter)  # who asks again and again does not stand in line again and again
            raise TimeoutError(f"{self.name} is not done after {timeout} s; it goes on")

    def forsake(self) -> bool:
        """End the call for its waiters, whose time is up while the loop is stuck; see `settle`. (For the scope.)"""
        return self.settle(TimedOut(self._allowed))

    def settle(self, outcome: Outcome[Any]) -> bool:
        """End the call with this outcome, unless it has one; tell whether it counted. (For the scope.)"""
        with _ending:
            if self._outcome is not None:
                return False
            self.ended_at = now()
            self._outcome = outcome
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.wake()
        return True

    def _forget(self, waiter: Waiter) -> None:
        with _ending:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def __repr__(self) -> str:
        state = "under way" if self._outcome is None else type(self._outcome).__name__
        return f"<weft.Task {self.name} {state}>"
