"""The supervisors of a process executor, and the queue they share."""

import multiprocessing
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import count
from time import monotonic
from weakref import WeakSet

from weft.clock import now
from weft.errors import Overloaded, TaskCancelled
from weft.executors.exits import at_exit, mind_exit
from weft.executors.futures import Call
from weft.executors.messages import ProcessCrashed
from weft.executors.supervisor import Supervisor, log
from weft.executors.work import State, Work, refuse
from weft.executors.workerprocess import ProcessSettings, WorkerProcess
from weft.fairness import FairQueue

__all__ = ["ProcessStatistics", "Roster"]


@dataclass(frozen=True, slots=True)
class ProcessStatistics:
    """What a process executor is doing now, and has done since it was made (or since the fork).

    Attributes:
        workers: processes alive, or about to be.
        running: calls under way.
        queued: calls that wait for a process.
        started: calls that were begun, ever.
        finished: calls that came to an end, ever, the crashed ones included and the killed ones not.
        cancelled: calls that were taken out of the queue, ever.
        killed: calls whose process was killed to stop them, ever.
        crashed: calls whose process died by itself, ever.
        refused: calls that were turned away because the queue was full, ever.
        spawned: processes that were started, ever.
        pids: the ids of the processes alive.
    """

    workers: int
    running: int
    queued: int
    started: int
    finished: int
    cancelled: int
    killed: int
    crashed: int
    refused: int
    spawned: int
    pids: tuple[int, ...]


