"""The access log of ASGI apps."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import quote

from weft.adapters.recording import PATH, REQUEST_ID, Fields, Recorder, Recording
from weft.logs.access import Format

__all__ = ["AccessLog", "App", "Message", "Receive", "Send"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_REQUEST_ID = REQUEST_ID.lower().encode("ascii")
_BEGINNINGS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
_SWITCHED = 101
_REFUSED = 403  # what a websocket that is closed before it was accepted is answered
_LOST = 1006  # how a websocket ends whose connection broke


class AccessLog:
    """The ASGI middleware of an access log. Safe to use by any number of requests at once.

    A line is logged through the logger `weft.access` when the last byte of the answer has been handed to the server,
    before background tasks run, or when the app is done without that, because the client has gone or it has raised. A
    websocket gets one line, at its end. Each answer gets an `X-Request-ID`, which stands in every line that is logged
    during the request, too.

    Args:
        app: the ASGI app inside.
        format: "common", "combined", "json", or a function that makes the line of a `Hit`.
        fields: `fields(scope, hit)` returns further fields for the record.
        trusted_proxies: addresses or networks whose `X-Forwarded-For` is believed; "unix": those on a Unix socket.

    Raises:
        InvalidValue: an unknown format, or something that is not a network.
    """

    def __init__(
        self,
        app: App,
        format: Format = "combined",  # noqa: A002 - the field's name for it
        *,
        fields: Fields | None = None,
        trusted_proxies: Iterable[str] = (),
    ) -> None:
        self.app = app
        self._recorder = Recorder(format, fields, trusted_proxies)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        recording = Recording(self._recorder, _Request(scope))
        answer = _Answer(recording, receive, send)
        recording.enter()
        try:
            await self.app(scope, answer.receive, answer.send)
        except BaseException as error:
            recording.failed(error)
            raise
        finally:
            recording.end()
            recording.leave()


class _Answer:
    """One answer on its way: notes what goes by."""

    def __init__(self, recording: Recording, receive: Receive, send: Send) -> None:
        self._recording = recording
        self._receive = receive
        self._send = send
        self._headers: Headers = ()

    async def receive(self) -> Message:
        """The server's `receive`."""
        message = await self._receive()
        kind, recording = message["type"], self._recording
        if kind == "http.disconnect":
            recording.gone = True
        elif kind == "websocket.disconnect":
            recording.gone = True
            recording.complete = bool(recording.status) and message.get("code") != _LOST
        return message

    async def send(self, message: Message) -> None:
        """The server's `send`."""
        kind = message["type"]
        if kind in _BEGINNINGS:
            message = self._begin(message)
        try:
            await self._send(message)
        except OSError:  # how servers say that nobody listens any more (ASGI 2.4)
            self._recording.gone = True
            if kind in _BEGINNINGS:
                self._recording.status = 0
            raise
        self._sent(kind, message)

    def _begin(self, message: Message) -> Message:
        recording = self._recording
        headers = self._headers = message.get("headers") or ()
        recording.answered(message.get("status", _SWITCHED), _as_text(headers))
        if any(name.lower() == _REQUEST_ID for name, _ in headers):
            return message
        return {**message, "headers": [*headers, (_REQUEST_ID, recording.request_id.encode("ascii"))]}

    def _sent(self, kind: str, message: Message) -> None:
        recording = self._recording
        match kind:
            case "http.response.body" | "websocket.http.response.body":
                recording.size += len(message.get("body", b""))
                recording.complete = not message.get("more_body", False)
            case "http.response.pathsend":  # the server reads the file itself
                recording.size += _declared(self._headers)
                recording.complete = True
            case "websocket.send":
                recording.size += len(message.get("bytes") or (message.get("text") or "").encode())
            case "websocket.close":
                recording.status = recording.status or _REFUSED
                recording.complete = True
        if recording.complete:
            recording.end()


class _Request:
    """A request in ASGI's words."""

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        self.source = scope

    def header(self, name: str) -> str:
        wanted = name.encode("ascii")
        return ",".join([value.decode("latin-1") for known, value in self.source["headers"] if known == wanted])

    @property
    def method(self) -> str:
        return str(self.source.get("method", "GET"))  # a websocket begins as a GET

    @property
    def path(self) -> str:
        raw, query = self.source.get("raw_path"), self.source.get("query_string")
        written = raw.decode("latin-1") if raw else quote(self.source["path"], safe=PATH)
        return f"{written}?{query.decode('latin-1')}" if query else written

    @property
    def protocol(self) -> str:
        return f"HTTP/{self.source.get('http_version', '1.1')}"

    @property
    def peer(self) -> str:
        return str((self.source.get("client") or ("",))[0] or "")

    @property
    def user(self) -> str:
        user = self.source.get("user")  # of Starlette's AuthenticationMiddleware, or Django's in Channels
        with suppress(Exception):  # whoever made it may have left out its name
            return str(user if isinstance(user, str) else getattr(user, "display_name", user or ""))
        return ""


def _as_text(headers: Headers) -> Iterable[tuple[str, str]]:
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def _declared(headers: Headers) -> int:
    length = next((value for name, value in headers if name.lower() == b"content-length"), b"")
    return int(length) if length.isdigit() else 0
