"""A web server on loopback whose paths name their fate: for tests of what a client does when things go wrong.

```python
with faults.server() as server:
    weft.run(weft.http.get, f"{server.url}/status/503")
```

| path | fate |
| --- | --- |
| `/ok`, `/bytes/1000`, `/chunked/1000`, `/status/503` | answers |
| `/echo` | answers with the request, as JSON |
| `/delay/0.5` | answers after that many seconds |
| `/redirect/3`, `/redirect-to?url=...&status=307` | redirects |
| `/gzip/1000`, `/bomb/100` | compressed: so many bytes; so many MiB of zeros |
| `/bad-gzip`, `/garbage`, `/truncated` | an answer that is none, or ends early |
| `/reset`, `/reset-body` | resets the connection, before or in the middle of the answer |
| `/silence`, `/stall`, `/drip/0.1`, `/endless` | no answer; half of one; a byte per interval; a body without end |
| `/stale`, `/hangup` | answers, and closes when the next request has come; answers, and closes |
"""

import asyncio
import functools
import gzip
import json
import os
import socket
import ssl
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

__all__ = ["FaultServer", "Received", "server"]

_MIB = 1024 * 1024
_LINGER_OFF = struct.pack("ii", 1, 0)  # closing sends RST


@dataclass(frozen=True, slots=True)
class Received:
    """A request that arrived whole. `connection` numbers the connection that it came on."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        """The address without its query."""
        return urlsplit(self.target).path


@dataclass(slots=True)
class _Line:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    count: Callable[[int], None]
    stale: bool = False
    rest: list[str] = field(default_factory=list)

    async def send(self, status: int, body: bytes, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", f"Content-Length: {len(body)}", *headers]
        await self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.count(len(data))

    async def until_closed(self) -> None:
        """Wait for the other side to close."""
        with suppress(OSError):
            while await self.reader.read(65536):
                pass

    async def closes_within(self, seconds: float) -> bool:
        """Wait so long; True as soon as the other side has closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.until_closed()
                return True
        return False

    def reset(self) -> None:
        found: socket.socket = self.writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        self.writer.transport.abort()


