"""What conversions share in a process: places, memory, and processes that are theirs alone."""

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from weft.calls.budgets import BudgetStatistics, SharedBudget
from weft.calls.limits import Limit, Limits
from weft.calls.places import WorkExecutor
from weft.errors import InvalidCall
from weft.executors.exits import at_exit, mind_exit
from weft.executors.loop import LoopExecutor
from weft.executors.memory import usable_memory
from weft.executors.sizing import usable_cpus
from weft.runtime.process import runtime
from weft.runtime.runtime import Runtime

if TYPE_CHECKING:
    from weft.executors.processes import ProcessExecutor

__all__ = ["ConversionPlaces", "budget", "close", "memory_budget", "place_limit"]

CONVERSIONS_AT_ONCE = "conversions"
ONE_AT_A_TIME = "conversions, one at a time"

_SHARE = 4  # conversions have a quarter of the memory
_UNKNOWN = 2_000_000_000  # bytes, where the system does not say what it has
_WAITING = 1_000
_CALLS_PER_PROCESS = 100  # then it is replaced: the libraries behind conversions grow

_lock = threading.RLock()  # guards the names below
_budget: SharedBudget | None = None
_processes: "ProcessExecutor | None" = None


def memory_budget(size: int | None = None, *, waiting: int = _WAITING) -> BudgetStatistics:
    """What all conversions under way may need together, by the estimate from their headers. Any thread.

    By default a quarter of what the machine has, or its control group allows. What does not fit waits, in order.

    Args:
        size: bytes; to be set where the application starts. None: only tell.
        waiting: conversions that may wait for memory; one more is refused as `Overloaded`.

    Raises:
        InvalidValue: a size below 1, or a negative waiting room.
    """
    global _budget
    if size is not None:
        with _lock:
            _budget = SharedBudget("memory of conversions", size, waiting=waiting)
    return budget().statistics()


def budget() -> SharedBudget:
    """The one of this process."""
    global _budget
    with _lock:
        if _budget is None:
            size = (usable_memory() or _SHARE * _UNKNOWN) // _SHARE
            _budget = SharedBudget("memory of conversions", size, waiting=_WAITING)
        return _budget


def place_limit(*, alone: bool) -> Limit:
    """How many conversions run at once: the limit "conversions", one for each usable CPU unless the user defined it.

    Args:
        alone: those that fill all cores by themselves, which go one at a time.
    """
    name = ONE_AT_A_TIME if alone else CONVERSIONS_AT_ONCE
    limits = runtime().limits
    with _lock:
        with suppress(InvalidCall):
            return limits.named(name)
        return limits.define(name, 1 if alone else usable_cpus().chosen)


class ConversionPlaces:
    """The runtime, with processes in which nothing but conversions run: capped, and replaced after some calls."""

    def __init__(self, shared: Runtime) -> None:
        self._shared = shared

    @property
    def threads(self) -> WorkExecutor:
        """The runtime's."""
        return self._shared.threads

    @property
    def processes(self) -> WorkExecutor:
        """Those of conversions."""
        global _processes
        with _lock:
            if _processes is None:
                from weft.executors.processes import ProcessExecutor  # noqa: PLC0415 - multiprocessing is heavy

                _processes = ProcessExecutor(initializer=warm_up, max_tasks_per_child=_CALLS_PER_PROCESS)
                mind_exit()
            return _processes

    @property
    def limits(self) -> Limits:
        """The runtime's."""
        return self._shared.limits

    def running(self) -> LoopExecutor:
        """The loop of the calling thread."""
        return self._shared.running()

    def home(self) -> LoopExecutor:
        """The runtime's."""
        return self._shared.home()


def warm_up() -> None:
    """Import in a new process what its first conversion would wait for."""
    import weft.uploads.converting.making  # noqa: F401, PLC0415 - for its effect


def close() -> None:
    """Let the processes of conversions go. The next conversion that needs one starts them again."""
    global _processes
    with _lock:
        before, _processes = _processes, None
    if before is not None:
        before.shutdown(wait=False, cancel_futures=True)


def _after_fork() -> None:
    # Threads and waiters have stayed with the parent, and what they hold with them.
    global _lock, _budget
    _lock = threading.RLock()
    if _budget is not None:
        known = _budget.statistics()
        _budget = SharedBudget(known.name, known.size, waiting=_WAITING)


at_exit(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
