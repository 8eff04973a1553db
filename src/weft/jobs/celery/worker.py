"""A worker of Celery's, whose only task hands each job to a crew and waits for what it comes to."""

import itertools
import logging
import os
import queue
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from celery.app.trace import setup_worker_optimizations
from celery.exceptions import Reject
from celery.worker import state as celery_state

from weft.clock import now, wall
from weft.errors import InvalidCall
from weft.jobs.celery.engine import TASK, CeleryEngine
from weft.jobs.celery.page import Arrival, Page, arrival, begun, claim_of, settled
from weft.jobs.codec import decode_json
from weft.jobs.crew import Crew
from weft.jobs.errors import StoreError
from weft.jobs.lifecycle import State, Step
from weft.jobs.records import Claim, Entry, Settlement
from weft.jobs.settling import after_crash
from weft.runtime.process import runtime

__all__ = ["CeleryWorker"]

log = logging.getLogger("weft.jobs")

T = TypeVar("T")

_HURT = 1.0  # seconds to wait after Redis or the broker could not be had
_TICK = 0.25  # seconds between looks at what is late, and at what somebody wants cancelled
_SAY = 4.0  # seconds between signs of life; a third of what they are good for
_AGAIN = 5.0  # seconds after which a message comes again whose job runs elsewhere


