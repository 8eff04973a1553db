"""Jobs through Celery: one task carries each of them, so that no function of the user's knows of it.

Celery's settings are the safe ones: a message is acknowledged when its job is over, comes again when its worker is
lost, and is taken by no worker before it can begin. What Celery lacks, the pages in Redis bring: results, progress, a
bound to crashes, and the knowledge that a message which comes again is of a job that still runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from weft.clock import wall
from weft.errors import InvalidCall, InvalidValue
from weft.jobs.addresses import public
from weft.jobs.celery.book import Book
from weft.jobs.celery.page import Page, record_of, revived
from weft.jobs.codec import encode_json
from weft.jobs.errors import JobNotFound, StoreError
from weft.jobs.identity import new_uid
from weft.jobs.lifecycle import FINAL, State, Step, advance
from weft.jobs.records import KEPT, Entry, Record

try:
    from celery import Celery
    from kombu.exceptions import OperationalError
except ImportError as missing:  # pragma: no cover - the extra is not installed
    raise ImportError("jobs through Celery need it: run pip install 'weft[celery]'") from missing

__all__ = ["TASK", "CeleryEngine"]

TASK = "weft.run"
"""The one task. Its arguments: the job as JSON, the ticket, and which attempt it is to be."""

_INSTEAD = "keep the jobs in PostgreSQL or SQLite, whose URL is all that changes"


class CeleryEngine:
    """Jobs in a broker of Celery's, and pages in Redis. Concurrency safe.

    Args:
        broker: `redis://host/0` or `amqp://user:password@host//`.
        results: the Redis that keeps the pages.
        durable: refuse a Redis that loses what it was given when it ends.
        visibility: seconds after which Redis gives a message to another worker that nobody has acknowledged: so long
            wait the delayed jobs that a killed worker held. RabbitMQ sees its connection close, and needs none.

    Raises:
        InvalidValue: the broker is a Redis that keeps nothing on disk.
        StoreError: Redis cannot be reached.
    """

    lacks: Mapping[str, str] = {
        "priority": f"brokers know none, or too few: give what is urgent a queue of its own, or {_INSTEAD}",
        "unique": f"a broker cannot see what waits in it: {_INSTEAD}",
        "unique_for": f"a broker cannot see what waits in it: {_INSTEAD}",
        "idempotency_key": f"a broker cannot see what waits in it: {_INSTEAD}",
        "after": f"a broker cannot hold a job back: enqueue the next one at the end of the first, or {_INSTEAD}",
        "cron": f"declare it in Celery's beat, or {_INSTEAD}",
        "limit": f"a broker counts for each worker alone: start few workers with few slots, or {_INSTEAD}",
        "move": "nobody can look into a broker's queue: let its workers drain it",
    }

    def __init__(self, broker: str, results: str, *, durable: bool = True, visibility: float = 300.0) -> None:
        self.name = f"celery at {public(broker)}"
        self.book = Book(results, self.name)
        if broker.startswith("redis") and durable and not self.book.durable():
            self.book.close()
            raise InvalidValue(
                f"{public(broker)} keeps nothing on disk (appendonly no), so that its end loses all jobs: set "
                "appendonly yes there, or write ?durable=no behind the URL if that is what you want"
            )
        options = {"results": results, "visibility": f"{visibility:g}", "durable": "yes" if durable else "no"}
        self.url = f"celery+{broker}?{urlencode(options)}"
        self._broker, self._visibility = broker, visibility
        self._app = self.app()

    def enqueue(self, entries: Sequence[Entry]) -> "Publishing":
        """Store jobs."""
        return Publishing(self, entries)

    def app(self) -> Any:
        """An application of Celery's, with our settings; to be closed."""
        return _app(self._broker, self._visibility)

    def publish(self, page: Page, attempt: int, at: float | None = None) -> None:
        """Send the message for an attempt, to come at that time. Blocks until the broker has it.

        Raises:
            StoreError: the broker cannot be reached.
        """
        arguments = {"entry": encode_json(page.entry).decode(), "ticket": page.ticket, "attempt": attempt}
        later = None if at is None else max(0.0, at - wall())
        try:
            self._app.send_task(
                TASK, kwargs=arguments, queue=page.entry.queue, countdown=later or None, ignore_result=True
            )
        except (OperationalError, OSError) as error:
            raise StoreError(f"{self.name} could not be reached: {error}") from error

    def record(self, uid: str) -> Record:
        """All that is known of a job.

        Raises:
            JobNotFound: there is none.
        """
        page = self.book.page(uid)
        if page is None:
            raise self._unknown(uid)
        return record_of(page)

    def records(
        self, *, state: State | None = None, queue: str | None = None, task: str | None = None, most: int = 100
    ) -> list[Record]:
        """The youngest jobs that fit."""
        found: list[Record] = []
        for page in self.book.pages():
            fits = state in {None, page.state} and queue in {None, page.entry.queue}
            if fits and task in {None, page.entry.task}:
                found.append(record_of(page))
            if len(found) == most:
                break
        return found

    def pending(self, queues: Iterable[str]) -> bool:
        """Whether any job of these queues runs, or could now."""
        here, states = set(queues), {State.AVAILABLE, State.RUNNING}
        return any(page.entry.queue in here and page.state in states for page in self.book.unfinished())

    def counts(self) -> dict[str, dict[State, int]]:
        """Queue -> state -> how many."""
        found: dict[str, dict[State, int]] = {}
        for page in self.book.pages():
            states = found.setdefault(page.entry.queue, {})
            states[page.state] = states.get(page.state, 0) + 1
        return {queue: dict(sorted(states.items())) for queue, states in sorted(found.items())}

    def cancel(self, uid: str) -> State:
        """Cancel a job that has not begun, or ask its worker to; the state it is in then."""

        def decide(page: Page | None) -> tuple[Page, State]:
            if page is None:
                raise self._unknown(uid)
            target = advance(page.state, Step.CANCEL)
            if page.state is State.RUNNING:
                return replace(page, cancel_requested=True), page.state
            return replace(page, state=target, finished_at=wall(), expires_at=wall() + KEPT), target

        return self.book.change(uid, decide)

    def retry(self, uid: str) -> None:
        """Have a job run again, or sooner, with all its attempts."""

        def decide(page: Page | None) -> tuple[Page, Page]:
            if page is None:
                raise self._unknown(uid)
            again = revived(page, new_uid())
            return again, again

        self.publish(self.book.change(uid, decide), 1)

    def prune(self, before: float) -> int:
        """Forget finished jobs; Redis does so by itself."""
        over = [
            page.entry.uid
            for page in self.book.pages()
            if page.state in FINAL and page.expires_at is not None and page.expires_at <= before
        ]
        self.book.remove(over)
        return len(over)

    def depart(self, most: int) -> list[Entry]:
        """Nothing can be taken out of a broker.

        Raises:
            InvalidCall: always.
        """
        raise InvalidCall(f"{most} jobs cannot be taken out of {self.name}: {self.lacks['move']}")

    def arrived(self, uids: Sequence[str]) -> None:
        """Nothing departs."""

    def returned(self, entries: Sequence[Entry]) -> None:
        """The same."""

    def close(self) -> None:
        """Let go of the broker and of Redis."""
        self._app.close()
        self.book.close()

    def _unknown(self, uid: str) -> JobNotFound:
        return JobNotFound(f"there is no job {uid!r} in {self.name}: it was pruned, or never was")


