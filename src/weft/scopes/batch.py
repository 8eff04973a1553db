"""Many calls of one kind: started a few at a time, from an input of any length, in constant memory.

A batch starts when it is first asked for something. It pulls its input just ahead of what runs, on the consumer's own
thread or coroutine, so that an input may block or be endless, and a slow consumer slows the calls down.
"""

import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar, cast

from weft.calls.call import Call
from weft.errors import InvalidCall
from weft.outcome import Ok, Outcome
from weft.scopes.current import current
from weft.scopes.join import Join, as_join
from weft.scopes.scope import Scope
from weft.scopes.task import Task
from weft.scopes.waiting import LoopWaiter, ThreadWaiter, Waiter, refuse_to_block

__all__ = ["Batch", "Completed", "Plan"]

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Step(Enum):
    """What the driver of a batch, in either colour, has to do next."""

    PULL = "take the next call from the input"
    WAIT = "wait until something has happened"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch starts.

    Attributes:
        calls: the input, pulled as it is needed.
        limit: calls under way at once; None: all.
        sized: whether the input has a known end, so that each of its calls gets an outcome even after the deadline.
    """

    calls: Iterable[Call[Any]] | AsyncIterable[Call[Any]]
    limit: int | None
    sized: bool


_PARCEL = 64  # calls sent to the loop at once

_END = object()  # the input has nothing more
Steps = Generator["Step | Task[Any]", Any, None]


class Batch(Generic[T, R_co]):
    """The calls of one `map`, `gather` or `first`. It has no colour: threads write `.result()`, coroutines `await`.

    Iterating streams the outcomes in the order of the input (`for` or `async for`); `as_completed()` streams the tasks
    as they end. Leaving the loop early cancels the rest. A batch can be consumed once; its collected results stay.

    Not safe to share between threads: one consumer, one batch.

    Args:
        plan: what to start, and how many at once.
        scope: makes the scope they run in, given the join.
        join: what `result()` and `await` ask for.
        pick: makes their answer of the tasks.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        scope: Callable[[Join], Scope],
        join: Join,
        pick: Callable[[list[Task[T]]], R_co],
    ) -> None:
        self._plan = plan
        self._make_scope = scope
        self._join = join
        self._pick = pick
        self._begun = False
        self._collected: list[Task[T]] | None = None

    def result(self) -> R_co:
        """Run the batch, blocking, and return what its join asks for.

        Raises:
            ExceptionGroup: calls failed, and the join is strict.
            DeadlineExceeded: calls were late, and the join is strict.
            WouldBlock: asked on an event loop's thread; write `await batch` there.
        """
        return self._pick(self._collect(self._join))

    def outcomes(self) -> list[Outcome[T]]:
        """Run the batch, blocking, and return each call's outcome in order. Raises for no call."""
        return [_outcome(task) for task in self._collect(as_join("settled"))]

    def values(self) -> list[T]:
        """Run the batch, blocking, and return the values in order; the first failure cancels the rest and is raised.

        Raises:
            ExceptionGroup: calls failed.
            DeadlineExceeded: calls were late.
        """
        strict = self._join if self._join.strict else as_join("all")
        return [task.outcome.value for task in self._collect(strict) if isinstance(task.outcome, Ok)]

    def __await__(self) -> Generator[Any, None, R_co]:
        return self._collect_async().__await__()

    def __iter__(self) -> Iterator[Outcome[T]]:
        for task in self._stream(_Run(self._begin(as_join("settled")), self._plan, ordered=True, each=True)):
            yield _outcome(task)

    async def __aiter__(self) -> AsyncIterator[Outcome[T]]:
        run = _Run(self._begin(as_join("settled")), self._plan, ordered=True, each=True)
        async for task in _closing(self._stream_async(run)):
            yield _outcome(task)

    def as_completed(self) -> "Completed[T]":
        """Stream the tasks in the order in which they end, with `for` or `async for`. Raises for no call."""
        run = _Run(self._begin(as_join("settled")), self._plan, ordered=False, each=True)
        return Completed(lambda: self._stream(run), lambda: self._stream_async(run))

    # -- the two drivers: they differ in how they wait, and in nothing else

    def _stream(self, run: "_Run") -> Iterator[Task[T]]:
        refuse_to_block("async for outcome in weft.map(...)")
        pull = self._puller()
        with run.scope:
            steps = run.steps()
            step = next(steps, None)
            while step is not None:
                answer = None
                if step is Step.PULL:
                    answer = pull()
                elif step is Step.WAIT:
                    run.wait_blocking()
                else:
                    yield cast("Task[T]", step)
                step = _send(steps, answer)

    async def _stream_async(self, run: "_Run") -> AsyncGenerator[Task[T], None]:
        pull = self._puller_async()
        async with run.scope:
            steps = run.steps()
            step = next(steps, None)
            while step is not None:
                answer = None
                if step is Step.PULL:
                    answer = await pull()
                elif step is Step.WAIT:
                    await run.wait()
                else:
                    yield cast("Task[T]", step)
                step = _send(steps, answer)

    def _collect(self, join: Join) -> list[Task[T]]:
        refuse_to_block("await weft.map(...)")
        if self._collected is None:
            run = _Run(self._begin(join), self._plan, ordered=True, each=False)
            self._collected = list(self._stream(run))
        return self._collected

    async def _collect_async(self) -> R_co:
        if self._collected is None:
            run = _Run(self._begin(self._join), self._plan, ordered=True, each=False)
            self._collected = [task async for task in self._stream_async(run)]
        return self._pick(self._collected)

    def _begin(self, join: Join) -> Scope:
        if self._begun:
            raise InvalidCall("this batch has been consumed: keep its results, or make a new one with weft.map(...)")
        self._begun = True
        return self._make_scope(join)

    def _puller(self) -> Callable[[], Any]:
        if not isinstance(self._plan.calls, Iterable):
            raise InvalidCall("an async input needs an async consumer: write `async for` or `await`")
        items = iter(self._plan.calls)
        return lambda: next(items, _END)

    def _puller_async(self) -> Callable[[], Any]:
        if isinstance(self._plan.calls, AsyncIterable):
            arriving = aiter(self._plan.calls)
            return lambda: anext(arriving, _END)
        items = iter(self._plan.calls)

        async def pull() -> Any:
            return next(items, _END)

        return pull


