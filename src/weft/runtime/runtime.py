"""Owns what all requests of a process share: the executors, the limits, the background loop."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.calls.limits import Limits, LimitStatistics
from weft.config import Config
from weft.errors import WeftError
from weft.executors.loop import LoopExecutor
from weft.runtime.background import BackgroundLoop, new_loop

if TYPE_CHECKING:
    from weft.executors.processes import ProcessExecutor, ProcessStatistics
    from weft.executors.threads import ThreadExecutor, ThreadStatistics

__all__ = ["Runtime", "RuntimeStatistics"]


@dataclass(frozen=True, slots=True)
class RuntimeStatistics:
    """A runtime at one moment; None stands for what has not been needed yet."""

    threads: "ThreadStatistics | None"
    processes: "ProcessStatistics | None"
    limits: tuple[LimitStatistics, ...]
    loops: int
    abandoned_on_loops: int


class Runtime:
    """The executors, limits and loops of one process. Safe to use from any thread.

    Nothing starts before it is needed: no thread, no process, no loop. The lock guards those first moments.

    Args:
        config: the settings.
        make_loop: makes the background loop; None: uvloop's or asyncio's, as the settings say.
    """

    def __init__(self, config: Config, make_loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self.config = config
        self._make_loop = make_loop or (lambda: new_loop(uvloop=config.uvloop))
        self.limits = Limits(per_host=config.host_limit, process=config.process_limit, waiting=config.waiting)
        # Reentrant: a finaliser that runs while it is held may ask for the runtime, too.
        self._lock = threading.RLock()
        self._threads: ThreadExecutor | None = None
        self._processes: ProcessExecutor | None = None
        self._background: BackgroundLoop | None = None
        self._loops: dict[int, LoopExecutor] = {}
        self._closed = False

    @property
    def threads(self) -> "ThreadExecutor":
        """The threads on which plain functions run."""
        if self._threads is None:
            with self._lock:
                self._refuse_if_closed()
                if self._threads is None:
                    from weft.executors.threads import ThreadExecutor  # noqa: PLC0415 - not every program blocks

                    self._threads = ThreadExecutor(
                        self.config.threads, thread_name_prefix="weft", queue_size=self.config.thread_queue
                    )
        return self._threads

    @property
    def processes(self) -> "ProcessExecutor":
        """The processes in which functions marked `weft.cpu` run."""
        if self._processes is None:
            with self._lock:
                self._refuse_if_closed()
                if self._processes is None:
                    from weft.executors.processes import ProcessExecutor  # noqa: PLC0415 - multiprocessing is heavy

                    self._processes = ProcessExecutor(self.config.processes, queue_size=self.config.process_queue)
        return self._processes

    def running(self) -> LoopExecutor:
        """The mailbox of the loop that the calling thread runs."""
        loop = asyncio.get_running_loop()
        found = self._loops.get(id(loop))
        if found is None or found.loop is not loop:
            found = self._remember(LoopExecutor(loop))
        return found

    def home(self) -> LoopExecutor:
        """The background loop, for callers who run none."""
        background = self._background
        if background is None or not background.alive:
            with self._lock:
                self._refuse_if_closed()
                background = self._background
                if background is None or not background.alive:
                    background = self._background = BackgroundLoop(self._make_loop)
                    self._remember(background.executor)
        return background.executor

    def statistics(self) -> RuntimeStatistics:
        """How busy everything is now. Starts nothing. Any thread."""
        with self._lock:
            loops = [known for known in self._loops.values() if not known.loop.is_closed()]
        return RuntimeStatistics(
            threads=None if self._threads is None else self._threads.statistics(),
            processes=None if self._processes is None else self._processes.statistics(),
            limits=tuple(limit.statistics() for limit in self.limits),
            loops=len(loops),
            abandoned_on_loops=sum(loop.abandoned for loop in loops),
        )

    def close(self, grace: float | None = None) -> None:
        """Let calls under way end for `grace` seconds, then cancel them; never waits much longer. Idempotent."""
        with self._lock:
            closed_before, self._closed = self._closed, True
        if closed_before:
            return
        if self._background is not None:
            self._background.stop(self.config.grace if grace is None else grace)
        for executor in (self._threads, self._processes):
            if executor is not None:
                executor.shutdown(wait=False, cancel_futures=True)

    def _remember(self, executor: LoopExecutor) -> LoopExecutor:
        with self._lock:
            self._loops = {key: known for key, known in self._loops.items() if not known.loop.is_closed()}
            self._loops[id(executor.loop)] = executor
        return executor

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise WeftError("the runtime has been closed: nothing can start while the process exits")
