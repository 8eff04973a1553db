"""A thread that supervises one worker process.

It does one thing at a time: take a call, send it, wait for the answer or for the process's end. Both are seen at once,
nothing polls, and a process's death concerns one call.
"""

import logging
import multiprocessing
import pickle
import sys
import threading
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from contextvars import Context
from multiprocessing.context import BaseContext
from typing import Any, Protocol

from weft.errors import TaskCancelled
from weft.executors import child
from weft.executors.messages import crash, error_of, pack, unpack, without_frames
from weft.executors.work import State, Work
from weft.executors.workerprocess import Lost, ProcessSettings, WorkerProcess

__all__ = ["Employer", "Supervisor", "log"]

# The logger that users of the standard library's executors already listen to.
log = logging.getLogger("concurrent.futures")


class Employer(Protocol):
    """What a supervisor asks of its roster."""

    settings: ProcessSettings
    closing: bool
    killing: bool

    def take(self, supervisor: "Supervisor") -> Work | None:
        """The next call, or None when there will be none."""

    def hire(self, supervisor: "Supervisor", process: WorkerProcess) -> None:
        """The supervisor is about to start this process."""

    def part(self, supervisor: "Supervisor") -> None:
        """The supervisor's process is dead."""

    def finish(self, supervisor: "Supervisor", work: Work) -> None:
        """The call has ended: tell whoever waits, unless it was cancelled."""

    def spoil(self, error: Exception) -> None:
        """The initializer failed."""

    def leave(self, supervisor: "Supervisor") -> None:
        """The supervisor goes."""


class Supervisor(threading.Thread):
    """Takes calls from the roster and has its process run them. `work` and `process` are set with the roster's lock."""

    def __init__(self, roster: Employer, name: str) -> None:
        # From 3.14 on a thread may start in a copy of its starter's context, and would keep it alive.
        clean: dict[str, Any] = {"context": Context()} if sys.version_info >= (3, 14) else {}
        super().__init__(name=name, daemon=True, **clean)
        self.roster = roster
        self.work: Work | None = None
        self.process: WorkerProcess | None = None

    def run(self) -> None:
        """Serve until the roster has no more calls; then dismiss the process."""
        try:
            self._prepare()
            while (work := self.roster.take(self)) is not None:
                self._serve(work)
                del work  # nothing of a call may outlive it in an idle supervisor
                self._prepare()
        finally:
            try:
                self._part(dismiss=True)
            finally:
                self.roster.leave(self)

    def kill(self) -> None:
        """Kill the process, if there is one. With the roster's lock."""
        if self.process is not None:
            self.process.kill()

    def _prepare(self) -> None:
        # A process before a call is taken: another supervisor may be free sooner. What fails here is tried again when
        # there is a call to report it to.
        if self.process is None and not self.roster.closing:
            with suppress(Exception):
                self._hire()

    def _serve(self, work: Work) -> None:
        try:
            unpack(self._ask(work, pack(work)), work)
        except Lost:
            work.error = self._loss(work)
        except BaseException as error:  # noqa: BLE001 - a reducer of the user, a system out of processes
            work.error = without_frames(error)
        self.roster.finish(self, work)
        limit = self.roster.settings.max_tasks_per_child
        if self.process is not None and (self.process.doomed or self.process.answered == limit):
            self._part(dismiss=True)

    def _ask(self, work: Work, request: memoryview) -> bytes:
        if self.process is not None:
            try:
                self.process.ask(request)
            except Lost:  # it died while it was idle: the call has not begun
                self._part()
        if self.process is None:
            self._hire().ask(self._unless_cancelled(work, request))
        assert self.process is not None  # for the type checker
        return self.process.hear()

    def _unless_cancelled(self, work: Work, request: memoryview) -> memoryview:
        # While there was no process, a cancellation had nothing to kill.
        if work.state is not State.RUNNING:
            raise TaskCancelled("cancelled while its process was being started")
        return request

    def _hire(self) -> WorkerProcess:
        try:
            process = self._start_process()
            word = process.hear()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise self._spoil("the initializer cannot be sent to a process: move it to a module", error) from error
        if word != child.READY:
            cause = error_of(word)
            raise self._spoil("A process initializer failed, the process pool is not usable anymore", cause) from cause
        return process

    def _start_process(self) -> WorkerProcess:
        settings = self.roster.settings
        try:
            return self._start_by(settings.context)
        except ChildProcessError:
            # We are a forked child, and the fork server is our parent's, which multiprocessing trips over.
            self._part()
            return self._start_by(multiprocessing.get_context("spawn"))

    def _start_by(self, context: BaseContext) -> WorkerProcess:
        process = WorkerProcess(context, self.name, self.roster.settings)
        self.roster.hire(self, process)
        process.start()
        return process

    def _spoil(self, message: str, error: BaseException) -> Exception:
        self._part()
        log.critical("Exception in initializer:", exc_info=error)
        broken = BrokenProcessPool(message)
        broken.__cause__ = error
        self.roster.spoil(broken)
        return broken

    def _loss(self, work: Work) -> Exception:
        ready = self.process is not None and self.process.answered >= 0
        code = self._part()
        if self.roster.killing:
            return TaskCancelled("the executor was shut down before the call ended")
        return crash(work, code, ready=ready)

    def _part(self, *, dismiss: bool = False) -> int | None:
        process = self.process
        if process is None:
            return None
        if dismiss and not process.doomed:
            process.dismiss()
        code = process.bury()
        self.roster.part(self)
        return code
