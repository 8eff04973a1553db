"""The event loop of a process that has none of its own: one daemon thread."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from importlib import import_module

from weft.executors.loop import LoopExecutor

__all__ = ["BackgroundLoop", "load", "new_loop"]

_TIDY = 0.5  # seconds that cancelled calls have to clean up at exit


def new_loop(*, uvloop: bool) -> asyncio.AbstractEventLoop:
    """Make a loop: uvloop's where it is wanted and installed, else asyncio's own."""
    if uvloop:
        with suppress(ImportError):
            import uvloop as fast  # noqa: PLC0415 - imported when used, and absent on Windows

            loop: asyncio.AbstractEventLoop = fast.new_event_loop()
            return loop
    return asyncio.new_event_loop()


def load(*, uvloop: bool) -> None:
    """Load the loop's library now, at start-up, so that the first call need not. Starts nothing."""
    if uvloop:
        with suppress(ImportError):
            import_module("uvloop")


class BackgroundLoop:
    """A thread that runs a loop until it is told to stop. `stop` may come from any thread."""

    def __init__(self, make: Callable[[], asyncio.AbstractEventLoop]) -> None:
        # In an empty context: the loop keeps the one it was made in, with the scope that was the first to need it.
        loop = Context().run(make)
        self.executor = LoopExecutor(loop)
        self._stopping: asyncio.Future[float] = loop.create_future()
        self._thread = threading.Thread(target=self._run, name="weft-loop", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the loop can take calls."""
        return self._thread.is_alive() and not self.executor.loop.is_closed()

    def stop(self, grace: float) -> bool:
        """Let what runs end for `grace` seconds, cancel the rest, end the thread; False: it was stuck and is left."""
        with suppress(RuntimeError):  # it has closed already
            self.executor.loop.call_soon_threadsafe(self._stop_after, grace)
        self._thread.join(grace + 2 * _TIDY)
        return not self._thread.is_alive()

    def _stop_after(self, grace: float) -> None:
        if not self._stopping.done():
            self._stopping.set_result(grace)

    def _run(self) -> None:
        loop = self.executor.loop
        asyncio.set_event_loop(loop)
        try:
            grace = loop.run_until_complete(self._stopping)
            loop.run_until_complete(_wind_down(grace))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def _wind_down(grace: float) -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    if rest:
        _, late = await asyncio.wait(rest, timeout=grace)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_TIDY)
