"""weft in Django, under WSGI and under ASGI: a scope with a deadline around each request.

```python
MIDDLEWARE = ["weft.adapters.django.Weft", ...]       # in settings.py; the first of them
WEFT_DEADLINE = 10.0
```
"""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings as project
from django.db import connections
from django.http import HttpResponse

from weft.adapters.hosted import HostedScope, Watches
from weft.adapters.problem import noted
from weft.adapters.request import RequestScope, weft_deadline
from weft.adapters.settings import Settings, configure_runtime, prepare
from weft.errors import DeadlineExceeded, InvalidCall
from weft.executors.worker import after_each_call

__all__ = ["Weft", "close_connections_after_tasks", "weft_deadline"]


class Weft:
    """The Django middleware. List it first, so that all others run within its scope.

    Each request runs in a scope: what views start with weft ends by the request's deadline and is cancelled when the
    request is over. Under ASGI an async view itself is cut short, 20 ms after the deadline, in which it may still
    answer with what it has; a sync view goes on, as it does under WSGI, with all its calls ended. A middleware that is
    sync only has Django run this one on a thread as well; then async views are not cut either. A streamed body is sent
    after the request is over, and no longer bounded.

    A view's `Overloaded` becomes an answer 503 with `Retry-After`, and its `DeadlineExceeded` one of 504, in
    `application/problem+json` (RFC 9457); an exception group counts if nothing else is in it. `process_exception` of
    every other middleware comes first. What a middleware itself raises is Django's 500.

    When a task ends, its thread closes the database connections that it has opened: they would stay open as long as
    the thread. With psycopg's pool (`"OPTIONS": {"pool": True}`) closing gives a connection back, and costs next to
    nothing. Tasks have connections of their own, and so do not see what the view's transaction has not committed.

    Under ASGI, Django cancels a request whose client has gone away, and the calls under way with it. Under WSGI there
    is no way to tell: such a request ends by its deadline.

    Settings: `WEFT_DEADLINE` (seconds, or None; 10.0), `WEFT_DEADLINE_HEADER` (the request header by which a client may
    ask for less, in seconds, or None; "X-Request-Timeout"), and each attribute of `weft.Config` in capitals, as in
    `WEFT_THREADS`. A view may choose its own deadline with `@weft_deadline`. The access log is installed around the
    application, in `wsgi.py` or `asgi.py`: see `weft.adapters.wsgi.AccessLog` and `weft.adapters.asgi.AccessLog`.

    Raises:
        InvalidValue: a deadline of 0 seconds or less, or an impossible setting.
        InvalidCall: a setting of the runtime changes after its first use, or is one that Django's middleware cannot do.
        WeftError: gevent or eventlet has patched this process.
    """

    sync_capable: bool = True
    async_capable: bool = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        self._settings = Settings().overridden(_setting)
        if self._settings.access_log is not None:
            raise InvalidCall(
                "WEFT_ACCESS_LOG: a middleware does not see an answer's end; write application = "
                "AccessLog(application) in wsgi.py or asgi.py, from weft.adapters.wsgi or weft.adapters.asgi"
            )
        configure_runtime(_setting)
        prepare()
        close_connections_after_tasks()
        self._watches = Watches()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Serve one request: an awaitable where Django asks for one."""
        return self._serve_async(request) if self._is_async else self._serve(request)

    def process_exception(self, request: Any, exception: Exception) -> Any:
        """Django's hook for what a view has raised: an `HttpResponse`, or None where it is no affair of weft's."""
        return _answer(request, exception)

    def _serve(self, request: Any) -> Any:
        scope = RequestScope(self._settings.deadline, self._settings.asked_in(request.META))
        scope.open(None)
        try:
            return self._get_response(request)
        finally:
            scope.end()

    async def _serve_async(self, request: Any) -> Any:
        settings = self._settings
        try:
            with HostedScope(settings.deadline, settings.asked_in(request.META), self._watches.here()):
                return await self._get_response(request)
        except DeadlineExceeded as error:
            return _answer(request, error)


def close_connections_after_tasks() -> None:
    """Have each thread of weft close its database connections when a task ends. The middleware does so by itself.

    For management commands and other programs that have no middleware. Once is enough, twice does no harm.
    """
    after_each_call(_close_connections)


def _close_connections() -> None:
    for connection in connections.all(initialized_only=True):
        connection.close()


def _setting(name: str, default: Any) -> Any:
    return getattr(project, name, default)


def _answer(request: Any, error: Exception) -> Any:
    problem = noted(error, request.method, request.path)
    if problem is None:
        return None
    return HttpResponse(problem.body, status=problem.status, headers=dict(problem.headers))
