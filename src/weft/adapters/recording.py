"""What an access log notes of each request: the part that WSGI and ASGI share."""

import logging
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol, TypeAlias

from weft.adapters.proxies import Proxies
from weft.clock import now
from weft.logs.access import Format, Hit, enabled, line_of, without_secrets, write
from weft.logs.context import attach, detach, new_request_id, parse_request_id, parse_traceparent
from weft.scopes.tally import Tally, tallying

__all__ = ["PATH", "REQUEST_ID", "Fields", "Recorder", "Recording", "Request"]

REQUEST_ID = "X-Request-ID"
PATH = "/%;=:@,!$&'()*+~"
"""What stands as it is in the path of an address (RFC 3986), for servers that do not keep what the client wrote."""

Fields: TypeAlias = Callable[[Any, Hit], Mapping[str, Any]]

_BODILESS = {204, 304}
_GONE = 499  # nginx's word for a client that left before there was an answer
_FAILED = 500


class Request(Protocol):
    """A request as an interface hands it over. Its texts have a character for each byte (latin-1)."""

    source: Any  # the environ, or the scope

    def header(self, name: str) -> str:
        """The header of that name, in lower case; lines of one name joined by commas; "" if there is none."""

    @property
    def method(self) -> str:
        """Such as "GET"."""

    @property
    def path(self) -> str:
        """As the client wrote it, with the query."""

    @property
    def protocol(self) -> str:
        """Such as "HTTP/1.1"."""

    @property
    def peer(self) -> str:
        """The address at the other end of the connection; "" where it has none."""

    @property
    def user(self) -> str:
        """Who has been let in; "" if nobody told."""


class Recorder:
    """How requests are noted: what the access log of an app is told once. Any thread.

    Args:
        format: "common", "combined", "json", or a function that makes the line of a `Hit`.
        fields: `fields(source, hit)` returns further fields; see `weft.logs.access.write`.
        trusted_proxies: see `Proxies`.

    Raises:
        InvalidValue: an unknown format, or something that is not a network.
    """

    def __init__(
        self,
        format: Format,  # noqa: A002 - the field's name for it
        fields: Fields | None = None,
        trusted_proxies: Iterable[str] = (),
    ) -> None:
        line_of(format)
        self.format = format
        self.fields = fields
        self._proxies = Proxies(trusted_proxies)

    def remote(self, request: Request) -> str:
        """The address of the client, as far as it can be known."""
        proxies = self._proxies
        return proxies.client(request.peer, request.header("x-forwarded-for")) if proxies else request.peer

    @property
    def wants_headers(self) -> bool:
        """Whether anybody may look at the answer's headers."""
        return self.fields is not None or callable(self.format)


class Recording:
    """One request as it is served. Its context is that of the server's thread or task; `end` may come from another.

    Attributes:
        request_id: the client's, if it sent one that may stand in a log; else its trace's; else a new one.
        status: of the answer, once it is known; 0 before.
        size: bytes of the body so far.
        headers: the answer's, where somebody wants them.
        error: the class of what the app raised.
        complete: whether the last byte has been handed over.
        gone: whether the client has left before that.
    """

    __slots__ = (
        "_attached", "_began", "_counting", "_over", "_recorder", "_request", "_tally", "complete", "error", "gone",
        "headers", "request_id", "size", "status",
    )  # fmt: skip

    def __init__(self, recorder: Recorder, request: Request) -> None:
        self._recorder = recorder
        self._request = request
        self._began = now()
        self._tally = Tally()
        self._over = False
        self.request_id = _id_of(request)
        self.status = 0
        self.size = 0
        self.headers: Mapping[str, str] = {}
        self.error = ""
        self.complete = False
        self.gone = False

    # -- the context

    def enter(self) -> None:
        """Have the calls made from here on counted, and the lines logged carry the request's id."""
        self._counting = tallying.set(self._tally)
        self._attached = attach(request_id=self.request_id)

    def leave(self) -> None:
        """Take the context back."""
        detach(self._attached)
        with suppress(ValueError):  # closed by another thread or task than it was opened by, whose context is its own
            tallying.reset(self._counting)

    # -- the answer

    def answered(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Note the beginning of the answer."""
        self.status = status
        if self._recorder.wants_headers:
            self.headers = {name.lower(): value for name, value in headers}

    def failed(self, error: BaseException) -> None:
        """Note what the app raised."""
        self.error = type(error).__name__

    def end(self) -> None:
        """Write the line, once. What goes wrong with that is shown as `logging` shows such errors, and never raised."""
        if self._over:
            return
        self._over = True
        if not enabled():
            return
        try:
            hit = self._hit()
            write(hit, self._recorder.format, self._further(hit))
        except Exception:  # noqa: BLE001 - the request has been served; its log must not break it
            _complain()

    def _hit(self) -> Hit:
        request, seconds, header = self._request, now() - self._began, self._request.header
        method = request.method
        return Hit(
            received=time.time() - seconds,
            seconds=seconds,
            method=method,
            path=without_secrets(request.path),
            protocol=request.protocol,
            status=self.status or (_GONE if self.gone else _FAILED),
            size=0 if method == "HEAD" or self.status in _BODILESS else self.size,
            remote=self._recorder.remote(request),
            user=request.user,
            referer=without_secrets(header("referer")),
            agent=header("user-agent"),
            request_id=self.request_id,
            totals=self._tally.totals(),
            error=self.error,
            aborted=not self.complete,
            headers=self.headers,
        )

    def _further(self, hit: Hit) -> Mapping[str, Any]:
        fields = self._recorder.fields
        if fields is None:
            return {}
        try:
            return fields(self._request.source, hit)
        except Exception:  # noqa: BLE001 - the line is worth having without them
            _complain()
            return {}


def _id_of(request: Request) -> str:
    sent = parse_request_id(request.header("x-request-id"))
    if sent is not None:
        return sent
    trace = parse_traceparent(request.header("traceparent"))
    return new_request_id() if trace is None else trace.trace_id


def _complain() -> None:
    if logging.raiseExceptions:
        traceback.print_exc()
