"""What to call, and under which conditions: a frozen description, made before anything runs."""

import functools
import inspect
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from weft.errors import InvalidCall, InvalidValue
from weft.policy.retry import Retry

if TYPE_CHECKING:
    from weft.calls.limits import Limit

__all__ = ["Call", "Place", "as_call", "call", "cpu", "seconds"]

P = ParamSpec("P")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Place(Enum):
    """Where a call runs."""

    LOOP = "loop"
    THREAD = "thread"
    PROCESS = "process"


class cpu(Generic[P, R_co]):  # noqa: N801 - used as a decorator and as a function, like functools.partial
    """Mark a function as CPU-bound: started in a scope, it runs in a worker process, beyond the reach of the GIL.

    Write it as a decorator or where the call is started (`scope.start(weft.cpu(render), page)`). Called directly, the
    function runs right here. Its arguments and result are pickled, and context variables do not cross.
    """

    def __init__(self, fn: Callable[P, R_co]) -> None:
        _refuse_uncallable(fn)
        if inspect.iscoroutinefunction(fn):
            raise InvalidCall(f"{_name(fn)} is async, and a process has no loop of ours: mark a plain function as cpu")
        self.fn = fn
        functools.update_wrapper(self, fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function here, as if it were not marked."""
        return self.fn(*args, **kwargs)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle a decorated function by its name, which finds this object, and any other by what it wraps."""
        found: Any = sys.modules.get(getattr(self.fn, "__module__", ""))
        for part in _name(self.fn).split("."):
            found = getattr(found, part, None)
        return _name(self.fn) if found is self else (cpu, (self.fn,))


@dataclass(frozen=True, slots=True)
class Call(Generic[R_co]):
    """A function, its arguments and its conditions. Make one with `weft.call`; it can be started any number of times.

    Attributes:
        limit: the name of a shared limit (or the limit itself) that the call must pass.
        timeout: seconds allowed for each attempt.
        retry: whether and when to try again.
        name: what logs, thread names and waterfalls call it.
    """

    fn: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    place: Place = Place.THREAD
    limit: "str | Limit | None" = None
    timeout: float | None = None
    retry: Retry | None = None
    name: str = ""

    def using(
        self,
        *,
        limit: "str | Limit | None" = None,
        timeout: float | None = None,
        retry: Retry | int | None = None,
        name: str | None = None,
    ) -> "Call[R_co]":
        """Return a copy with other conditions; what is not named stays.

        Args:
            limit: a shared limit, by name or itself.
            timeout: seconds for each attempt, more than 0.
            retry: a `weft.Retry`, or just how many further attempts.
            name: what to show it as.
        """
        return replace(
            self,
            limit=self.limit if limit is None else limit,
            timeout=self.timeout if timeout is None else seconds("timeout", timeout),
            retry=self.retry if retry is None else (Retry(retry) if isinstance(retry, int) else retry),
            name=self.name if name is None else name,
        )

    def with_args(self, args: tuple[Any, ...]) -> "Call[R_co]":
        """Return a copy with these further positional arguments."""
        return Call(self.fn, self.args + args, self.kwargs, self.place, self.limit, self.timeout, self.retry, self.name)

    @property
    def host(self) -> str | None:
        """The `host:port` that the call will talk to, where its function can tell."""
        ask = getattr(self.fn, "__weft_host__", None)
        return None if ask is None else ask(self.args, self.kwargs)


def call(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Call[Any]:
    """Describe a call to be started later: `weft.call(load_user, 42).using(timeout=0.5, retry=2)`.

    Raises:
        InvalidCall: `fn` is not callable.
    """
    return as_call(fn, args, kwargs)


def as_call(fn: Callable[..., Any] | Call[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call[Any]:
    """Make a call of a function and its arguments, or pass on one that is made already."""
    if isinstance(fn, Call):
        return replace(fn, args=fn.args + args, kwargs={**fn.kwargs, **kwargs}) if args or kwargs else fn
    place, name = _look_at(fn)
    return Call(fn, args, kwargs, place, name=name)


def seconds(what: str, value: float) -> float:
    """Check a number of seconds: more than 0, and not NaN. Infinity is allowed: no bound."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidCall(f"{what}={value!r} is not a number of seconds: write {what}=2.0")
    if math.isnan(value) or value <= 0:
        raise InvalidValue(f"{what}={value!r} leaves no time for anything: write a number of seconds above 0, or None")
    return float(value)


def _refuse_uncallable(fn: object) -> None:
    if inspect.iscoroutine(fn):
        fn.close()
        name = fn.__qualname__
        raise InvalidCall(f"{name}(...) has been called already: write start({name}, ...), without the brackets")
    if not callable(fn):
        raise InvalidCall(f"{fn!r} is not callable: write start(function, argument, ...)")


def _name(fn: Any) -> str:
    while isinstance(fn, partial):
        fn = fn.func
    return getattr(fn, "__qualname__", None) or type(fn).__qualname__


def _look_at(fn: Any) -> tuple[Place, str]:
    # What most calls are is told by a glance. (A cache would be no faster, and keep alive what closures hold.)
    function = fn.__func__ if type(fn) is MethodType else fn
    if type(function) is FunctionType:
        if function.__code__.co_flags & inspect.CO_COROUTINE:
            return Place.LOOP, function.__qualname__
        if not function.__dict__:
            return Place.THREAD, function.__qualname__
    _refuse_uncallable(fn)
    if isinstance(fn, cpu):
        return Place.PROCESS, _name(fn)
    asynchronous = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004 - the method itself is looked at
    return (Place.LOOP if asynchronous else Place.THREAD), _name(fn)
