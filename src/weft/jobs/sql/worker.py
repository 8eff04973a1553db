"""A worker: takes jobs from the store, has them run, and writes down what they come to, turn by turn."""

import logging
import threading
import time
from collections.abc import Iterable, Mapping

from weft.clock import now, wall
from weft.jobs.ahead import HOARDING
from weft.jobs.crew import Crew
from weft.jobs.declaring import known
from weft.jobs.errors import StoreError
from weft.jobs.sql.bounds import Bound, bound_of
from weft.jobs.sql.database import Desk
from weft.jobs.sql.database import Fallen as FallenOwner
from weft.jobs.sql.store import Store
from weft.jobs.sql.ticking import Ticking
from weft.jobs.sql.turn import Fallen, Report, Turn
from weft.runtime.process import runtime

__all__ = ["StoreWorker"]

log = logging.getLogger("weft.jobs")

_POLL = 1.0  # seconds after which it looks even where no bell rang
_SWEEP = 1.0  # seconds between looks for dead owners
_PRUNE = 60.0
_HURT = 1.0  # seconds to wait after the store could not be written
_REST = 3.0  # times as long as its turn has taken does it leave the store to all others
_LONGEST_REST = 0.04  # seconds
_SETTLING = 5.0  # seconds for the last turn


class StoreWorker:
    """Runs the jobs of some queues of a store, until it is stopped.

    Args:
        store: whose jobs.
        queues: queue -> jobs that run at once.
        grace: seconds that jobs under way have when it is stopped; then they are handed to other workers, uncharged.
    """

    def __init__(self, store: Store, queues: Mapping[str, int], grace: float) -> None:
        self._store = store
        self._queues = queues
        mine = [job for job in known().values() if job.options.queue in queues]
        self._ticking = Ticking(mine, store, wall())
        self._grace = grace
        self._stopping = threading.Event()
        self._desk: Desk | None = None
        self._swept = self._pruned = 0.0
        self._unsure = False  # whether the last turn was written

    def ask_to_stop(self, grace: float | None = None) -> None:
        """Take no more jobs, give those under way their grace, hand back the rest. Fit for a signal handler."""
        if grace is not None:
            self._grace = grace
        self._stopping.set()
        if self._desk is not None:
            self._desk.bell.ring_here()

    def run(self) -> None:
        """Work until it is told to stop."""
        self._desk = desk = self._store.desk(4 * sum(self._queues.values()) + 64)
        crew = Crew(self._queues, desk.owner, desk.bell.ring_here)
        settled = False
        try:
            while not self._stopping.is_set():
                self._work(desk, crew)
            settled = self._finish(desk, crew)
        finally:
            crew.close()
            self._desk = None
            self._store.leave(desk, settled=settled)

    def _work(self, desk: Desk, crew: Crew) -> None:
        crew.give_up_late()
        crew.stop_hoarding()
        began = now()
        report = self._turn(desk, crew, crew.room())
        took = now() - began
        if report is None:
            self._stopping.wait(_HURT)
            return
        crew.take(report.claims)
        for job, attempt in report.cancelled:
            crew.cancel(job, attempt)
        self._prune()
        crew.runs_low.wait(min(_REST * took, _LONGEST_REST))
        desk.bell.wait(self._pause(crew, report))

    def _prune(self) -> None:
        if now() - self._pruned > _PRUNE:
            self._pruned = now()
            try:
                self._store.prune(wall())
            except StoreError:
                log.exception("finished jobs could not be pruned")

    def _pause(self, crew: Crew, report: Report) -> float:
        pause = HOARDING if crew.hoards else _POLL
        for due in (report.next_due, self._ticking.next):
            if due is not None:
                pause = min(pause, due - wall())
        end = crew.next_end()
        if end is not None:
            pause = min(pause, end - now())
        return max(0.0, pause)

    def _turn(self, desk: Desk, crew: Crew, room: Mapping[str, int]) -> Report | None:
        held = crew.held() if self._unsure else None  # before the news: what ends in between is in both
        settled, progress = crew.news()
        fallen: list[FallenOwner] = []
        time_now = wall()
        ticks = self._ticking.due(time_now) if room else []
        try:
            if now() - self._swept > _SWEEP:
                self._swept = now()
                fallen = self._store.fallen(desk)
            gone = [Fallen(each.name, each.begun) for each in fallen]
            turn = Turn(desk.owner.name, time_now, room, settled, progress, gone, ticks, held, _bounds(room))
            report = self._store.turn(turn)
        except Exception:
            log.exception("the job store could not be written; trying again")
            crew.remember(settled, progress)
            self._unsure = True
            for each in fallen:
                each.leave()
            return None
        self._unsure = False
        self._ticking.stored(ticks, time_now)
        for each in fallen:
            log.warning("worker %s has died", each.name)
            each.bury()
        return report

    def _finish(self, desk: Desk, crew: Crew) -> bool:
        began = now()
        while crew.busy and (left := began + self._grace - now()) > 0:  # the grace may be cut short meanwhile
            crew.give_up_late()
            crew.stop_hoarding()
            self._turn(desk, crew, {})
            if crew.busy:
                desk.bell.wait(min(_POLL, left))
        crew.hand_back()
        end = now() + _SETTLING
        while self._turn(desk, crew, {}) is None:
            if now() > end:
                return False
            time.sleep(_HURT)
        return True


def _bounds(queues: Iterable[str]) -> dict[str, Bound]:
    limits = runtime().limits
    found = {queue: limits.find(f"queue:{queue}") for queue in queues}
    return {queue: bound_of(limit) for queue, limit in found.items() if limit is not None}
