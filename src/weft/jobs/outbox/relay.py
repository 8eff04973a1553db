"""The thread that moves what one outbox holds to the job store: at once after a commit, and what others left behind."""

import logging
import threading
from collections.abc import Callable

from weft.errors import WeftError
from weft.jobs.outbox.moving import Outbox, move

__all__ = ["Relay"]

log = logging.getLogger("weft.jobs")

_BATCH = 500
_SWEEP = 2.0  # seconds between looks for what dead processes left behind
_FIRST_LOOK, _LAST_LOOK = 0.001, 0.128  # seconds between looks for a commit that is under way, doubling
_HURT, _MOST_HURT = 1.0, 30.0  # seconds to wait after a failure, doubling


class Relay:
    """Moves the rows of one outbox to this process's job store. Any thread; it starts when it is needed.

    Any number of them may serve the same database, in as many processes.

    Args:
        make: makes the outbox, again in each forked child.
    """

    def __init__(self, make: Callable[[], Outbox]) -> None:
        self._make = make
        self._outboxes: list[Outbox] = []
        self.renew()

    @property
    def outbox(self) -> Outbox:
        """What it empties."""
        return self._outboxes[-1]

    def renew(self) -> None:
        """In a forked child: the thread stayed with the parent, whose connections and loop must not be closed here."""
        self._outboxes.append(self._make())
        self._sweeping = threading.Lock()
        self._stirred = threading.Condition(threading.Lock())  # guards all below
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()  # of that thread: the next one has its own
        self._told = False
        self._expected = 0  # rows of transactions that were about to be committed
        self._look = _FIRST_LOOK

    def start(self) -> None:
        """Begin, unless it has begun."""
        with self._stirred:
            self._begin()

    def expect(self, rows: int) -> None:
        """A transaction with so many rows is being committed; 0: perhaps, it is worth a look."""
        with self._stirred:
            self._told = True
            self._expected += rows
            self._begin()
            self._stirred.notify_all()

    def sweep(self) -> int:
        """Move all that is there, and return how many rows it was. Blocks.

        Raises:
            Exception: the database or the store cannot be had; what has not been moved is still in the outbox.
        """
        moved, read = 0, _BATCH
        with self._sweeping:
            while read == _BATCH:
                read = self.outbox.drain(_BATCH, move)
                moved += read
        return moved

    def close(self) -> None:
        """End, once the batch under way is moved. It can be started again."""
        with self._stirred:
            thread, self._thread = self._thread, None
            self._stop.set()
            self._stirred.notify_all()
        if thread is not None:
            thread.join()

    def _begin(self) -> None:
        if self._thread is None:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._serve, args=(self._stop,), name="weft-relay", daemon=True)
            self._thread.start()

    def _serve(self, stop: threading.Event) -> None:
        try:
            self._work(stop)
        finally:
            with self._sweeping:
                self.outbox.leave()

    def _work(self, stop: threading.Event) -> None:
        hurt = _HURT
        while not stop.is_set():
            try:
                moved = self.sweep()
            except Exception as error:  # noqa: BLE001 - whatever the database's library raises
                _complain(self.outbox.name, error, hurt)
                self._rest(hurt, stop, heed=False)
                hurt = min(_MOST_HURT, 2 * hurt)
            else:
                hurt = _HURT
                self._rest(self._pause_after(moved), stop, heed=True)

    def _pause_after(self, moved: int) -> float:
        """A commit that was announced may take a moment, or fail."""
        with self._stirred:
            self._expected = max(0, self._expected - moved)
            pause, self._look = self._look, 2 * self._look
            if pause > _LAST_LOOK:
                self._expected = 0
            return pause if self._expected else _SWEEP

    def _rest(self, seconds: float, stop: threading.Event, *, heed: bool) -> None:
        with self._stirred:
            self._stirred.wait_for(lambda: stop.is_set() or (heed and self._told), seconds)
            if self._told:
                self._told, self._look = False, _FIRST_LOOK


def _complain(name: str, error: Exception, pause: float) -> None:
    known = isinstance(error, WeftError)
    log.error(
        "the outbox of %s could not be relayed, again in %g s: %s",
        name,
        pause,
        error,
        exc_info=None if known else error,
    )
