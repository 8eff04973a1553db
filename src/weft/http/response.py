"""What comes back from a call: `Response`, whole, and `Stream`, as it arrives.

Only what every caller looks at is read from the wire at once; header fields and timings are parsed when asked for.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from weft.errors import InvalidCall
from weft.http.errors import StatusError
from weft.http.headers import Headers
from weft.http.outgoing import Request
from weft.http.url import join

__all__ = ["Response", "Stream", "Timings", "last_status"]

_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.ASCII)
_ERROR = 400


class Timings(NamedTuple):
    """When each step of the last hop was done, in seconds since its start; 0.0 for a step that was not needed.

    A reused connection needs no dns, connect and tls. `total` spans the whole call, redirects included.
    """

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0
    total: float = 0.0


class Response:
    """An answer. Read-only; any thread.

    Attributes:
        request: what was asked for.
        status_code: such as 200.
        content: the body, decoded from gzip, br or deflate.
        url: the address that answered, after redirects.
        redirect_count: how many redirects were followed.
    """

    __slots__ = ("_block", "_content", "_head", "_headers", "_times", "redirect_count", "request", "status_code", "url")

    def __init__(  # noqa: PLR0917 - made once in each call, where keywords cost
        self,
        request: Request,
        status_code: int,
        head: Sequence[bytes],
        content: bytes,
        times: Sequence[int] = (),  # microseconds: dns, connect, tls, first byte, total
        url: str = "",
        redirect_count: int = 0,
    ) -> None:
        self.request = request
        self.status_code = status_code
        self._head = head
        self._content = content
        self._times = times
        self.url = url or request.url
        self.redirect_count = redirect_count
        self._headers: Headers | None = None
        self._block: list[bytes] | None = None

    @property
    def content(self) -> bytes:
        """The body, decoded from gzip, br or deflate."""
        return self._content

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < _ERROR

    @property
    def headers(self) -> Headers:
        """The header fields of the last hop, without trailers."""
        if self._headers is None:
            self._headers = Headers(_fields(self._last_block()[1:]))
        return self._headers

    @property
    def reason(self) -> str:
        """The words after the status; "" over HTTP/2 and 3, which have none."""
        return _word(self._last_block()[:1], 2)

    @property
    def http_version(self) -> str:
        """Such as "1.1" or "2"."""
        return _word(self._last_block()[:1], 0).partition("/")[2]

    @property
    def history(self) -> tuple[tuple[int, str], ...]:
        """The redirects: the status and the address of each hop before the last."""
        hops, here = list[tuple[int, str]](), self.request.url
        for block in _blocks(self._head)[:-1]:
            location = Headers(_fields(block[1:])).get("location")
            if location is not None:
                hops.append((int(_word(block, 1)), here))
                here = join(here, location)
        return tuple(hops)

    @property
    def timings(self) -> Timings:
        """When each step was done."""
        return Timings(*[micros / 1e6 for micros in self._times])

    @property
    def text(self) -> str:
        """The body as text: in the charset that Content-Type names, else UTF-8; what does not fit becomes U+FFFD."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        try:
            return self.content.decode(found.group(1) if found else "utf-8", "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Parse the body as JSON.

        Raises:
            ValueError: it is no JSON (`json.JSONDecodeError`).
        """
        import json  # noqa: PLC0415 - `import weft.http` stays cheap

        return json.loads(self.content)

    @property
    def raw_head(self) -> Sequence[bytes]:
        """The lines of each hop's head, as they came; HTTP/2 and 3 are written like HTTP/1."""
        return self._head

    def arrive(self, request: Request, head: Sequence[bytes], redirect_count: int, url: str) -> None:
        """Note the way here, where an engine followed the redirects itself."""
        self.request, self._head, self.redirect_count, self.url = request, head, redirect_count, url

    def raise_for_status(self) -> "Response":
        """Return this answer, or raise.

        Raises:
            StatusError: the status is 400 or above.
        """
        if self.ok:
            return self
        words = f"{self.status_code} {self.reason}".rstrip()
        method = self.request.method
        error = StatusError(f"the server answered {words}", url=self.url, method=method, status_code=self.status_code)
        error.response = self
        raise error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.request.method} {self.url}>"

    def _last_block(self) -> list[bytes]:
        if self._block is None:
            blocks = _blocks(self._head)
            self._block = blocks[-1] if blocks else []
        return self._block


class Stream(Response):
    """An answer whose body is still arriving. Used on the loop that opened it, by one reader.

    `async for chunk in stream` gives the body's bytes, decoded, in pieces of any size above 0.
    """

    __slots__ = ("_ended", "_pull")

    def __init__(self, pull: Callable[[], Awaitable[bytes]], response: Response) -> None:
        super().__init__(
            response.request,
            response.status_code,
            response.raw_head,
            b"",
            response._times,  # noqa: SLF001 - the same class's own
            response.url,
            response.redirect_count,
        )
        self._pull = pull
        self._ended = False

    @property
    def content(self) -> bytes:
        """The body, once `read` has it.

        Raises:
            InvalidCall: it has not been read.
        """
        if not self._ended:
            raise InvalidCall("the body has not been read yet: write `await stream.read()` first")
        return self._content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._pull()
        if not chunk:
            self._ended = True
            raise StopAsyncIteration
        return chunk

    async def read(self) -> bytes:
        """Read the rest of the body and return it; `text` and `json` work afterwards."""
        if not self._ended:
            self._content = b"".join([chunk async for chunk in self])
        return self._content


def last_status(head: Sequence[bytes]) -> int:
    """The status in the last status line of a head; 0 if there is none."""
    word = next((_word([line], 1) for line in reversed(head) if line.startswith(b"HTTP/")), "")
    return int(word) if word.isdigit() else 0


def _blocks(lines: Sequence[bytes]) -> list[list[bytes]]:
    """Split raw lines into one block per answer; trailer fields, which have no status line, are left out."""
    blocks, inside = list[list[bytes]](), False
    for line in lines:
        if line.startswith(b"HTTP/"):
            blocks.append([])
            inside = True
        if inside and line.strip(b"\r\n"):
            blocks[-1].append(line)
        else:
            inside = False
    return blocks


def _fields(lines: Sequence[bytes]) -> list[tuple[str, str]]:
    fields = list[tuple[str, str]]()
    for line in lines:
        text = line.decode("latin-1").rstrip("\r\n")
        if text[:1] in " \t" and fields:  # obs-fold (RFC 9112, section 5.2)
            name, value = fields.pop()
            fields.append((name, f"{value} {text.strip()}"))
        else:
            name, _, value = text.partition(":")
            fields.append((name.strip(), value.strip()))
    return fields


def _word(lines: Sequence[bytes], at: int) -> str:
    words = lines[0].decode("latin-1").rstrip("\r\n").split(" ", 2) if lines else []
    return words[at] if at < len(words) else ""
