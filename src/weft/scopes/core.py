"""The heart of a scope: its live calls, its deadline, its end. Touched on its loop's thread alone.

`weft.scopes.scope` is the face that callers of either colour see; it sends what they ask for here.
"""

import asyncio
import math
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any, Protocol

from weft.calls.driver import Surroundings, perform
from weft.calls.places import Places
from weft.clock import now
from weft.executors.loop import LoopExecutor
from weft.outcome import Cancelled, Failed, Ok, Outcome, TimedOut
from weft.scopes.join import Count, Join, Verdict, verdict
from weft.scopes.tally import Tally
from weft.scopes.task import Task

__all__ = ["Core"]

# The fate of a task whose coroutine has not taken its first step: one that is cancelled now never will.
_UNSEEN = Cancelled("cancelled before it began")

GRACE = 0.02
"""Seconds that async calls have to clean up after the deadline; then they are abandoned."""


class TaskWatcher(Protocol):
    """Told of each call's end; `counted` is False where a caller had given it an outcome before."""

    def __call__(self, task: Task[Any], /, *, counted: bool) -> object: ...


class Core:
    """The calls of one scope. Every method belongs to the loop's thread.

    Attributes:
        fate: what calls cancelled from now on will have come to; None while the scope is in good order.
        interrupted: whether the scope around this one has cancelled it.
    """

    def __init__(
        self,
        loop: LoopExecutor,
        places: Places,
        join: Join,
        *,
        until: float | None,
        allowed: float | None,
        tally: Tally | None = None,
    ) -> None:
        self.loop = loop
        self.join = join
        self.count = Count()
        self.failures: list[Outcome[Any]] = []
        self.fate: Outcome[Any] | None = None
        self.ended = False
        self.interrupted = False
        self._on_ended: list[Callable[[], object]] = []
        self.on_trouble: Callable[[], object] | None = None
        self.on_task: TaskWatcher | None = None
        self._until = math.inf if until is None else until
        self._around = Surroundings(places, loop, self, self._until)
        self._allowed = allowed
        self._tally = tally
        self._live: set[Task[Any]] = set()
        self._orphans: set[asyncio.Task[Any]] = set()
        self._children: set[Core] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._bell: asyncio.TimerHandle | None = None

    # -- starting

    def launch(self, task: Task[Any], context: Context) -> None:
        """Start a call; one that comes after the end is settled at once."""
        self.arm()
        if self._tally is not None:
            self._tally.began(task)
        if self.ended or self.fate is not None:
            self._count(task, self.fate or Cancelled("its scope had ended"))
            return
        self._live.add(task)
        self.count.live += 1
        task.fate = _UNSEEN
        task.running = self.loop.spawn(self._drive(task), context)

    def arm(self) -> None:
        """See to it that the deadline is kept; one that has passed already is kept at once. Idempotent."""
        if self._timer is not None or self._until == math.inf or self.ended or self.fate is not None:
            return
        left = self._until - now()
        if left > 0:
            self._timer = self.loop.loop.call_later(left, self.expire)
        else:
            self.expire()

    def adopt(self, child: "Core") -> None:
        """Cancel that core, on its own loop, when this one is cancelled."""
        if self.fate is not None or self.ended:
            child.loop.post_if_open(child.interrupt, self.fate or Cancelled("the scope around it had ended"))
            return
        self._children.add(child)
        leave = partial(self.loop.post_if_open, self._children.discard, child)
        child.loop.post_if_open(child.when_ended, leave)

    async def _drive(self, task: Task[Any]) -> None:
        task.fate = None  # from here on, a cancellation is seen by the code below
        try:
            outcome = await perform(task.call, task, self._around)
        except asyncio.CancelledError:
            outcome = task.fate or self.fate or Cancelled("its event loop was shut down")
        except BaseException as error:  # noqa: BLE001 - a task must never end the loop
            outcome = Failed(error)
        self._done(task, outcome)

    # -- ending

    def cancel(self, fate: Outcome[Any], *, trouble: bool = True) -> None:
        """Cancel all that is under way, here and in the scopes inside; what starts later ends at once.

        In `trouble`, an async block around the calls is cut short, too.
        """
        if self.ended or self.fate is not None:
            return
        self.fate = fate
        for task in list(self._live):
            self._cancel_one(task, fate)
        for child in list(self._children):
            child.loop.post_if_open(child.interrupt, fate)
        if trouble:
            self._cut_block()

    def interrupt(self, fate: Outcome[Any]) -> None:
        """Cancel on behalf of the scope around this one."""
        self.interrupted = not self.ended and self.fate is None
        self.cancel(fate)

    def cancel_task(self, task: Task[Any], fate: Outcome[Any]) -> None:
        """Cancel one call, if it is under way."""
        if task in self._live:
            self._cancel_one(task, fate)

    def expire(self) -> None:
        """The deadline has passed: cancel, and after a short grace abandon what does not heed it."""
        if self.ended:
            return
        late = TimedOut(self._allowed)
        self.cancel(late)
        # Cancelled before, it may have let its block go on: until now.
        self.fate = late
        self._cut_block()
        self._bell = self.loop.loop.call_later(GRACE, self.abandon)

    def abandon(self) -> None:
        """Stop waiting for what is still under way. It is counted until it ends."""
        for task in list(self._live):
            if task.running is not None:
                self._orphan(task.running)
            self._done(task, task.fate or self.fate or Cancelled("abandoned"))

    def close(self) -> None:
        """No more will be started from outside; the scope ends with its last call."""
        self.count.closed = True
        self._judge()
        self._end_if_over()

    def _cut_block(self) -> None:
        cut, self.on_trouble = self.on_trouble, None
        if cut is not None:
            cut()

    def when_ended(self, tell: Callable[[], object]) -> None:
        """Have `tell` called at the end of the scope, or now if that has been."""
        if self.ended:
            tell()
        else:
            self._on_ended.append(tell)

    def _cancel_one(self, task: Task[Any], fate: Outcome[Any]) -> None:
        running, unseen = task.running, task.fate is _UNSEEN
        task.fate = fate
        if running is not None:
            running.cancel()
        if unseen:
            self._done(task, fate)

    def _done(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        if task not in self._live:
            return  # abandoned earlier
        self._live.discard(task)
        self.count.live -= 1
        task.running = None
        self._count(task, outcome)
        self._judge()
        self._end_if_over()

    def _count(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        if isinstance(outcome, Ok):
            self.count.ok += 1
        elif not isinstance(outcome, Cancelled):
            self.count.bad += 1
            if self.join.strict:
                self.failures.append(outcome)
        counted = task.settle(outcome)
        if self._tally is not None:
            self._tally.ended(task)
        if self.on_task is not None:
            self.on_task(task, counted=counted)

    def _judge(self) -> None:
        match verdict(self.join, self.count):
            case Verdict.HOPELESS:
                self.cancel(Cancelled("another call of its scope failed"))
            case Verdict.ENOUGH:
                self.cancel(Cancelled("its scope had what it wanted"), trouble=False)
            case Verdict.KEEP:
                pass

    def _end_if_over(self) -> None:
        if self.ended or self._live or not self.count.closed:
            return
        self.ended = True
        for timer in (self._timer, self._bell):
            if timer is not None:
                timer.cancel()
        for tell in self._on_ended:
            tell()

    def _orphan(self, running: "asyncio.Task[Any]") -> None:
        self.loop.abandoned += 1
        self._orphans.add(running)
        running.add_done_callback(self._bury)

    def _bury(self, running: "asyncio.Task[Any]") -> None:
        self.loop.abandoned -= 1
        self._orphans.discard(running)
