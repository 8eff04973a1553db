"""Functions whose calls can be stored, to be made later, by another process, and again if that one dies."""

import asyncio
import hashlib
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, overload

from weft.calls.call import Place
from weft.clock import wall
from weft.errors import InvalidCall
from weft.executors.loop import running_loop
from weft.jobs import context
from weft.jobs.codec import Signature, encode_json
from weft.jobs.engine import Engine
from weft.jobs.errors import UnknownTask
from weft.jobs.handles import Handle
from weft.jobs.identity import new_uid
from weft.jobs.options import Options
from weft.jobs.records import Claim, Entry
from weft.jobs.stores import chosen, inherit, on_change, store

if TYPE_CHECKING:
    from weft.jobs.outbox.putting import Transaction

__all__ = ["Job", "find", "job", "known"]

P = ParamSpec("P")
Brought = tuple[Callable[..., object], tuple[Any, ...]]
T = TypeVar("T")

_OPTIONS = frozenset(field.name for field in fields(Options))
_PLAIN = Options()
# Jobs of weft's own rooms, and the modules that declare them.
_OURS = {f"weft.notify.{kind}": "weft.notify.deliveries" for kind in ("email", "webhook", "send")}
_known: dict[str, "Job[Any, Any]"] = {}


class Job(Generic[P, T]):
    """A function whose calls can be stored; made by `weft.job`. Called like the function, it is the function.

    Attributes:
        name: under which it is stored, "module.function" unless another was given.
        options: as they were declared.
        fn: the function itself.
    """

    # What a process of its own has to call before it runs the job there: for modules that are told their settings.
    brings: "Callable[[], Brought] | None" = None

    def __init__(self, fn: Callable[P, T], name: str, options: Options, signature: Signature | None = None) -> None:
        self.fn = fn
        self.name = name
        self.options = options
        self.signature = signature or Signature(fn, name)
        self.place = _place_of(fn, options)
        self.schedule = options.schedule
        if self.schedule is not None:
            self.signature.encode((), {})  # it comes without arguments
        _refuse(self, chosen())
        self.__doc__ = fn.__doc__
        self.__name__ = fn.__name__
        self.__qualname__ = fn.__qualname__
        self.__module__ = fn.__module__
        self.__wrapped__ = fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the function, here and now."""
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Job {self.name}>"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _import, (self.__module__, self.__qualname__, self.name, self.brings and self.brings())

    def using(self, **options: Any) -> "Job[P, T]":
        """The same function with other options: `compress.using(delay=60, priority=10).enqueue(...)`.

        Raises:
            InvalidCall: there is no such option, or the store that was chosen lacks it.
            InvalidValue: a value that nothing could run with.
        """
        return Job(self.fn, self.name, replace(self.options, **_checked(options)), self.signature)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """Store a call. In a thread it is durable when this returns; in async code, when it has been awaited.

        Raises:
            TypeError: the function cannot be called like that.
            NotSerializable: JSON cannot carry an argument, or its type is not the declared one.
            StoreError: it could not be written; nothing is stored then, unless PostgreSQL was lost, for longer, in the
                very commit.
        """
        return self._store([self.signature.encode(args, kwargs)])[0]

    def enqueue_many(self, calls: Iterable[tuple[Any, ...]]) -> list[Handle[T]]:
        """Store many calls, each given by its arguments, all or none: in one transaction.

        Raises: as `enqueue` does.
        """
        return self._store([self.signature.encode(args, {}) for args in calls])

    def enqueue_in(self, transaction: "Transaction", /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """Enqueue in the application's own transaction: the job exists if, and only if, that is committed.

        `compress.enqueue_in(session, upload)` with SQLAlchemy's `Session` or `Connection`;
        `await compress.enqueue_in(session, upload)` with those of async code, where not awaiting it enqueues nothing;
        `compress.enqueue_in("default", upload)` in Django: the database's name.

        Raises:
            TypeError, NotSerializable: as `enqueue` does.
            InvalidCall: it is no transaction that we know, or Django's application is not installed.
            InvalidValue: the database is in memory, where no relay sees it.
            OutboxMissing: the database has no table `weft_outbox`.
        """
        return self._put(transaction, [self.signature.encode(args, kwargs)])[0]

    def enqueue_many_in(self, transaction: "Transaction", /, calls: Iterable[tuple[Any, ...]]) -> list[Handle[T]]:
        """The same for many calls, each given by its arguments. In async code inside `await session.run_sync(...)`.

        Raises: as `enqueue_in` does.
        """
        return self._put(transaction, [self.signature.encode(args, {}) for args in calls])

    def _put(self, transaction: "Transaction", calls: list[bytes]) -> list[Handle[T]]:
        from weft.jobs.outbox.handles import OutboxHandle  # noqa: PLC0415 - for those who have an outbox
        from weft.jobs.outbox.putting import put  # noqa: PLC0415

        entries = [self.entry(arguments) for arguments in calls]
        if not entries:
            return []
        putting = put(transaction, entries)
        if putting is not None and len(entries) > 1:
            putting.close()
            raise InvalidCall(
                "many jobs cannot be awaited one by one: write "
                "await session.run_sync(lambda session: compress.enqueue_many_in(session, calls))"
            )
        return [OutboxHandle(entry.uid, self.signature.result_type, putting) for entry in entries]

    def _store(self, calls: list[bytes]) -> list[Handle[T]]:
        entries = [self.entry(arguments) for arguments in calls]
        if not entries:
            return []
        place = store()
        change = place.enqueue(entries)
        if running_loop() is not None and len(entries) == 1:
            return [Handle(entries[0].uid, place, self.signature.result_type, change)]
        return [Handle(uid, place, self.signature.result_type) for uid in change.wait()]

    def tick(self, due: float) -> Entry:
        """What is stored when its schedule says so: for each time one, whoever stores it. (For workers.)"""
        made = self.entry(self.signature.encode((), {}))
        return made._replace(idempotency_key=f"{self.name}@{due:.0f}")

    def entry(self, arguments: bytes) -> Entry:
        """What is stored for a call with these arguments, in JSON. (For stores.)"""
        options, at = self.options, wall()
        unique = options.unique or options.unique_for > 0
        return Entry(
            uid=new_uid(),
            task=self.name,
            queue=options.queue,
            arguments=arguments,
            created_at=at,
            priority=options.priority,
            scheduled_at=at + options.delay if options.delay else None,
            max_attempts=options.retries + 1,
            backoff=options.backoff,
            longest_backoff=options.longest_backoff,
            timeout=options.timeout,
            result_ttl=options.result_ttl,
            unique_key=hashlib.blake2b(self.name.encode() + b"\0" + arguments).hexdigest()[:40] if unique else None,
            unique_for=options.unique_for,
            idempotency_key=options.stored_key,
            after=options.after,
        )


class Decorator(Protocol):
    """Makes a function a job."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, T]], /) -> Job[P, T]: ...
    @overload
    def __call__(self, fn: Callable[P, T], /) -> Job[P, T]: ...


