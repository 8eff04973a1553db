"""What a call needs from the process around it, as protocols: the runtime fulfils them, tests can do so too."""

from typing import Protocol

from weft.calls.limits import Limits
from weft.executors.loop import LoopExecutor
from weft.executors.work import Work

__all__ = ["Places", "Progress", "WorkExecutor"]


class WorkExecutor(Protocol):
    """Threads or processes, as the driver sees them."""

    def start(self, work: Work, /) -> None:
        """Take the work, or raise `Overloaded`."""

    def cancel(self, work: Work, /) -> bool:
        """Give the work up."""


class Places(Protocol):
    """Where calls can run and the limits they share."""

    @property
    def threads(self) -> WorkExecutor:
        """For functions that block."""

    @property
    def processes(self) -> WorkExecutor:
        """For functions that compute."""

    @property
    def limits(self) -> Limits:
        """By name, by host and for the process."""

    def running(self) -> LoopExecutor:
        """The loop of the calling thread, which must be running one."""

    def home(self) -> LoopExecutor:
        """The loop that serves callers who have none of their own."""


class Progress(Protocol):
    """What the driver writes down on the way: a task."""

    attempts: int
    started_at: float | None
