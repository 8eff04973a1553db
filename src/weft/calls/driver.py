"""Takes one call through its conditions: ask the policies, wait as they say, run it, tell what came of it.

Layers, outermost first: retry, limits (a place, then the slot of a rate), the attempt's timeout, the call itself. So a
retry gives its place back while it backs off, and a limit sees attempts, not sequences of them.
"""

import asyncio
import inspect
import random
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeAlias

from weft.calls.call import Call, Place
from weft.calls.limits import Limit
from weft.calls.places import Places, Progress, WorkExecutor
from weft.clock import now
from weft.errors import Overloaded, TaskCancelled
from weft.executors.loop import LoopExecutor
from weft.executors.work import Work
from weft.outcome import Failed, Ok, Outcome, Refused, TimedOut
from weft.policy.retry import Retry
from weft.policy.verdict import Wait

__all__ = ["Surroundings", "perform"]

Result: TypeAlias = Outcome[Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all calls of one scope share on their way.

    Attributes:
        places: where calls can run.
        loop: the loop that drives them.
        owner: in whose name they queue; fair shares are dealt by owner.
        deadline: on `weft.clock`; nothing is begun that could only start after it. (Cutting off is the scope's part.)
    """

    places: Places
    loop: LoopExecutor
    owner: object
    deadline: float


def perform(call: Call[Any], progress: Progress, around: Surroundings) -> Coroutine[Any, Any, Result]:
    """Run the call on the scope's loop and tell what came of it; failures are returned, not raised.

    Args:
        call: what to run.
        progress: where attempts and the start of the first are written down.
        around: what it shares with the other calls of its scope.

    Raises:
        asyncio.CancelledError: the driver was cancelled; the call has been given up.
    """
    # This and `_run` hand on a coroutine instead of awaiting it: each frame less is passed by every wake-up.
    if call.retry is None:
        return _attempt(call, progress, around)
    return _attempt_again(call, call.retry, progress, around)


async def _attempt_again(call: Call[Any], retry: Retry, progress: Progress, around: Surroundings) -> Result:
    failures = 0
    while True:
        outcome = await _attempt(call, progress, around)
        if outcome.ok:
            return outcome
        failures += 1
        pause = _pause(retry, failures, outcome, around.deadline)
        if pause is None:
            return outcome
        await asyncio.sleep(pause)


def _pause(retry: Retry, failures: int, outcome: Result, deadline: float) -> float | None:
    if isinstance(outcome, Ok):
        return None
    verdict = retry.after(failures, outcome.as_error(), deadline - now(), random.random())  # noqa: S311 - jitter, no secret
    return verdict.seconds if isinstance(verdict, Wait) else None


async def _attempt(call: Call[Any], progress: Progress, around: Surroundings) -> Result:
    inside: list[Limit] = []
    try:
        for limit in _limits(call, around.places):
            if not limit.enter_nowait():
                await limit.enter(around.loop, around.owner, around.deadline)
            inside.append(limit)
        progress.attempts += 1
        if call.timeout is None:
            return await _run(call, progress, around)
        return await _run_in_time(call, progress, around)
    except Overloaded as error:
        return Refused(error.reason, error.retry_after)
    finally:
        for limit in reversed(inside):
            limit.leave()


def _limits(call: Call[Any], places: Places) -> list[Limit]:
    # One order for all calls, so that no two can hold what the other waits for.
    limits = places.limits
    found = []
    if call.limit is not None:
        found.append(limits.named(call.limit) if isinstance(call.limit, str) else call.limit)
    host = call.host
    if host is not None:
        found.append(limits.host(host))
    found.append(limits.process)
    return found


async def _run_in_time(call: Call[Any], progress: Progress, around: Surroundings) -> Result:
    try:
        async with asyncio.timeout(call.timeout) as timeout:
            return await _run(call, progress, around)
    except TimeoutError:
        if timeout.expired():
            return TimedOut(call.timeout)
        raise


def _run(call: Call[Any], progress: Progress, around: Surroundings) -> Coroutine[Any, Any, Result]:
    if call.place is Place.LOOP:
        if progress.started_at is None:
            progress.started_at = now()
        return _await(call.fn, call.args, call.kwargs)
    if call.place is Place.THREAD:
        return _run_on_thread(call, progress, around)
    return _offload(around.places.processes, call, progress, around)


async def _run_on_thread(call: Call[Any], progress: Progress, around: Surroundings) -> Result:
    outcome = await _offload(around.places.threads, call, progress, around)
    if isinstance(outcome, Ok) and inspect.iscoroutine(outcome.value):
        return await _await(_itself, (outcome.value,), {})  # a lambda around an async function
    return outcome


async def _await(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    try:
        return Ok(await fn(*args, **kwargs))
    except asyncio.CancelledError as error:
        if _being_cancelled():
            raise
        return _failed(error)
    except BaseException as error:  # noqa: BLE001 - SystemExit in a task must not end the loop
        return Failed(error)


def _failed(error: BaseException) -> Failed:
    if not isinstance(error, asyncio.CancelledError):
        return Failed(error)
    # Nobody has cancelled this call; raised as it is, the error would cancel whoever asks for the result.
    told = TaskCancelled("the call ended itself by a CancelledError: something that it awaited had been cancelled")
    told.__cause__ = error
    return Failed(told)


def _itself(coroutine: Any) -> Any:
    return coroutine


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _offload(executor: WorkExecutor, call: Call[Any], progress: Progress, around: Surroundings) -> Result:
    ended = around.loop.loop.create_future()

    def tell(_: Work) -> None:
        around.loop.post_if_open(_settle, ended)

    # Copied: the driver's own context may not be entered twice, and an abandoned thread keeps it.
    context = copy_context() if call.place is Place.THREAD else None
    work = Work(call.fn, call.args, call.kwargs, tell, context=context, owner=around.owner, label=call.name)
    executor.start(work)
    try:
        await ended
    except asyncio.CancelledError:
        executor.cancel(work)
        raise
    finally:
        if progress.started_at is None and work.started_at:
            progress.started_at = work.started_at
    return Ok(work.value) if work.error is None else _failed(work.error)


def _settle(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)
