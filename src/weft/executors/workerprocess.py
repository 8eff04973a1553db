"""One worker process, as its supervisor sees it."""

import contextlib
import multiprocessing
import multiprocessing.process
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any
from weakref import WeakSet

from weft.executors import child

__all__ = ["Lost", "ProcessSettings", "WorkerProcess", "default_context"]

PATIENCE = 5.0
LAST_BREATH = 0.5


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What does not change while an executor lives; a forked child starts from it."""

    max_workers: int
    context: BaseContext
    initializer: Callable[..., object] | None
    initargs: tuple[Any, ...]
    max_tasks_per_child: int | None
    queue_size: int | None
    exit_grace: float


class Lost(Exception):
    """The process is dead or dying."""


class WorkerProcess:
    """A process that answers one request at a time.

    For the one thread that supervises it; `kill` alone may be called from any thread, at any time.

    Attributes:
        pid: the process's id; None before `start`.
        doomed: it has been killed, or will be as soon as it exists.
        answered: calls that it has answered; -1 until it has said that it is ready.
    """

    def __init__(self, context: BaseContext, name: str, settings: ProcessSettings) -> None:
        self.pid: int | None = None
        self.doomed = False
        self.answered = -1
        # Two pipes, not one duplex Pipe: that is a pair of sockets, and takes a third longer.
        requests, self._requests = context.Pipe(duplex=False)
        self._answers, answers = context.Pipe(duplex=False)
        self._theirs = (requests, answers)
        self._forks = context.get_start_method(allow_none=False) == "fork"
        make: Callable[..., multiprocessing.process.BaseProcess] = context.Process  # type: ignore[attr-defined]
        self._process = make(
            target=child.main, name=name, args=(*self._theirs, settings.initializer, settings.initargs), daemon=False
        )
        _open.add(self)

    def start(self) -> None:
        """Start the process; its first word comes later, through `hear`.

        Raises:
            OSError: the system allows no further process.
            Exception: what pickling the initializer raises, where the start method needs that.
        """
        try:
            with _having_children():
                self._process.start()
        except BaseException:
            self._hang_up()
            raise
        finally:
            for end in self._theirs:
                end.close()  # or this process would never see the end of a pipe
        self.pid = self._process.pid
        if self.doomed:
            self.kill()

    def ask(self, request: "memoryview | bytes") -> None:
        """Send a request. `Lost` says that the process has not read it to the end, so that nothing of it has run."""
        try:
            self._requests.send_bytes(request)
        except OSError as error:
            raise Lost from error

    def hear(self) -> bytes:
        """Wait for what the process says next; `Lost` if it dies first."""
        # Both, because a child of the worker may hold the pipe open beyond the worker's own end.
        if self._answers not in wait([self._answers, self._process.sentinel]):
            raise Lost
        try:
            word = self._answers.recv_bytes()
        except (EOFError, OSError) as error:
            raise Lost from error
        self.answered += 1
        return word

    def kill(self) -> None:
        """Kill the process, and the programs it has started. Never waits. Any thread."""
        self.doomed = True  # before the question whether there is a process: `start` asks in the opposite order
        if self.pid is None:
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (AttributeError, OSError):  # no groups on Windows; or it has not yet made its own
            with contextlib.suppress(ValueError):  # it has been buried
                self._process.kill()

    def dismiss(self) -> None:
        """Let an idle process end in good order, with its own exit handlers, for 5 seconds. Before `bury`."""
        if self.pid is None:
            return
        with contextlib.suppress(OSError):
            self._requests.send_bytes(child.LEAVE)
        self._process.join(PATIENCE)

    def bury(self) -> int | None:
        """Make sure that the process is dead, let go of it, and return its exit code. Once."""
        if self.pid is None:
            return None
        self._process.join(LAST_BREATH)  # its own end first: a kill now would hide why it died
        if self._process.exitcode is None:
            self.kill()
            self._process.join()
        self._hang_up()
        code = self._process.exitcode
        self._process.close()
        return code

    def disown(self) -> None:
        """In a forked child: this process is a sibling now. Its pipes must end when the parent ends, not with us."""
        self._hang_up()
        if not self._forks:  # else we may be the very process that these ends are for
            for end in self._theirs:
                end.close()
        # Or multiprocessing's own exit handler would try to join it from here.
        getattr(multiprocessing.process, "_children", set()).discard(self._process)

    def _hang_up(self) -> None:
        self._requests.close()
        self._answers.close()


def default_context() -> BaseContext:
    """`forkserver` where there is one, else `spawn`: a plain fork of a threaded server can copy locked locks.

    The fork server imports the worker's code once, so that a further process is there in a fraction of the time. Names
    that the application asked it to import stay.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")  # pragma: no cover - Windows
    from multiprocessing import forkserver  # noqa: PLC0415 - does not exist on Windows

    wanted = list(getattr(forkserver._forkserver, "_preload_modules", ["__main__"]))  # noqa: SLF001 - can be set in public, and read only so
    context = multiprocessing.get_context("forkserver")
    if child.__name__ not in wanted:
        context.set_forkserver_preload([*wanted, child.__name__])
    return context


@contextlib.contextmanager
def _having_children() -> Iterator[None]:
    """Let a daemonic process, as Sanic's workers are, have children.

    multiprocessing forbids it, because they would outlive a parent that is killed. Ours end when their pipe does.
    """
    with _starting:
        config: dict[str, Any] = getattr(multiprocessing.current_process(), "_config", {})
        daemonic = config.pop("daemon", None)
        try:
            yield
        finally:
            if daemonic is not None:
                config["daemon"] = daemonic


_starting = threading.Lock()
_open: WeakSet[WorkerProcess] = WeakSet()


def _after_fork() -> None:
    global _starting
    _starting = threading.Lock()
    for process in tuple(_open):
        process.disown()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
