"""The verbs of weft, bound to the runtime of this process."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sized
from typing import Any, Literal, ParamSpec, TypeVar, cast, overload

from weft.calls.call import Call, Place, as_call
from weft.calls.limits import Limit
from weft.errors import InvalidCall, InvalidValue
from weft.outcome import Ok, Outcome
from weft.policy.rate import Rate
from weft.policy.retry import Retry
from weft.runtime.process import runtime
from weft.runtime.runtime import RuntimeStatistics
from weft.scopes.arrivals import Arrivals
from weft.scopes.batch import Batch, Plan
from weft.scopes.join import Join, JoinName, as_join
from weft.scopes.scope import Scope
from weft.scopes.task import Task
from weft.scopes.waiting import refuse_to_block

__all__ = ["as_completed", "first", "gather", "limit", "map", "run", "scope", "statistics", "to_thread"]

P = ParamSpec("P")
T = TypeVar("T")
Input = Iterable[Any] | AsyncIterable[Any]

_AT_ONCE = 100  # calls of one `map` under way, unless it says otherwise


def scope(*, deadline: float | None = None, join: JoinName | Join = "all", name: str = "") -> Scope:
    """Open a scope: `with weft.scope(deadline=2.0) as scope:` in a thread, `async with` in a coroutine.

    Args:
        deadline: seconds until everything must be over; None: only the surrounding scope's deadline counts.
        join: "all", "settled", "first" or `weft.quorum(k)`; see `weft.Scope`.
        name: what waterfalls call it.

    Raises:
        InvalidValue: a deadline that is not above 0, or an unknown join.
    """
    return Scope(runtime(), deadline=deadline, join=join, name=name)


@overload
def run(fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
@overload
def run(fn: Call[T], /) -> T: ...
@overload
def run(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...


def run(fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Make one call from a thread, wait for it, return its value or raise its error: `weft.run(weft.http.get, url)`.

    Raises:
        WouldBlock: called on an event loop's thread; there, write `await`.
        DeadlineExceeded: the surrounding scope's deadline passed.
    """
    made = as_call(fn, args, kwargs)
    refuse_to_block(
        f"await {made.name}(...)" if made.place is Place.LOOP else f"await weft.to_thread({made.name}, ...)"
    )
    with Scope(runtime(), join="settled") as one:
        return one.start(made).result()


