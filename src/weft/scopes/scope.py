"""The face of a scope: one object, entered with `with` from a thread and with `async with` from a coroutine."""

import os
import threading
from collections.abc import Awaitable, Callable
from contextvars import Token, copy_context
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, overload

from weft.calls.call import Call, as_call, seconds
from weft.calls.places import Places
from weft.clock import now
from weft.errors import DeadlineExceeded, ScopeClosed, TaskCancelled
from weft.executors.loop import LoopExecutor
from weft.outcome import Cancelled, Ok, Outcome, TimedOut
from weft.scopes.body import Body
from weft.scopes.core import Core
from weft.scopes.current import Bounded, current
from weft.scopes.join import Join, JoinName, as_join, conclusion
from weft.scopes.tally import Tally, tallying
from weft.scopes.task import Task
from weft.scopes.waiting import ThreadWaiter, refuse_to_block

__all__ = ["Scope"]

P = ParamSpec("P")
T = TypeVar("T")

# Guards the one moment in which a scope gets its core, which two threads may bring about.
_opening = threading.Lock()


def _renew_lock() -> None:
    # In a forked child: whoever held it has stayed with the parent, and would never give it back.
    global _opening
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Scope:
    """A block that owns the calls started in it: when it is left, each has ended, or has been abandoned and counted.

    `start` may be called from any thread, also by the calls themselves. Deadlines nest: an inner scope never outlives
    the one around it.

    Args:
        places: where calls run (the runtime).
        deadline: seconds from entering until everything must be over; None: only the outer scope's deadline counts.
        ambient: whether code in the block belongs to the scope; a batch's consumer does not.
        join: "all" (the first failure cancels the rest, and the block raises an `ExceptionGroup`), "settled" (nothing
            is raised for a call; each has its outcome), "first" (the first success cancels the rest), `weft.quorum(k)`.
        name: what waterfalls and logs call it.

    Raises, when the block is left:
        ExceptionGroup: calls failed, and the join is strict; refused ones are in it as `Overloaded`.
        DeadlineExceeded: the calls were late, and the join is strict; or the block itself was, where it is async.
    """

    # What a scope begins with stands here and not in `__init__`: most requests open one that nothing is started in.
    loop: LoopExecutor | None = None  # None: the runtime's own, when it is needed
    _deadline: float | None = None
    _parent: Bounded | None = None
    _core: Core | None = None
    _token: Token[Bounded | None] | None = None
    _tally: Tally | None = None
    _body: Body | None = None
    _entered = False
    _left = False

    def __init__(
        self,
        places: Places,
        *,
        deadline: float | None = None,
        join: JoinName | Join = "all",
        name: str = "",
        ambient: bool = True,
    ) -> None:
        self.name = name
        self._ambient = ambient
        self._places = places
        self._allowed = None if deadline is None else seconds("deadline", deadline)
        self._join = as_join(join)
        self._tasks: list[Task[Any]] = []

    # -- what may be asked

    @property
    def deadline(self) -> float | None:
        """When everything must be over, in seconds of `weft.clock`, outer deadlines included; None: never."""
        return self._deadline

    @property
    def allowed(self) -> float | None:
        """The seconds that led to this deadline, those of an outer scope if its deadline comes first; None: none."""
        return self._allowed

    @property
    def remaining(self) -> float | None:
        """Seconds left, at least 0.0; None: no deadline."""
        return None if self._deadline is None else max(0.0, self._deadline - now())

    @property
    def strict(self) -> bool:
        """Whether failures of calls are raised when the block is left."""
        return self._join.strict

    @property
    def tasks(self) -> tuple[Task[Any], ...]:
        """Every call started here so far, in order."""
        return tuple(self._tasks)

    def outcomes(self) -> list[Outcome[Any] | None]:
        """What each call has come to, in the order of their start; None for one under way. Never waits."""
        return [task.outcome for task in self._tasks]

    def values(self) -> list[Any]:
        """The values of the calls that have succeeded, in the order of their start. Never waits."""
        return [task.outcome.value for task in self._tasks if isinstance(task.outcome, Ok)]

    # -- what may be done

    @overload
    def start(self, fn: Call[T], /) -> Task[T]: ...
    @overload
    def start(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Task[T]: ...
    @overload
    def start(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Task[T]: ...

    def start(self, fn: Any, /, *args: Any, **kwargs: Any) -> Task[Any]:
        """Start a call and return its handle at once.

        An async function runs on the event loop, a plain one on a thread, one marked `weft.cpu` in a process; each
        sees a copy of the caller's context variables (processes see none). Any thread.

        Raises:
            InvalidCall: `fn` cannot be called.
            ScopeClosed: the scope has ended, or was never entered.
        """
        call = as_call(fn, args, kwargs)
        if self._left or not self._entered:
            state = "has ended" if self._left else "has not been entered: write `with weft.scope() as scope:`"
            raise ScopeClosed(f"{call.name} cannot start, because its scope {state}")
        task = self.new_task(call, keep=True)
        core = self.core
        core.loop.post(core.launch, task, copy_context())
        return task

    def new_task(self, call: Call[T], *, keep: bool) -> Task[T]:
        """Make the handle of a call that is to be launched here; kept ones are in `tasks`. (For batches.)"""
        task = Task(call, self._give_up, deadline=self._deadline, allowed=self._allowed)
        if keep:
            self._tasks.append(task)
        return task

    def cancel(self) -> None:
        """Cancel every call under way, and every one started later. Returns at once; the block goes on. Any thread."""
        core = self.core
        core.loop.post(lambda: core.cancel(Cancelled("its scope was cancelled"), trouble=False))

    @property
    def core(self) -> Core:
        """The part of the scope that lives on its loop; made when it is first needed. (For batches and adapters.)"""
        if self._core is None:
            loop = self.loop or self._places.home()
            made = Core(loop, self._places, self._join, until=self._deadline, allowed=self._allowed, tally=self._tally)
            with _opening:
                if self._core is None:
                    self._core = made
            outer = self._around
            if self._core is made and outer is not None:
                outer.core.loop.post(outer.core.adopt, made)
        return self._core

    @property
    def _around(self) -> "Scope | None":
        # One of another runtime bounds the time alone: its loop may have stayed in the process that forked this one.
        outer = self._parent
        return outer if isinstance(outer, Scope) and outer._places is self._places else None  # noqa: SLF001 - of this class

    def _give_up(self, task: Task[Any], fate: Cancelled) -> None:
        core = self.core
        core.loop.post(core.cancel_task, task, fate)

    # -- entering and leaving

    def open(self, loop: LoopExecutor | None) -> None:
        """Begin: take the time, find the scope around this one. None: the loop is chosen when it is first needed."""
        if self._entered:
            raise ScopeClosed("this scope has been entered already: make a new one with weft.scope()")
        outer = self._parent = current.get()
        until = None if outer is None else outer.deadline
        own = None if self._allowed is None else now() + self._allowed
        if until is None or (own is not None and own < until):
            until = own
        elif outer is not None:
            self._allowed = outer.allowed  # it will be the deadline of the scope around this one that was missed
        self._deadline = until
        self.loop = loop or (None if self._around is None else self._around.loop)
        self._tally = tallying.get()
        self._entered = True
        if self._ambient:
            self._token = current.set(self)

    def __enter__(self) -> Self:
        refuse_to_block("async with weft.scope(...) as scope:")
        self.open(None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._step_out()
        core = self._core
        if core is None:
            self._left = True
            return
        if error is not None:
            core.loop.post(core.cancel, Cancelled(f"its scope's block raised {type(error).__name__}"))
        try:
            in_time = self._wait_for(core)
        except BaseException:  # Ctrl-C while waiting
            core.loop.post(core.expire)
            raise
        finally:
            self._left = True
        if error is None:
            self._raise_conclusion(core, in_time=in_time)

    def _wait_for(self, core: Core) -> bool:
        waiter = ThreadWaiter("async with weft.scope(...) as scope:")
        core.loop.post(_close, core, waiter.wake)
        if waiter.wait_until(self._deadline):
            return True
        # The loop itself is stuck, in somebody's blocking code. We keep our deadline all the same.
        for task in self._tasks:
            task.forsake()
        return False

    async def __aenter__(self) -> Self:
        self.open(self._places.running())
        core = self.core
        self._body = Body(core, cut=self._ambient)
        core.arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._step_out()
        core, body = self.core, self._body
        assert body is not None  # __aenter__ has set it
        error, cut = body.left_by(error)
        if error is not None:
            core.cancel(Cancelled(f"its scope's block raised {type(error).__name__}"))
        try:
            await body.wait_for_calls()
        finally:
            self._left = True
        if error is not None:
            return
        self._raise_conclusion(core, in_time=True)
        if cut:
            raise self._cut_short(core) from None

    def _step_out(self) -> None:
        if self._token is not None:
            try:  # noqa: SIM105 - each request comes here, and the context manager would cost as much as the rest
                current.reset(self._token)
            except ValueError:
                pass  # left in another context than it was entered in, as generators can be

    def _raise_conclusion(self, core: Core, *, in_time: bool) -> None:
        failures = core.failures if in_time else [TimedOut(self._allowed)]
        outcomes = [task.outcome for task in self._tasks if task.outcome is not None]
        error = conclusion(self._join, core.count, failures, outcomes, allowed=self._allowed)
        if error is None and core.interrupted and self._join == as_join("all"):
            error = TaskCancelled("not every call succeeded, because the scope around theirs was cancelled")
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback holds this frame: kept, it would be a circle

    def _cut_short(self, core: Core) -> BaseException:
        if not isinstance(core.fate, TimedOut):
            return TaskCancelled("the block was cut short, because the scope around it was cancelled")
        error = DeadlineExceeded("the block was not done by its scope's deadline", after=self._allowed)
        error.outcomes = tuple(self.outcomes())
        return error


def _close(core: Core, tell: Callable[[], object]) -> None:
    core.when_ended(tell)
    core.close()
