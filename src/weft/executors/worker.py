"""A thread that runs calls for a pool, and tells by its name which."""

import logging
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

from weft.executors.figures import Settings
from weft.executors.lending import enlist
from weft.executors.work import State, Work

__all__ = ["Crew", "Worker", "after_each_call", "log"]

# The logger that users of the standard library's executors already listen to.
log = logging.getLogger("concurrent.futures")

# From 3.14 on a thread may start in a copy of its starter's context, and would keep it alive.
_CLEAN: dict[str, Any] = {"context": Context()} if sys.version_info >= (3, 14) else {}


_tidies: list[Callable[[], object]] = []


def after_each_call(tidy: Callable[[], object]) -> None:
    """Have `tidy()` called on the worker after each of its calls, before anybody is told the outcome.

    For what a call may leave behind in its thread, such as a database connection; it holds for all pools of the
    process, and for each function once. What it raises is logged.
    """
    if tidy not in _tidies:
        _tidies.append(tidy)


class Crew(Protocol):
    """What a worker asks of its pool."""

    settings: Settings
    doze: float

    def take(self, worker: "Worker") -> Work | None:
        """The next call for this worker. None: it has been put to rest or, where it has `left`, let go."""

    def finish(self, worker: "Worker", work: Work) -> None:
        """The call has ended: tell whoever waits, unless it was abandoned."""

    def lend(self, worker: "Worker") -> None:
        """The worker is about to wait: another may run."""

    def reclaim(self, worker: "Worker") -> None:
        """The worker runs again."""

    def spoil(self, worker: "Worker") -> None:
        """The worker's initializer failed."""


class Worker(threading.Thread):
    """A thread that runs calls for one pool. `resting`, `left`, `since`, `waiting` and `work` belong to its lock."""

    def __init__(self, pool: Crew, name: str) -> None:
        self.work: Work | None = None  # before Thread's own __init__, which asks for the name
        super().__init__(name=name, daemon=True, **_CLEAN)
        self.pool = pool
        self.gate = threading.Lock()
        self.gate.acquire()
        self.fresh = True
        self.resting = self.left = self.waiting = False
        self.since = 0.0

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits any more for the call that it runs. With the pool's lock."""
        return self.work is not None and self.work.state is State.ABANDONED

    @property
    def name(self) -> str:
        """The worker's name and what it runs at the moment: "weft-3 load_user". Costs nothing until asked for."""
        work = self.work
        if work is None:
            return self._name
        return f"{self._name} {work.label or getattr(work.fn, '__qualname__', repr(work.fn))}"

    @name.setter
    def name(self, name: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] - a property there, too
        self._name = str(name)

    def rouse(self) -> None:
        """Let the worker look for work. Rousing one that is awake does nothing."""
        try:  # noqa: SIM105 - a context manager would cost half as much as the wake-up
            self.gate.release()
        except RuntimeError:
            pass  # the gate is open already

    def lend(self) -> None:
        """This thread is about to wait (see `lending`)."""
        self.pool.lend(self)

    def reclaim(self) -> None:
        """This thread has done waiting (see `lending`)."""
        self.pool.reclaim(self)

    def run(self) -> None:
        """Run calls until the pool lets this worker go."""
        enlist(self)
        if not self._initialised():
            return
        pool = self.pool
        while not self.left:
            work = pool.take(self)
            if work is not None:
                work.run()
                for tidy in _tidies:
                    _safely(tidy)
                pool.finish(self, work)
            elif not self.left:
                self.gate.acquire(True, pool.doze)

    def _initialised(self) -> bool:
        settings = self.pool.settings
        if settings.initializer is None:
            return True
        try:
            settings.initializer(*settings.initargs)
        except BaseException:
            log.critical("Exception in initializer:", exc_info=True)
            self.pool.spoil(self)
            return False
        return True


def _safely(tidy: Callable[[], object]) -> None:
    try:
        tidy()
    except BaseException:
        log.exception("exception in %r, after a call", tidy)
