"""Runs claimed jobs where they belong: on threads, on the loop, in processes; suspects alone in one of their own."""

import asyncio
import heapq
import itertools
import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from functools import partial
from typing import Any

from weft.calls.call import Place
from weft.clock import now, wall
from weft.errors import DeadlineExceeded
from weft.executors.processes import ProcessExecutor
from weft.executors.threads import ThreadExecutor
from weft.executors.work import Work
from weft.jobs import context
from weft.jobs.codec import encode_json
from weft.jobs.context import CurrentJob
from weft.jobs.declaring import Job, find, run_in_process
from weft.jobs.errors import NotSerializable
from weft.jobs.lifecycle import Step
from weft.jobs.records import Claim, Progress, Settlement
from weft.jobs.settling import completed, failed, handed_back
from weft.jobs.sqlite.owners import Owner
from weft.policy.retry import Retry
from weft.runtime.process import runtime

__all__ = ["Crew", "Run"]

log = logging.getLogger("weft.jobs")

_AHEAD = 0.02  # seconds of work that a queue may hold beyond its slots, so that short jobs come in batches


_STALE = 1000  # ends of jobs that are over, which are let lie about


class Run:
    """One claimed job under way. Its end is told once, by whoever is first."""

    def __init__(self, claim: Claim, crew: "Crew") -> None:
        self.claim = claim
        self.job: Job[Any, Any] | None = None
        self.began: float | None = None
        self.stop: Callable[[], object] = _nothing  # ends it, or abandons it
        self.context = CurrentJob(claim, partial(crew.note, claim))


def _nothing() -> None:
    """Not yet started."""


