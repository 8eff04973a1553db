"""How the requests of web frameworks are read: one table, by what a request has. No framework is imported."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from weft.errors import InvalidCall
from weft.uploads.errors import UploadRefused

__all__ = ["SOURCES", "Source", "source_of"]

_READ = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Source:
    """A request's body. One of `blocking` and `chunks` is there.

    Attributes:
        content_type: its header, or "".
        content_length: its header, or None.
        content_encoding: its header, or "".
        blocking: what reads it on a thread.
        chunks: what reads it on the event loop.
        stop: makes a `blocking` read end at once, from another thread; None: there is no way.
        drop: has the server not wait for the rest of a body that is refused; None: it does not.
    """

    content_type: str
    content_length: str | None
    content_encoding: str
    blocking: Callable[[], Iterator[bytes]] | None = None
    chunks: Callable[[], AsyncGenerator[bytes, None]] | None = None
    stop: Callable[[], object] | None = None
    drop: Callable[[], object] | None = None


def source_of(request: Any) -> Source:
    """How this request is read.

    Raises:
        InvalidCall: it is no request, or somebody has read it already.
    """
    for source in SOURCES:
        found = source(request)
        if found is not None:
            return found
    raise InvalidCall(
        f"{type(request).__name__} is no request that can be read: pass that of Flask, Django, FastAPI, Starlette or "
        "Sanic, as your view got it"
    )


def wsgi(request: Any) -> Source | None:
    """Flask, Django under WSGI, and whatever else has the `environ` of PEP 3333."""
    environ = getattr(request, "environ", None)
    if not isinstance(environ, dict) or "wsgi.input" not in environ:
        return None
    if {"form", "files", "_cached_data"} & vars(request).keys():  # as Werkzeug caches them
        raise _read_before()
    if hasattr(request, "META"):
        _take_from_django(request)

    length = environ.get("CONTENT_LENGTH") or None

    def pieces() -> Iterator[bytes]:
        # PEP 3333: never more than was announced. Without that, only a server that ends the stream can be read.
        stream = environ["wsgi.input"]
        left = int(length) if length is not None else None if environ.get("wsgi.input_terminated") else 0
        while left is None or left > 0:
            data = _read(stream, _READ if left is None else min(_READ, left))
            if not data:
                return
            left = None if left is None else left - len(data)
            yield data

    socket = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    return Source(
        environ.get("CONTENT_TYPE", ""),
        length,
        environ.get("HTTP_CONTENT_ENCODING", ""),
        blocking=pieces,
        stop=None if socket is None else lambda: socket.shutdown(0),  # SHUT_RD: it can still be answered
    )


def django_asgi(request: Any) -> Source | None:
    """Django under ASGI: it has read the body to its own temporary file before any view is called."""
    if not hasattr(request, "META") or not hasattr(request, "read"):
        return None
    _take_from_django(request)

    def pieces() -> Iterator[bytes]:
        while data := _read(request, _READ):
            yield data

    meta = request.META
    return Source(
        meta.get("CONTENT_TYPE", ""),
        meta.get("CONTENT_LENGTH") or None,
        meta.get("HTTP_CONTENT_ENCODING", ""),
        blocking=pieces,
    )


def starlette(request: Any) -> Source | None:
    """FastAPI, Starlette, and others whose request has the `scope` of ASGI and a `stream()`."""
    if not isinstance(getattr(request, "scope", None), dict) or not callable(getattr(request, "stream", None)):
        return None
    if getattr(request, "_stream_consumed", False):
        raise _read_before()

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            async for data in request.stream():
                yield data
        except Exception as error:
            raise _disconnected() from error

    return _by_headers(request.headers, chunks)


def sanic(request: Any) -> Source | None:
    """Sanic: a handler with `stream=True`, or one for which Sanic has read the body already."""
    if not hasattr(request, "conn_info") or not hasattr(request, "stream"):
        return None

    async def chunks() -> AsyncGenerator[bytes, None]:
        if request.body:
            for start in range(0, len(request.body), _READ):
                yield request.body[start : start + _READ]
                await asyncio.sleep(0)
        while request.stream is not None and (data := await request.stream.read()) is not None:
            yield data

    def drop() -> None:
        # Else Sanic reads on, up to this size, when a handler has answered before the end.
        if request.stream is not None:
            request.stream.request_max_size = 0

    return replace(_by_headers(request.headers, chunks), drop=drop)


SOURCES: tuple[Callable[[Any], Source | None], ...] = (wsgi, django_asgi, sanic, starlette)


def _by_headers(headers: Any, chunks: Callable[[], AsyncGenerator[bytes, None]]) -> Source:
    return Source(
        headers.get("content-type") or "",
        headers.get("content-length"),
        headers.get("content-encoding") or "",
        chunks=chunks,
    )


def _read(stream: Any, size: int) -> bytes:
    try:
        data: bytes = stream.read(size)
    except Exception as error:  # each server has its own for a client that goes away, or sends nonsense
        raise _disconnected() from error
    return data


def _take_from_django(request: Any) -> None:
    """Tell Django that somebody reads the body: what asks for `request.POST` later is told so."""
    if getattr(request, "_read_started", False) or hasattr(request, "_body"):
        raise _read_before()
    request.read(0)


def _read_before() -> InvalidCall:
    return InvalidCall(
        "the body of this request has been read already: call receive(request) before anything looks at its form, and "
        "in Django put @csrf_exempt on the view, since the check reads the form (see docs/how-to/receive-uploads.md)"
    )


def _disconnected() -> UploadRefused:
    return UploadRefused(400, "disconnected", "the request ended before all of it had come")