class FaultServer:
    """The running server. Its thread writes the counters; any thread may read them and wait.

    Attributes:
        url: "http://127.0.0.1:port".
        https_url: "https://localhost:port", or "" without `tls`.
        ca_file: the certificate to trust for it.
        received: the requests that arrived whole, in order.
        connections: how many were ever opened.
        open_connections: how many are open now.
        bytes_sent: how much the clients took, or their systems hold for them.
        closed_at: when each connection closed, by its number (`time.monotonic`).
    """

    def __init__(self) -> None:
        self.url = self.https_url = self.ca_file = ""
        self.received: list[Received] = []
        self.connections = 0
        self.bytes_sent = 0
        self.open_connections = 0
        self.closed_at: dict[int, float] = {}
        self.loop = asyncio.new_event_loop()
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None

    def wait_until(self, holds: Callable[[], bool], timeout: float = 5.0) -> None:
        """Wait until something holds, looking again after each change here.

        Raises:
            TimeoutError: it did not within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(holds, timeout):
                raise TimeoutError(f"it did not come to hold: {self.open_connections=} {len(self.received)=}")

    def wait_received(self, count: int = 1, timeout: float = 5.0) -> None:
        """Wait until that many requests have arrived."""
        self.wait_until(lambda: len(self.received) >= count, timeout)

    def wait_closed(self, open_connections: int = 0, timeout: float = 5.0) -> float:
        """Wait until no more than that many connections are open; returns when the last one closed (monotonic)."""
        self.wait_until(lambda: self.open_connections <= open_connections, timeout)
        return max(self.closed_at.values(), default=0.0)

    async def serve(self, tls: ssl.SSLContext | None) -> None:
        """Serve until `stop`."""
        self._stop = asyncio.Event()
        plain = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=2048)
        self.url = f"http://127.0.0.1:{plain.sockets[0].getsockname()[1]}"
        servers = [plain]
        if tls is not None:
            secure = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=tls, backlog=2048)
            self.https_url = f"https://localhost:{secure.sockets[0].getsockname()[1]}"
            servers.append(secure)
        self._ready.set()
        await self._stop.wait()
        for one in servers:
            one.close()

    def run(self, tls: ssl.SSLContext | None) -> None:
        """Serve on this thread until `stop`."""
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            self.loop.set_exception_handler(lambda _loop, _context: None)  # broken connections are its daily bread
            runner.run(self.serve(tls))

    def wait_ready(self) -> None:
        """Wait until `url` is known."""
        self._ready.wait(10)

    def stop(self) -> None:
        """Close everything. Any thread."""
        assert self._stop is not None
        self.loop.call_soon_threadsafe(self._stop.set)

    def _note(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(reader, writer, self.connections, self._count_sent)
        self._note(self._count_in)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while await self._serve_one(line):
                    pass
        finally:
            self.closed_at[line.number] = time.monotonic()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._note(self._count_out)

    def _count_sent(self, size: int) -> None:
        self.bytes_sent += size

    def _count_in(self) -> None:
        self.connections += 1
        self.open_connections += 1

    def _count_out(self) -> None:
        self.open_connections -= 1

    async def _serve_one(self, line: _Line) -> bool:
        request = await _read(line)
        self._note(lambda: self.received.append(request))
        if line.stale:
            return False
        name, *line.rest = [part for part in request.path.split("/") if part] or ["ok"]
        fate = _FATES.get(name)
        if fate is None:
            await line.send(404, b"no such fate")
            return True
        return await fate(line, request) is not False


async def _read(line: _Line) -> Received:
    first = await line.reader.readexactly(1)
    if not first.isalpha():
        raise ConnectionError("this is no HTTP")
    head = (first + await line.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *rest = head.rstrip("\r\n").split("\r\n")
    method, target, _ = start.split(" ", 2)
    headers = tuple((name, value.strip()) for name, _, value in (one.partition(":") for one in rest))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Received(method, target, headers, await line.reader.readexactly(length), line.number)


# Each fate answers; False means that the connection is of no more use.
_Fate = Callable[[_Line, Received], Awaitable[bool | None]]


async def _ok(line: _Line, request: Received) -> None:
    await line.send(200, b"" if request.method == "HEAD" else b"ok", "Content-Type: text/plain")


async def _echo(line: _Line, request: Received) -> None:
    seen = {"method": request.method, "target": request.target, "headers": request.headers}
    body = json.dumps({**seen, "body": request.body.decode("latin-1"), "connection": request.connection}).encode()
    await line.send(200, body, "Content-Type: application/json", "X-Two: 1", "X-Two: 2")


async def _status(line: _Line, _: Received) -> None:
    status = int(line.rest[0])
    await line.send(status, b"" if status in {204, 304} else b"status")


async def _bytes(line: _Line, _: Received) -> None:
    await line.send(200, b"x" * int(line.rest[0]))


async def _chunked(line: _Line, _: Received) -> None:
    await line.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in range(0, int(line.rest[0]), 1000):
        size = min(1000, int(line.rest[0]) - start)
        await line.raw(b"%x\r\n%s\r\n" % (size, b"x" * size))
    await line.raw(b"0\r\nX-Trailer: late\r\n\r\n")


async def _delay(line: _Line, request: Received) -> bool:
    gone = await line.closes_within(float(line.rest[0]))
    if not gone:
        await _ok(line, request)
    return not gone


async def _redirect(line: _Line, _: Received) -> None:
    left = int(line.rest[0])
    await line.send(302, b"", f"Location: /redirect/{left - 1}" if left > 1 else "Location: /echo")


async def _redirect_to(line: _Line, request: Received) -> None:
    query = parse_qs(urlsplit(request.target).query)
    await line.send(int(query.get("status", ["302"])[0]), b"", f"Location: {query['url'][0]}")


async def _gzip(line: _Line, _: Received) -> None:
    await line.send(200, gzip.compress(b"x" * int(line.rest[0])), "Content-Encoding: gzip")


async def _bomb(line: _Line, _: Received) -> None:
    await line.send(200, _zeros(int(line.rest[0])), "Content-Encoding: gzip")


@functools.cache
def _zeros(mebibytes: int) -> bytes:
    # One member: not every decoder goes on to a second one, though RFC 1952 lets them follow one another.
    packer, block = zlib.compressobj(1, wbits=31), bytes(_MIB)
    return b"".join(packer.compress(block) for _ in range(mebibytes)) + packer.flush()


async def _bad_gzip(line: _Line, _: Received) -> None:
    await line.send(200, b"this is not gzip at all", "Content-Encoding: gzip")


async def _garbage(line: _Line, _: Received) -> bool:
    await line.raw(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    return False


async def _truncated(line: _Line, _: Received) -> bool:
    await line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")
    return False


async def _reset(line: _Line, _: Received) -> bool:
    line.reset()
    return False


async def _reset_body(line: _Line, _: Received) -> bool:
    await line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    await asyncio.sleep(0.02)  # so that the head arrives: a reset overtakes what is under way
    line.reset()
    return False


async def _silence(line: _Line, _: Received) -> bool:
    await line.until_closed()
    return False


async def _stall(line: _Line, _: Received) -> bool:
    await line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nand then nothing")
    await line.until_closed()
    return False


async def _drip(line: _Line, _: Received) -> bool:
    await line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not line.writer.transport.is_closing():
        await line.raw(b".")
        if await line.closes_within(float(line.rest[0])):
            break
    return False


async def _endless(line: _Line, _: Received) -> bool:
    await line.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while not line.writer.transport.is_closing():
        await line.raw(bytes(65536))
        await asyncio.sleep(0.001)  # the client's thread has a life, too
    return False


async def _stale(line: _Line, request: Received) -> None:
    line.stale = True
    await _ok(line, request)


async def _hangup(line: _Line, request: Received) -> bool:
    await _ok(line, request)
    return False


_REASONS = {200: "OK", 204: "No Content", 302: "Found", 404: "Not Found", 503: "Service Unavailable"}
_FATES: dict[str, _Fate] = {
    "ok": _ok, "echo": _echo, "status": _status, "bytes": _bytes, "chunked": _chunked, "delay": _delay,
    "redirect": _redirect, "redirect-to": _redirect_to, "gzip": _gzip, "bomb": _bomb, "bad-gzip": _bad_gzip,
    "garbage": _garbage, "truncated": _truncated, "reset": _reset, "reset-body": _reset_body, "silence": _silence,
    "stall": _stall, "drip": _drip, "endless": _endless, "stale": _stale, "hangup": _hangup,
}  # fmt: skip


@contextmanager
def server(*, tls: bool = False) -> Iterator[FaultServer]:
    """Run a fault server on its own thread for as long as the block lasts.

    Args:
        tls: also serve https, with a certificate for "localhost" made now (needs trustme); trust `ca_file`.
    """
    running = FaultServer()
    with _certificate(running) if tls else nullcontext() as context:
        thread = threading.Thread(target=running.run, args=(context,), name="weft-faults", daemon=True)
        thread.start()
        running.wait_ready()
        try:
            yield running
        finally:
            running.stop()
            thread.join(10)


@contextmanager
def _certificate(running: FaultServer) -> Iterator[ssl.SSLContext]:
    import trustme  # noqa: PLC0415 - an extra, for https alone

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    handle, running.ca_file = tempfile.mkstemp(suffix=".pem")
    os.close(handle)
    authority.cert_pem.write_to_path(running.ca_file)
    try:
        yield context
    finally:
        Path(running.ca_file).unlink()
