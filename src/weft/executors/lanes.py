"""`map`: its calls are claimed in order by a few lanes, and collected in order by one reader.

A lane is one unit of work for the pool. It runs call after call, at the price of one lock round each, and makes way
between two calls when somebody else waits for a worker. So a thousand calls need neither a thousand futures nor a
thousand turns at the queue.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from itertools import count, islice
from typing import Any

from weft.clock import now
from weft.errors import TaskCancelled
from weft.executors.lending import lending
from weft.executors.pool import Pool
from weft.executors.work import State, Work

__all__ = ["Batch"]

Row = tuple[Any, ...]
Result = tuple[bool, Any]  # whether the call returned, and what came of it


class Lane(Work):
    """Runs calls of one batch, one after the other."""

    __slots__ = ("batch", "calls")

    def __init__(self, batch: "Batch") -> None:
        super().__init__(batch.fn, (), {}, _lane_ended, owner=batch)
        self.batch = batch
        self.calls = 0

    def run(self) -> None:
        """Run calls until none is left, or somebody else waits for a worker."""
        batch, fn = self.batch, self.fn
        claim = batch.claim()
        batch.widen()
        while claim is not None:
            index, row = claim
            result = _attempt(fn, row)
            self.calls += 1
            claim = batch.settle(index, result, go_on=batch.undisturbed())
            del result  # the next call may take long


class Batch:
    """The calls of one `map`.

    Concurrency safe, for one reader and many lanes. `lock` guards all attributes; `gate` is the reader's bed.
    """

    def __init__(self, pool: Pool, fn: Callable[..., Any], rows: Iterator[Row], window: int | None) -> None:
        self.pool = pool
        self.fn = fn
        self.lock = threading.Lock()
        self.gate = threading.Lock()
        self.gate.acquire()
        self.source = rows
        self.rows = deque(rows if window is None else islice(rows, window))
        self.fed = len(self.rows)
        self.claimed = 0
        self.results: dict[int, Result] = {}
        self.wanted = -1
        self.lanes = 0
        self.failed: BaseException | None = None

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
        """The results in the order of the rows. Dropping the iterator cancels what has not begun.

        Args:
            end: when to raise TimeoutError, on the clock of `now`.
            keep: the executor, for as long as more rows may have to be fed to it.
        """
        try:
            for index in count():
                if keep is not None:
                    self.feed()
                if index == self.fed:
                    return
                yield _unwrap(self.collect(index, end))
        finally:
            self.rest_fails(TaskCancelled("nobody reads the results of the map any more"))

    def feed(self) -> None:
        """Let one more row in."""
        for row in islice(self.source, 1):
            self.pool.check()
            with self.lock:
                self.rows.append(row)
                self.fed += 1
            self.widen()

    def collect(self, index: int, end: float | None) -> Result:
        """Wait for one result, and take it out."""
        while True:
            with self.lock:
                if index in self.results:
                    return self.results.pop(index)
                if self.failed is not None and index >= self.claimed:
                    return False, _as_of_a_future(self.failed)
                self.wanted = index
            with lending():
                woken = self.gate.acquire(timeout=_patience(end))
            with self.lock:
                in_vain, self.wanted = self.wanted == index, -1
            if in_vain:
                raise TimeoutError
            if not woken:
                self.gate.acquire()  # called at the very moment when the time was up

    def rest_fails(self, error: BaseException | None) -> None:
        """No row that waits now will run any more; its result is the error."""
        with self.lock:
            self.rows.clear()
            self.failed = self.failed or error
            self._call_reader(self.wanted)

    # The lanes' side.

    def widen(self) -> None:
        """Start another lane if there is work for it. It wakes one worker: the many are woken by one another."""
        with self.lock:
            if not self.rows or self.lanes >= self.pool.settings.max_workers:
                return
            self.lanes += 1
        self.pool.resume(Lane(self))

    def undisturbed(self) -> bool:
        """Whether a lane may go on: nobody else waits for a worker, and the pool is in order. A hint, without locks."""
        return self.pool.halted is None and not self.pool.queue.contended(self)

    def claim(self) -> tuple[int, Row] | None:
        """The next row to run."""
        with self.lock:
            return self._claim()

    def settle(self, index: int, result: Result, *, go_on: bool) -> tuple[int, Row] | None:
        """Keep a result and, to go on, claim the next row."""
        with self.lock:
            self.results[index] = result
            self._call_reader(index)
            return self._claim() if go_on else None

    def lane_ended(self) -> None:
        """A lane has stepped aside, or found nothing to do."""
        if self.pool.halted is not None:
            self.rest_fails(self.pool.halted)
        with self.lock:
            if not self.rows:
                self.lanes -= 1
                return
        self.pool.resume(Lane(self))

    # With the lock held.

    def _claim(self) -> tuple[int, Row] | None:
        if not self.rows:
            return None
        self.claimed += 1
        return self.claimed - 1, self.rows.popleft()

    def _call_reader(self, index: int) -> None:
        if index == self.wanted != -1:
            self.wanted = -1
            self.gate.release()


def _lane_ended(lane: Work) -> None:
    assert isinstance(lane, Lane)  # for the type checker
    if lane.state is State.CANCELLED:
        lane.batch.rest_fails(lane.error)
        return
    lane.batch.pool.recount(lane.calls - 1)
    lane.batch.lane_ended()


def _attempt(fn: Callable[..., Any], row: Row) -> Result:
    try:
        return True, fn(*row)
    except BaseException as error:  # noqa: BLE001 - SystemExit in a call must not end a worker
        return False, error


def _unwrap(result: Result) -> Any:
    returned, value = result
    try:
        if returned:
            return value
        raise value
    finally:
        del result, value  # the traceback keeps this frame


def _as_of_a_future(error: BaseException) -> BaseException:
    return CancelledError() if isinstance(error, TaskCancelled) else error


def _patience(end: float | None) -> float:
    return -1.0 if end is None else min(max(0.0, end - now()), threading.TIMEOUT_MAX)
