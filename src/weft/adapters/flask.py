"""weft in Flask: a scope with a deadline around each request, and honest answers to overload and lateness.

```python
from weft.adapters.flask import Weft

Weft(app, deadline=10.0)          # or, with an app factory: weft = Weft(deadline=10.0), then weft.init_app(app)
```
"""

from functools import partial
from typing import Any

import flask.globals
from flask import Flask, Response, got_request_exception, request

from weft.adapters.problem import KINDS, noted
from weft.adapters.request import RequestScope, weft_deadline
from weft.adapters.settings import DEADLINE_HEADER, Settings, configure_runtime, prepare
from weft.adapters.wsgi import RECORDING, AccessLog
from weft.logs.access import Format

__all__ = ["Weft", "weft_deadline"]


class Weft:
    """The Flask extension. One object can serve any number of apps.

    Each request runs in a scope: what views, and the functions that run before and after them, start with weft ends by
    the request's deadline and is cancelled when the request is over. Tasks see `g`, `request`, `session` and
    `current_app` as the view does. A body that is streamed is sent after the request is over, and no longer bounded.

    `Overloaded` becomes an answer 503 with `Retry-After`, and `DeadlineExceeded` one of 504, in
    `application/problem+json` (RFC 9457); an exception group counts if nothing else is in it. Error handlers of the
    app for these very exceptions, and any that a blueprint has for itself, come first.

    A client that goes away is not noticed: WSGI has no way to tell. Its request ends by its deadline.

    Settings in `app.config`, read when weft is installed: `WEFT_DEADLINE` (seconds, or None), `WEFT_DEADLINE_HEADER`
    and `WEFT_ACCESS_LOG`, which take precedence over the arguments; and each attribute of `weft.Config` in capitals, as
    in `WEFT_THREADS`, for the runtime that all apps of the process share.

    The scope is around Flask's whole WSGI app: a test client's requests have it, a bare `test_request_context` has not.

    Args:
        app: the application; None: call `init_app` later.
        deadline: seconds that a request may take; None: no bound. A view may choose its own with `@weft_deadline`.
        deadline_header: the request header by which a client may ask for less, in seconds; None: none.
        access_log: the format of a `weft.adapters.wsgi.AccessLog` around the app; None: there is none.

    Raises:
        InvalidValue: a deadline of 0 seconds or less, an unknown format, or an impossible setting.
        InvalidCall: a setting of the runtime changes after its first use.
        WeftError: gevent or eventlet has patched this process.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        deadline: float | None = 10.0,
        deadline_header: str | None = DEADLINE_HEADER,
        access_log: Format | None = None,
    ) -> None:
        self._settings = Settings(deadline, deadline_header, access_log)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Install weft in an application; once is enough, twice does no harm."""
        if "weft" in app.extensions:
            return
        app.extensions["weft"] = self
        settings = self._settings.overridden(app.config.get)
        app.config["WEFT_DEADLINE"] = settings.deadline
        app.config["WEFT_DEADLINE_HEADER"] = settings.deadline_header
        app.config["WEFT_ACCESS_LOG"] = settings.access_log
        configure_runtime(app.config.get)
        prepare()
        app.wsgi_app = partial(_serve, settings, app.wsgi_app)  # type: ignore[method-assign]  # as Flask's manual has it
        _log_access(app, settings.access_log)
        for kind in KINDS:
            if kind not in app.error_handler_spec[None][None]:
                app.register_error_handler(kind, _answer)


def _serve(settings: Settings, wsgi_app: Any, environ: dict[str, Any], start_response: Any) -> Any:
    # Around Flask's contexts: hooks for each request would cost as much again, and would not see its teardown.
    scope = RequestScope(settings.deadline, settings.asked_in(environ))
    scope.open(None)
    try:
        return wsgi_app(environ, start_response)
    finally:
        scope.end()


def _answer(error: Exception) -> Any:
    problem = noted(error, request.method, request.path)
    if problem is None:
        return _pass_on(error)
    return Response(problem.body, problem.status, problem.headers)


def _pass_on(error: Exception) -> Any:
    """Go on as Flask would if there were no handler for groups."""
    app = flask.globals.current_app
    handlers = app.error_handler_spec[None][None]
    handler = handlers.get(Exception)
    if handler is None:
        raise error
    return app.ensure_sync(handler)(error)


def _log_access(app: Flask, wanted: Format | None) -> None:
    if wanted is not None:
        app.wsgi_app = AccessLog(app.wsgi_app, wanted)  # type: ignore[method-assign]  # as Flask's manual has it
        got_request_exception.connect(_note, app)


def _note(_app: Flask, exception: BaseException, **_: Any) -> None:
    """Tell the log what Flask answers 500 for without letting it out."""
    recording = request.environ.get(RECORDING)
    if recording is not None:  # a test's own request context has none
        recording.failed(exception)
