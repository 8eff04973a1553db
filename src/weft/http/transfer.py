"""One libcurl handle and what it is doing: reused from call to call, so that a plain call makes no objects."""

import asyncio
import socket
from collections import deque
from typing import Any, TypeAlias

import pycurl

from weft.http.certificates import trusted_file
from weft.http.errors import ConnectionReset, GuardRefused, HTTPError
from weft.http.outgoing import Options, Request, Timeouts
from weft.http.response import Response, last_status

__all__ = ["Kind", "StreamTransfer", "Transfer", "kind_of"]

# What decides a handle's options; handles of one kind differ in address, header fields, body and timeouts alone.
Kind: TypeAlias = tuple[str, bool, str, Options]

_USER_AGENT = "weft"
_SUPPRESS_CONNECT_HEADERS = 265
_FOLLOW_OBEYCODE = 2  # a redirect that asks for GET (303) gets it, whatever the verb was
_NEVER = 2**31 - 1  # milliseconds; 0 would be libcurl's own five minutes
_HIGH_WATER = 256 * 1024
_LOW_WATER = 64 * 1024
_POSTED_EMPTY = frozenset({"POST", "PUT", "PATCH"})  # their missing body is announced, as Content-Length: 0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SEEK_OK: int = pycurl.SEEKFUNC_OK
_SEEK_FAIL: int = pycurl.SEEKFUNC_FAIL
_GO: int = pycurl.PREREQFUNC_OK
_ABORT: int = pycurl.PREREQFUNC_ABORT
_PAUSE: int = pycurl.WRITEFUNC_PAUSE
_VERSIONS = {
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2TLS,
    "3": pycurl.CURL_HTTP_VERSION_3,
}


def kind_of(request: Request) -> Kind:
    """Tell which handles can send a request."""
    return (request.method, request.body is None, request.target.scheme, request.options)