class CeleryWorker:
    """Runs the jobs of some queues, until it is stopped. One in a process.

    Args:
        engine: whose jobs.
        queues: queue -> jobs that run at once.
        grace: seconds that jobs under way have when it is stopped; then they go back to the broker.

    Raises:
        InvalidCall: one of the queues has a limit.

    Attributes:
        name: as whose owner it stands in the pages.
    """

    def __init__(self, engine: CeleryEngine, queues: Mapping[str, int], grace: float) -> None:
        limited = [queue for queue in queues if runtime().limits.find(f"queue:{queue}") is not None]
        if limited:
            raise InvalidCall(f"limit queue:{limited[0]} cannot be kept by {engine.name}: {engine.lacks['limit']}")
        self._engine = engine
        self._book = engine.book
        self._grace = grace
        self.name = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(6)}"
        self._crew = Crew(queues, self, self._hear)
        self._queues = queues
        self._numbers = itertools.count(1)
        self._boxes: dict[int, queue.SimpleQueue[Settlement]] = {}
        self._claims: dict[int, Claim] = {}
        self._here: dict[tuple[str, int], object] = {}  # ticket and attempt: whose thread has it in hand
        self._overdue: frozenset[tuple[str, int]] = frozenset()  # ticket and attempt of what waited when we last looked
        self._stopping = threading.Event()
        self._ended = threading.Event()

    def ask_to_stop(self, grace: float | None = None) -> None:
        """Take no more jobs, give those under way their grace, hand back the rest. Fit for a signal handler."""
        if grace is not None:
            self._grace = grace
        self._stopping.set()
        celery_state.should_stop = 0

    def run(self) -> None:
        """Work until it is told to stop."""
        app = self._engine.app()

        def carry(entry: str, ticket: str, attempt: int) -> None:
            self._deliver(entry, ticket, attempt)

        app.task(name=TASK, acks_late=True, reject_on_worker_lost=True, shared=False)(carry)
        setup_worker_optimizations(app, self.name)  # among others, that its threads know which app they serve
        self._book.say_alive(self.name)
        ticker = threading.Thread(target=self._tick, name="weft-celery", daemon=True)
        ticker.start()
        controller = app.WorkController(
            pool="threads", concurrency=sum(self._queues.values()), queues=list(self._queues), without_mingle=True,
            without_gossip=True, without_heartbeat=False, hostname=f"weft@{self.name}", loglevel="WARNING",
        )  # fmt: skip
        try:
            celery_state.should_stop = 0 if self._stopping.is_set() else None
            controller.start()
        finally:
            celery_state.should_stop = None
            self._stopping.set()
            self._ended.set()
            ticker.join()
            self._crew.close()
            app.close()
            self._book.say_gone(self.name)

    # -- what Celery calls, on one of its threads

    def _deliver(self, entry: str, ticket: str, attempt: int) -> None:
        thread = object()
        first = self._here.setdefault((ticket, attempt), thread) is thread
        try:
            self._carry(decode_json(entry.encode(), Entry), ticket, attempt, first)
        finally:
            if first:
                del self._here[ticket, attempt]

    def _carry(self, entry: Entry, ticket: str, attempt: int, first: bool) -> None:
        arrive = partial(self._arrive, entry, ticket, attempt, first)
        meaning, page = self._insist(lambda: self._book.change(entry.uid, arrive))
        if meaning is Arrival.LATER:
            self._insist(lambda: self._engine.publish(page, attempt, wall() + _AGAIN))
        elif meaning is not Arrival.DROP:
            self._run(page)

    def _arrive(
        self, entry: Entry, ticket: str, attempt: int, first: bool, page: Page | None
    ) -> tuple[Page | None, tuple[Arrival, Page]]:
        known = page or Page(entry, ticket)  # Redis has forgotten; the message has not
        meaning = arrival(known, ticket, attempt, alive=bool(known.owner) and self._book.alive(known.owner))
        if meaning is Arrival.LATER and first and known.owner == self.name:
            meaning = Arrival.BEGIN  # no thread here has it: it was written that we begin, and the answer was lost
        if meaning is Arrival.BEGIN:
            known = begun(known, attempt, self.name, wall())
            return known, (meaning, known)
        if meaning is Arrival.CRASHED:
            last = after_crash(0, attempt, known.crashes, "its worker died while it ran")
            if last.step is Step.GIVE_UP:
                return settled(known, last, wall()), (Arrival.DROP, known)
            known = begun(known, attempt, self.name, wall(), crashed=True)
            return known, (meaning, known)
        return None, (meaning, known)

    def _run(self, page: Page) -> None:
        claim = claim_of(page, next(self._numbers))
        box: queue.SimpleQueue[Settlement] = queue.SimpleQueue()
        self._boxes[claim.id], self._claims[claim.id] = box, claim
        self._crew.take([claim])
        settlement = box.get()
        if settlement.step is Step.TRY_LATER:  # the message first: without it nobody would come again
            following = page.attempt + 1 - settlement.uncharged
            self._insist(lambda: self._engine.publish(page, following, settlement.again_at))
        elif settlement.step is Step.HAND_BACK and settlement.crashed:
            self._insist(lambda: self._engine.publish(page, page.attempt))
        self._insist(lambda: self._book.change(claim.uid, partial(self._settle, settlement)))
        if settlement.step is Step.HAND_BACK and not settlement.crashed:
            raise Reject("handed back", requeue=True)

    def _insist(self, act: Callable[[], T]) -> T:
        """Do it, however often the servers have to be asked: a message whose task has failed does not come again."""
        while True:
            try:
                return act()
            except StoreError:
                if self._ended.is_set():
                    raise
                log.exception("what a job has come to could not be written; trying again")
                self._ended.wait(_HURT)

    @staticmethod
    def _settle(settlement: Settlement, page: Page | None) -> tuple[Page | None, None]:
        return (None if page is None else settled(page, settlement, wall())), None

    # -- what the crew calls

    def begin(self, job: int) -> None:
        """It has begun; its page says so already."""

    def end(self, job: int) -> None:
        """It has ended; its page will say so."""

    def _hear(self) -> None:
        news, progress = self._crew.news()
        for settlement in news:
            self._claims.pop(settlement.id, None)
            self._boxes.pop(settlement.id).put(settlement)
        for each in progress:
            claim = self._claims.get(each.id)
            if claim is not None:
                try:
                    self._book.change(claim.uid, partial(self._note, each.attempt, each.fraction, each.note))
                except StoreError:  # no fault of the job's, which says so on its own thread; the next one may be heard
                    log.exception("the progress of job %s could not be written", claim.uid)

    @staticmethod
    def _note(attempt: int, fraction: float, note: str, page: Page | None) -> tuple[Page | None, None]:
        if page is None or page.attempt != attempt:
            return None, None
        return replace(page, progress=fraction, note=note), None

    # -- what comes by time, on a thread of its own

    def _tick(self) -> None:
        said = now()
        stopped: float | None = None
        while not self._ended.wait(_TICK):
            self._crew.give_up_late()
            try:
                if now() - said > _SAY:
                    self._say()
                    said = now()
                self._cancel()
            except StoreError:
                log.exception("Redis or the broker could not be asked; trying again")
            if self._stopping.is_set():
                stopped = now() if stopped is None else stopped
                if now() - stopped >= self._grace:
                    self._crew.hand_back()

    def _say(self) -> None:
        self._book.say_alive(self.name)
        if self._book.first("sweep"):
            for orphan in self._book.orphans():  # the broker may take its time to bring the message again
                self._engine.publish(orphan, orphan.attempt)
        if self._claims:
            self._overdue = frozenset()
        elif self._book.first("look"):
            self._send_again()

    def _send_again(self) -> None:
        # Redis forgets a message as it hands it over: a worker that dies before it has noted that takes it along. While
        # this one has nothing to do, what is to run has a message that comes in a moment, or none; to send another
        # does no harm.
        waiting = {
            (page.ticket, page.attempt): page
            for page in self._book.unfinished()
            if page.state is State.AVAILABLE and page.entry.queue in self._queues
        }
        for known in self._overdue & waiting.keys():
            self._engine.publish(waiting[known], waiting[known].attempt + 1)
        self._overdue = frozenset(waiting)

    def _cancel(self) -> None:
        claims = tuple(self._claims.values())
        for claim, page in zip(claims, self._book.pages_of([claim.uid for claim in claims]), strict=True):
            if page is not None and page.cancel_requested:
                self._crew.cancel(claim.id, claim.attempt)
