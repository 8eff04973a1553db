"""weft in ASGI apps (FastAPI, Starlette, Litestar, ...): a scope with a deadline around each request.

```python
from weft.adapters.asgi import Weft

app.add_middleware(Weft, deadline=10.0)       # FastAPI and Starlette
app = Weft(app, deadline=10.0)                # any ASGI app
```
"""

import asyncio
import logging
import math
from collections.abc import MutableMapping
from contextvars import Context
from types import TracebackType
from typing import Any, Self

from weft.adapters.asgi_access import AccessLog, App, Message, Receive, Send
from weft.adapters.problem import Problem, problem_of
from weft.adapters.request import RequestScope, weft_deadline
from weft.calls.call import seconds
from weft.clock import now
from weft.errors import DeadlineExceeded
from weft.http.pool import aclose, load
from weft.logs.access import Format
from weft.outcome import TimedOut
from weft.scopes.core import GRACE

__all__ = ["AccessLog", "Weft", "weft_deadline"]

log = logging.getLogger("weft.adapters")

_BODIES = {"http.response.body", "http.response.pathsend"}  # the latter is a whole file
_EARLY = 0.001  # seconds by which a loop's timer may ring before its time


class Weft:
    """The ASGI middleware. Safe to use by any number of requests at once.

    Each request runs in a scope on the server's own loop: what endpoints start with weft ends by the request's
    deadline and is cancelled when the request is over. Plain `def` endpoints, which frameworks run on threads, inherit
    it, too. At the deadline an async endpoint itself is cut short, after 20 ms in which it may still answer with what
    it has. The deadline covers the answer up to its last byte; background tasks run after it and are not bounded.

    `Overloaded` becomes an answer 503 with `Retry-After`, and `DeadlineExceeded` one of 504, in
    `application/problem+json` (RFC 9457); an exception group counts if nothing else is in it. Once the answer has
    begun, the exception goes on to the server, which closes the connection.

    Under `add_middleware` the framework's own exception handlers for these exceptions come first; one for `Exception`
    comes after. As a wrapper around a whole Starlette or FastAPI app, weft would only see them after Starlette had
    answered 500: use `add_middleware` there.

    A client that goes away is noticed when the app, or its framework, asks for it by `receive()` (ASGI has no other
    way); then the calls under way are cancelled. Websockets get a scope without a deadline. When the server shuts the
    app down, after the app's own shutdown, weft closes the connections of `weft.http` on the server's loop; threads,
    processes and the rest end with the process, as `weft.close` says.

    Args:
        app: the ASGI app inside.
        deadline: seconds that a request may take; None: no bound. An endpoint may choose its own with `@weft_deadline`.
        access_log: the format of an `AccessLog` around all that; None: there is none.

    Raises:
        InvalidValue: a deadline of 0 seconds or less, or an unknown format.
    """

    def __init__(self, app: App, *, deadline: float | None = 10.0, access_log: Format | None = None) -> None:
        self.app = app
        self._serve: App = self._connection if access_log is None else AccessLog(self._connection, access_log)
        self._deadline = None if deadline is None else seconds("deadline", deadline)
        self._watch: _Watch | None = None
        load()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await self._serve(scope, receive, send)

    async def _connection(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            with _Exchange(None, self._watch_here(), receive, send) as exchange:
                await self.app(scope, exchange.receive, send)
        elif kind == "lifespan":
            await self.app(scope, receive, _closing(send))
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        exchange = _Exchange(self._deadline, self._watch_here(), receive, send)
        try:
            with exchange:
                await self.app(scope, exchange.receive, exchange.send)
        except Exception as error:
            problem = problem_of(error)
            if problem is None or exchange.answered:
                raise
            log.info("%s %s is answered %d: %s", scope.get("method"), scope.get("path"), problem.status, error)
            await _answer(problem, send)

    def _watch_here(self) -> "_Watch":
        loop = asyncio.get_running_loop()
        watch = self._watch
        if watch is None or watch.loop is not loop:
            watch = self._watch = _Watch(loop)
        return watch


class _Exchange(RequestScope):
    """One request and its answer: a scope that watches what the app receives and sends.

    Scopes inside end at the deadline by themselves; 20 ms later the watch cuts the app short. Its cancellation is
    counted as `asyncio.timeout` does it: ours is taken back, one that comes from outside goes on its way.
    """

    def __init__(self, deadline: float | None, watch: "_Watch", receive: Receive, send: Send) -> None:
        super().__init__(deadline)
        self.answered = False  # the answer has begun
        self._complete = False  # it has been handed over to the last byte
        self._watch = watch
        self._receive = receive
        self._send = send
        self._was_cut = False

    def __enter__(self) -> Self:
        host = asyncio.current_task()
        if host is None:
            raise RuntimeError("the ASGI adapter needs an asyncio task around it")
        self._host = host
        self._before = host.cancelling()
        self.open(self._places.running())
        self._mind()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._watch.drop(self)
        self.end()
        if not self._was_cut:
            return
        ours = self._host.uncancel() <= self._before
        if ours and isinstance(error, asyncio.CancelledError):
            raise DeadlineExceeded("the request was not done by its deadline", after=self._allowed) from None

    def allow(self, deadline: float | None) -> None:
        """Grant the request so many seconds in all; see `RequestScope`."""
        super().allow(deadline)
        assert self.loop is not None  # the server's: entered
        self.loop.post(self._mind)

    def cut(self) -> None:
        """Cancel what is under way, and the app itself."""
        self._was_cut = True
        self.core.cancel(TimedOut(self._allowed))
        self._host.cancel()

    async def receive(self) -> Message:
        """The server's `receive`; a client that has gone away takes the calls under way with it."""
        message = await self._receive()
        if message["type"] in {"http.disconnect", "websocket.disconnect"} and not self._complete:
            self.cancel()
        return message

    async def send(self, message: Message) -> None:
        """The server's `send`; with the last byte the deadline is lifted."""
        self.answered = True
        if message["type"] in _BODIES and not message.get("more_body", False):
            self._complete = True
            super().allow(None)
            self._watch.drop(self)
        await self._send(message)

    def _mind(self) -> None:
        if self._deadline is None:
            self._watch.drop(self)
        elif not self.over:
            self._watch.keep(self, self._deadline + GRACE)


class _Watch:
    """Cuts late requests short, with one timer for all: one for each would cost as much as the rest of the adapter.

    Belongs to its loop. The timer stays set when its request ends in time, and finds the next one when it rings.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._ends: dict[_Exchange, float] = {}  # on `weft.clock`
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def keep(self, exchange: _Exchange, end: float) -> None:
        """Cut this request short then, unless it is dropped or kept anew before."""
        self._ends[exchange] = end
        if end < self._rings_at:
            self._set(end)

    def drop(self, exchange: _Exchange) -> None:
        """Forget this request, if it is known."""
        self._ends.pop(exchange, None)

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = when
        # In a context of its own, or the timer would keep the variables of one request alive until it rings.
        self._timer = self.loop.call_later(when - now(), self._ring, context=Context())

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        time = now() + _EARLY
        for exchange in [exchange for exchange, end in self._ends.items() if end <= time]:
            self.drop(exchange)
            exchange.cut()
        if self._ends:
            self._set(min(self._ends.values()))


async def _answer(problem: Problem, send: Send) -> None:
    headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in problem.headers]
    await send({"type": "http.response.start", "status": problem.status.value, "headers": headers})
    await send({"type": "http.response.body", "body": problem.body})


def _closing(send: Send) -> Send:
    async def closing(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown."):  # complete, or failed: the app has done what it wanted
            await aclose()
        await send(message)

    return closing