class Transfer:
    """A handle. Its callbacks are the lists' own `append`: no Python code runs while an answer arrives."""

    reusable = True

    __slots__ = (
        "_headers",
        "_posts",
        "_sends",
        "_timeouts",
        "_url",
        "chunks",
        "easy",
        "future",
        "head",
        "kind",
        "quiet_since",
        "refusal",
        "request",
        "seen",
        "sent",
    )

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.easy: Any = pycurl.Curl()
        self.head: list[bytes] = []
        self.chunks: list[bytes] = []
        self.future: asyncio.Future[Any] | None = None
        self.request: Request = None  # type: ignore[assignment] # set by `prepare`, before anything reads it
        self.refusal: HTTPError | None = None
        self.sent = 0
        self.seen = -1
        self.quiet_since = 0.0
        self._sends = 0
        self._url = ""
        # libcurl adds fields of its own to whatever it posts, so a handle that posts sets its fields in any case.
        self._posts = kind[0] != "HEAD" and (not kind[1] or kind[0] in _POSTED_EMPTY)
        self._headers: Any = None if self._posts else ()
        self._timeouts: Timeouts | None = None
        self._set_up()

    def prepare(self, request: Request, future: "asyncio.Future[Any]") -> None:
        """Load the request. Sets only what differs from the handle's last one."""
        easy = self.easy
        self.request = request
        self.future = future
        self.seen = -1
        url = request.target.url
        if url is not self._url:
            self._url = url
            easy.setopt(pycurl.URL, url)
        if request.timeouts is not self._timeouts:
            self._set_timeouts(request.timeouts)
        if request.headers is not self._headers:
            self._set_headers(request)
        if request.body is not None:
            easy.setopt(pycurl.POSTFIELDSIZE_LARGE, len(request.body))

    def response(self) -> Response:
        """Make the answer of a transfer that ended well."""
        info, chunks = self.easy.getinfo, self.chunks
        redirects = info(pycurl.REDIRECT_COUNT)
        return Response(
            self.request,
            info(pycurl.RESPONSE_CODE),
            self.head[:],
            chunks[0] if len(chunks) == 1 else b"".join(chunks),
            self.times(),
            info(pycurl.EFFECTIVE_URL) if redirects else "",
            redirects,
        )

    def times(self) -> tuple[int, ...]:
        """Microseconds until name, connection, TLS, first byte and end."""
        info = self.easy.getinfo
        return (
            info(pycurl.NAMELOOKUP_TIME_T),
            info(pycurl.CONNECT_TIME_T),
            info(pycurl.APPCONNECT_TIME_T),
            info(pycurl.STARTTRANSFER_TIME_T),
            info(pycurl.TOTAL_TIME_T),
        )

    def clear(self) -> None:
        """Forget the call, for the next one."""
        self.future = None
        self.head.clear()
        self.chunks.clear()
        if self.sent or self._sends or self.refusal is not None:
            self.sent = self._sends = 0
            self.refusal = None

    def succeed(self, future: "asyncio.Future[Any]") -> None:
        """Hand over the answer."""
        future.set_result(self.response())

    def fail(self, future: "asyncio.Future[Any]", error: HTTPError) -> None:
        """Hand over the error."""
        if not future.done():
            future.set_exception(error)

    @property
    def connected(self) -> bool:
        """Whether the connection was there, so that the request could go out."""
        return bool(self.easy.getinfo(pycurl.PRETRANSFER_TIME_T))

    def progress(self) -> int:
        """Count what has arrived and been sent; grows with each piece."""
        return len(self.head) + len(self.chunks) + self.sent

    def silent_for(self, now: float) -> float:
        """Tell for how many seconds the server has been silent, as far as earlier looks can tell."""
        progress = self.progress()
        if progress != self.seen or not self.connected:
            self.seen = progress
            self.quiet_since = now
        return now - self.quiet_since

    def _set_up(self) -> None:
        method, _, scheme, options = self.kind
        setopt = self.easy.setopt
        setopt(pycurl.NOSIGNAL, 1)
        setopt(pycurl.USERAGENT, _USER_AGENT)
        setopt(pycurl.ACCEPT_ENCODING, "")  # all that libcurl decodes
        setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        setopt(_SUPPRESS_CONNECT_HEADERS, 1)
        self._set_receivers()
        if options.max_body is not None:
            setopt(pycurl.MAXFILESIZE_LARGE, options.max_body)
        self._set_verb(method)
        self._set_route(options, scheme)
        if scheme == "https" or options.follow_redirects:
            self._set_tls(options)

    def _set_receivers(self) -> None:
        self.easy.setopt(pycurl.WRITEFUNCTION, self.chunks.append)
        self.easy.setopt(pycurl.HEADERFUNCTION, self.head.append)

    def _set_verb(self, method: str) -> None:
        setopt = self.easy.setopt
        safe = method in {"GET", "HEAD", "OPTIONS", "TRACE"}
        if method == "HEAD":
            setopt(pycurl.NOBODY, 1)
        elif self._posts:
            setopt(pycurl.POST, 1)
            setopt(pycurl.POSTFIELDSIZE_LARGE, 0)
            setopt(pycurl.READFUNCTION, self._read)
            setopt(pycurl.SEEKFUNCTION, self._seek)
        if method not in {"GET", "HEAD", "POST"} or (method == "GET" and self._posts):
            setopt(pycurl.CUSTOMREQUEST, method)
        if not safe or self.kind[3].guard is not None:
            setopt(pycurl.PREREQFUNCTION, self._before_sending)

    def _set_route(self, options: Options, scheme: str) -> None:
        setopt = self.easy.setopt
        if options.follow_redirects and options.guard is None:
            setopt(pycurl.FOLLOWLOCATION, _FOLLOW_OBEYCODE)
            setopt(pycurl.MAXREDIRS, options.max_redirects)
            setopt(pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        if options.guard is not None:
            setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        if options.guard is not None or options.proxy is not None:
            setopt(pycurl.PROXY, options.proxy or "")
            setopt(pycurl.NOPROXY, "*" if not options.proxy else "")
        if options.http_version == "2" and scheme == "http":
            setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
        elif options.http_version is not None:
            setopt(pycurl.HTTP_VERSION, _VERSIONS[options.http_version])

    def _set_tls(self, options: Options) -> None:
        setopt = self.easy.setopt
        # Calls that start together wait for the first one's ALPN instead of opening a connection each.
        setopt(pycurl.PIPEWAIT, 1 if self.kind[2] == "https" else 0)
        setopt(pycurl.CAINFO, options.ca or trusted_file())
        if not options.verify:
            setopt(pycurl.SSL_VERIFYPEER, 0)
            setopt(pycurl.SSL_VERIFYHOST, 0)
        if options.cert is not None:
            setopt(pycurl.SSLCERT, options.cert[0])
            setopt(pycurl.SSLKEY, options.cert[1])

    def _set_timeouts(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self.easy.setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(timeouts.connect, _NEVER))
        self.easy.setopt(pycurl.TIMEOUT_MS, _milliseconds(timeouts.total, 0))

    def _set_headers(self, request: Request) -> None:
        self._headers = request.headers
        lines = [f"{name}: {value}" if value else f"{name};" for name, value in request.fields]
        if self._posts:
            names = {name.lower() for name, _ in request.fields}
            # libcurl would call any body a form, and would wait a second for a server that does not know Expect.
            lines += [f"{name}:" for name in ("Content-Type", "Expect") if name.lower() not in names]
        # An empty list would leave the last call's fields in place.
        self.easy.setopt(pycurl.HTTPHEADER, [line.encode("latin-1") for line in lines] or None)

    def _read(self, size: int) -> bytes:
        start, self.sent = self.sent, self.sent + size
        return self.request.body[start : start + size] if self.request.body else b""

    def _seek(self, offset: int, _origin: int) -> int:
        # Asked for by a redirect that repeats the body (307, 308), after its head; a silent second sending has none.
        if not self.head:
            return _SEEK_FAIL
        self.sent = offset
        return _SEEK_OK

    def _before_sending(self, address: str, _local: str, _port: int, _local_port: int) -> int:
        """Stop libcurl from sending an unsafe verb again on its own account, and check where a guarded call goes."""
        if self._sends > len(self.head) and not self.request.safe:
            self.refusal = ConnectionReset(
                f"the kept connection broke before an answer; the server may have acted on the {self.request.method}"
            )
            return _ABORT
        self._sends = len(self.head) + 1
        return _GO if self._allows(address) else _ABORT

    def _open_socket(self, _purpose: int, address: Any) -> Any:
        if not self._allows(address.addr[0]):
            return pycurl.SOCKET_BAD
        return _Lent(socket.socket(address.family, address.socktype, address.protocol))

    def _allows(self, address: str | bytes) -> bool:
        guard = self.kind[3].guard
        if guard is None:
            return True
        try:
            text = address.decode() if isinstance(address, bytes) else address
            guard.check_address(self.request.target.host, text)
        except (GuardRefused, ValueError) as error:  # an address that cannot be read is none that can be allowed
            self.refusal = error if isinstance(error, GuardRefused) else GuardRefused(str(error))
        return self.refusal is None


class StreamTransfer(Transfer):
    """A handle whose body is read piece by piece. Used for one call, whose end its reader tells with `abandon`."""

    reusable = False

    __slots__ = ("_held", "_loop", "_pieces", "_waiter", "ended", "failure", "paused", "received")

    def __init__(self, kind: Kind, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._waiter: asyncio.Future[None] | None = None
        self.ended = False
        self.paused = False
        self.received = 0
        self.failure: HTTPError | None = None
        super().__init__(kind)

    async def pull(self) -> bytes:
        """Wait for the next piece and return it; b"" at the end."""
        while not self._pieces:
            if self.failure is not None:
                raise self.failure
            if self.ended:
                return b""
            self._waiter = self._loop.create_future()
            await self._waiter
        piece = self._pieces.popleft()
        self._held -= len(piece)
        if self.paused and self._held < _LOW_WATER and not self.ended:
            self.paused = False
            self.easy.pause(pycurl.PAUSE_CONT)
        return piece

    def succeed(self, future: "asyncio.Future[Any]") -> None:
        """Note the end; the head may have come with it."""
        self.ended = True
        self._announce(future)
        self._wake()

    def fail(self, future: "asyncio.Future[Any]", error: HTTPError) -> None:
        """Note the error, for whoever waits: for the head, or for the next piece."""
        self.ended = True
        self.failure = error
        super().fail(future, error)
        self._wake()

    def progress(self) -> int:
        """Count pieces; those that wait for the reader are not the server's silence."""
        if self._pieces or self.paused:
            self.received += 1
        return len(self.head) + self.received + self.sent

    def _set_receivers(self) -> None:
        self.easy.setopt(pycurl.WRITEFUNCTION, self._receive)
        self.easy.setopt(pycurl.HEADERFUNCTION, self._receive_head)

    def _receive(self, piece: bytes) -> int | None:
        if self._held >= _HIGH_WATER:
            self.paused = True
            return _PAUSE
        self._pieces.append(piece)
        self._held += len(piece)
        self.received += 1
        self._wake()
        return None

    def _receive_head(self, line: bytes) -> None:
        self.head.append(line)
        if self.future is not None and not line.strip(b"\r\n") and self._is_last_head():
            self._announce(self.future)

    def _is_last_head(self) -> bool:
        # libcurl answers no questions inside a callback: the status is read from the head itself.
        answer = Response(self.request, last_status(self.head), self.head, b"")
        if answer.status_code < 200:  # noqa: PLR2004 - RFC 9110, section 15.2: interim answers
            return False
        follows = self.kind[3].follow_redirects and self.kind[3].guard is None
        return not (follows and answer.status_code in _REDIRECTS and "location" in answer.headers)

    @staticmethod
    def _announce(future: "asyncio.Future[Any]") -> None:
        if not future.done():
            future.set_result(None)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Lent:
    """A socket for pycurl, which takes a duplicate of its descriptor and drops the rest."""

    __slots__ = ("_socket",)

    def __init__(self, it: socket.socket) -> None:
        self._socket = it

    def __del__(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """The descriptor to duplicate."""
        return self._socket.fileno()


def _milliseconds(seconds: float | None, unbounded: int) -> int:
    return unbounded if seconds is None or seconds * 1000 >= _NEVER else max(1, round(seconds * 1000))