class Crew:
    """The executors of one worker, and what runs there. Concurrency safe.

    Args:
        queues: queue -> jobs at once.
        owner: its register of what has begun.
        wake: called when there is something to tell.
    """

    def __init__(self, queues: Mapping[str, int], owner: Owner, wake: Callable[[], object]) -> None:
        self._slots = dict(queues)
        self._owner = owner
        self._wake = wake
        self._lock = threading.Lock()
        self._runs: dict[int, Run] = {}
        self._held: dict[str, int] = dict.fromkeys(queues, 0)
        self._pace = dict.fromkeys(queues, 1.0)  # seconds that a job of the queue takes; long until they prove short
        self._waiting: dict[str, deque[Run]] = {queue: deque() for queue in queues}  # async and in processes
        self._active = dict.fromkeys(queues, 0)
        self._settled: list[Settlement] = []
        self._progress: dict[int, Progress] = {}
        self._ends: list[tuple[float, int, Run]] = []
        self._count = itertools.count()
        self._threads = {
            queue: ThreadExecutor(size, f"weft-{queue}", queue_size=None) for queue, size in queues.items()
        }
        self._processes: ProcessExecutor | None = None
        self._solo: ProcessExecutor | None = None

    # -- what the worker asks

    def room(self) -> dict[str, int]:
        """Queue -> jobs that it can take now: what fits, and a little ahead of that where jobs are short."""
        with self._lock:
            return {queue: size + self._ahead(queue, size) - self._held[queue] for queue, size in self._slots.items()}

    def _ahead(self, queue: str, size: int) -> int:
        return min(500, int(size * _AHEAD / max(self._pace[queue], 1e-5)))

    @property
    def busy(self) -> int:
        """Jobs held."""
        return len(self._runs)

    def news(self) -> tuple[list[Settlement], list[Progress]]:
        """What has happened since the last time."""
        with self._lock:
            settled, self._settled = self._settled, []
            progress, self._progress = list(self._progress.values()), {}
        return settled, progress

    def remember(self, settled: list[Settlement], progress: list[Progress]) -> None:
        """It could not be written: it is news the next time again."""
        with self._lock:
            self._settled[:0] = settled
            self._progress = {each.id: each for each in progress} | self._progress

    def next_end(self) -> float | None:
        """When the next job is late, on `weft.clock`."""
        with self._lock:
            return self._ends[0][0] if self._ends else None

    # -- what the worker has done

    def take(self, claims: Iterable[Claim]) -> None:
        """Start these jobs, or let them wait for a slot."""
        threads: dict[str, list[Work]] = {}
        for claim in claims:
            run = Run(claim, self)
            with self._lock:
                self._runs[claim.id] = run
                self._held[claim.queue] += 1
            try:
                run.job = find(claim.task)
            except LookupError as error:
                self._end(run, failed(claim, error, Retry(backoff=10.0, longest=3600.0, on=(Exception,)), *_chance()))
                continue
            if claim.crashes or run.job.place is not Place.THREAD:
                with self._lock:
                    self._waiting[claim.queue].append(run)
            else:
                threads.setdefault(claim.queue, []).append(self._on_thread(run))
        for queue, works in threads.items():
            self._threads[queue].start_many(works)
        for queue in self._slots:
            self._pump(queue)

    def cancel(self, job: int, attempt: int) -> None:
        """Somebody wants this job cancelled."""
        run = self._runs.get(job)
        if run is not None and run.claim.attempt == attempt:
            self._give_up(run, Settlement(job, attempt, Step.CANCEL, error="cancelled"))

    def give_up_late(self) -> None:
        """End those whose time is up."""
        time_now = now()
        late: list[Run] = []
        with self._lock:
            while self._ends and self._ends[0][0] <= time_now:
                late.append(heapq.heappop(self._ends)[2])
        for run in late:
            if self._runs.get(run.claim.id) is run:
                error = DeadlineExceeded(f"not done within {run.claim.timeout:g} s", after=run.claim.timeout)
                self._give_up(run, failed(run.claim, error, self._retry(run), *_chance()))

    def hand_back(self) -> None:
        """Give all that is held to other workers: this one ends."""
        # Those that have not begun come first: the slot of one that is abandoned would go to the next of them.
        for run in sorted(self._runs.values(), key=lambda run: run.began is not None):
            self._give_up(run, handed_back(run.claim))

    def note(self, claim: Claim, fraction: float, note: str) -> None:
        """A job says how far it is."""
        with self._lock:
            first = not self._progress
            self._progress[claim.id] = Progress(claim.id, claim.attempt, fraction, note)
        if first:
            self._wake()

    def close(self) -> None:
        """Take no more; nothing is held."""
        for executor in (*self._threads.values(), self._processes, self._solo):
            if executor is not None:
                executor.shutdown(wait=False, cancel_futures=True)

    # -- running

    def _on_thread(self, run: Run) -> Work:
        work = Work(self._call, (run,), {}, _ignore, context=Context(), label=run.claim.task)
        executor = self._threads[run.claim.queue]
        run.stop = partial(executor.cancel, work)
        return work

    def _call(self, run: Run) -> None:
        if self._begin(run):
            context.running.set(run.context)
            job = run.job
            assert job is not None  # found in `take`
            try:
                args, kwargs = job.signature.decode(run.claim.arguments)
                value = job.fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whatever a job raises is its failure, and nobody else's
                self._fail(run, error)
            else:
                self._complete(run, value)

    async def _await(self, run: Run) -> None:
        job = run.job
        assert job is not None  # found in `take`
        context.running.set(run.context)
        try:
            args, kwargs = job.signature.decode(run.claim.arguments)
            value = await job.fn(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - the same
            self._fail(run, error)
        else:
            self._complete(run, value)

    def _pump(self, queue: str) -> None:
        while (run := self._next(queue)) is not None:
            alone = run.claim.crashes > 0
            if not self._begin(run, registered=not alone and run.job is not None and run.job.place is Place.LOOP):
                with self._lock:
                    self._active[queue] -= 1
            elif alone:
                self._in_process(run, self._solo_executor())
            elif run.job is not None and run.job.place is Place.PROCESS:
                self._in_process(run, self._process_executor())
            else:
                self._on_loop(run)

    def _next(self, queue: str) -> Run | None:
        with self._lock:
            waiting = self._waiting[queue]
            if not waiting or self._active[queue] >= self._slots[queue]:
                return None
            self._active[queue] += 1
            return waiting.popleft()

    def _on_loop(self, run: Run) -> None:
        home = runtime().home()

        def spawn() -> None:
            task: asyncio.Task[Any] = home.spawn(self._await(run), Context())
            run.stop = partial(home.post_if_open, task.cancel)

        run.stop = partial(home.post_if_open, lambda: run.stop())  # noqa: PLW0108 - by then it is the task's own
        home.post(spawn)

    def _in_process(self, run: Run, executor: ProcessExecutor) -> None:
        work = Work(run_in_process, (run.job, run.claim.arguments), {}, partial(self._process_ended, run))
        run.stop = partial(executor.cancel, work)
        try:
            executor.start(work)
        except Exception as error:  # noqa: BLE001 - no process could be had
            self._fail(run, error)

    def _process_ended(self, run: Run, work: Work) -> None:
        if work.error is not None:
            self._fail(run, work.error)
        else:
            self._end(run, completed(run.claim, work.value, wall()))

    def _begin(self, run: Run, *, registered: bool = True) -> bool:
        # What runs in a process of its own is not registered: it can end nobody but that.
        with self._lock:
            if self._runs.get(run.claim.id) is not run:
                return False  # ended before it began
            run.began = now()
            if run.claim.timeout is not None:
                if len(self._ends) > 2 * len(self._runs) + _STALE:
                    self._ends = [end for end in self._ends if self._runs.get(end[2].claim.id) is end[2]]
                    heapq.heapify(self._ends)
                heapq.heappush(self._ends, (run.began + run.claim.timeout, next(self._count), run))
            sooner = bool(self._ends) and self._ends[0][2] is run
        if registered:
            self._owner.begin(run.claim.id)
        if sooner:
            self._wake()
        return True

    # -- ending

    def _complete(self, run: Run, value: Any) -> None:
        try:
            result = encode_json(value)
        except TypeError as error:
            name = run.claim.task
            told = NotSerializable(
                f"{name} returned what JSON cannot carry: {error}. Return numbers, text, a dataclass"
            )
            self._end(run, failed(run.claim, told, None, *_chance()))
        else:
            self._end(run, completed(run.claim, result, wall()))

    def _fail(self, run: Run, error: BaseException) -> None:
        self._end(run, failed(run.claim, error, self._retry(run), *_chance()))

    def _give_up(self, run: Run, settlement: Settlement) -> None:
        run.context.call_off()
        if self._end(run, settlement):
            run.stop()

    def _end(self, run: Run, settlement: Settlement) -> bool:
        queue = run.claim.queue
        with self._lock:
            if self._runs.pop(run.claim.id, None) is not run:
                return False  # given up before
            self._held[queue] -= 1
            if run.began is not None:
                self._pace[queue] += (now() - run.began - self._pace[queue]) / 4
            outside = run.claim.crashes > 0 or (run.job is not None and run.job.place is not Place.THREAD)
            if outside and run.began is not None:
                self._active[queue] -= 1
            elif run in self._waiting[queue]:
                self._waiting[queue].remove(run)
            self._progress.pop(run.claim.id, None)
            first = not self._settled
            self._settled.append(settlement)
        self._owner.end(run.claim.id)
        if settlement.error is not None:
            last = settlement.error.rpartition("\n")[2]
            log.warning("job %s (%s) has to %s: %s", run.claim.uid, run.claim.task, settlement.step.value, last)
        if first:
            self._wake()
        if outside:
            self._pump(queue)
        return True

    def _retry(self, run: Run) -> Retry | None:
        return None if run.job is None else run.job.options.retry

    def _process_executor(self) -> ProcessExecutor:
        with self._lock:
            if self._processes is None:
                self._processes = ProcessExecutor(queue_size=None)
            return self._processes

    def _solo_executor(self) -> ProcessExecutor:
        with self._lock:
            if self._solo is None:
                self._solo = ProcessExecutor(1, queue_size=None)
            return self._solo


def _ignore(_work: Work) -> None:
    """The end was told by the call itself."""


def _chance() -> tuple[float, float]:
    return wall(), random.random()  # noqa: S311 - jitter, no secret
