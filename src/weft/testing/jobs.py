"""Jobs in tests: a store that ends with the test, and a way to have done what is due.

```python
with job_store() as jobs:
    register(client, "ada")                        # the code that is tested enqueues
    assert jobs.enqueued(send_welcome)[0].arguments == '{"user":1}'
    jobs.drain()                                   # now it has been done
    jobs.advance(3600)                             # and an hour later
    jobs.drain()

with job_store(inline=True):                       # each is done where it is enqueued
    register(client, "ada")
```
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

from weft import clock
from weft.jobs.declaring import Job
from weft.jobs.errors import ResultTimeout
from weft.jobs.lifecycle import State
from weft.jobs.records import Entry, Record
from weft.jobs.serving import Worker
from weft.jobs.sql.ledger import Change
from weft.jobs.sql.store import Store
from weft.jobs.sqlite.passing import PassingSQLite
from weft.jobs.stores import install

__all__ = ["JobStore", "job_store"]

_LOOK = 0.001
_MOST = 100_000


class JobStore:
    """A store of the test's own, and its time. For one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ahead = 0.0

    def enqueued(self, job: Job[Any, Any] | None = None, *, state: State | None = None) -> list[Record]:
        """The jobs stored so far, in order: all, or those of this function, or in this state."""
        found = self._store.records(task=None if job is None else job.name, state=state, most=_MOST)
        return found[::-1]

    def drain(self, timeout: float = 10.0) -> None:
        """Run what is due, and what that enqueues, until nothing is left. Blocks; jobs run as they would in a worker.

        Raises:
            ResultTimeout: something was still running after so many real seconds.
        """
        queues = {record.queue for record in self.enqueued()}
        if not queues:
            return
        worker = Worker(dict.fromkeys(queues, 4), store=self._store).start()
        pause, end = Event(), time.monotonic() + timeout
        try:
            while self._due() or self._store.pending(queues):  # in the order in which jobs go
                if time.monotonic() > end:
                    raise ResultTimeout(f"jobs were still running or waiting after {timeout:g} s")
                pause.wait(_LOOK)
        finally:
            worker.stop(grace=0)
        if {record.queue for record in self.enqueued()} - queues:  # jobs have enqueued into queues that were unknown
            self.drain(timeout)

    def advance(self, seconds: float) -> None:
        """Let time pass for jobs: what is for later comes nearer."""
        self._ahead += seconds

    def time(self) -> float:
        """The time that jobs see, in seconds since 1970."""
        return time.time() + self._ahead

    def _due(self) -> bool:
        waiting = [*self.enqueued(state=State.SCHEDULED), *self.enqueued(state=State.RETRYABLE)]
        return any(record.scheduled_at is not None and record.scheduled_at <= self.time() for record in waiting)


class _Inline(Store):
    """Has each job done before its `enqueue` returns; what that enqueues in turn, together with it."""

    drain: Callable[[], object] | None = None

    def enqueue(self, entries: Sequence[Entry]) -> Change[list[str]]:
        change = super().enqueue(entries)
        drain, self.drain = self.drain, None
        if drain is not None:
            change.wait()
            try:
                drain()
            finally:
                self.drain = drain
        return change


@contextmanager
def job_store(*, inline: bool = False) -> Iterator[JobStore]:
    """Put the jobs of this process in a store of their own until the block is left.

    Args:
        inline: each is done before its `enqueue` returns, if it is due; a failure shows in its record alone.
    """
    store = _Inline(PassingSQLite())
    made = JobStore(store)
    store.drain = made.drain if inline else None
    before, calendar = install(store), clock.install_calendar(made.time)
    try:
        yield made
    finally:
        clock.install_calendar(calendar)
        install(before)
        store.close()
