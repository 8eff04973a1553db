"""Calls to other servers: `await weft.http.get(url)`, alone or many at a time in a scope.

One engine (libcurl, or aiohttp) per event loop keeps the connections. Importing this package loads neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from weft.later import later

if TYPE_CHECKING:
    from weft.http import errors as errors
    from weft.http.api import delete as delete
    from weft.http.api import get as get
    from weft.http.api import head as head
    from weft.http.api import options as options
    from weft.http.api import patch as patch
    from weft.http.api import post as post
    from weft.http.api import put as put
    from weft.http.api import request as request
    from weft.http.api import stream as stream
    from weft.http.errors import HTTPError as HTTPError
    from weft.http.errors import StatusError as StatusError
    from weft.http.guards import Guard as Guard
    from weft.http.guards import guard as guard
    from weft.http.headers import Headers as Headers
    from weft.http.outgoing import Options as Options
    from weft.http.outgoing import Request as Request
    from weft.http.outgoing import Timeouts as Timeouts
    from weft.http.pool import aclose as aclose
    from weft.http.pool import close_engine as close_engine
    from weft.http.pool import engine_here as engine_here
    from weft.http.pool import use as use
    from weft.http.protocol import Engine as Engine
    from weft.http.protocol import EngineStatistics as EngineStatistics
    from weft.http.response import Response as Response
    from weft.http.response import Stream as Stream
    from weft.http.response import Timings as Timings

# Each name and the module that has it. No module here may bear the name of a function: importing it would hide it.
_HOME = {
    "delete": "api", "get": "api", "head": "api", "options": "api", "patch": "api", "post": "api", "put": "api",
    "request": "api", "stream": "api", "HTTPError": "errors", "StatusError": "errors", "Guard": "guards",
    "guard": "guards", "Headers": "headers", "aclose": "pool", "close_engine": "pool", "engine_here": "pool",
    "use": "pool", "Engine": "protocol", "EngineStatistics": "protocol", "Options": "outgoing", "Request": "outgoing",
    "Timeouts": "outgoing", "Response": "response", "Stream": "response", "Timings": "response",
}  # fmt: skip

__all__ = [*_HOME, "errors"]  # noqa: PLE0604 - the names are the table's


_load = later(__name__, _HOME)


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("weft.http.errors")
    return _load(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
