"""The block of an `async with` scope: it is cut short when its calls are in trouble, and it waits for them at its end.

The counting of cancellations is that of `asyncio.TaskGroup` and `asyncio.timeout`: a cancellation that we asked for is
taken back with `uncancel`, one that comes from outside goes on its way.
"""

import asyncio

from weft.outcome import Cancelled
from weft.scopes.core import Core
from weft.scopes.waiting import LoopWaiter

__all__ = ["Body"]


class Body:
    """The asyncio task that runs the block of one scope. Belongs to the scope's loop."""

    def __init__(self, core: Core, *, cut: bool) -> None:
        host = asyncio.current_task()
        if host is None:
            raise RuntimeError("`async with weft.scope()` needs an asyncio task around it")
        self._host = host
        self._core = core
        self._before = host.cancelling()
        self._asked = False  # we have cancelled the host, and not taken it back
        if cut:
            core.on_trouble = self._cut

    def left_by(self, error: BaseException | None) -> tuple[BaseException | None, bool]:
        """Tell what error the block was left by, and whether we cut it short (then the cancellation is no error)."""
        self._core.on_trouble = None
        if not (self._asked and isinstance(error, asyncio.CancelledError)):
            return error, False
        return (None, True) if self._take_back() else (error, False)

    async def wait_for_calls(self) -> None:
        """Wait until the last call has ended; being cancelled meanwhile cancels them first."""
        core = self._core
        core.close()
        outside: BaseException | None = None
        while not core.ended:
            waiter = LoopWaiter()
            core.when_ended(waiter.wake)
            try:
                await waiter
            except asyncio.CancelledError as error:
                if self._asked and self._take_back():
                    continue  # our own request, delivered late
                outside = error
                core.cancel(Cancelled("the code around its scope was cancelled"))
        if self._asked:
            outside = outside or await self._hear_the_request()
        if outside is not None:
            raise outside

    def _cut(self) -> None:
        self._asked = True
        self._host.cancel()

    async def _hear_the_request(self) -> BaseException | None:
        # A host that cancels its own scope has our request still before it. Until Python 3.13 `uncancel` alone does not
        # undo that, and the host would be cancelled at whatever it awaits next.
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as error:
            return None if self._take_back() else error
        self._take_back()
        return None

    def _take_back(self) -> bool:
        self._asked = False
        return self._host.uncancel() <= self._before
