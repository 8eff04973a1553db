"""A worker: takes jobs from the store, has them run, and writes down what they come to, turn by turn."""

import logging
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from weft.clock import now, wall
from weft.errors import InvalidCall, InvalidValue
from weft.jobs.crew import HOARDING, Crew
from weft.jobs.declaring import known
from weft.jobs.errors import StoreError
from weft.jobs.sqlite.bell import POLL
from weft.jobs.sqlite.owners import DeadOwner
from weft.jobs.sqlite.turn import Fallen, Report, Turn
from weft.jobs.stores import store as store_here
from weft.jobs.ticking import Ticking

if TYPE_CHECKING:
    from weft.jobs.sqlite.store import Desk, SQLiteStore

__all__ = ["Worker", "parse_queues"]

log = logging.getLogger("weft.jobs")

_SWEEP = 1.0  # seconds between looks for dead owners
_PRUNE = 60.0
_HURT = 1.0  # seconds to wait after the store could not be written
_SETTLING = 5.0  # seconds for the last turn


class Worker:
    """Runs the jobs of some queues of a store, until it is stopped.

    Args:
        queues: queue -> jobs that run at once; a job that waits costs a thread, if its function is a plain one.
        store: None: the one of this process.
        grace: seconds that jobs under way have when it is stopped; then they are handed to other workers, uncharged.

    Raises:
        InvalidValue: no queue, or one without a slot.
    """

    def __init__(
        self, queues: Mapping[str, int] | None = None, *, store: "SQLiteStore | None" = None, grace: float = 10.0
    ) -> None:
        self._queues = dict(queues) if queues is not None else {"default": 10}
        if not self._queues or min(self._queues.values()) < 1:
            raise InvalidValue(
                f"queues={self._queues!r}: name at least one, with the jobs to run at once: {{'mail': 10}}"
            )
        self._store = store_here() if store is None else store
        mine = [job for job in known().values() if job.options.queue in self._queues]
        self._ticking = Ticking(mine, self._store, wall())
        self._grace = grace
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._desk: Desk | None = None
        self._swept = self._pruned = 0.0

    def start(self) -> "Worker":
        """Run on a thread of its own. Once."""
        if self._thread is not None:
            raise InvalidCall("this worker has been started: make another")
        self._thread = threading.Thread(target=self.run, name="weft-worker", daemon=True)
        self._thread.start()
        return self

    def stop(self, grace: float | None = None) -> None:
        """Take no more jobs, give those under way their grace, hand back the rest. Waits for the end. Any thread."""
        self.ask_to_stop(grace)
        if self._thread is not None:
            self._thread.join()

    def ask_to_stop(self, grace: float | None = None) -> None:
        """The same, without waiting. Fit for a signal handler."""
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
            desk.close() if settled else desk.abandon()

    def _work(self, desk: "Desk", crew: Crew) -> None:
        crew.give_up_late()
        crew.stop_hoarding()
        report = self._turn(desk, crew, crew.room())
        if report is None:
            self._stopping.wait(_HURT)
            return
        crew.take(report.claims)
        for job, attempt in report.cancelled:
            crew.cancel(job, attempt)
        self._prune()
        desk.bell.wait(self._pause(crew, report))

    def _prune(self) -> None:
        if now() - self._pruned > _PRUNE:
            self._pruned = now()
            try:
                self._store.prune(wall())
            except StoreError:
                log.exception("finished jobs could not be pruned")

    def _pause(self, crew: Crew, report: Report) -> float:
        pause = HOARDING if crew.hoards else POLL
        for due in (report.next_due, self._ticking.next):
            if due is not None:
                pause = min(pause, due - wall())
        end = crew.next_end()
        if end is not None:
            pause = min(pause, end - now())
        return max(0.0, pause)

    def _turn(self, desk: "Desk", crew: Crew, room: Mapping[str, int]) -> Report | None:
        settled, progress = crew.news()
        dead: list[DeadOwner] = []
        fallen: list[Fallen] = []
        time_now = wall()
        ticks = self._ticking.due(time_now) if room else []
        try:
            if now() - self._swept > _SWEEP:
                self._swept = now()
                dead = desk.dead()
                fallen = [Fallen(each.name, each.begun) for each in dead]
                fallen += [Fallen(name, frozenset()) for name in desk.lost()]
            report = self._store.turn(Turn(desk.owner.name, time_now, room, settled, progress, fallen, ticks))
        except Exception:
            log.exception("the job store could not be written; trying again")
            crew.remember(settled, progress)
            for owner in dead:
                owner.leave()
            return None
        self._ticking.stored(ticks, time_now)
        for each in fallen:
            log.warning("worker %s has died; %d of its jobs had begun", each.name, len(each.begun))
        for owner in dead:
            owner.bury()
        return report

    def _finish(self, desk: "Desk", crew: Crew) -> bool:
        began = now()
        while crew.busy and (left := began + self._grace - now()) > 0:  # the grace may be cut short meanwhile
            crew.give_up_late()
            crew.stop_hoarding()
            self._turn(desk, crew, {})
            if crew.busy:
                desk.bell.wait(min(POLL, left))
        crew.hand_back()
        end = now() + _SETTLING
        while self._turn(desk, crew, {}) is None:
            if now() > end:
                return False
            time.sleep(_HURT)
        return True


def parse_queues(words: str) -> dict[str, int]:
    """Read "images=2,mail=10": queue -> jobs at once; without a number, 10.

    Raises:
        InvalidValue: it cannot be read.
    """
    queues: dict[str, int] = {}
    for word in filter(None, (word.strip() for word in words.split(","))):
        name, given, size = word.partition("=")
        if not name or (given and not size.isdecimal()) or (given and int(size) < 1):
            raise InvalidValue(f"{word!r} is no queue: write images=2,mail=10")
        queues[name] = int(size) if given else 10
    if not queues:
        raise InvalidValue(f"{words!r} names no queue: write images=2,mail=10")
    return queues
