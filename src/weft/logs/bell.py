"""How a log call wakes the writer: one flag to look at, and a system call only where somebody sleeps."""

import threading
from contextlib import suppress

__all__ = ["Bell"]


class Bell:
    """Wakes one thread. Rung by any thread, and by signal handlers.

    (Not `threading.Event`: its lock would be taken for each line, and could be held by whoever was interrupted.)

    Attributes:
        waiting: whether the thread has lain down until it is rung for.
    """

    def __init__(self) -> None:
        self.waiting = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def ring(self) -> None:
        """Wake the thread, or let its next wait end at once.

        One step: an exception out of a signal handler can come before or behind it. (With `waiting` taken back here,
        one in between would leave a thread asleep that nobody rings for any more.)
        """
        if self._gate.locked():
            with suppress(RuntimeError):  # somebody else has rung this moment
                self._gate.release()

    def wait(self, timeout: float | None = None) -> None:
        """Sleep until it rings, or for so many seconds."""
        self._gate.acquire(timeout=-1 if timeout is None else timeout)
