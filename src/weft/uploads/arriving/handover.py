"""What an event loop has received, on its way to a thread that takes it.

A thread that comes back takes all that has come meanwhile, and goes when there is nothing. To hand it each batch from
the loop would leave it idle in between: a loop that is busy receiving hears of its end, starts the next and wakes it in
three turns, each of which receives, too (64 MiB on two cores: 44 ms of 117).
"""

import asyncio
import threading
from collections.abc import Callable

from weft.runtime.face import to_thread

__all__ = ["Handover"]

_BATCH = 512 * 1024  # bytes for which a thread is woken
_WAITING = 1024 * 1024  # bytes that wait at most, beside those that are being taken


class Handover:
    """Takes pieces on the loop, and has a thread take them from there. Use it in one coroutine.

    Args:
        take: called on a thread with the pieces, in their order, never twice at the same time.
    """

    def __init__(self, take: Callable[[list[bytes]], None]) -> None:
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._lock = threading.Lock()  # guards the three below
        self._pieces: list[bytes] = []
        self._size = 0
        self._awake = False
        self._thread: asyncio.Task[None] | None = None

    async def put(self, piece: bytes) -> None:
        """Hand this over. Waits while much is waiting; raises what `take` raised, as soon as it is known."""
        self._raise_if_failed()
        with self._lock:
            self._pieces.append(piece)
            self._size += len(piece)
            waiting = self._size
            wake = not self._awake and waiting >= _BATCH
            self._awake = self._awake or wake
            self._room.clear()
        if wake:
            self._wake()
        if waiting >= _WAITING:
            await self._room.wait()
            self._raise_if_failed()

    async def flush(self) -> None:
        """Wait until all is taken; raises what `take` raised."""
        if self._thread is not None:
            await self._thread
        if self._pieces:
            await to_thread(self._drain)

    def close(self) -> None:
        """Nobody waits any more: what is left is not taken."""
        if self._thread is not None:
            self._thread.cancel()

    def _wake(self) -> None:
        self._thread = asyncio.create_task(to_thread(self._drain))
        self._thread.add_done_callback(self._ended)

    def _ended(self, thread: "asyncio.Task[None]") -> None:
        # Whoever left for another reason does not ask for its error any more; whoever waits for room is told.
        if not thread.cancelled():
            thread.exception()
        self._room.set()

    def _raise_if_failed(self) -> None:
        if self._thread is not None and self._thread.done():
            self._thread.result()

    def _drain(self) -> None:
        while pieces := self._next():
            self._take(pieces)

    def _next(self) -> list[bytes]:
        with self._lock:
            pieces, self._pieces = self._pieces, []
            full, self._size = self._size >= _WAITING, 0
            self._awake = bool(pieces)
        if full:
            self._loop.call_soon_threadsafe(self._room.set)
        return pieces
