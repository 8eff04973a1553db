"""How many deliveries to one receiver are under way at once: what is over that waits in the store, not in a slot.

A bulkhead (Nygard, *Release It!*) for each receiver, in one process. Without it one that hangs takes every slot of its
queue before the circuit breaker has learnt of it, and those who are for others wait behind. It blocks nobody: the job
is put off for a moment, and is not charged an attempt.

Mail has none: all of it is for one server, so that there is nobody behind.
"""

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from weft.jobs.errors import Snooze

__all__ = ["place"]

_MOMENT = 1.0  # seconds for which a delivery is put off, and a half more or less: so that they do not come back as one

_lock = threading.Lock()  # guards the table below
_under_way: Counter[str] = Counter()  # receiver -> deliveries; those with none are left out


@contextmanager
def place(receiver: str, most: int | None) -> Iterator[None]:
    """Deliver to this receiver within the block. Any thread; never waits.

    Args:
        receiver: whom.
        most: deliveries to it at once; None: any number.

    Raises:
        Snooze: so many are under way.
    """
    if most is None:
        yield
        return
    with _lock:
        if _under_way[receiver] >= most:
            raise Snooze(_MOMENT * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
        _under_way[receiver] += 1
    try:
        yield
    finally:
        with _lock:
            _under_way[receiver] -= 1
            if not _under_way[receiver]:
                del _under_way[receiver]


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _under_way.clear()


os.register_at_fork(after_in_child=_after_fork)
