"""One wait, in the waiter's own colour.

Everything in weft that can be waited for is announced through a `Waiter`; this module is the only place where a
thread blocks, and the only one that knows whether a wait is a lock or a future.
"""

import asyncio
import threading
from asyncio.events import _get_running_loop as running_loop
from collections.abc import Generator
from contextlib import suppress
from typing import Protocol

from weft.clock import now
from weft.errors import WouldBlock
from weft.executors.lending import lending

__all__ = ["FORSAKE", "LoopWaiter", "ThreadWaiter", "Waiter", "refuse_to_block"]

FORSAKE = 0.03
"""Seconds after the deadline at which a thread stops waiting for a loop that is stuck itself."""


class Waiter(Protocol):
    """Somebody who waits, once, for one thing."""

    def wake(self) -> None:
        """End the wait. Any thread; further calls do nothing."""


class ThreadWaiter:
    """A thread that waits. `wake` may come from any thread, before or during the wait.

    Raises:
        WouldBlock: the calling thread runs an event loop; `instead` is the line to write.
    """

    __slots__ = ("_lock",)

    def __init__(self, instead: str) -> None:
        refuse_to_block(instead)
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> None:
        """End the wait."""
        with suppress(RuntimeError):  # woken before: the first call counts
            self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until `wake`, at most `timeout` seconds; tell whether it came. A weft worker lends its slot."""
        if self._lock.acquire(blocking=False):
            return True
        with lending():
            return self._lock.acquire(timeout=-1 if timeout is None else max(0.0, min(timeout, threading.TIMEOUT_MAX)))

    def wait_until(self, deadline: float | None) -> bool:
        """Block until `wake`, or until the deadline on `weft.clock` has passed and nobody told us: a loop is stuck."""
        if deadline is None:
            return self.wait()
        while not self.wait(deadline + FORSAKE - now()):
            if now() >= deadline + FORSAKE:
                return False  # else a test's clock stands still: only what it says counts
        return True


class LoopWaiter:
    """A coroutine that waits. `wake` may come from any thread."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> None:
        """End the wait."""
        if running_loop() is self._loop:
            self._set()
            return
        with suppress(RuntimeError):  # the waiter's loop has closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._set)

    def __await__(self) -> Generator[None, None, None]:
        return self._future.__await__()

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


def refuse_to_block(instead: str) -> None:
    """Raise unless the calling thread may block.

    Raises:
        WouldBlock: it runs an event loop, which a blocking wait would stop for everybody.
    """
    if running_loop() is not None:
        raise WouldBlock(f"this would block the event loop that runs here: write `{instead}` instead")
