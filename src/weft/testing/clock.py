"""A clock that a test moves: deadlines, timeouts and backoffs pass without anybody sleeping.

After trio's `MockClock`: when nothing is left to run, an autojumping clock leaps to the next timer.
"""

import asyncio
import math
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from weft import clock as real
from weft.config import Config
from weft.runtime import process
from weft.runtime.runtime import Runtime

__all__ = ["VirtualClock", "VirtualLoop", "run_virtual", "virtual_clock"]

T = TypeVar("T")


class VirtualClock:
    """Seconds that pass only when told. Reading is safe from any thread; one thread at a time may move it.

    Args:
        may_jump: asked when a loop on this clock has nothing left to do: True lets it leap to its next timer.
    """

    def __init__(self, may_jump: Callable[[], bool] = lambda: False) -> None:
        self.may_jump = may_jump
        self._now = 1000.0
        self._loops: list[VirtualLoop] = []

    def now(self) -> float:
        """The virtual time, in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer; returns when the loops on this clock have run all that fell due.

        Not for a loop's own thread, which cannot run what falls due while it waits for it.
        """
        until = self._now + seconds
        self.settle()
        while (due := self._next_timer()) < until:
            self._now = max(self._now, due)
            self.settle()
        self._now = until
        self.settle()

    def settle(self) -> None:
        """Wait until the loops on this clock have nothing to run at the present time."""
        for loop in self._loops:
            loop.wait_until_idle()

    def _next_timer(self) -> float:
        timers = (loop.next_timer() for loop in self._loops if not loop.is_closed())
        return min((when for when in timers if when is not None), default=math.inf)

    def jump(self, seconds: float) -> None:
        """Move the time and nothing else. (For the loops.)"""
        self._now += seconds

    def new_loop(self) -> "VirtualLoop":
        """Make a loop that lives on this clock."""
        loop = VirtualLoop(self)
        self._loops.append(loop)
        return loop


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a virtual clock's; its sockets are real."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._idle = threading.Condition()
        self._rounds = 0
        super().__init__(_VirtualSelector(self, clock))

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._clock.now()

    def next_timer(self) -> float | None:
        """When the next timer falls due, or None."""
        timers = [handle.when() for handle in list(self._scheduled) if not handle.cancelled()]  # type: ignore[attr-defined]
        return min(timers, default=None)

    def wait_until_idle(self, timeout: float = 5.0) -> None:
        """Block until the loop has seen everything sent to it and sleeps.

        Raises:
            TimeoutError: it is still busy after `timeout` real seconds.
        """
        if self.is_closed():
            return
        ran_in: list[int] = []
        self.call_soon_threadsafe(lambda: ran_in.append(self._rounds))
        with self._idle:
            # The rest that follows our own message is the first to come after all that was sent before it.
            if not self._idle.wait_for(lambda: ran_in and self._rounds > ran_in[0], timeout):
                raise TimeoutError("the loop does not come to rest: a callback blocks it, or it runs in circles")

    def note_idle(self) -> None:
        """Tell those who wait that nothing is left to run now. (For the selector.)"""
        with self._idle:
            self._rounds += 1
            self._idle.notify_all()


class _VirtualSelector(selectors.DefaultSelector):
    """Sleeps for real only for sockets and other threads; for timers, it waits to be told or leaps."""

    def __init__(self, loop: VirtualLoop, clock: VirtualClock) -> None:
        super().__init__()
        self._loop = loop
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is not None and self._clock.may_jump():
            self._clock.jump(timeout)
            return []
        self._loop.note_idle()
        return super().select(None)


@contextmanager
def virtual_clock(**settings: Any) -> Iterator[VirtualClock]:
    """Give the block a fresh runtime on a virtual clock, for code in the sync colour; `advance` moves the time.

    Args:
        settings: of `weft.Config`.
    """
    clock = VirtualClock()
    before = real.install(clock.now)
    outer = process.install(Runtime(Config(**settings), clock.new_loop))
    try:
        yield clock
    finally:
        mine = process.install(outer)
        real.install(before)
        if mine is not None:
            mine.close(grace=0)


def run_virtual(main: Coroutine[Any, Any, T], **settings: Any) -> T:
    """Run a coroutine to its end on a clock that leaps over every wait: `asyncio.run` for tests.

    Time stands still while a call is at work on a thread: how long that takes is not the clock's affair.

    Args:
        main: what to run.
        settings: of `weft.Config`.
    """
    clock = VirtualClock(lambda: not _at_work(mine))
    before = real.install(clock.now)
    mine = Runtime(Config(**settings), clock.new_loop)
    outer = process.install(mine)
    try:
        with asyncio.Runner(loop_factory=clock.new_loop) as runner:
            return runner.run(main)
    finally:
        process.install(outer)
        real.install(before)
        mine.close(grace=0)


def _at_work(runtime: Runtime) -> bool:
    threads = runtime.statistics().threads
    return threads is not None and threads.running + threads.queued > 0
