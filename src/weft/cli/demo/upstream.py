"""The demo's own upstream: a service of this machine whose paths name their fate. Stands on a thread of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeAlias

from weft.runtime.background import BackgroundLoop, new_loop

__all__ = ["ADDRESSES", "EXAMPLES", "Upstream"]

ADDRESSES = (
    "/slow/0.25", "/slow/0.3", "/slow/0.35", "/slow/0.4", "/slow/0.45", "/slow/0.5", "/slow/0.6", "/slow/0.7",
    "/status/500", "/reset", "/drip/3", "/huge",
)  # fmt: skip
"""What the page offers to begin with: the everyday, and one of each misfortune."""

EXAMPLES = (
    ("slow", "/slow/0.8", "answers after 0.8 s"),
    ("drip", "/drip/3", "sends a byte now and then for 3 s, so that no timeout between bytes ever strikes"),
    ("hang", "/hang", "takes the request and never answers"),
    ("reset", "/reset", "breaks the connection off"),
    ("500", "/status/500", "answers that it failed"),
    ("huge", "/huge", "answers with 64 MiB, more than the demo reads"),
)
"""Name, path and description of each fate that the page can add."""

_DRIPS = 30
_CHUNK = b"x" * 65_536
_HUGE = 1024  # chunks

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Fate = Callable[[Writer, str], Awaitable[None]]


class Upstream:
    """The service, on a free port of 127.0.0.1 while the `with` block lasts."""

    def __init__(self) -> None:
        self.url = ""
        self._loop: BackgroundLoop | None = None

    def __enter__(self) -> Self:
        self._loop = BackgroundLoop(lambda: new_loop(uvloop=False))
        serving = asyncio.run_coroutine_threadsafe(_serve(), self._loop.executor.loop)
        self.url = f"http://127.0.0.1:{serving.result()}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._loop is not None:
            self._loop.stop(grace=0.0)


async def _serve() -> int:
    server = await asyncio.start_server(_converse, "127.0.0.1", 0, backlog=1024)
    return int(server.sockets[0].getsockname()[1])


async def _converse(reader: Reader, writer: Writer) -> None:
    """Answer requests on one connection until either side has had enough."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            _, kind, argument, *_ = (*head.split(b" ", 2)[1].decode("ascii", "replace").split("/"), "", "")
            await FATES.get(kind, _missing)(writer, argument)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
        pass  # the client has gone, or we are told to end
    finally:
        writer.close()


async def _slow(writer: Writer, wait: str) -> None:
    await asyncio.sleep(_seconds(wait))
    _answer(writer, b"x" * 1000)


async def _status(writer: Writer, status: str) -> None:
    _answer(writer, b"as you wished", status if status.isdigit() else "400")


async def _reset(writer: Writer, _: str) -> None:
    await asyncio.sleep(0.1)
    writer.transport.abort()


async def _drip(writer: Writer, wait: str) -> None:
    _begin(writer, _DRIPS)
    for _ in range(_DRIPS):
        await asyncio.sleep(_seconds(wait) / _DRIPS)
        writer.write(b".")
        await writer.drain()


async def _hang(_: Writer, __: str) -> None:
    await asyncio.Event().wait()


async def _huge(writer: Writer, _: str) -> None:
    _begin(writer, _HUGE * len(_CHUNK))
    for _number in range(_HUGE):
        writer.write(_CHUNK)
        await writer.drain()


async def _missing(writer: Writer, _: str) -> None:
    _answer(writer, b"no such fate", "404")


FATES: dict[str, Fate] = {
    "slow": _slow, "status": _status, "reset": _reset, "drip": _drip, "hang": _hang, "huge": _huge
}  # fmt: skip


def _answer(writer: Writer, body: bytes, status: str = "200") -> None:
    _begin(writer, len(body), status)
    writer.write(body)


def _begin(writer: Writer, length: int, status: str = "200") -> None:
    writer.write(f"HTTP/1.1 {status} -\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n".encode())


def _seconds(text: str) -> float:
    with suppress(ValueError):
        return min(max(float(text), 0.0), 60.0)
    return 0.0