class Publishing:
    """Jobs on their way to the broker."""

    def __init__(self, engine: CeleryEngine, entries: Sequence[Entry]) -> None:
        self._engine = engine
        self._entries = entries

    def wait(self) -> list[str]:
        """Write their pages and send their messages, blocking; their ids.

        Raises:
            StoreError: they could not all be sent; those that were not are not stored.
        """
        pages = [_page(entry) for entry in self._entries]
        self._engine.book.add(pages)
        for number, page in enumerate(pages):
            try:
                self._engine.publish(page, 1, page.scheduled_at)
            except StoreError:
                self._engine.book.remove(page.entry.uid for page in pages[number:])
                raise
        return [page.entry.uid for page in pages]


def _page(entry: Entry) -> Page:
    later = entry.scheduled_at is not None and entry.scheduled_at > entry.created_at
    state = State.SCHEDULED if later else State.AVAILABLE
    return Page(entry, entry.uid, state, scheduled_at=entry.scheduled_at)


def _app(broker: str, visibility: float) -> Any:
    app = Celery("weft", broker=broker, set_as_current=False)
    options: dict[str, Any] = {"confirm_publish": True} if broker.startswith("amqp") else {}
    if broker.startswith("redis"):
        options = {"visibility_timeout": visibility, "socket_timeout": 10, "socket_keepalive": True}
    app.conf.update(
        broker_transport_options=options,
        broker_connection_retry_on_startup=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_acks_on_failure_or_timeout=True,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2},
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=broker.startswith("redis"),  # nobody else could have what a killed worker held
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_native_delayed_delivery_queue_type="classic",
    )
    return app
