"""Every error that weft raises, as one tree.

The first branch says whose fault it is. `InvalidValue` and `InvalidCall` are mistakes in the calling code and are
raised before anything runs; their message ends with what to write instead. `DeadlineExceeded`, `TaskCancelled`,
`Overloaded` and `WorkerCrashed` are things that happen to correct code. Errors of an upstream service live in
`weft.http.errors`.
"""

from concurrent.futures import BrokenExecutor

__all__ = [
    "DeadlineExceeded",
    "InvalidCall",
    "InvalidValue",
    "Overloaded",
    "ScopeClosed",
    "TaskCancelled",
    "WeftError",
    "WorkerCrashed",
    "WouldBlock",
]


class WeftError(Exception):
    """The root of every error that weft raises."""


class InvalidValue(WeftError, ValueError):
    """An argument has the right type and an impossible value: a negative deadline, a limit of zero, a malformed URL."""


class InvalidCall(WeftError, TypeError):
    """An argument is of the wrong kind: something that is not callable, a coroutine where a function is wanted."""


class WouldBlock(WeftError, RuntimeError):
    """A blocking wait was asked for on an event loop's own thread, where it would stop everything the loop serves.

    The message shows the line to write instead.
    """


class ScopeClosed(WeftError, RuntimeError):
    """A call was started in a scope that has ended or is ending."""


class DeadlineExceeded(WeftError, TimeoutError):
    """The deadline passed before the work was done.

    Attributes:
        after: the seconds that were allowed, or None where the deadline had passed before the start.
        outcomes: what each call of the scope had come to by then, in the order of their start.
    """

    def __init__(self, message: str = "the deadline passed", *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after
        self.outcomes: tuple[object, ...] = ()


class TaskCancelled(WeftError):
    """The call was cancelled: by its handle, by its scope, or because another call of the scope failed.

    Not an `asyncio.CancelledError`: that one would cancel whoever merely asked for the result.
    """


class Overloaded(WeftError):
    """The call was refused, because a limit's waiting room or an executor's queue was full.

    Attributes:
        reason: what was full, in words for a log.
        retry_after: seconds after which another try may succeed; the value for an HTTP `Retry-After`.
    """

    def __init__(self, reason: str, *, retry_after: float = 1.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class WorkerCrashed(WeftError, BrokenExecutor):
    """The process that ran the call died. Only this call is lost: the worker has been replaced.

    Attributes:
        exit_code: the process's exit code; negative is the number of the signal that killed it.
    """

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
