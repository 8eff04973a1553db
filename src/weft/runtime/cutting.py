"""Ends a call that blocks in a thread, and bounds each of its waits, but not all of them together."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from weft.runtime.process import runtime

__all__ = ["Cut", "cut_off"]

_AGAIN = 1.0  # seconds


class Cut:
    """Whether it came to that.

    Attributes:
        made: the time was over before the block was.
    """

    def __init__(self) -> None:
        self.made = False


@contextmanager
def cut_off(stop: Callable[[], object], seconds: float) -> Iterator[Cut]:
    """Have `stop()` called after so many seconds, unless the block has ended by then.

    Args:
        stop: makes the call in the block end, as by shutting down its socket. Called on the runtime's loop, so it must
            not wait; that it raises an OSError is of no concern. Called again every second while the block goes on: it
            may have found nothing to stop, as in the middle of a TLS handshake. Never called after the block.
        seconds: from now.
    """
    home = runtime().home()
    lock = threading.Lock()  # guards `over`: so that nothing is stopped which belongs to somebody else by then
    timers: list[asyncio.TimerHandle] = []
    cut = Cut()
    over = False

    def begin(wait: float = seconds) -> None:
        timers[:] = [home.loop.call_later(wait, end)]

    def end() -> None:
        with lock, suppress(OSError):
            if not over:
                cut.made = True
                begin(_AGAIN)
                stop()

    def forget() -> None:
        for timer in timers:
            timer.cancel()

    home.post(begin)
    try:
        yield cut
    finally:
        with lock:
            over = True
        home.post_if_open(forget)