async def to_thread(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a blocking function on weft's threads and await its value; limits and the deadline hold, context travels.

    The answer to `asyncio.to_thread`, whose threads are few, shared with DNS, and kept by calls nobody waits for.

    Raises:
        Overloaded: the threads' queue is full.
        DeadlineExceeded: the surrounding scope's deadline passed; the thread is abandoned, and counted.
    """
    async with Scope(runtime(), join="settled") as one:
        return await one.start(fn, *args, **kwargs)


@overload
def map(
    fn: Callable[..., Awaitable[T]],
    items: Input,
    /,
    *more: Input,
    deadline: float | None = None,
    limit: int | str | Limit | None = _AT_ONCE,
    join: Literal["settled"] = "settled",
    timeout: float | None = None,
    retry: Retry | int | None = None,
) -> Batch[T, list[Outcome[T]]]: ...
@overload
def map(
    fn: Callable[..., Awaitable[T]],
    items: Input,
    /,
    *more: Input,
    deadline: float | None = None,
    limit: int | str | Limit | None = _AT_ONCE,
    join: Literal["all", "first"] | Join,
    timeout: float | None = None,
    retry: Retry | int | None = None,
) -> Batch[T, list[T]]: ...
@overload
def map(
    fn: Callable[..., T],
    items: Input,
    /,
    *more: Input,
    deadline: float | None = None,
    limit: int | str | Limit | None = _AT_ONCE,
    join: Literal["settled"] = "settled",
    timeout: float | None = None,
    retry: Retry | int | None = None,
) -> Batch[T, list[Outcome[T]]]: ...
@overload
def map(
    fn: Callable[..., T],
    items: Input,
    /,
    *more: Input,
    deadline: float | None = None,
    limit: int | str | Limit | None = _AT_ONCE,
    join: Literal["all", "first"] | Join,
    timeout: float | None = None,
    retry: Retry | int | None = None,
) -> Batch[T, list[T]]: ...


def map(
    fn: Any,
    items: Input,
    /,
    *more: Input,
    deadline: float | None = None,
    limit: int | str | Limit | None = _AT_ONCE,
    join: JoinName | Join = "settled",
    timeout: float | None = None,
    retry: Retry | int | None = None,
) -> Batch[Any, Any]:
    """Call `fn` with each item, many at once: `weft.map(weft.http.get, urls, deadline=2.0).outcomes()`.

    Nothing starts before the batch is asked: `.outcomes()` and `.values()` block, `await` gives what the join says
    (outcomes when settled, values otherwise), `for` and `async for` stream outcomes in order, `.as_completed()` tasks
    as they end. The input is pulled as it is needed, so it may be endless.

    Args:
        fn: an async function, a plain one, or one marked `weft.cpu`.
        items: the first arguments; an iterable, or an async one in async code.
        more: further iterables for further arguments, as with the built-in `map`; the shortest ends it.
        deadline: seconds for the whole batch; what has not ended by then is `TimedOut`.
        limit: calls under way at once (an int; None: all), or a shared limit by its name.
        join: what counts as success; see `weft.scope`.
        timeout: seconds for each attempt.
        retry: a `weft.Retry`, or how many further attempts.

    Raises:
        InvalidCall: `fn` cannot be called, or the input cannot be iterated.
        InvalidValue: an impossible deadline or limit.
    """
    shared = None if isinstance(limit, int) else limit
    at_once = limit if isinstance(limit, int) else (None if limit is None else _AT_ONCE)
    model = as_call(fn, (), {}).using(limit=shared, timeout=timeout, retry=retry)
    for source in (items, *more):
        _refuse_uniterable(source)
    sized = all(isinstance(source, Sized) for source in (items, *more))
    return _batch(_calls(model, (items, *more)), at_once, deadline, join, sized=sized)


def gather(
    *calls: Call[Any] | Callable[[], Any],
    deadline: float | None = None,
    join: JoinName | Join = "all",
) -> Batch[Any, list[Any]]:
    """Make different calls at once: `user, feed = weft.gather(weft.call(load_user, 42), fetch_feed).result()`.

    Args:
        calls: each a `weft.call(...)` or a function without arguments.
        deadline: seconds for all of them.
        join: with "settled", `result()` and `await` give outcomes instead of values.
    """
    made = [as_call(each, (), {}) for each in calls]
    return _batch(made, None, deadline, join, sized=True)


def first(*calls: Call[Any] | Callable[[], Any], deadline: float | None = None) -> Batch[Any, Any]:
    """Take the first success and cancel the rest: `weft.first(mirror_a, mirror_b, deadline=0.8).result()`.

    (For the first `k` successes: `weft.gather(..., join=weft.quorum(k))`.)

    Raises, when its result is asked for:
        ExceptionGroup: all have failed.
        DeadlineExceeded: none succeeded in time.
    """
    if not calls:
        raise InvalidCall("the first of nothing never comes: write weft.first(call, ...)")
    made = [as_call(each, (), {}) for each in calls]
    return Batch(Plan(made, None, sized=True), scope=_scope_for(deadline), join=as_join("first"), pick=_earliest)


def as_completed(tasks: Iterable[Task[T]]) -> Arrivals[T]:
    """Hand out started tasks in the order in which they end, with `for` or `async for`."""
    return Arrivals(tasks)


def limit(name: str, size: int, *, waiting: int | None = None, rate: Rate | None = None) -> Limit:
    """Define a limit that all requests of the process share, or replace the one of that name.

    Args:
        name: any name, to be given as `limit=` of a call; `"host:example.org:443"` sets the limit of that host,
            `"queue:mail"` that of a queue of jobs, for all its workers together.
        size: calls inside at once, at least 1.
        waiting: calls that may wait for a place (None: as configured); one more is refused.
        rate: a `weft.Rate` to keep as well.

    Raises:
        InvalidValue: a size below 1 or a negative waiting room.
    """
    return runtime().limits.define(name, size, waiting=waiting, rate=rate)


def statistics() -> RuntimeStatistics:
    """How busy this process's executors and limits are now. Starts nothing; any thread."""
    return runtime().statistics()


def _batch(
    calls: Iterable[Call[Any]] | AsyncIterable[Call[Any]],
    at_once: int | None,
    deadline: float | None,
    join: JoinName | Join,
    *,
    sized: bool,
) -> Batch[Any, Any]:
    if at_once is not None and at_once < 1:
        raise InvalidValue(f"limit={at_once} lets nothing run: write limit=1 or more, or limit=None for all at once")
    wanted = as_join(join)
    pick = _values if wanted.strict else _outcomes
    return Batch(Plan(calls, at_once, sized), scope=_scope_for(deadline), join=wanted, pick=pick)


def _scope_for(deadline: float | None) -> Callable[[Join], Scope]:
    Scope(runtime(), deadline=deadline)  # an impossible deadline is told here, where it was written
    return lambda join: Scope(runtime(), deadline=deadline, join=join, ambient=False)


def _calls(model: Call[Any], sources: tuple[Input, ...]) -> Iterable[Call[Any]] | AsyncIterable[Call[Any]]:
    if any(not isinstance(source, Iterable) for source in sources):
        if len(sources) > 1:
            raise InvalidCall("an async input cannot be paired with others: pair them in an async generator")
        return _calls_async(model, cast("AsyncIterable[Any]", sources[0]))
    return _calls_sync(model, cast("tuple[Iterable[Any], ...]", sources))


def _calls_sync(model: Call[Any], sources: tuple[Iterable[Any], ...]) -> Iterator[Call[Any]]:
    for arguments in zip(*sources, strict=False):
        yield model.with_args(arguments)


async def _calls_async(model: Call[Any], source: AsyncIterable[Any]) -> AsyncIterator[Call[Any]]:
    async for argument in source:
        yield model.with_args((argument,))


def _refuse_uniterable(source: object) -> None:
    if not isinstance(source, Iterable | AsyncIterable):
        raise InvalidCall(f"{source!r} cannot be iterated: write weft.map(function, [item, ...])")


def _values(tasks: list[Task[Any]]) -> list[Any]:
    return [task.outcome.value for task in tasks if isinstance(task.outcome, Ok)]


def _outcomes(tasks: list[Task[Any]]) -> list[Any]:
    return [task.outcome for task in tasks]


def _earliest(tasks: list[Task[Any]]) -> Any:
    won = min((task for task in tasks if isinstance(task.outcome, Ok)), key=lambda task: task.ended_at or 0.0)
    return cast("Ok[Any]", won.outcome).value
