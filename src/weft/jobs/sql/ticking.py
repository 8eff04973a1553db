"""The schedules that a worker keeps: which jobs have come due by themselves."""

from collections.abc import Iterable
from typing import Any

from weft.jobs.declaring import Job
from weft.jobs.records import Entry
from weft.jobs.schedule import CORRECTION, Cron
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
        self._looked = now
        for name, job in self._jobs.items():
            schedule = _schedule(job)
            last = store.last_tick(name, now)
            if last > now + CORRECTION:
                last = now
            missed = schedule.before(now)
            make_up = job.options.missed == "run" and missed > last
            self._next[name] = missed if make_up else schedule.after(max(now, last))

    @property
    def next(self) -> float | None:
        """When the next one is due."""
        return min(self._next.values(), default=None)

    def due(self, now: float) -> list[tuple[float, Entry]]:
        """The times that have come, and the jobs to store for them. Of times that were slept through, one comes."""
        if now < self._looked - CORRECTION:
            self._next = {name: _schedule(job).after(now) for name, job in self._jobs.items()}
        self._looked = now
        return [(when, self._jobs[name].tick(when)) for name, when in self._next.items() if when <= now]

    def stored(self, ticks: Iterable[tuple[float, Entry]], now: float) -> None:
        """These are stored: on to the next."""
        for _, entry in ticks:
            self._next[entry.task] = _schedule(self._jobs[entry.task]).after(now)


def _schedule(job: Job[Any, Any]) -> Cron:
    assert job.schedule is not None  # those alone are here
    return job.schedule
