"""The schedules that a worker keeps: which jobs have come due by themselves."""

from collections.abc import Iterable
from typing import Any

from weft.jobs.declaring import Job
from weft.jobs.records import Entry
from weft.jobs.sql.store import Store

__all__ = ["Ticking"]


class Ticking:
    """Jobs with a schedule. Belongs to its worker's thread.

    Args:
        jobs: those of the worker's queues.
        store: knows when each came last.
        now: the time.
    """

    def __init__(self, jobs: Iterable[Job[Any, Any]], store: Store, now: float) -> None:
        self._jobs = {job.name: job for job in jobs if job.schedule is not None}
        self._next: dict[str, float] = {}
        for name, job in self._jobs.items():
            schedule = job.schedule
            assert schedule is not None  # those alone
            last = store.last_tick(name, now)
            missed = schedule.before(now)
            make_up = job.options.missed == "run" and missed > last
            self._next[name] = missed if make_up else schedule.after(max(now, last))

    @property
    def next(self) -> float | None:
        """When the next one is due."""
        return min(self._next.values(), default=None)

    def due(self, now: float) -> list[tuple[float, Entry]]:
        """The times that have come, and the jobs to store for them. Of times that were slept through, one comes."""
        return [(when, self._jobs[name].tick(when)) for name, when in self._next.items() if when <= now]

    def stored(self, ticks: Iterable[tuple[float, Entry]], now: float) -> None:
        """These are stored: on to the next."""
        for _, entry in ticks:
            schedule = self._jobs[entry.task].schedule
            assert schedule is not None  # those alone
            self._next[entry.task] = schedule.after(now)
