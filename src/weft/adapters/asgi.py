"""weft in ASGI apps (FastAPI, Starlette, Litestar, ...): a scope with a deadline around each request.

```python
from weft.adapters.asgi import Weft

app.add_middleware(Weft, deadline=10.0)       # FastAPI and Starlette
app = Weft(app, deadline=10.0)                # any ASGI app
```
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from weft.adapters.problem import Problem, problem_of
from weft.adapters.request import RequestScope, weft_deadline
from weft.calls.call import seconds
from weft.clock import now
from weft.http.pool import aclose, load
from weft.outcome import TimedOut
from weft.scopes.core import GRACE

__all__ = ["Weft", "weft_deadline"]

log = logging.getLogger("weft.adapters")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


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

    Raises:
        InvalidValue: a deadline of 0 seconds or less.
    """

    def __init__(self, app: App, *, deadline: float | None = 10.0) -> None:
        self.app = app
        self._deadline = None if deadline is None else seconds("deadline", deadline)
        load()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            async with _Exchange(None, receive, send) as exchange:
                await self.app(scope, exchange.receive, send)
        elif kind == "lifespan":
            await self.app(scope, receive, _closing(send))
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        exchange = _Exchange(self._deadline, receive, send)
        try:
            async with exchange:
                await self.app(scope, exchange.receive, exchange.send)
        except Exception as error:
            problem = problem_of(error)
            if problem is None or exchange.answered:
                raise
            log.info("%s %s is answered %d: %s", scope.get("method"), scope.get("path"), problem.status, error)
            await _answer(problem, send)


class _Exchange(RequestScope):
    """One request and its answer: a scope that watches what the app receives and sends."""

    def __init__(self, deadline: float | None, receive: Receive, send: Send) -> None:
        super().__init__(None)  # the core must not keep the deadline: it would cut the endpoint short without grace
        self._limit = deadline
        self.answered = False  # the answer has begun
        self._complete = False  # it has been handed over to the last byte
        self._receive = receive
        self._send = send
        self._alarm: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.allow(self._limit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._unset_alarm()
        await super().__aexit__(kind, error, tb)

    def allow(self, deadline: float | None) -> None:
        """Grant the request so many seconds in all; see `RequestScope`."""
        super().allow(deadline)
        if self._body is not None:  # entered
            self.core.loop.post(self._set_alarm)

    async def receive(self) -> Message:
        """The server's `receive`; a client that has gone away takes the calls under way with it."""
        message = await self._receive()
        if message["type"] in {"http.disconnect", "websocket.disconnect"} and not self._complete:
            self.cancel()
        return message

    async def send(self, message: Message) -> None:
        """The server's `send`; with the last byte the deadline is lifted."""
        self.answered = True
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._complete = True
            self.allow(None)
        await self._send(message)

    def _set_alarm(self) -> None:
        self._unset_alarm()
        if self._deadline is not None:
            self._alarm = self.core.loop.loop.call_later(self._deadline + GRACE - now(), self._cut)

    def _unset_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _cut(self) -> None:
        self.core.cancel(TimedOut(self._allowed))


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
