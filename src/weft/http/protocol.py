"""What an engine must be able to do: the seam between `weft.http` and the libraries that speak HTTP for it."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from weft.http.outgoing import Request
from weft.http.response import Response, Stream

__all__ = ["Engine", "EngineStatistics"]


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """An engine at one moment.

    Attributes:
        name: "curl" or "aiohttp".
        running: calls under way.
        idle_handles: transfer handles kept for the next call (0 where an engine has none).
        started, succeeded, failed, cancelled: calls so far.
        connections_opened: so far; small next to `started` when connections are reused well.
    """

    name: str
    running: int
    idle_handles: int
    started: int
    succeeded: int
    failed: int
    cancelled: int
    connections_opened: int


class Engine(Protocol):
    """Sends requests. Belongs to one event loop and one process, and is used on that loop alone."""

    loop: asyncio.AbstractEventLoop

    async def fetch(self, request: Request) -> Response:
        """Send the request and return the whole answer. Cancelling closes the call's connection (or HTTP/2 stream).

        Raises:
            HTTPError: what went wrong, by type; see `weft.http.errors`.
        """
        raise NotImplementedError

    def open(self, request: Request) -> AbstractAsyncContextManager[Stream]:
        """Send the request and return the answer once its head is there; the body is read as it is asked for.

        What is not read stays with the server: about 256 KiB are kept here, then the connection stops reading. Leaving
        the block early closes the connection.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """End calls under way with `EngineClosed` and close every connection. Idempotent."""

    def close_now(self) -> None:
        """Do what `close` does where nothing can be awaited: the loop has ended, or is ending."""

    def statistics(self) -> EngineStatistics:
        """Counters. Cheap."""
        raise NotImplementedError
