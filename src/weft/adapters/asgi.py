"""weft in ASGI apps (FastAPI, Starlette, Litestar, ...): a scope with a deadline around each request.

```python
from weft.adapters.asgi import Weft

app.add_middleware(Weft, deadline=10.0)       # FastAPI and Starlette
app = Weft(app, deadline=10.0)                # any ASGI app
```
"""

from collections.abc import Awaitable, Iterable, MutableMapping
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeAlias

from weft.adapters.asgi_access import AccessLog, App, Message, Receive, Send
from weft.adapters.asgi_incoming import Incoming
from weft.adapters.hosted import HostedScope, Watch, Watches
from weft.adapters.problem import Problem, noted, of_cancellation
from weft.adapters.request import weft_deadline
from weft.adapters.settings import DEADLINE_HEADER, Settings, parse_timeout, prepare
from weft.http.pool import aclose
from weft.logs.access import Format
from weft.scopes.core import Core

__all__ = ["BEFORE_ANSWER", "AccessLog", "Weft", "weft_deadline"]

Connection: TypeAlias = tuple[MutableMapping[str, Any], Receive, Send]

BEFORE_ANSWER = "weft.before_answer"
"""In the connection's scope, by this name, a list of what has to be awaited before the answer begins."""

_CLIENT_GONE = 499  # as nginx logs it
_BODIES = {"http.response.body", "http.response.pathsend"}  # the latter is a whole file


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

    A client that goes away is noticed as soon as the request has calls under way, and its body has been read: they are
    cancelled, and what comes of that is answered to nobody and is no error of the app. Websockets get a scope without
    a deadline. When the server shuts the app down, after the app's own shutdown, weft closes the connections of
    `weft.http` on the server's loop; threads, processes and the rest end with the process, as `weft.close` says.

    Args:
        app: the ASGI app inside.
        deadline: seconds that a request may take; None: no bound. An endpoint may choose its own with `@weft_deadline`.
        deadline_header: the request header by which a client may ask for less, in seconds; None: none.
        access_log: the format of an `AccessLog` around all that; None: there is none.

    Raises:
        InvalidValue: a deadline of 0 seconds or less, or an unknown format.
        WeftError: gevent or eventlet has patched this process.
    """

    def __init__(
        self,
        app: App,
        *,
        deadline: float | None = 10.0,
        deadline_header: str | None = DEADLINE_HEADER,
        access_log: Format | None = None,
    ) -> None:
        self.app = app
        self._logged: App | None = None if access_log is None else AccessLog(self._connection, access_log)
        self._settings = Settings(deadline, deadline_header, access_log)
        self._header = None if deadline_header is None else deadline_header.lower().encode("latin-1")
        self._watches = Watches()
        prepare()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._logged is not None:
            await self._logged(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._connection(scope, receive, send)

    async def _connection(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            with HostedScope(None, None, self._watches.here()) as exchange:
                await self.app(scope, Incoming(receive, (), exchange.cancel, copy_context()).receive, send)
        elif kind == "lifespan":
            await self.app(scope, receive, _closing(send))
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        asked, wanted = None, self._header
        for name, value in scope["headers"]:  # in lower case, as ASGI has it
            if name == wanted:
                asked = parse_timeout(name.decode("latin-1"), value.decode("latin-1"))
        exchange = _Exchange(self._settings.deadline, asked, self._watches.here(), (scope, receive, send))
        try:
            with exchange:
                await self.app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.abandoned and of_cancellation(error):
                await _tell_nobody(send)
                return
            problem = None if exchange.answered else noted(error, scope.get("method"), scope.get("path"))
            if problem is None:
                raise
            await _answer(problem, send)
        finally:
            exchange.close()


class _Exchange(HostedScope):
    """One request and its answer: a scope that watches what the app sends, and whether its client is still there."""

    abandoned = False  # the client has gone away before its answer was complete
    _complete = False  # the answer has been handed over to the last byte
    incoming: Incoming | None = None  # what comes in; most requests have no body that anybody asks for

    def __init__(self, deadline: float | None, asked: float | None, watch: Watch, connection: Connection) -> None:
        super().__init__(deadline, asked, watch)
        self._scope, self._receive, self._send = connection
        self._outside = copy_context()  # that of the middleware around us, whose `receive` may look at it

    @property
    def core(self) -> Core:
        """As of any scope; with the first calls we begin to listen for the client."""
        first = self._core is None
        core = super().core
        if first:
            core.loop.post(self._listen)
        return core

    def receive(self) -> Awaitable[Message]:
        """The server's `receive`."""
        return self._read().receive()

    def send(self, message: Message) -> Awaitable[None]:
        """The server's `send`; with the last byte the deadline is lifted."""
        if BEFORE_ANSWER in self._scope:
            return self._send_after(self._scope.pop(BEFORE_ANSWER), message)
        self.answered = True
        if message["type"] in _BODIES and not message.get("more_body", False):
            self._complete = True
            self.lift()
        return self._send(message)

    async def _send_after(self, awaited: Iterable[Awaitable[object]], message: Message) -> None:
        for each in awaited:
            await each
        await self.send(message)

    def close(self) -> None:
        """Listen no longer."""
        if self.incoming is not None:
            self.incoming.close()
            self.incoming = None  # the two hold one another

    def _read(self) -> Incoming:
        incoming = self.incoming
        if incoming is None:
            incoming = self.incoming = Incoming(self._receive, self._scope["headers"], self._abandon, self._outside)
        return incoming

    def _listen(self) -> None:
        if not (self._complete or self.over):
            self._read().listen()

    def _abandon(self) -> None:
        if not self._complete:
            self.abandoned = True
            self.cancel()


async def _tell_nobody(send: Send) -> None:
    # Middleware around us may count on an answer, although the server has nobody to send it to.
    with suppress(OSError):
        await send({"type": "http.response.start", "status": _CLIENT_GONE, "headers": []})
        await send({"type": "http.response.body", "body": b""})


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