class Completed(Generic[T]):
    """Tasks in the order in which they end; iterate once, with `for` or `async for`."""

    def __init__(
        self, sync: Callable[[], Iterator[Task[T]]], asynchronous: Callable[[], AsyncIterator[Task[T]]]
    ) -> None:
        self._sync = sync
        self._async = asynchronous

    def __iter__(self) -> Iterator[Task[T]]:
        return self._sync()

    def __aiter__(self) -> AsyncIterator[Task[T]]:
        return self._async()


class _Run:
    """One consumption of a batch.

    `steps` decides, on the consumer's side; the stock of calls that wait for their turn lives on the scope's loop,
    which starts the next as one ends, without waking the consumer.
    """

    def __init__(self, scope: Scope, plan: Plan, *, ordered: bool, each: bool) -> None:
        self.scope = scope
        self._limit = plan.limit
        self._sized = plan.sized
        self._ordered = ordered
        self._each = each  # wake the consumer for each result, not only when there is work for it
        self._low = 0 if self._limit is None else self._limit // 2
        # Twice what may run: as many as are under way stand ready, or have ended and wait to be handed out. What is
        # collected in the end from an input that is there already may as well be started at once.
        endless = self._limit is None or (self._sized and not each)
        self._room = math.inf if endless else 2 * (self._limit or 0) + 16
        # An input of known length runs none of the user's code, so that nobody waits for what a parcel holds back.
        self._parcel_size = _PARCEL if self._sized else 1
        self._parcel: list[tuple[Task[Any], Context]] = []
        self._base: Context | None = None
        # Of the consumer; the loop looks at the head alone, while the consumer waits:
        self._order: deque[Task[Any]] = deque()
        self._out: set[Task[Any]] = set()
        self._exhausted = False
        # Handed from the loop to the consumer:
        self._ended: deque[Task[Any]] = deque()
        self._waiter: Waiter | None = None
        # Of the loop:
        self._stock: deque[tuple[Task[Any], Context]] = deque()
        self._running = 0
        self._launching = False
        self._unfinished = 0

    # -- on the consumer's side

    def steps(self) -> Steps:
        """Yield what to do next: PULL (and be sent the call, or the end), WAIT, or a task to hand out."""
        self.scope.core.on_task = self._task_ended
        while True:
            # A stream hands out before it pulls: the next item of a slow input may be long in coming.
            task = self._next() if self._each else None
            if task is None and len(self._out) < self._room and not self._done_pulling():
                call = yield Step.PULL
                self._feed(call)
                continue
            self._send()
            task = task or self._next()
            if task is not None:
                yield task
            elif self._out:
                yield Step.WAIT
            else:
                return

    def wait_blocking(self) -> None:
        """Block until there is something to do. A loop that is stuck does not keep us beyond the deadline."""
        waiter = ThreadWaiter("async for")
        if self._must_wait(waiter) and not waiter.wait_until(self.scope.deadline):
            self._forsake()

    async def wait(self) -> None:
        """Await until there is something to do."""
        waiter = LoopWaiter()
        if self._must_wait(waiter):
            await waiter

    def _done_pulling(self) -> bool:
        # After the end of a scope an input of known length is still answered in full; an endless one could never be.
        return self._exhausted or (self.scope.core.fate is not None and not (self._sized and not self.scope.strict))

    def _feed(self, call: Any) -> None:
        if call is _END:
            self._exhausted = True
            return
        task = self.scope.new_task(call, keep=not self._each)
        self._out.add(task)
        if self._ordered:
            self._order.append(task)
        self._parcel.append((task, self._context()))
        if len(self._parcel) >= self._parcel_size:
            self._send()

    def _send(self) -> None:
        if self._parcel:
            parcel, self._parcel = self._parcel, []
            self.scope.core.loop.post(self._stock_up, parcel)

    def _context(self) -> Context:
        if self._base is None or not self._sized:
            self._base = copy_context()
            self._base.run(current.set, self.scope)
        return self._base.copy()

    def _next(self) -> Task[Any] | None:
        queue = self._order if self._ordered else self._ended
        if not queue or not queue[0].done:
            return None
        task = queue.popleft()
        self._out.discard(task)
        return task

    def _must_wait(self, waiter: Waiter) -> bool:
        self._waiter = waiter
        # What has ended between the last look and the line above found no waiter.
        queue = self._order if self._ordered else self._ended
        return not queue or not queue[0].done

    def _forsake(self) -> None:
        for task in self._out:
            if task.forsake() and not self._ordered:
                self._ended.append(task)

    # -- on the loop

    def _stock_up(self, parcel: list[tuple[Task[Any], Context]]) -> None:
        self._unfinished += len(parcel)
        self._stock.extend(parcel)
        self._launch()

    def _launch(self) -> None:
        if self._launching:
            return  # a call that ended at its start leads back here
        self._launching = True
        while self._stock and (self._limit is None or self._running < self._limit):
            self._running += 1
            self.scope.core.launch(*self._stock.popleft())
        self._launching = False

    def _task_ended(self, task: Task[Any], *, counted: bool) -> None:
        self._running -= 1
        self._unfinished -= 1
        if counted and not self._ordered:
            self._ended.append(task)
        self._launch()
        if self._waiter is not None and self._worth_waking():
            waiter, self._waiter = self._waiter, None
            waiter.wake()

    def _worth_waking(self) -> bool:
        if self._each:
            return not self._ordered or self._head_has_ended()
        return self._unfinished == 0 or (len(self._stock) <= self._low and not self._exhausted)

    def _head_has_ended(self) -> bool:
        try:
            return self._order[0].done
        except IndexError:  # the consumer saw the end before we tell of it, and has taken the last
            return False


def _send(steps: Steps, answer: Any) -> "Step | Task[Any] | None":
    try:
        return steps.send(answer)
    except StopIteration:
        return None


def _outcome(task: Task[T]) -> Outcome[T]:
    return cast("Outcome[T]", task.outcome)


async def _closing(stream: AsyncGenerator[Task[T], None]) -> AsyncIterator[Task[T]]:
    try:
        async for task in stream:
            yield task
    finally:
        await stream.aclose()
