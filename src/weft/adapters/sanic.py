"""weft in Sanic: a scope with a deadline around each handler.

```python
from weft.adapters.sanic import Weft

Weft(app, deadline=10.0)          # or, with an app factory: weft = Weft(deadline=10.0), then weft.init_app(app)
```
"""

import functools
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from sanic import HTTPResponse, Request, Sanic

from weft.adapters.hosted import HostedScope, Watches
from weft.adapters.problem import KINDS, noted
from weft.adapters.request import weft_deadline
from weft.adapters.settings import DEADLINE_HEADER, Settings, configure_runtime, prepare
from weft.http.pool import aclose

__all__ = ["Weft", "weft_deadline"]

Handler = Callable[..., Any]

_MARK = "__weft_bounded__"
_UNBOUNDED = Settings(deadline=None, deadline_header=None)


class Weft:
    """The Sanic extension. One object can serve any number of apps; an app has it as `app.ctx.weft`.

    Each handler runs in a scope on the worker's own loop: what it starts with weft ends by the request's deadline and
    is cancelled when the handler is done. At the deadline the handler itself is cut short, after 20 ms in which it may
    still answer with what it has. What it streams, by `request.respond()`, is covered; middleware is not: it runs
    outside. Websockets get a scope without a deadline. Sanic calls plain `def` handlers on the loop: have blocking
    work done by `await weft.to_thread(fn, ...)`.

    `Overloaded` becomes an answer 503 with `Retry-After`, and `DeadlineExceeded` one of 504, in
    `application/problem+json` (RFC 9457); an exception group counts if nothing else is in it. Exception handlers of the
    app and its blueprints for these very exceptions come first.

    When a client goes away, Sanic cancels the handler, and with it the calls under way. When a worker stops, weft
    closes the connections of `weft.http` on its loop; threads, processes and the rest end with the process, as
    `weft.close` says.

    Settings in `app.config`: `WEFT_DEADLINE` (seconds, or None) and `WEFT_DEADLINE_HEADER`, which take precedence over
    the arguments; and each attribute of `weft.Config` in capitals, as in `WEFT_THREADS`. Sanic writes an access log of
    its own, `access_log=True`, on which `weft.logs` can put its handler.

    Args:
        app: the application; None: call `init_app` later.
        deadline: seconds that a handler may take; None: no bound. One may choose its own with `@weft_deadline`.
        deadline_header: the request header by which a client may ask for less, in seconds; None: none.

    Raises:
        InvalidValue: a deadline of 0 seconds or less, or an impossible setting.
        InvalidCall: a setting of the runtime changes after its first use.
        WeftError: gevent or eventlet has patched this process.
    """

    def __init__(
        self,
        app: "Sanic[Any, Any] | None" = None,
        *,
        deadline: float | None = 10.0,
        deadline_header: str | None = DEADLINE_HEADER,
    ) -> None:
        self._settings = Settings(deadline, deadline_header)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: "Sanic[Any, Any]") -> None:
        """Install weft in an application; once is enough, twice does no harm."""
        if hasattr(app.ctx, "weft"):
            return
        app.ctx.weft = self
        settings = self._settings.overridden(app.config.get)
        configure_runtime(app.config.get)
        prepare()
        app.register_listener(functools.partial(_begin, settings), "before_server_start")
        app.register_listener(_end, "after_server_stop")


async def _begin(settings: Settings, app: "Sanic[Any, Any]") -> None:
    """In each worker, when every handler is known."""
    watches = Watches()
    for route in app.router.routes:
        if not hasattr(route.handler, _MARK):  # a second start in one process, as tests have it
            route.handler = _bounded(route.handler, settings, watches)
    handlers = app.error_handler
    for kind in KINDS:
        if (kind, None) not in handlers.cached_handlers:
            handlers.add(kind, _answer)


async def _end(_app: "Sanic[Any, Any]") -> None:
    await aclose()


def _bounded(handler: Handler, settings: Settings, watches: Watches) -> Handler:
    chosen = _UNBOUNDED if hasattr(handler, "is_websocket") else settings

    @functools.wraps(handler)  # with `is_stream` and `is_websocket`, by which Sanic knows them
    async def bounded(request: Request, *args: Any, **kwargs: Any) -> Any:
        with HostedScope(chosen.deadline, chosen.asked(request.headers.get), watches.here()):
            answer = handler(request, *args, **kwargs)
            return await answer if isawaitable(answer) else answer

    setattr(bounded, _MARK, True)
    return bounded


def _answer(request: Request, error: Exception) -> Any:
    problem = noted(error, request.method, request.path)
    if problem is None:
        return _pass_on(request, error)
    return HTTPResponse(problem.body, problem.status, dict(problem.headers))


def _pass_on(request: Request, error: Exception) -> Any:
    """Go on as Sanic would if there were no handler for groups."""
    handlers = request.app.error_handler
    handler = handlers.cached_handlers.get((Exception, None)) or handlers.default
    return handler(request, error)
