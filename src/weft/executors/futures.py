"""Calls that were submitted: their outcome goes into a future of the standard library."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from weft.errors import TaskCancelled
from weft.executors.lending import here, lending
from weft.executors.work import State, Work

__all__ = ["Call", "LendingFuture"]

T = TypeVar("T")


class LendingFuture(Future[T]):
    """A future whose `result` and `exception` lend the slot of a worker that waits in them (see `lending`)."""

    def result(self, timeout: float | None = None) -> T:
        """The value of the call, or the exception it raised; see `concurrent.futures.Future.result`."""
        try:
            if here.loan is None or self.done():
                return Future.result(self, timeout)
            with here.loan:
                return Future.result(self, timeout)
        finally:
            del self  # the traceback of what is raised keeps this frame, and through it would keep the future

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The exception that the call raised, or None; see `concurrent.futures.Future.exception`."""
        with lending():
            return super().exception(timeout)


class Call(Work):
    """One call from `submit`, and its future."""

    __slots__ = ("future",)

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        Work.__init__(self, fn, args, kwargs, _settle)
        self.future: Future[Any] | None = LendingFuture()

    def run(self) -> None:
        """Run the call, unless its future was cancelled while it waited for its turn."""
        if self.future is not None and self.future.set_running_or_notify_cancel():
            Work.run(self)
        else:
            self.future = None


def _settle(call: Any) -> None:
    """Hand the outcome to the future, and let go of all the call holds: a traceback may keep it for long."""
    future, call.future = call.future, None
    if future is None:
        return
    if call.state is State.CANCELLED:
        _give_up(future, call.error)
    elif call.error is None:
        future.set_result(call.value)
    else:
        error, call.error = call.error, None
        call.args = call.kwargs = ()
        future.set_exception(error)


def _give_up(future: Future[Any], error: BaseException | None) -> None:
    """The call never ran: its executor was shut down, or is broken."""
    if isinstance(error, TaskCancelled):
        future.cancel()
    if future.set_running_or_notify_cancel():
        future.set_exception(error)
