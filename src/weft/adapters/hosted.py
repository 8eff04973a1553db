"""A request on the server's own loop: a scope that can cut short the very task that serves it."""

import asyncio
import math
from contextvars import Context
from types import TracebackType
from typing import Self

from weft.adapters.request import RequestScope
from weft.clock import now
from weft.errors import DeadlineExceeded
from weft.executors.loop import LoopExecutor
from weft.outcome import TimedOut
from weft.runtime.process import runtime
from weft.scopes.core import GRACE

__all__ = ["HostedScope", "Watch", "Watches"]

_EARLY = 0.001  # seconds by which a loop's timer may ring before its time


class HostedScope(RequestScope):
    """One request and the asyncio task that serves it; enter and leave it there, with `with`.

    Scopes inside end at the deadline by themselves; 20 ms later the watch cuts the task short. Its cancellation is
    counted as `asyncio.timeout` does it: ours is taken back, one that comes from outside goes on its way.

    Args:
        deadline: seconds from entering; None: no bound.
        asked: seconds that the client will wait, where it has said so.
        watch: that of the running loop.

    Raises, when it is left:
        DeadlineExceeded: the task was cut short.
    """

    _was_cut = False

    def __init__(self, deadline: float | None, asked: float | None, watch: "Watch") -> None:
        super().__init__(deadline, asked)
        self._watch = watch

    def __enter__(self) -> Self:
        host = self._host = asyncio.current_task()
        if host is None:
            raise RuntimeError("weft's adapter needs an asyncio task around it")
        self._before = host.cancelling()
        self.open(self._watch.mailbox)
        if self._deadline is not None:
            self._watch.keep(self, self._deadline + GRACE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._watch.ends.pop(self, None)
        self.end()
        if not self._was_cut:
            return
        assert self._host is not None  # entered
        ours = self._host.uncancel() <= self._before
        if ours and isinstance(error, asyncio.CancelledError):
            raise DeadlineExceeded("the request was not done by its deadline", after=self._allowed) from None

    def allow(self, deadline: float | None) -> None:
        """Grant the request so many seconds in all; see `RequestScope`."""
        super().allow(deadline)
        assert self.loop is not None  # the server's: entered
        self.loop.post(self._mind)

    def lift(self) -> None:
        """Take the bound away; see `RequestScope`. On the loop's own thread."""
        super().lift()
        self._watch.ends.pop(self, None)

    def cut(self) -> None:
        """Cancel what is under way, and the task itself."""
        self._was_cut = True
        self.core.cancel(TimedOut(self._allowed))
        assert self._host is not None  # entered
        self._host.cancel()

    def _mind(self) -> None:
        if self._deadline is None:
            self._watch.ends.pop(self, None)
        elif not self.over:
            self._watch.keep(self, self._deadline + GRACE)


class Watch:
    """Cuts late requests short, with one timer for all: one for each would cost as much as the rest of the adapter.

    Belongs to its loop. The timer stays set when its request ends in time, and finds the next one when it rings.

    Attributes:
        mailbox: its loop's.
        ends: when to cut each request, on `weft.clock`; whoever has ended takes itself out.
    """

    def __init__(self, mailbox: LoopExecutor) -> None:
        self.mailbox = mailbox
        self.ends: dict[HostedScope, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def keep(self, request: HostedScope, end: float) -> None:
        """Cut this request short then, unless it takes itself out or is kept anew before."""
        self.ends[request] = end
        if end < self._rings_at:
            self._set(end)

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = when
        # In a context of its own, or the timer would keep the variables of one request alive until it rings.
        self._timer = self.mailbox.loop.call_later(when - now(), self._ring, context=Context())

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        time = now() + _EARLY
        for request in [request for request, end in self.ends.items() if end <= time]:
            del self.ends[request]
            request.cut()
        if self.ends:
            self._set(min(self.ends.values()))


class Watches:
    """The watch of the running loop, made anew where the loop is another. Nearly always there is one."""

    def __init__(self) -> None:
        self._last: Watch | None = None

    def here(self) -> Watch:
        """That of the loop which runs now."""
        loop = asyncio.get_running_loop()
        watch = self._last
        if watch is None or watch.mailbox.loop is not loop:
            watch = self._last = Watch(runtime().running())
        return watch
