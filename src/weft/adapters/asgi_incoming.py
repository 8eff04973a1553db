"""What an ASGI server sends in: read by the app, or ahead of it by us, to learn that the client has gone away."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context

from weft.adapters.asgi_access import Message, Receive

__all__ = ["Incoming"]

_DISCONNECTS = {"http.disconnect", "websocket.disconnect"}
_BODY_AHEAD = {b"content-length", b"transfer-encoding"}


class Incoming:
    """The incoming messages of one request. Belongs to its loop.

    ASGI tells of a client's leaving by the last message of `receive()`, which most endpoints never ask for. `listen`
    asks in their place, and keeps what comes for the app. It does so once the request's body has been read, or where
    the headers announce none: else it would take the body from the network before somebody wants it.

    Args:
        receive: the server's.
        headers: the request's, in lower case.
        gone: called once, when the client has gone away.
        context: in which messages are taken ahead of the app; not the request's, which would be kept alive.
    """

    def __init__(
        self, receive: Receive, headers: Iterable[tuple[bytes, bytes]], gone: Callable[[], object], context: Context
    ) -> None:
        self._receive = receive
        self._headers = headers
        self._gone = gone
        self._context = context
        self._wanted = False
        self._reading = 0  # calls of the app that wait for the server
        self._ahead: asyncio.Task[None] | None = None  # takes the next message, ahead of the app
        self._kept: deque[Message] = deque()
        self._complete = False  # the body has been read
        self._last: Message | None = None

    async def receive(self) -> Message:
        """The next message, for the app."""
        while not self._kept and self._last is None and self._ahead is not None:
            await asyncio.shield(self._ahead)
        if self._kept:
            return self._kept.popleft()
        if self._last is not None:
            return self._last
        self._reading += 1
        try:
            return self._noted(await self._receive())
        finally:
            self._reading -= 1
            if self._wanted:
                self.listen()

    def listen(self) -> None:
        """From now on, or from the end of the body on, notice at once when the client goes away."""
        self._wanted = True
        idle = self._ahead is None and self._last is None and not self._reading
        if idle and (self._complete or not (self._kept or self._announces_body())):
            self._ahead = asyncio.get_running_loop().create_task(self._take(), context=self._context)

    def close(self) -> None:
        """Listen no longer."""
        self._wanted = False
        if self._ahead is not None:
            self._ahead.cancel()

    async def _take(self) -> None:
        try:
            message = self._noted(await self._receive())
        except Exception:  # noqa: BLE001 - the app, if it asks, meets it itself
            self._wanted = False
        else:
            if self._last is None:
                self._kept.append(message)
        self._ahead = None
        if self._wanted:
            self.listen()

    def _noted(self, message: Message) -> Message:
        if message["type"] in _DISCONNECTS:
            self._last = message
            self._gone()
        elif message["type"] == "http.request":
            self._complete = not message.get("more_body", False)
        return message

    def _announces_body(self) -> bool:
        return any(name in _BODY_AHEAD and value != b"0" for name, value in self._headers)
