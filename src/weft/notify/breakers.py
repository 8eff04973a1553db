"""Receivers that do not answer: who is for them fails at once, and only one at a time finds out whether they do again.

A circuit breaker (Nygard, *Release It!*) for each receiver, in one process. Without it a receiver that hangs takes
every slot of its queue, and those who are for others wait behind.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from weft.clock import now

__all__ = ["Attempt", "Silent", "attempt"]

_PAUSE = 4.0  # seconds after which a receiver that did not answer is asked again; the first further attempt is after 5


class Silent(Exception):
    """This receiver did not answer the last time, and is not asked now."""


class Attempt:
    """One delivery.

    Attributes:
        unanswered: set it where no answer came; any answer will do, also one that refuses.
    """

    def __init__(self) -> None:
        self.unanswered = False


_lock = threading.Lock()  # guards the table below
_asked_again: dict[str, float] = {}  # receiver that did not answer -> when it may be asked again, on `weft.clock`


@contextmanager
def attempt(receiver: str) -> Iterator[Attempt]:
    """Deliver to this receiver within the block. Any thread.

    Raises:
        Silent: it did not answer the last time; nothing is to be sent.
    """
    with _lock:
        again = _asked_again.get(receiver)
        if again is not None:
            if now() < again:
                raise Silent
            _asked_again[receiver] = now() + _PAUSE  # for all others, while this one asks
    this = Attempt()
    try:
        yield this
    finally:
        with _lock:
            if this.unanswered:
                _asked_again[receiver] = now() + _PAUSE
            else:
                _asked_again.pop(receiver, None)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
