"""Workers, for whatever engine keeps the jobs."""

import threading
from collections.abc import Iterable, Mapping

from weft.errors import InvalidCall, InvalidValue
from weft.jobs.declaring import known
from weft.jobs.engine import Engine, Serving
from weft.jobs.outbox.relays import start_all as start_relays
from weft.jobs.sql.store import Store
from weft.jobs.sql.worker import StoreWorker
from weft.jobs.stores import store as store_here

__all__ = ["Worker", "parse_queues", "queues_to_serve"]

_AT_ONCE = 10


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
        self, queues: Mapping[str, int] | None = None, *, store: Engine | None = None, grace: float = 10.0
    ) -> None:
        wanted = {"default": _AT_ONCE} if queues is None else dict(queues)
        if not wanted or min(wanted.values()) < 1:
            raise InvalidValue(f"queues={wanted!r}: name at least one, with the jobs to run at once: {{'mail': 10}}")
        self._serving = _serving(store_here() if store is None else store, wanted, grace)
        self._thread: threading.Thread | None = None

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
        self._serving.ask_to_stop(grace)

    def run(self) -> None:
        """Work until it is told to stop."""
        start_relays()
        self._serving.run()


def _serving(engine: Engine, queues: Mapping[str, int], grace: float) -> Serving:
    if isinstance(engine, Store):
        return StoreWorker(engine, queues, grace)
    from weft.jobs.celery.engine import CeleryEngine  # noqa: PLC0415 - heavy, and imported where it is used
    from weft.jobs.celery.worker import CeleryWorker  # noqa: PLC0415

    assert isinstance(engine, CeleryEngine)  # there is no third
    return CeleryWorker(engine, queues, grace)


def queues_to_serve(words: str | None, others: Iterable[str] = ()) -> dict[str, int]:
    """Queue -> jobs at once, for a command: what the words say, or else all that are declared here, and the others.

    Raises:
        InvalidValue: the words cannot be read.
    """
    if words is not None:
        return parse_queues(words)
    return dict.fromkeys(sorted({job.options.queue for job in known().values()} | set(others)), _AT_ONCE)


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
        queues[name] = int(size) if given else _AT_ONCE
    if not queues:
        raise InvalidValue(f"{words!r} names no queue: write images=2,mail=10")
    return queues
