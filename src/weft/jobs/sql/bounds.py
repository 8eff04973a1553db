"""How many jobs of a queue may start now, for all workers together. Runs inside a transaction of the ledger's.

The rate is the one of `weft.policy.rate` (GCRA), whose one number is kept in the store instead of in a process.
"""

import math
from typing import NamedTuple

from weft.calls.limits import Limit
from weft.jobs.lifecycle import State
from weft.jobs.sql.database import Connection

__all__ = ["Bound", "bound_of", "note_starts", "startable"]

_RUN = f"SELECT count(*) FROM job WHERE queue = ? AND state = {int(State.RUNNING)}"  # noqa: S608 - a number of ours
_DUE = "SELECT due FROM rate WHERE queue = ?"
_SET_DUE = "INSERT INTO rate (queue, due) VALUES (?, ?) ON CONFLICT (queue) DO UPDATE SET due = excluded.due"

_SKEW = 60.0  # seconds that the clocks of two machines may differ


class Bound(NamedTuple):
    """What a queue's limit allows.

    Attributes:
        size: jobs that run at once.
        interval: seconds between two starts; 0: no rate.
        tolerance: seconds that starts may come before their time, for a burst.
    """

    size: int
    interval: float = 0.0
    tolerance: float = 0.0

    def starts(self, due: float, now: float) -> int:
        """How many the rate allows, if the next one is due then."""
        early = now + self.tolerance - max(due, now)
        return 0 if early < 0 else int(early / self.interval + 1e-9) + 1


def bound_of(limit: Limit) -> Bound:
    """What this limit allows."""
    rate = limit.rate
    return Bound(limit.size) if rate is None else Bound(limit.size, rate.interval, rate.tolerance)


def startable(connection: Connection, queue: str, bound: Bound, now: float) -> tuple[int, float]:
    """How many jobs of the queue may start now; and when the next one is due by the rate, for `note_starts`."""
    room = bound.size - int(connection.execute(_RUN, (queue,)).fetchone()[0])
    if not bound.interval:
        return room, -math.inf
    row = connection.execute(_DUE, (queue,)).fetchone()
    due = -math.inf if row is None else float(row[0])
    if due > now + bound.tolerance + bound.interval + _SKEW:  # so far no start puts it: a clock was wrong
        due = now
    return min(room, bound.starts(due, now)), max(due, now)


def note_starts(connection: Connection, queue: str, bound: Bound, due: float, started: int) -> float:
    """So many have started; when the rate lets the next one."""
    due += started * bound.interval
    if bound.interval and started:
        connection.execute(_SET_DUE, (queue, due))
    return due - bound.tolerance