class Roster:
    """The supervisors of one executor, and their queue.

    Concurrency safe; `lock` guards every attribute but `settings`. It can be taken twice, because the garbage
    collector may call `close` on a thread that holds it. It is never held while foreign code runs.
    """

    def __init__(self, settings: ProcessSettings) -> None:
        self.settings = settings
        self.closing = self.killing = False
        self.halted: Exception | None = None
        self.names = count(1)
        self.begin()
        _rosters.add(self)

    def begin(self) -> None:
        """Start with nothing: at first, and in a forked child, where threads, locks and processes stayed behind."""
        self.lock = threading.RLock()
        self.filled = threading.Condition(self.lock)
        self.left = threading.Condition(self.lock)
        self.queue: FairQueue[Work] = FairQueue()
        self.supervisors: set[Supervisor] = set()
        self.started = self.finished = self.cancelled = self.killed = self.crashed = self.refused = self.spawned = 0

    # What callers do.

    def start(self, works: Sequence[Work], *, bounded: bool = False) -> None:
        """Take all of the works or, by an exception, none of them. See `ProcessExecutor.start_many`."""
        with self.lock:
            self._admit(len(works), bounded=bounded)
            for work in works:
                self.queue.push(work.owner, work)
            recruits = self._recruit()
            mind_exit()
            self.filled.notify(len(works))
        try:
            for recruit in recruits:
                recruit.start()
        except RuntimeError:
            if not self._part_with(recruits):
                self._withdraw(works)
                raise

    def cancel(self, work: Work) -> bool:
        """See `ProcessExecutor.cancel`."""
        with self.lock:
            if work.state is State.QUEUED and self.queue.remove(work.owner, work):
                work.state = State.CANCELLED
                self.cancelled += 1
                return True
            supervisor = next((known for known in self.supervisors if known.work is work), None)
            if supervisor is None or work.state is not State.RUNNING:
                return False
            work.state = State.ABANDONED
            self.killed += 1
            # With the lock held: a moment later the process could be at work on another call.
            supervisor.kill()
            return True

    def close(self, *, cancel: bool = False) -> None:
        """Take no more calls; with `cancel` the queued ones are told so and never run."""
        dropped: list[Work] = []
        with self.lock:
            self.closing = True
            if cancel:
                self.halted = self.halted or TaskCancelled("the executor was shut down before the call's turn came")
                dropped = self._drain()
            self.filled.notify_all()
        refuse(dropped, self.halted)

    def kill(self) -> None:
        """Kill every process of a closed executor; calls under way fail with `TaskCancelled`."""
        with self.lock:
            self.killing = True
            for supervisor in self.supervisors:
                supervisor.kill()

    def join(self, timeout: float | None) -> bool:
        """Wait `timeout` seconds for the processes of a closed executor to be gone; True: they are."""
        with self.lock:
            return self.left.wait_for(lambda: not self.supervisors - {threading.current_thread()}, timeout)

    def statistics(self) -> ProcessStatistics:
        """See `ProcessStatistics`."""
        with self.lock:
            processes = [known.process for known in self.supervisors if known.process is not None]
            return ProcessStatistics(
                workers=len(self.supervisors),
                running=self._busy(),
                queued=len(self.queue),
                started=self.started,
                finished=self.finished,
                cancelled=self.cancelled,
                killed=self.killed,
                crashed=self.crashed,
                refused=self.refused,
                spawned=self.spawned,
                pids=tuple(sorted(process.pid for process in processes if process.pid is not None)),
            )

    # What supervisors do.

    def take(self, supervisor: Supervisor) -> Work | None:
        """The next call, or None when there will be none."""
        with self.lock:
            while True:
                while not self.queue and not self.closing and self.halted is None:
                    self.filled.wait()
                if not self.queue:
                    return None
                work = self.queue.pop()
                if not _begin(work):
                    self.cancelled += 1
                    continue
                supervisor.work = work
                work.state = State.RUNNING
                work.started_at = now()
                self.started += 1
                return work

    def hire(self, supervisor: Supervisor, process: WorkerProcess) -> None:
        """Make a process known before it starts, so that a kill finds it."""
        with self.lock:
            supervisor.process = process
            self.spawned += 1
            if self.killing:
                process.kill()

    def part(self, supervisor: Supervisor) -> None:
        """The supervisor's process is dead."""
        with self.lock:
            supervisor.process = None

    def finish(self, supervisor: Supervisor, work: Work) -> None:
        """The call has ended: tell whoever waits, unless it was cancelled."""
        work.ended_at = now()
        with self.lock:
            supervisor.work = None
            if work.state is State.ABANDONED:
                return
            work.state = State.ENDED
            self.crashed += isinstance(work.error, ProcessCrashed)
            self.finished += 1
        work.tell()

    def spoil(self, error: Exception) -> None:
        """The initializer failed: nothing runs here any more, and everybody is told."""
        with self.lock:
            self.halted = error
            dropped = self._drain()
            self.filled.notify_all()
        refuse(dropped, error)

    def leave(self, supervisor: Supervisor) -> None:
        """A supervisor's process is gone, and it goes too."""
        with self.lock:
            self.supervisors.discard(supervisor)
            self.left.notify_all()

    # With the lock held.

    def _admit(self, calls: int, *, bounded: bool) -> None:
        if isinstance(self.halted, BrokenProcessPool):
            raise BrokenProcessPool(str(self.halted)) from self.halted.__cause__
        if self.closing:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if not self.supervisors:
            _refuse_half_imported_main()
        size = self.settings.queue_size
        if bounded and size is not None:
            free = self.settings.max_workers - self._busy()
            if len(self.queue) + calls > size + free:
                self.refused += calls
                raise Overloaded(f"processes: {self._busy()} calls running, {len(self.queue)} of {size} queued")

    def _busy(self) -> int:
        return sum(known.work is not None for known in self.supervisors)

    def _recruit(self) -> list[Supervisor]:
        free = len(self.supervisors) - self._busy()
        wanted = min(len(self.queue) - free, self.settings.max_workers - len(self.supervisors))
        recruits = [Supervisor(self, f"weft-process-{next(self.names)}") for _ in range(wanted)]
        self.supervisors.update(recruits)
        return recruits

    def _drain(self) -> list[Work]:
        dropped = self.queue.drain()
        self.cancelled += len(dropped)
        return dropped

    # Without it.

    def _part_with(self, recruits: Iterable[Supervisor]) -> bool:
        """The system allows no more threads. Returns whether others are there to do the work."""
        with self.lock:
            self.supervisors.difference_update(recruit for recruit in recruits if not recruit.is_alive())
            return bool(self.supervisors)

    def _withdraw(self, works: Iterable[Work]) -> None:
        with self.lock:
            for work in works:
                self.queue.remove(work.owner, work)


def _begin(work: Work) -> bool:
    if not isinstance(work, Call):
        return True
    return work.future is not None and work.future.set_running_or_notify_cancel()


def _refuse_half_imported_main() -> None:
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(
            "this worker process is still importing the main module, which starts calls in processes of its own: "
            'write `if __name__ == "__main__":` above the code that is the program'
        )


_rosters: WeakSet[Roster] = WeakSet()


def _after_fork() -> None:
    for roster in tuple(_rosters):
        for supervisor in roster.supervisors:
            supervisor.process = None  # a callback that forks makes its supervisor the child's only thread
        roster.begin()


def _at_exit() -> None:
    # Runs before multiprocessing's own exit handler, which joins without limit: that one was registered earlier.
    rosters = tuple(_rosters)
    begun = monotonic()
    for roster in rosters:
        roster.close()
    for roster in rosters:
        if not roster.join(max(0.0, begun + roster.settings.exit_grace - monotonic())):
            log.warning("the interpreter exits without the calls that still run or wait in processes")
            roster.close(cancel=True)
            roster.kill()
            roster.join(1.0)


at_exit(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
