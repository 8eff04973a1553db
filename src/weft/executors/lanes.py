"""`map`: its calls are claimed in order by a few lanes, and collected in order by one reader.

A lane is one unit of work for the pool. It runs call after call, at the price of one lock round each, and makes way
between two calls when somebody else waits for a worker. So a thousand calls need neither a thousand futures nor a
thousand turns at the queue.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from itertools import count, islice
from typing import Any

from weft.clock import now
from weft.errors import TaskCancelled
from weft.executors.lending import lending
from weft.executors.pool import Pool
from weft.executors.work import State, Work

__all__ = ["Batch"]

Row = tuple[Any, ...]


class Lane(Work):
    """Runs calls of one batch, one after the other."""

    __slots__ = ("batch", "calls")

    def __init__(self, batch: "Batch") -> None:
        super().__init__(batch.fn, (), {}, _lane_ended, owner=batch)
        self.batch = batch
        self.calls = 0

    def run(self) -> None:
        """Run calls until none is left, or somebody else waits for a worker."""
        batch, calls = self.batch, 0
        if len(batch.rows) > 1:
            batch.widen()
        for index, row in batch.claims():
            batch.call(index, row)
            calls += 1
        self.calls = calls


class Batch:
    """The calls of one `map`. Concurrency safe, for one reader and many lanes.

    Attributes:
        rows: what has not begun, with its place in the order. Its methods are atomic; it is fed with `lock` held.
        results: values that were not read yet, by their place. Stored with `lock` held; to take one out is atomic.
        errors: likewise for calls that raised or will never run.
        wanted: the place that the reader sleeps for, or -1. `lock` guards it.
        gate: where the reader sleeps.
        lanes: lanes that run or are queued. `lock` guards it.
        fed: rows so far. The reader's own.
    """

    def __init__(self, pool: Pool, fn: Callable[..., Any], source: Iterator[Row], window: int | None) -> None:
        self.pool = pool
        self.fn = fn
        self.source = enumerate(source)
        self.rows = deque(self.source if window is None else islice(self.source, window))
        self.results: dict[int, Any] = {}
        self.errors: dict[int, BaseException] = {}
        self.lock = threading.Lock()
        self.gate = threading.Lock()
        self.gate.acquire()
        self.wanted = -1
        self.lanes = 0
        self.fed = len(self.rows)

    # The reader's side.

    def open(self) -> None:
        """Start the first lane; it starts the next.

        Raises:
            RuntimeError: the pool is shut down or broken.
        """
        if self.rows:
            self.lanes = 1
            self.pool.start((Lane(self),))

    def read(self, end: float | None, keep: object) -> Iterator[Any]:
        """The results in the order of the rows. Closing the iterator cancels what has not begun.

        Args:
            end: when to raise TimeoutError, on the clock of `now`.
            keep: the executor, for as long as more rows may have to be fed to it.
        """
        results = self.results
        try:
            for index in count():
                if keep is not None:
                    self.feed()
                if index == self.fed:
                    return
                # No name is bound to a result: the reader's caller alone decides how long it lives.
                yield results.pop(index) if index in results else self.wait_for(index, end)
        finally:
            self.rows.clear()

    def feed(self) -> None:
        """Let one more row in."""
        for row in islice(self.source, 1):
            self.pool.check()
            with self.lock:
                self.rows.append(row)
            self.fed += 1
            self.widen()

    def wait_for(self, index: int, end: float | None) -> Any:
        """Sleep until this call has ended, and give what came of it.

        Raises:
            TimeoutError: it had not ended in time.
            BaseException: what the call raised.
        """
        with self.lock:
            ended = index in self.results or index in self.errors
            self.wanted = -1 if ended else index
        if not ended:
            self.sleep(index, end)
        if index in self.errors:
            raise self.errors.pop(index)
        return self.results.pop(index)

    def sleep(self, index: int, end: float | None) -> None:
        """Sleep until the lane that ends this call opens the gate, or raise TimeoutError."""
        with lending():
            woken = self.gate.acquire(timeout=_seconds_until(end))
        with self.lock:
            in_vain, self.wanted = self.wanted == index, -1
        if in_vain:
            raise TimeoutError
        if not woken:
            self.gate.acquire()  # opened in the very moment in which the time was up

    # The lanes' side.

    def claims(self) -> Iterator[tuple[int, Row]]:
        """Rows to run: at least one if there is any, and no more when somebody else waits or the pool has halted."""
        pool, popleft = self.pool, self.rows.popleft
        while True:
            try:
                claim = popleft()
            except IndexError:
                return
            yield claim
            # Asked without the lock: a hint will do.
            if (pool.queue.size and pool.queue.contended(self)) or pool.halted is not None:
                return

    def call(self, index: int, row: Row) -> None:
        """Run one call, and keep what comes of it."""
        try:
            value = self.fn(*row)
        except BaseException as error:  # noqa: BLE001 - SystemExit in a call must not end a worker
            self.settle(index, self.errors, error)
        else:
            self.settle(index, self.results, value)

    def settle(self, index: int, where: dict[int, Any], what: Any) -> None:
        """Keep a value or an error, and wake the reader if it sleeps for this one."""
        with self.lock:
            where[index] = what
            if index == self.wanted:
                self.wanted = -1
                self.gate.release()

    def widen(self) -> None:
        """Start another lane if there is work for it. It wakes one worker: the many are woken by one another."""
        with self.lock:
            if not self.rows or self.lanes >= self.pool.settings.max_workers:
                return
            self.lanes += 1
        self.pool.resume(Lane(self))

    def lane_ended(self) -> None:
        """A lane has stepped aside, or found nothing to do."""
        with self.lock:
            if not self.rows:
                self.lanes -= 1
                return
        self.pool.resume(Lane(self))

    def fail(self, error: BaseException) -> None:
        """What has not begun never will; the error, told as a future would tell it, stands for its results."""
        with suppress(IndexError):
            while True:
                index, _ = self.rows.popleft()
                self.settle(index, self.errors, CancelledError() if isinstance(error, TaskCancelled) else error)


def _lane_ended(lane: Work) -> None:
    assert isinstance(lane, Lane)  # for the type checker
    if lane.state is State.CANCELLED and lane.error is not None:
        lane.batch.fail(lane.error)
    else:
        lane.batch.pool.recount(lane.calls - 1)
        lane.batch.lane_ended()


def _seconds_until(end: float | None) -> float:
    return -1.0 if end is None else min(max(0.0, end - now()), threading.TIMEOUT_MAX)
