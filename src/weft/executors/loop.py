"""The event loop as a place to run: a mailbox through which other threads send it whole batches.

Waking a loop from another thread costs far more than a call on it (a lock, a system call, a switch of threads), so
posts are coalesced: while one wake-up is under way, further posts only join the queue.
"""

import asyncio
from asyncio.events import _get_running_loop as running_loop  # the public spelling raises where we only ask
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any

from weft.errors import WeftError

__all__ = ["LoopExecutor", "running_loop"]


class LoopExecutor:
    """One event loop and its mailbox.

    `post` may be called from any thread. Everything else belongs to the loop's own thread.

    Attributes:
        abandoned: async calls that ignored their cancellation and still run although nobody waits for them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.abandoned = 0
        self._box: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._woken = False

    @property
    def here(self) -> bool:
        """Whether the calling thread is running this very loop."""
        return running_loop() is self.loop

    def post(self, fn: Callable[..., object], *args: Any) -> None:
        """Have the loop call `fn(*args)`: at once on its own thread, soon and in order of posting from others.

        Raises:
            WeftError: the loop has been closed, so that nothing could ever run.
        """
        if running_loop() is self.loop:
            fn(*args)
            return
        self._box.append((fn, args))
        # A closed loop may have its flag up for ever: unasked, it would swallow the letter in silence.
        if not self._woken or self.loop.is_closed():
            self._woken = True
            self._wake()

    def post_if_open(self, fn: Callable[..., object], *args: Any) -> None:
        """`post`, for what is of no concern once the loop is closed, and everybody who waited there gone."""
        with suppress(WeftError):
            self.post(fn, *args)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], context: Context) -> "asyncio.Task[Any]":
        """Run a coroutine as a task of this loop, in the given context."""
        return self.loop.create_task(coroutine, context=context)

    def _wake(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self._drain)
        except RuntimeError as error:
            raise WeftError("the event loop that this scope belongs to has been closed") from error

    def _drain(self) -> None:
        # The flag falls before the box is counted: a post that comes later wakes the loop again.
        self._woken = False
        for _ in range(len(self._box)):
            fn, args = self._box.popleft()
            try:
                fn(*args)
            except Exception as error:  # noqa: BLE001 - one bad letter must not hold up the rest of the mail
                self.loop.call_exception_handler({"message": f"weft: {fn!r} failed", "exception": error})
