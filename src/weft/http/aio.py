"""The second engine: aiohttp, in pure asyncio (`pip install weft[aiohttp]`). HTTP/1.1 alone.

For platforms without libcurl, and as the other opinion in the contract suite. It keeps the first engine's promises;
`Response.timings` knows `first_byte` and `total` alone.
"""

import asyncio
import io
import math
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import aiohttp
from yarl import URL

from weft.clock import now
from weft.errors import InvalidValue
from weft.http.aio_support import error_of, proxy_of, tls_context
from weft.http.errors import BodyTooLarge, EngineClosed, GuardRefused, HTTPError, TotalTimeout
from weft.http.forked import belongs_to_this_process
from weft.http.guards import Guard
from weft.http.outgoing import Request, Timeouts
from weft.http.protocol import EngineStatistics
from weft.http.redirects import Hops
from weft.http.response import Response, Stream

__all__ = ["AiohttpEngine"]


_ONE_GO = 64 * 1024


class _Visit:
    """Where the current task is going, for the hook that opens its sockets."""

    __slots__ = ("guard", "host", "refusal")

    def __init__(self, host: str, guard: Guard) -> None:
        self.host = host
        self.guard = guard
        self.refusal: GuardRefused | None = None


_visit: ContextVar[_Visit | None] = ContextVar("weft_http_visit", default=None)


class _Call:
    """One answer as it arrives. aiohttp's errors become ours here, and the body is counted."""

    __slots__ = ("_engine", "_request", "_visit", "answer", "first", "received", "started")

    def __init__(self, engine: "AiohttpEngine", request: Request) -> None:
        self._engine = engine
        self._request = request
        guard = request.options.guard
        self._visit = None if guard is None else _Visit(request.target.host, guard)
        self.started = now()
        self.first = 0.0
        self.received = 0
        self.answer: aiohttp.ClientResponse | None = None

    async def begin(self, session: aiohttp.ClientSession) -> None:
        """Send the request and wait for the answer's head."""
        request = self._request
        token = _visit.set(self._visit)
        try:
            with self._translating():
                self.answer = await session.request(
                    request.method,
                    URL(request.target.url, encoded=True),
                    headers=request.fields,
                    data=_payload(request.body),
                    allow_redirects=False,
                    timeout=_client_timeout(request.timeouts),
                    ssl=tls_context(request.options),
                    proxy=proxy_of(request),
                )
        finally:
            _visit.reset(token)
        self.first = now()

    async def pull(self) -> bytes:
        """Wait for the next piece and return it; b"" at the end."""
        assert self.answer is not None
        with self._translating():
            piece = await self.answer.content.readany()
        self.received += len(piece)
        self._check_time()
        bound = self._request.options.max_body
        if bound is not None and self.received > bound:
            raise self._error(BodyTooLarge, f"the body is longer than {bound} bytes")
        return piece

    async def read(self) -> bytes:
        """Read the whole body."""
        pieces = list[bytes]()
        while piece := await self.pull():
            pieces.append(piece)
        return b"".join(pieces)

    def response(self, content: bytes = b"") -> Response:
        """Make an answer of what there is now."""
        answer = self.answer
        assert answer is not None
        version = answer.version or aiohttp.HttpVersion11
        status = f"HTTP/{version.major}.{version.minor} {answer.status} {answer.reason or ''}"
        head = [status.encode("latin-1", "replace"), *(name + b": " + value for name, value in answer.raw_headers)]
        times = (0, 0, 0, self._micros(self.first), self._micros(now()))
        return Response(self._request, answer.status, head, content, times)

    def end(self) -> None:
        """Give the connection back if the body has been read, else close it."""
        if self.answer is not None:
            self.answer.close()

    def _check_time(self) -> None:
        # A server that is always faster than we are leaves the loop no moment for aiohttp's own timer.
        total = self._request.timeouts.total
        if total is not None and now() - self.started > total:
            raise self._error(TotalTimeout, f"the call took longer than {total:g} s")

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if self._engine.closed:
                raise self._error(EngineClosed, "the engine was closed") from error
            if self._visit is not None and self._visit.refusal is not None:
                raise self._error(GuardRefused, self._visit.refusal.args[0]) from error
            raise error_of(self._request, error, answered=self.answer is not None) from error

    def _error(self, kind: type[HTTPError], message: str) -> HTTPError:
        return kind(message, url=self._request.url, method=self._request.method)

    def _micros(self, moment: float) -> int:
        return round((moment - self.started) * 1e6)


