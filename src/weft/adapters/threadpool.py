"""The threads of FastAPI and Starlette, taken over: plain endpoints run on weft's executor.

```python
from weft.adapters.threadpool import adopt

weft.configure(threads=200)
adopt()
```
"""

import asyncio
import math
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any

import anyio.lowlevel
import anyio.to_thread

from weft.adapters.request import request_here
from weft.calls.limits import Limit
from weft.errors import InvalidCall, WeftError
from weft.executors.loop import running_loop
from weft.executors.sizing import thread_workers
from weft.executors.work import Work
from weft.runtime.process import refuse_green_threads, runtime
from weft.scopes.current import current

__all__ = ["adopt"]

_LIMIT = "threadpool"


def adopt() -> None:
    """Have `anyio.to_thread.run_sync`, and so all that Starlette and FastAPI run on threads, use weft's threads.

    These are plain endpoints and dependencies, background tasks, file answers and uploads. By default they share 40
    threads, and whoever comes when these are busy waits in a queue without a bound. On weft's executor as many run at
    once as `weft.configure(threads=...)` says, those that wait for weft's own calls included; a full queue is answered
    503, the calls of one request do not hold up those of others, and one that is stuck when its request is cut short
    gives its slot back. What a request starts once its answer has begun, a background task above all, is never refused.
    The limit is called "threadpool", in `weft.statistics()` and for those who want another size than that of the
    executor: `weft.limit("threadpool", 100)`.

    Once for the process, before or after the app is made; a second time does nothing. Calls with a limiter of their
    own or with `abandon_on_cancel`, and those under trio, stay with anyio, as does code that took the name `run_sync`
    out of anyio's module before. `anyio.from_thread` works in these threads as in anyio's own.

    Raises:
        WeftError: this anyio is too old, or so new that weft does not know its threads; or gevent or eventlet has
            patched this process.
    """
    refuse_green_threads()
    original = anyio.to_thread.run_sync
    if not isinstance(original, _RunSync):
        anyio.to_thread.run_sync = _RunSync(original)  # type: ignore[assignment]  # it is called in the same way


class _RunSync:
    """What stands in the place of `anyio.to_thread.run_sync`."""

    def __init__(self, original: Callable[..., Any]) -> None:
        self._original = original
        self._inside = _inside()

    async def __call__(self, func: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """See `anyio.to_thread.run_sync`."""
        if any(options.values()) or running_loop() is None:
            return await self._original(func, *args, **options)
        await anyio.lowlevel.checkpoint_if_cancelled()
        context = copy_context()
        with anyio.CancelScope() as scope:
            return await _on_thread(partial(self._inside(scope, context), func, *args), context, _name(func), scope)


async def _on_thread(call: Callable[[], Any], context: Context, label: str, scope: anyio.CancelScope) -> Any:
    request = request_here()
    refusable = request is None or not request.answered
    home = runtime().running()
    limit = _limit()
    inside = limit.enter_nowait()
    if not inside and refusable:
        await limit.enter(home, current.get(), math.inf)
        inside = True
    try:
        ended: asyncio.Future[None] = home.loop.create_future()
        ticket = [call]  # whoever takes it out decides whether the call is made
        done = partial(home.post_if_open, _end, ended)
        work = Work(_call, (ticket,), {}, done, context=context, owner=current.get(), label=label)
        await _run(work, ended, ticket, scope, bounded=refusable)
    finally:
        if inside:
            limit.leave()
    if work.error is not None:
        raise work.error
    return work.value


def _call(ticket: list[Callable[[], Any]]) -> Any:
    try:
        call = ticket.pop()
    except IndexError:  # withdrawn
        return None
    return call()


async def _run(
    work: Work, ended: "asyncio.Future[None]", ticket: list[Any], scope: anyio.CancelScope, *, bounded: bool
) -> None:
    threads = runtime().threads
    threads.start(work, bounded=bounded)
    while not ended.done():
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            by_anyio = anyio.current_effective_deadline() == -math.inf
            if not by_anyio or _withdrawn(ticket):
                threads.cancel(work)
                raise
            scope.shield = True  # as anyio's own: what runs on a thread is waited for


def _withdrawn(ticket: list[Any]) -> bool:
    try:
        ticket.pop()
    except IndexError:  # the call is being made
        return False
    return True


def _limit() -> Limit:
    # Workers that wait for weft's calls lend their slots, so that the executor alone would not bound their number.
    here = runtime()
    try:
        return here.limits.named(_LIMIT)
    except InvalidCall:
        config = here.config
        return here.limits.define(_LIMIT, config.threads or thread_workers(), waiting=config.thread_queue)


def _end(ended: "asyncio.Future[None]", _: Work) -> None:
    if not ended.done():
        ended.set_result(None)


def _name(func: Callable[..., Any]) -> str:
    return getattr(getattr(func, "func", func), "__qualname__", "")  # Starlette wraps endpoints in `partial`


def _inside() -> Callable[[anyio.CancelScope, Context], Callable[..., Any]]:
    """What makes `anyio.from_thread` work in a thread that is not anyio's own; anyio has no public name for it."""
    try:
        from anyio._core._eventloop import (  # noqa: PLC0415 - private: looked for where its absence can be told
            claim_worker_thread,
            get_async_backend,
            set_current_async_library,
            threadlocals,
        )
    except ImportError as error:
        raise WeftError(
            "weft does not know the threads of this version of anyio: install anyio 4.12 or newer or, "
            "if it is newer, leave adopt() out until weft follows"
        ) from error
    backend = get_async_backend("asyncio")

    def inside(scope: anyio.CancelScope, context: Context) -> Callable[..., Any]:
        context.run(set_current_async_library, None)  # or `anyio.run` would refuse to work in the thread
        loop = running_loop()
        visible = getattr(scope, "_parent_scope", None) or scope  # as anyio: what `check_cancelled` looks at

        def call(func: Callable[..., Any], *args: Any) -> Any:
            with claim_worker_thread(backend, loop):
                threadlocals.current_cancel_scope = visible
                try:
                    return func(*args)
                finally:
                    del threadlocals.current_cancel_scope

        return call

    return inside
