"""The workers and the queue behind a `ThreadExecutor`.

One lock guards the state of a pool, and is never held while foreign code runs. A worker without work sleeps on a lock
of its own, its gate, and the last to fall asleep is the first to be woken: its caches are warm, and those at the
bottom of the stack grow old and retire. Few are woken: a call wakes one worker, and a worker that takes a call and
leaves another wakes the next. (Waking a thread costs 15 to 40 us, taking a call less than 2.)
"""

import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures.thread import BrokenThreadPool
from time import monotonic
from weakref import WeakSet

from weft.clock import now
from weft.errors import Overloaded, TaskCancelled
from weft.executors.exits import at_exit, mind_exit
from weft.executors.figures import Settings, ThreadStatistics
from weft.executors.work import State, Work, refuse
from weft.executors.worker import Worker, log
from weft.fairness import FairQueue

__all__ = ["Pool"]

_BROKEN = "A thread initializer failed, the thread pool is not usable anymore"


class Pool:
    """Workers, queue and counters. Concurrency safe; `lock` guards every attribute unless noted otherwise.

    Attributes:
        settings: never changes.
        doze: seconds that a worker sleeps before it asks whether to retire, -1 for ever. Never changes.
        queue: what waits for a slot.
        slots: how many workers may be awake: `max_workers` and one for each slot that is lent.
        awake: workers that are not resting; those on their way up or down included.
        waiting: workers inside `lending()`.
        stuck: workers outside `lending()` that run an abandoned call.
        closing: no new calls are taken. Set without the lock by `lose`; never unset.
        halted: why no queued call will run any more, or None. Never unset.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.doze = -1.0 if settings.idle_timeout is None else min(settings.idle_timeout, threading.TIMEOUT_MAX)
        self.closing = False
        self.halted: Exception | None = None
        self.begin()
        _pools.add(self)

    def begin(self) -> None:
        """Start with nothing: at first, and in a forked child, where threads, locks and calls stayed behind.

        A fork inside a call leaves one thread that is still a worker: the one that forked.
        """
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.queue: FairQueue[Work] = FairQueue()
        here = threading.current_thread()
        self.workers: set[Worker] = {here} if isinstance(here, Worker) and here.pool is self else set()
        self.idle: list[Worker] = []
        self.departed: list[Worker] = []
        self.awake = len(self.workers)
        self.waiting = sum(worker.waiting for worker in self.workers)
        self.stuck = 0
        self.slots = self.settings.max_workers + self.waiting
        self.started = self.finished = len(self.workers)
        self.cancelled = self.abandonments = self.refused = self.spawned = self.retired = 0

    # What callers do.

    def start(self, works: Sequence[Work], *, bounded: bool = False) -> None:
        """Take all of the works or, by an exception, none of them. See `ThreadExecutor.start_many`."""
        with self.lock:
            if bounded or self.closing:
                self._admit(len(works), bounded=bounded)
            for work in works:
                self.queue.push(work.owner, work)
            helper = self._summon()
        try:
            self._rouse(helper)
        except RuntimeError:
            self._withdraw(works)
            raise

    def check(self) -> None:
        """Raise as `start` would."""
        with self.lock:
            self._admit(0, bounded=False)

    def resume(self, work: Work) -> None:
        """Queue what a worker puts back. It was admitted once, so that it may come in while the pool is closing."""
        with self.lock:
            halted = self.halted
            if halted is None:
                self.queue.push(work.owner, work)
            helper = self._summon()
        self._rouse(helper)
        if halted is not None:
            refuse((work,), halted)

    def cancel(self, work: Work) -> bool:
        """See `ThreadExecutor.cancel`."""
        with self.lock:
            if work.state is State.QUEUED and self.queue.remove(work.owner, work):
                work.state = State.CANCELLED
                self.cancelled += 1
                return True
            helper = self._abandon(work) if work.state is State.RUNNING else None
        self._rouse(helper)
        return False

    def close(self, *, cancel: bool) -> None:
        """Take no more calls; with `cancel` the queued ones are told so and never run."""
        dropped: list[Work] = []
        with self.lock:
            self.closing = True
            if cancel:
                self.halted = self.halted or TaskCancelled("the executor was shut down before the call's turn came")
                dropped = self.queue.drain()
                self.cancelled += len(dropped)
        self.lose()
        refuse(dropped, self.halted)

    def lose(self) -> None:
        """Take no more calls, and let idle workers go. Without the lock: a garbage collection may interrupt its holder.

        Every worker that falls asleep looks at `closing` after it lay down, so none is missed.
        """
        self.closing = True
        for worker in tuple(self.idle):
            worker.rouse()

    def join(self, timeout: float | None) -> bool:
        """Wait for the workers of a closed pool, except those that are stuck in abandoned calls; True: they are gone.

        The caller's own thread is not waited for either. `timeout` is in seconds.
        """
        end = None if timeout is None else monotonic() + timeout
        with self.lock:
            gone = self.changed.wait_for(lambda: not any(map(_awaited, self.workers)), timeout)
            departed = [worker for worker in self.departed if worker is not threading.current_thread()]
        for worker in departed:
            worker.join(None if end is None else max(0.0, end - monotonic()))
        return gone

    def trim(self) -> int:
        """Let the workers go whose idle time is up; how many there were."""
        with self.lock:
            expired = [worker for worker in self.idle if self._expired(worker)]
            for worker in expired:
                self._leave(worker)
                self.retired += 1
        for worker in expired:
            worker.rouse()
        return len(expired)

    def statistics(self) -> ThreadStatistics:
        """See `ThreadStatistics`."""
        with self.lock:
            states = [worker.work.state for worker in self.workers if worker.work is not None]
            return ThreadStatistics(
                workers=len(self.workers),
                idle=len(self.idle),
                running=states.count(State.RUNNING),
                abandoned=states.count(State.ABANDONED),
                lent=self.slots - self.settings.max_workers,
                queued=len(self.queue),
                started=self.started,
                finished=self.finished,
                cancelled=self.cancelled,
                abandonments=self.abandonments,
                refused=self.refused,
                spawned=self.spawned,
                retired=self.retired,
            )

    # What workers do.

    def take(self, worker: Worker) -> Work | None:
        """The next call for this worker. None: it has been put to rest or, where it has `left`, let go."""
        with self.lock:
            if worker.resting or self.awake > self.slots or not self.queue.size:
                self._rest(worker)
                return None
            worker.work = work = self.queue.pop()
            work.state = State.RUNNING
            self.started += 1
            helper = self._summon() if self.queue.size else None
        if helper is not None:
            self._rouse(helper)
        work.started_at = now()
        return work

    def finish(self, worker: Worker, work: Work) -> None:
        """The call has ended: tell whoever waits, unless it was abandoned."""
        work.ended_at = now()
        with self.lock:
            worker.work = None
            self.finished += 1
            if work.state is State.ABANDONED:
                self.stuck -= 1
                self._resize()
                return
            work.state = State.ENDED
        work.tell()

    def recount(self, calls: int) -> None:
        """One work was in truth this many calls more."""
        with self.lock:
            self.started += calls
            self.finished += calls

    def lend(self, worker: Worker) -> None:
        """The worker is about to wait: another may run."""
        with self.lock:
            worker.waiting = True
            self.waiting += 1
            self.stuck -= worker.abandoned
            self._resize()
            helper = self._summon()
        self._rouse(helper)

    def reclaim(self, worker: Worker) -> None:
        """The worker runs again. One too many may be awake now: the next to end its call goes to rest."""
        with self.lock:
            worker.waiting = False
            self.waiting -= 1
            self.stuck += worker.abandoned
            self._resize()

    def spoil(self, worker: Worker) -> None:
        """The initializer failed: nothing runs here any more, and everybody is told."""
        with self.lock:
            self.closing = True
            self.halted = BrokenThreadPool(_BROKEN)
            dropped = self.queue.drain()
            self.cancelled += len(dropped)
            self._leave(worker)
            self.awake -= 1
        self.lose()
        refuse(dropped, self.halted)

    # With the lock held.

    def _admit(self, calls: int, *, bounded: bool) -> None:
        if isinstance(self.halted, BrokenThreadPool):
            raise BrokenThreadPool(_BROKEN)
        if self.closing:
            raise RuntimeError("cannot schedule new futures after shutdown")
        size = self.settings.queue_size
        if not bounded or size is None:
            return
        if len(self.queue) + calls > size + max(0, self.slots - self.awake):
            self.refused += calls
            raise Overloaded(f"{self.settings.name}: {self.awake} calls running, {len(self.queue)} of {size} queued")

    def _summon(self) -> Worker | None:
        """A worker for the next queued call, if there is one and a slot is free. Rouse it when the lock is free."""
        if self.awake >= self.slots or not self.queue.size:
            return None
        self.awake += 1
        if self.idle:
            worker = self.idle.pop()
            worker.resting = False
            return worker
        mind_exit()
        worker = Worker(self, f"{self.settings.name}-{self.spawned}")
        self.spawned += 1
        self.workers.add(worker)
        return worker

    def _rest(self, worker: Worker) -> None:
        woke_up = worker.resting
        if not woke_up:
            worker.resting, worker.since = True, now()
            self.awake -= 1
            self.idle.append(worker)
        # Asked after the worker has lain down, because `lose` does not wait for the lock.
        if self.closing:
            self._leave(worker)
        elif woke_up and self._expired(worker):
            self._leave(worker)
            self.retired += 1

    def _expired(self, worker: Worker) -> bool:
        allowed = self.settings.idle_timeout
        return allowed is not None and now() - worker.since >= allowed

    def _leave(self, worker: Worker) -> None:
        if worker.left:
            return
        if worker.resting:
            self.idle.remove(worker)
        worker.left = True
        self.workers.discard(worker)
        if self.closing:
            self.departed.append(worker)
        self.changed.notify_all()

    def _abandon(self, work: Work) -> Worker | None:
        worker = next((worker for worker in self.workers if worker.work is work), None)
        if worker is None:
            return None
        work.state = State.ABANDONED
        self.abandonments += 1
        self.stuck += not worker.waiting
        self._resize()
        self.changed.notify_all()
        return self._summon()

    def _resize(self) -> None:
        self.slots = self.settings.max_workers + self.waiting + min(self.stuck, self.settings.spare)

    # With the lock free.

    def _rouse(self, helper: Worker | None) -> None:
        if helper is None:
            return
        if not helper.fresh:
            helper.rouse()
            return
        helper.fresh = False
        try:
            helper.start()
        except RuntimeError:  # no more threads: the system's limit, or the interpreter is exiting
            if not self._bury(helper):
                raise

    def _bury(self, stillborn: Worker) -> bool:
        """Forget a worker that could not be started; True if others are left to do its work."""
        with self.lock:
            self.awake -= 1
            self.workers.discard(stillborn)
            return bool(self.workers)

    def _withdraw(self, works: Iterable[Work]) -> None:
        with self.lock:
            for work in works:
                self.queue.remove(work.owner, work)


def _awaited(worker: Worker) -> bool:
    return worker is not threading.current_thread() and not worker.abandoned


_pools: WeakSet[Pool] = WeakSet()


def _after_fork() -> None:
    for pool in tuple(_pools):
        pool.begin()


def _at_exit() -> None:
    """Let calls come to their end, each pool for its grace; what is stuck does not hold the exit."""
    pools = tuple(_pools)
    begun = monotonic()
    for pool in pools:
        pool.close(cancel=False)
    for pool in pools:
        if not pool.join(max(0.0, begun + pool.settings.exit_grace - monotonic())):
            log.warning("%s: the interpreter exits without the calls that still run or wait", pool.settings.name)


at_exit(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
