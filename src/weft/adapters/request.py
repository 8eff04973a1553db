"""The scope around one web request, and the deadline that a view may choose for it."""

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any, ParamSpec, TypeVar

from weft.calls.call import seconds
from weft.clock import now
from weft.executors.loop import LoopExecutor
from weft.logs.context import attach, detach
from weft.outcome import Cancelled
from weft.runtime.process import runtime
from weft.scopes.core import Core
from weft.scopes.current import current
from weft.scopes.join import as_join
from weft.scopes.scope import Scope
from weft.scopes.tally import tallying

__all__ = ["RequestScope", "request_here", "weft_deadline"]

P = ParamSpec("P")
T = TypeVar("T")


class RequestScope(Scope):
    """The outermost scope of a request: it gives its deadline to every scope inside, and cancels them at its end.

    Calls are started in scopes inside it. It makes its core when the first of those needs one: a request that uses
    nothing of weft pays for this object and four changes of context variables. The fields that a request adds to its
    log lines by `weft.logs.bind` end with it.

    Args:
        deadline: seconds from entering; None: no bound.
        asked: seconds that the client will wait, where it has said so: no deadline reaches beyond that.

    Attributes:
        answered: the answer has begun, where the server tells: it is too late to refuse anything.
    """

    answered = False

    # All requests alike, so that they stand here: most use nothing of weft, and pay for what `__init__` does.
    name = "request"
    _ambient = True
    _join = as_join("settled")
    _allowed: float | None = None
    _outer: float | None = None
    _attached: Token[Mapping[str, Any] | None] | None = None

    def __init__(self, deadline: float | None, asked: float | None = None) -> None:
        self._places = runtime()
        self._tasks = []
        self._granted = deadline
        self._asked = asked

    def open(self, loop: LoopExecutor | None) -> None:
        """Begin: every scope opened from here on, in this context and its copies, is inside this one."""
        if current.get() is None:
            # What `Scope.open` comes to where no scope is around: nearly always, and each request pays for it.
            self.loop = loop
            self._tally = tallying.get()
            self._entered = True
            self._token = current.set(self)
        else:
            self._open_inside(loop)
        self._attached = attach()
        self._began = now()
        self._outer = self._deadline
        RequestScope.allow(self, self._granted)

    def _open_inside(self, loop: LoopExecutor | None) -> None:
        left_over = current.get()
        if isinstance(left_over, RequestScope) and left_over.over:
            current.set(None)  # a thread of the server that did not see its last request's end
            detach(left_over._attached)  # noqa: SLF001 - of this class
        super().open(loop)

    @property
    def over(self) -> bool:
        """Whether the request has ended."""
        return self._left

    def allow(self, deadline: float | None) -> None:
        """Grant the request so many seconds in all, counted from its beginning; None: no bound. Any thread.

        Scopes that are open already keep the deadline they have.
        """
        asked = self._asked
        if asked is not None:
            deadline = asked if deadline is None else min(deadline, asked)
        self._allowed = deadline
        until = self._outer
        if deadline is not None:
            own = self._began + deadline
            until = own if until is None else min(until, own)
        self._deadline = until

    def lift(self) -> None:
        """Take the bound away, the client's own as well: it has its answer. Any thread."""
        self._asked = self._allowed = None
        self._deadline = self._outer

    @property
    def core(self) -> Core:
        """As of any scope; but one that is first needed after the request is over cancels whoever needs it."""
        core = super().core
        if self._left:
            core.loop.post(core.cancel, Cancelled("its request was over"))
        return core

    def end(self) -> None:
        """Leave the scope without waiting: whatever is still under way inside is cancelled. Idempotent; any thread."""
        if self._left:
            return
        self._step_out()
        detach(self._attached)
        self._left = True
        if self._core is not None:
            self.cancel()


def request_here() -> RequestScope | None:
    """The request that this code works for, however many scopes are between; None: it works for none."""
    scope = current.get()
    while isinstance(scope, Scope) and not isinstance(scope, RequestScope):
        scope = scope._parent  # noqa: SLF001 - of the base class
    return scope if isinstance(scope, RequestScope) else None


def weft_deadline(deadline: float | None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Give a view a deadline of its own in the place of the app's: `@weft_deadline(2.0)`, below the route's decorator.

    It may be longer or shorter than the app's, and counts from the beginning of the request. `None` takes the bound
    away, for server-sent events and other answers without an end. Views may be plain functions or async ones. Where
    the view is called outside of a request, as in a unit test, the decorator does nothing.

    Args:
        deadline: seconds, more than 0, or None.

    Raises:
        InvalidValue: 0 seconds or less.
    """
    allowed = None if deadline is None else seconds("deadline", deadline)

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def allowing_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                _allow(allowed)
                return await view(*args, **kwargs)

            return allowing_async  # type: ignore[return-value]  # T is the coroutine, and still is

        @functools.wraps(view)
        def allowing(*args: P.args, **kwargs: P.kwargs) -> T:
            _allow(allowed)
            return view(*args, **kwargs)

        return allowing

    return decorate


def _allow(deadline: float | None) -> None:
    scope = current.get()
    if isinstance(scope, RequestScope):
        scope.allow(deadline)
