"""weft in any WSGI app (Django, Flask, Pyramid, ...): an access log.

```python
from weft.adapters.wsgi import AccessLog

application = AccessLog(application)
```
"""

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any, Self, TypeAlias, TypeVar
from urllib.parse import quote

from weft.adapters.recording import PATH, REQUEST_ID, Fields, Recorder, Recording
from weft.logs.access import Format

__all__ = ["RECORDING", "AccessLog"]

T = TypeVar("T")
Environ: TypeAlias = dict[str, Any]
Headers: TypeAlias = list[tuple[str, str]]
App: TypeAlias = Callable[[Environ, Any], Iterable[bytes]]
Write: TypeAlias = Callable[[bytes], object]

RECORDING = "weft.recording"
"""Where the environ holds the recording of its request."""


class AccessLog:
    """The WSGI middleware. Safe to use by any number of threads.

    A line is logged through the logger `weft.access` when the server closes the answer: after the last byte, or when
    the client is gone. An app that raises before the first byte is noted with 500, which is what servers answer then.
    Each answer gets an `X-Request-ID`, which stands in every line that is logged during the request, too. Files that
    an app returns by `wsgi.file_wrapper` are sent as before. The app runs in a copy of the server's context: what it
    binds or sets there ends with the request.

    Args:
        app: the WSGI app inside.
        format: "common", "combined", "json", or a function that makes the line of a `Hit`.
        fields: `fields(environ, hit)` returns further fields for the record.
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

    def __call__(self, environ: Environ, start_response: Callable[..., Write]) -> Iterable[bytes]:
        """Serve one request."""
        recording = environ[RECORDING] = Recording(self._recorder, _Request(environ))
        context = copy_context()
        return context.run(self._serve, environ, _Answer(recording, start_response, context))

    def _serve(self, environ: Environ, answer: "_Answer") -> Iterable[bytes]:
        answer.recording.enter()
        try:
            chunks = self.app(environ, answer.start)
        except BaseException as error:
            answer.fail(error)
            answer.recording.end()
            raise
        return answer.of(chunks, environ.get("wsgi.file_wrapper"))


class _Answer:
    """One answer on its way: notes what goes by. All that is the app's runs in the request's context."""

    def __init__(self, recording: Recording, start_response: Callable[..., Write], context: Context) -> None:
        self.recording = recording
        self._start_response = start_response
        self._context = context
        self._close: Callable[[], object] | None = None
        self._length = ""  # as the app has declared it

    def start(self, status: str, headers: Headers, *exc_info: Any) -> Write:
        """The server's `start_response`; may come again, with `exc_info`, as long as nothing was sent."""
        recording = self.recording
        names = {name.lower(): value for name, value in headers}
        if REQUEST_ID.lower() not in names:
            headers = [*headers, (REQUEST_ID, recording.request_id)]
        write = self._start_response(status, headers, *exc_info)
        self._length = names.get("content-length", "")
        recording.answered(int(status[:3]), headers)

        def writing(data: bytes) -> None:
            write(data)
            recording.size += len(data)

        return writing

    def of(self, chunks: Iterable[bytes], file_wrapper: Any) -> Iterable[bytes]:
        """The answer's body, to be handed to the server."""
        self._close = getattr(chunks, "close", None)
        if isinstance(file_wrapper, type) and isinstance(chunks, file_wrapper) and self._watch(chunks):
            return chunks
        return (_SizedBody if hasattr(chunks, "__len__") else _Body)(chunks, self)

    def do(self, step: Callable[..., T], *args: Any) -> T:
        """Take a step of the app's."""
        return self._context.run(step, *args)

    def fail(self, error: BaseException) -> None:
        """Note what the app raised; if nothing has been sent, the server answers 500 in its place."""
        self.recording.failed(error)
        if not self.recording.size:
            self.recording.status = 0

    def close(self) -> None:
        """The server's last word, whether or not the last byte was sent."""
        self.do(self._end)

    def _end(self) -> None:
        try:
            if self._close is not None:
                self._close()
        except BaseException as error:
            self.recording.failed(error)
            raise
        finally:
            self.recording.end()

    def _watch(self, file: Any) -> bool:
        # The server knows this object and may have the kernel send it, past everybody: its declared length must do.
        if not self._length.isdecimal():
            return False
        try:
            file.close = self.close
        except AttributeError:
            return False
        self.recording.size += int(self._length)
        self.recording.complete = True
        return True


class _Body:
    """What the server iterates over, and closes."""

    def __init__(self, chunks: Iterable[bytes], answer: _Answer) -> None:
        self._chunks = chunks
        self._answer = answer
        self._iterator: Iterator[bytes] | None = None
        self.close = answer.close

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        answer = self._answer
        try:
            if self._iterator is None:
                self._iterator = answer.do(iter, self._chunks)
            chunk: bytes = answer.do(next, self._iterator)
        except StopIteration:
            answer.recording.complete = True
            raise
        except BaseException as error:
            answer.fail(error)
            raise
        answer.recording.size += len(chunk)
        return chunk


class _SizedBody(_Body):
    """One of known length: for an answer of one piece, servers add its `Content-Length`."""

    def __len__(self) -> int:
        return len(self._chunks)  # type: ignore[arg-type]  # it has one: looked at before


class _Request:
    """A request in WSGI's words."""

    def __init__(self, environ: Environ) -> None:
        self.source = environ

    def header(self, name: str) -> str:
        value: str = self.source.get(f"HTTP_{name.upper().replace('-', '_')}", "")
        return value

    @property
    def method(self) -> str:
        return str(self.source["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        written = self.source.get("RAW_URI") or self.source.get("REQUEST_URI")  # gunicorn and waitress; the others
        return str(written) if written else self._rebuilt

    @property
    def protocol(self) -> str:
        return str(self.source.get("SERVER_PROTOCOL", ""))

    @property
    def peer(self) -> str:
        return str(self.source.get("REMOTE_ADDR") or "")

    @property
    def user(self) -> str:
        return str(self.source.get("REMOTE_USER") or "")

    @property
    def _rebuilt(self) -> str:
        path = self.source.get("SCRIPT_NAME", "") + self.source.get("PATH_INFO", "")
        query = self.source.get("QUERY_STRING")
        written = quote(path, safe=PATH, encoding="latin-1")
        return f"{written}?{query}" if query else written
