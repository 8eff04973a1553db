"""Tasks in the order in which they end, whichever scopes they belong to."""

import math
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Generic, TypeVar

from weft.errors import InvalidCall
from weft.scopes.task import Task
from weft.scopes.waiting import LoopWaiter, ThreadWaiter, Waiter

__all__ = ["Arrivals"]

T = TypeVar("T")


class Arrivals(Generic[T]):
    """Iterate once, with `for` in a thread or `async for` in a coroutine. One consumer."""

    def __init__(self, tasks: Iterable[Task[T]]) -> None:
        self._ended: deque[Task[T]] = deque()
        self._waiter: Waiter | None = None
        self._left = 0
        self._tasks = tuple(tasks)
        for task in self._tasks:
            if not isinstance(task, Task):
                raise InvalidCall(f"{task!r} is not a started task: write weft.as_completed([scope.start(...), ...])")
            self._left += 1
            task.announce_to(_Usher(self, task))

    def __iter__(self) -> Iterator[Task[T]]:
        deadline = self._deadline()
        while self._left:
            waiter = ThreadWaiter("async for task in weft.as_completed(...)")
            if self._must_wait(waiter) and not waiter.wait_until(deadline):
                for task in self._tasks:
                    task.forsake()
            yield self._take()

    async def __aiter__(self) -> AsyncIterator[Task[T]]:
        while self._left:
            waiter = LoopWaiter()
            if self._must_wait(waiter):
                await waiter
            yield self._take()

    def arrive(self, task: Task[T]) -> None:
        """Note that a task has ended. Any thread."""
        self._ended.append(task)
        waiter = self._waiter
        if waiter is not None:
            waiter.wake()

    def _deadline(self) -> float | None:
        deadlines = [math.inf if task.deadline is None else task.deadline for task in self._tasks]
        latest = max(deadlines, default=math.inf)
        return latest if latest < math.inf else None

    def _must_wait(self, waiter: Waiter) -> bool:
        self._waiter = waiter
        return not self._ended  # looked at after the waiter stands: who arrives now wakes it

    def _take(self) -> Task[T]:
        self._left -= 1
        return self._ended.popleft()


class _Usher:
    """Waits at one task, and announces it once."""

    def __init__(self, arrivals: Arrivals[Any], task: Task[Any]) -> None:
        self._arrivals: Arrivals[Any] | None = arrivals
        self._task = task

    def wake(self) -> None:
        arrivals, self._arrivals = self._arrivals, None
        if arrivals is not None:
            arrivals.arrive(self._task)