class AiohttpEngine:
    """Calls through aiohttp. Belongs to one loop and one process; used on that loop's thread alone.

    Args:
        loop: the loop it belongs to; None: the running one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop or asyncio.get_running_loop()
        self.closed = False
        self._pools: dict[tuple[Guard | None, bool], aiohttp.ClientSession] = {}
        self._running = self._opened = 0
        self._started = self._succeeded = self._failed = self._cancelled = 0
        belongs_to_this_process(self)

    async def fetch(self, request: Request) -> Response:
        """Send the request and return the whole answer; see `Engine.fetch`."""
        async with self._open(request) as (call, hops):
            return hops.finish(call.response(await call.read()))

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Stream]:
        """Send the request and return the answer once its head is there; see `Engine.open`."""
        async with self._open(request) as (call, hops):
            yield Stream(call.pull, hops.finish(call.response()))

    async def close(self) -> None:
        """Close every connection; see `Engine.close`."""
        self.closed = True
        sessions = list(self._pools.values())
        self._pools.clear()
        for session in sessions:
            await session.close()

    def close_now(self) -> None:
        """Close every connection without waiting for TLS goodbyes. Idempotent."""
        self.closed = True
        sessions = list(self._pools.values())
        self._pools.clear()
        for session in sessions:
            _close_at_once(session)

    def statistics(self) -> EngineStatistics:
        """Counters so far."""
        return EngineStatistics(
            name="aiohttp",
            running=self._running,
            idle_handles=0,
            started=self._started,
            succeeded=self._succeeded,
            failed=self._failed,
            cancelled=self._cancelled,
            connections_opened=self._opened,
        )

    def disown(self) -> None:
        """In a forked child: never touch the parent's connections."""
        self.closed = True
        self._pools = {}

    @asynccontextmanager
    async def _open(self, request: Request) -> AsyncIterator[tuple[_Call, Hops]]:
        if self.closed:
            raise EngineClosed("the engine is closed", url=request.url, method=request.method)
        with self._counted():
            hops = Hops(request)
            while True:
                call = _Call(self, hops.current)
                try:
                    await call.begin(self._session(hops.current))
                    if not hops.lead_on(call.response()):
                        yield call, hops
                        return
                finally:
                    call.end()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._started += 1
        self._running += 1
        try:
            yield
            self._succeeded += 1
        except (asyncio.CancelledError, GeneratorExit):
            self._cancelled += 1
            raise
        except BaseException:
            self._failed += 1
            raise
        finally:
            self._running -= 1

    def _session(self, request: Request) -> aiohttp.ClientSession:
        if request.options.http_version not in {None, "1.1"}:
            raise InvalidValue("the aiohttp engine speaks HTTP/1.1 alone: leave out http_version=, or use('curl')")
        key = (request.options.guard, request.safe)
        session = self._pools.get(key)
        if session is None:
            session = self._pools[key] = self._new_session(*key)
        return session

    def _new_session(self, guard: Guard | None, safe: bool) -> aiohttp.ClientSession:
        other = self._pools.get((guard, not safe))
        connector = other.connector if other is not None else None
        session = aiohttp.ClientSession(
            loop=self.loop,
            connector=connector or aiohttp.TCPConnector(limit=0, socket_factory=self._open_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "weft"},
            skip_auto_headers=("Content-Type",),
            requote_redirect_url=False,
        )
        # aiohttp sends PUT and DELETE again when a kept connection turns out dead, and has no public word against it.
        session._retry_connection = safe  # noqa: SLF001 - see above
        return session

    def _open_socket(self, info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        visit = _visit.get()
        if visit is not None:
            try:
                visit.guard.check_address(visit.host, address[0])
            except GuardRefused as refusal:
                visit.refusal = refusal
                raise OSError("refused by the guard") from refusal
        self._opened += 1
        return socket.socket(family, kind, protocol)


@lru_cache(maxsize=256)
def _client_timeout(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=timeouts.total,
        connect=timeouts.connect,
        sock_read=timeouts.read,
        ceil_threshold=math.inf,  # beyond it, aiohttp rounds to whole seconds
    )


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    # aiohttp writes bytes in one go, and warns that a large body would hold up the loop.
    return io.BytesIO(body) if body is not None and len(body) > _ONE_GO else body


def _close_at_once(session: aiohttp.ClientSession) -> None:
    connector = session.connector
    session.detach()
    if connector is not None:
        connector._close(abort_ssl=True)  # noqa: SLF001 - the public one waits, and here is nothing to wait with