@overload
def job(fn: Callable[P, Coroutine[Any, Any, T]], /, *, name: str | None = None, **options: Any) -> Job[P, T]: ...
@overload
def job(fn: Callable[P, T], /, *, name: str | None = None, **options: Any) -> Job[P, T]: ...
@overload
def job(fn: None = None, /, *, name: str | None = None, **options: Any) -> Decorator: ...
def job(fn: Callable[..., Any] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Make a function one whose calls can be stored: `@weft.job`, or `@weft.job(queue="images", retries=5)`.

    Plain functions run on threads, async ones on the loop, those with `cpu=True` in processes. Arguments and result
    are stored as JSON, by the types that the function declares.

    Args:
        fn: the function, at the top level of a module.
        name: under which its calls are stored; by default "module.function". Give one to be free to move it.
        options: as below; `using` changes them for a call. Times are seconds.

            - `queue` ("default"), `priority`: -100 to 100, larger first (0), `delay`: before it may begin (0)
            - `retries`: further attempts after a failure (3), with exponential `backoff` (2 s at first, full jitter)
              up to `longest_backoff` (1 h); `timeout`: for each attempt (None)
            - `unique`: one that is not finished stands for all with the same arguments (False), or `unique_for`
              seconds (0); `idempotency_key`: no second job is ever stored with it (None)
            - `after`: handles of jobs that must be complete before; if one of them is not done, neither is this ()
            - `cron`: it comes by itself, as in "0 3 * * 1-5", once among all workers, in the time zone `tz` ("UTC");
              what was `missed` while no worker ran is left out ("skip"), or the last of it made up for ("run")
            - `result_ttl`: how long the result is kept (a day); `cpu`: it computes, and runs in a process (False)

    Raises:
        InvalidCall: there is no such option, the store that was chosen lacks it, or `fn` is no function that another
            process could find.
        InvalidValue: a value that nothing could run with, or a name that is taken.
    """

    def declare(function: Callable[..., Any]) -> Job[..., Any]:
        return _declare(function, name, Options(**_checked(options)))

    return declare if fn is None else declare(fn)


def find(name: str) -> "Job[Any, Any]":
    """The job that is declared under this name.

    Raises:
        UnknownTask: none is, here.
    """
    found = _known.get(name)
    if found is None and name in _OURS:
        import_module(_OURS[name])  # whoever stored it has imported it; whoever runs it need not have
        found = _known.get(name)
    if found is None:
        raise UnknownTask(
            f"no job is declared as {name!r} in this process: import its module where the worker starts, or, if it was "
            "renamed, declare the new one with name=... as before"
        )
    return found


def known() -> Mapping[str, "Job[Any, Any]"]:
    """All jobs that are declared in this process, by name."""
    return dict(_known)


def _declare(fn: Callable[..., Any], name: str | None, options: Options) -> "Job[Any, Any]":
    if not inspect.isfunction(fn):
        raise InvalidCall(f"{fn!r} is no function: write @weft.job above a `def` or an `async def`")
    if "<locals>" in fn.__qualname__ or fn.__name__ == "<lambda>":
        raise InvalidCall(
            f"{fn.__qualname__} is made inside a function, where no worker finds it: move it to its module"
        )
    made = Job(fn, name or f"{_module_of(fn)}.{fn.__qualname__}", options)
    before = _known.get(made.name)
    if before is not None and (before.__module__, before.__qualname__) != (made.__module__, made.__qualname__):
        raise InvalidCall(
            f"two jobs are declared as {made.name!r}: {before.__module__} has one; give this one a name=..."
        )
    _known[made.name] = made
    return made


def _refuse(job: "Job[Any, Any]", engine: Engine | None) -> None:
    if engine is None:
        return
    for name, why in engine.lacks.items():
        if getattr(job.options, name, None) != getattr(_PLAIN, name, None):
            raise InvalidCall(
                f"{job.name} asks for {name}={getattr(job.options, name)!r}, which {engine.name} does not have: {why}"
            )


def _refuse_known(engine: Engine) -> None:
    for each in known().values():
        _refuse(each, engine)


on_change(_refuse_known)


def _module_of(fn: Callable[..., Any]) -> str:
    # A program that is run by its path is called otherwise where a worker imports it.
    spec = getattr(sys.modules.get(fn.__module__), "__spec__", None)
    return spec.name if fn.__module__ == "__main__" and spec is not None else fn.__module__


def _place_of(fn: Callable[..., Any], options: Options) -> Place:
    if inspect.iscoroutinefunction(fn):
        if options.cpu:
            raise InvalidCall(f"{fn.__qualname__} is async and cannot be cpu=True: a process runs plain functions")
        return Place.LOOP
    return Place.PROCESS if options.cpu else Place.THREAD


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        raise InvalidCall(f"a job has no option {unknown[0]!r}: choose from {', '.join(sorted(_OPTIONS))}")
    if "after" in options:
        after = options["after"]
        needed = [after] if isinstance(after, str | Handle) else list(after)
        options["after"] = tuple(each if isinstance(each, str) else each.uid for each in needed)
    return options


def _import(module: str, qualname: str, name: str, brought: Brought | None = None) -> "Job[Any, Any]":
    found: Any = import_module(module)
    if brought is not None:
        brought[0](*brought[1])
    for part in qualname.split("."):
        found = getattr(found, part)
    return found if isinstance(found, Job) else find(name)  # `other = weft.job(function)` is a job as well


def run_in_process(job: "Job[Any, Any]", claim: Claim, store_url: str | None) -> bytes:
    """Run a claimed job here, alone; its result, in JSON. What it enqueues goes there. (For a worker's processes.)"""
    inherit(store_url)
    context.running.set(context.CurrentJob(claim, _unheard))
    args, kwargs = job.signature.decode(claim.arguments)
    value = job.fn(*args, **kwargs)
    if inspect.iscoroutine(value):
        value = asyncio.run(value)
    return encode_json(value)


def _unheard(_claim: Claim, _fraction: float, _note: str) -> None:
    """Nobody listens to what a process says of its progress."""
