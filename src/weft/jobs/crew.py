"""Has claimed jobs run where they belong: on threads, on the loop, in processes; suspects alone in one of their own."""

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
from weft.executors.sizing import process_workers
from weft.executors.threads import ThreadExecutor
from weft.executors.work import Work
from weft.jobs import context
from weft.jobs.ahead import HOARDING, ahead
from weft.jobs.codec import encode_json
from weft.jobs.context import CurrentJob
from weft.jobs.declaring import find, run_in_process
from weft.jobs.errors import NotSerializable
from weft.jobs.lifecycle import Step
from weft.jobs.records import Claim, Progress, Settlement
from weft.jobs.runs import ALONE, Run
from weft.jobs.settling import completed, failed, handed_back
from weft.jobs.sql.database import Register
from weft.jobs.stores import address
from weft.runtime.process import runtime

__all__ = ["Crew"]

log = logging.getLogger("weft.jobs")

_STUCK = 4  # times as many threads as a queue has slots may be stuck before it stands still
_STALE = 1000  # ends of jobs that are over, which are let lie about


class Crew:
    """The executors of one worker, and what runs there. Concurrency safe.

    Args:
        queues: queue -> jobs at once.
        owner: its register of what has begun.
        wake: called when there is something to tell.

    Attributes:
        runs_low: set when a queue has begun half of what it was to hold beyond its slots, since `room` was asked.
    """

    def __init__(self, queues: Mapping[str, int], owner: Register, wake: Callable[[], object]) -> None:
        self._slots = dict(queues)
        self._owner = owner
        self._wake = wake
        self.runs_low = threading.Event()
        self._lock = threading.Lock()  # guards all below
        self._runs: dict[int, Run] = {}
        self._waiting: dict[str, deque[Run]] = {queue: deque() for queue in queues}
        self._half = dict.fromkeys(queues, 0)  # of what a queue holds beyond its slots
        self._active = dict.fromkeys(queues, 0)
        self._lanes: dict[Place | str, int] = {ALONE: 0, Place.PROCESS: 0}
        self._lane_sizes: dict[Place | str, int] = {ALONE: 1, Place.PROCESS: process_workers()}
        self._pace = dict.fromkeys(queues, 1.0)  # seconds that a job of the queue takes; long until they prove short
        self._settled: list[Settlement] = []
        self._progress: dict[int, Progress] = {}
        self._ends: list[tuple[float, int, Run]] = []
        self._count = itertools.count()
        self._threads = {
            queue: ThreadExecutor(size, f"weft-{queue}", queue_size=None, spare=_STUCK * size)
            for queue, size in queues.items()
        }
        self._processes: dict[Place | str, ProcessExecutor] = {}

    # -- what the worker asks

    def room(self) -> dict[str, int]:
        """Queue -> jobs that it can take now: what fits, and a little ahead of that where jobs are short."""
        found = {}
        self.runs_low.clear()
        for queue, size in self._slots.items():
            stuck = self._threads[queue].statistics().abandoned
            with self._lock:
                usable = min(size, (1 + _STUCK) * size - stuck)
                more = ahead(usable, self._pace[queue])
                self._half[queue] = more // 2
                found[queue] = usable + more - self._active[queue] - len(self._waiting[queue])
        return found

    @property
    def busy(self) -> int:
        """Jobs held."""
        return len(self._runs)

    def held(self) -> frozenset[int]:
        """Their ids."""
        with self._lock:
            return frozenset(self._runs)

    @property
    def hoards(self) -> bool:
        """Whether jobs wait here for a slot."""
        return any(self._waiting.values())

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
        runs = []
        for claim in claims:
            if (taken := self._runs.get(claim.id)) is not None:  # from us meanwhile: our word on it is void
                self._give_up(taken, None)
            try:
                runs.append(Run(claim, find(claim.task)))
            except LookupError as error:
                self._tell(claim, failed(claim, error, *_chance()))
        with self._lock:
            for run in runs:
                self._runs[run.claim.id] = run
                self._waiting[run.claim.queue].append(run)
        self._pump_all()

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
                self._give_up(run, failed(run.claim, error, *_chance()))

    def stop_hoarding(self) -> None:
        """Give to other workers what waits here behind jobs that turn out to be long."""
        time_now = now()
        with self._lock:
            runs = tuple(self._runs.values())
            began = dict.fromkeys(self._slots, time_now)
            for run in runs:
                if run.began is not None:
                    began[run.claim.queue] = min(began[run.claim.queue], run.began)
            long = {queue for queue, since in began.items() if time_now - since > HOARDING}
            for queue in long:
                self._pace[queue] = max(self._pace[queue], time_now - began[queue])
        for run in runs:
            if run.began is None and run.claim.queue in long:
                self._give_up(run, handed_back(run.claim))

    def hand_back(self) -> None:
        """Give all that is held to other workers: this one ends."""
        # Those that have not begun come first: they would take the slots of those that have.
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
        for executor in (*self._threads.values(), *self._processes.values()):
            executor.shutdown(wait=False, cancel_futures=True)

    # -- beginning

    def _pump(self, queue: str) -> None:
        works = []
        while (run := self._next(queue)) is not None:
            if run.lane is Place.THREAD:
                works.append(self._on_thread(run))
            elif run.lane is Place.LOOP:
                self._on_loop(run)
            else:
                self._in_process(run)
        if works:
            self._threads[queue].start_many(works)

    def _next(self, queue: str, only: Place | None = None) -> Run | None:
        with self._lock:
            waiting = self._waiting[queue]
            if not waiting or self._active[queue] >= self._slots[queue]:
                return None
            run = waiting[0] if self._free(waiting[0]) else next(filter(self._free, waiting), None)
            if run is None or (only is not None and run.lane is not only):
                return None
            if run is waiting[0]:
                waiting.popleft()
            else:
                waiting.remove(run)
            self._begin(run)
            if len(waiting) == self._half[queue] > 0:
                self.runs_low.set()
        if self._ends and self._ends[0][2] is run:
            self._wake()
        return run

    def _free(self, run: Run) -> bool:
        return run.lane not in self._lanes or self._lanes[run.lane] < self._lane_sizes[run.lane]

    def _begin(self, run: Run) -> None:
        # With the lock. What runs in a process of its own is not registered: it can end nobody but that.
        self._active[run.claim.queue] += 1
        if run.lane in self._lanes:
            self._lanes[run.lane] += 1
        else:
            self._owner.begin(run.claim.id)
        run.began = now()
        if run.claim.timeout is not None:
            if len(self._ends) > 2 * len(self._runs) + _STALE:
                self._ends = [end for end in self._ends if self._runs.get(end[2].claim.id) is end[2]]
                heapq.heapify(self._ends)
            heapq.heappush(self._ends, (run.began + run.claim.timeout, next(self._count), run))

    # -- running

    def _on_thread(self, run: Run) -> Work:
        box: list[Work] = []
        work = Work(self._serve, (run, box), {}, _ignore, label=run.claim.task)
        box.append(work)
        run.stop = partial(self._threads[run.claim.queue].cancel, work)
        return work

    def _serve(self, first: Run, box: list[Work]) -> None:
        """Run a job, and then those that wait for a slot: no thread is woken for each."""
        run: Run | None = first
        while run is not None and Context().run(self._call, run):
            queue = run.claim.queue
            run = self._next(queue, only=Place.THREAD)
            if run is None:
                self._pump(queue)
            else:
                run.stop = partial(self._threads[queue].cancel, box[0])

    def _call(self, run: Run) -> bool:
        if self._runs.get(run.claim.id) is not run:
            return False  # given up before it began, and this thread with it
        run.context = CurrentJob(run.claim, self.note)
        context.running.set(run.context)
        try:
            args, kwargs = run.job.signature.decode(run.claim.arguments)
            value = run.job.fn(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - whatever a job raises is its failure, and nobody else's
            return self._fail(run, error)
        return self._complete(run, value)

    def _on_loop(self, run: Run) -> None:
        home = runtime().home()

        def spawn() -> None:
            task: asyncio.Task[Any] = home.spawn(self._await(run), Context())
            run.stop = partial(home.post_if_open, task.cancel)

        run.stop = partial(home.post_if_open, lambda: run.stop())  # noqa: PLW0108 - by then it is the task's own
        home.post(spawn)

    async def _await(self, run: Run) -> None:
        run.context = CurrentJob(run.claim, self.note)
        context.running.set(run.context)
        try:
            args, kwargs = run.job.signature.decode(run.claim.arguments)
            value = await run.job.fn(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - the same
            self._fail(run, error)
        else:
            self._complete(run, value)
        self._pump(run.claim.queue)

    def _in_process(self, run: Run) -> None:
        work = Work(run_in_process, (run.job, run.claim, address()), {}, partial(self._process_ended, run))
        executor = self._process_executor(run.lane)
        run.stop = partial(self._kill, executor, work)
        try:
            executor.start(work)
        except Exception as error:  # noqa: BLE001 - no process could be had
            self._fail(run, error)

    def _kill(self, executor: ProcessExecutor, work: Work) -> None:
        executor.cancel(work)
        self._pump_all()

    def _process_ended(self, run: Run, work: Work) -> None:
        if work.error is not None:
            self._fail(run, work.error)
        else:
            self._end(run, completed(run.claim, work.value, wall()))
        self._pump_all()

    def _pump_all(self) -> None:
        for queue in self._slots:  # some lanes are shared by all queues
            self._pump(queue)

    def _process_executor(self, lane: Place | str) -> ProcessExecutor:
        with self._lock:
            if lane not in self._processes:
                self._processes[lane] = ProcessExecutor(self._lane_sizes[lane], queue_size=None)
            return self._processes[lane]

    # -- ending

    def _complete(self, run: Run, value: Any) -> bool:
        try:
            result = encode_json(value)
        except Exception as error:  # noqa: BLE001 - text that is none, a list in itself, a user's own type
            told = NotSerializable(
                f"{run.claim.task} returned what JSON cannot carry: {error}. Return text, a dataclass"
            )
            return self._end(run, failed(run.claim, told, *_chance(), final=True))
        return self._end(run, completed(run.claim, result, wall()))

    def _fail(self, run: Run, error: BaseException) -> bool:
        return self._end(run, failed(run.claim, error, *_chance()))

    def _give_up(self, run: Run, settlement: Settlement | None) -> None:
        if run.context is not None:
            run.context.call_off()
        if self._end(run, settlement):
            run.stop()
            self._pump(run.claim.queue)

    def _end(self, run: Run, settlement: Settlement | None) -> bool:
        with self._lock:
            if self._runs.get(run.claim.id) is not run:
                return False  # given up before, and perhaps begun anew
            del self._runs[run.claim.id]
            if run.began is None:
                self._waiting[run.claim.queue].remove(run)
            else:
                self._leave(run, now() - run.began)
            self._progress.pop(run.claim.id, None)
            first = not self._settled
            self._settled += [] if settlement is None else [settlement]
        if settlement is not None:
            self._announce(run.claim, settlement, first=first)
        return True

    def _leave(self, run: Run, took: float) -> None:
        # With the lock.
        queue = run.claim.queue
        self._pace[queue] += (took - self._pace[queue]) / 4
        self._active[queue] -= 1
        if run.lane in self._lanes:
            self._lanes[run.lane] -= 1
        else:
            self._owner.end(run.claim.id)

    def _tell(self, claim: Claim, settlement: Settlement) -> None:
        with self._lock:
            first = not self._settled
            self._settled.append(settlement)
        self._announce(claim, settlement, first=first)

    def _announce(self, claim: Claim, settlement: Settlement, *, first: bool) -> None:
        if settlement.error is not None:
            last = settlement.error.rpartition("\n")[2]
            log.warning("job %s (%s) has to %s: %s", claim.uid, claim.task, settlement.step.value, last)
        if first:
            self._wake()


def _ignore(_work: Work) -> None:
    """The end was told by the call itself."""


def _chance() -> tuple[float, float]:
    return wall(), random.random()  # noqa: S311 - jitter, no secret
