"""One call on its way through a thread or process executor."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from enum import Enum
from typing import Any

from weft.clock import now

__all__ = ["State", "Work", "refuse"]

log = logging.getLogger("concurrent.futures")  # where the standard library's executors report


class State(Enum):
    """The life of a `Work`: QUEUED -> RUNNING -> ENDED, or away from the first two by `cancel`."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"
    CANCELLED = "cancelled"  # before it started: it never ran
    ABANDONED = "abandoned"  # while it ran: nobody waits for it any more


class Work:
    """A call, its context, and who wants to know.

    `done` is called exactly once, from the worker that ran the call, when it has ended; never after `cancel`.
    The executor that took the work changes `state` under its own lock; everyone else only reads.
    """

    __slots__ = (
        "args", "context", "done", "ended_at", "error", "fn", "kwargs", "label", "owner", "queued_at", "started_at",
        "state", "value",
    )  # fmt: skip

    def __init__(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        done: Callable[["Work"], object],
        *,
        context: Context | None = None,
        owner: object = None,
        label: str = "",
    ) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.done = done
        self.context = context  # None: the worker's own, empty one
        self.owner = owner  # fair shares are dealt by owner; usually a scope
        self.label = label
        self.state = State.QUEUED
        self.value: Any = None
        self.error: BaseException | None = None
        self.queued_at = now()
        self.started_at = 0.0
        self.ended_at = 0.0

    def run(self) -> None:
        """Call the function in its context, and keep what comes of it. Never raises, whatever the function does."""
        try:
            if self.context is None:
                self.value = self.fn(*self.args, **self.kwargs)
            else:
                self.value = self.context.run(self.fn, *self.args, **self.kwargs)
        except BaseException as error:  # noqa: BLE001 - SystemExit in a task must not end a worker
            self.error = error

    def tell(self) -> None:
        """Call `done`; what it raises is logged, and harms no worker."""
        try:
            self.done(self)
        except BaseException:
            log.exception("exception in the callback of %r", self)


def refuse(works: Iterable[Work], error: Exception | None) -> None:
    """Tell works that were queued that they will never run, and why."""
    for work in works:
        work.state, work.error = State.CANCELLED, error
        work.tell()
