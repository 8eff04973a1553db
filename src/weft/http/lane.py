"""One CurlMulti and the loop that drives it: a connection pool, with the calls that use it."""

import asyncio
import math
import threading
from typing import Any

import pycurl

from weft.http.codes import error_of
from weft.http.errors import EngineClosed, HTTPError, ReadTimeout
from weft.http.outgoing import Request
from weft.http.transfer import Kind, StreamTransfer, Transfer, kind_of
from weft.http.watch import make_watch

__all__ = ["Lane", "Tally"]

_KEPT_HANDLES = 1024
_SLOWEST_LOOK = 1.0  # seconds between looks for silent servers
_QUICKEST_LOOK = 0.005


class Tally:
    """Counts what an engine's lanes did."""

    __slots__ = ("cancelled", "connections", "failed", "started", "succeeded")

    def __init__(self) -> None:
        self.started = self.succeeded = self.failed = self.cancelled = self.connections = 0


class Lane:
    """A connection pool and the calls under way in it. Belongs to its loop's thread.

    Args:
        loop: drives the sockets.
        tally: counts.
        connections: idle connections to keep.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, tally: Tally, connections: int) -> None:
        self._loop = loop
        self._tally = tally
        self._running: dict[Any, Transfer] = {}
        self._idle: dict[Kind, list[Transfer]] = {}
        self._kept = 0
        self._alive = 0  # transfers that libcurl counts as running; fewer than it says means that some have ended
        self._closed = False
        self._resolving = False
        self._kicked = False
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._pace = _SLOWEST_LOOK
        self.broken: BaseException | None = None
        self._watch = make_watch(loop, self._act, self._settle)
        self._multi: Any = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)

    @property
    def running(self) -> int:
        """Calls under way."""
        return len(self._running)

    @property
    def kept(self) -> int:
        """Handles kept for the next calls."""
        return self._kept

    def start(self, request: Request, future: "asyncio.Future[Any]") -> Transfer:
        """Send a request; `future` gets its answer or error. Returns what to hand to `abandon`."""
        kind = kind_of(request)
        idle = self._idle.get(kind)
        if idle:
            transfer = idle.pop()
            self._kept -= 1
        else:
            transfer = Transfer(kind)
        self._run(transfer, request, future)
        return transfer

    def start_stream(self, request: Request, future: "asyncio.Future[Any]") -> StreamTransfer:
        """Send a request; `future` gets the answer once its head is there."""
        transfer = StreamTransfer(kind_of(request), self._loop)
        self._run(transfer, request, future)
        return transfer

    def abandon(self, transfer: Transfer) -> None:
        """Stop a transfer at once: its connection is closed, or its HTTP/2 stream reset."""
        easy = transfer.easy
        if self._running.pop(easy, None) is not None:
            self._tally.cancelled += 1
            self._alive -= 1
            self._resolving = self._resolving or not easy.getinfo(pycurl.NAMELOOKUP_TIME_T)
            self._multi.remove_handle(easy)
            self._keep(transfer)
        if not transfer.reusable:
            easy.close()

    def close(self, *, loop_ended: bool) -> None:
        """End what runs with `EngineClosed`, and close every connection. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for handle in (self._timer, self._look):
            if handle is not None:
                handle.cancel()
        for transfer in list(self._running.values()):
            self._end(transfer, EngineClosed("the engine was closed"), quietly=loop_ended)
        for transfer in [transfer for idle in self._idle.values() for transfer in idle]:
            transfer.easy.close()
        self._idle.clear()
        self._watch.close(loop_ended=loop_ended)
        self._close_multi()

    def _run(self, transfer: Transfer, request: Request, future: "asyncio.Future[Any]") -> None:
        transfer.prepare(request, future)
        self._multi.add_handle(transfer.easy)
        self._running[transfer.easy] = transfer
        self._alive += 1
        self._tally.started += 1
        read = request.timeouts.read
        if read is not None and (self._look is None or read < 20 * self._pace):
            self._hasten(read)

    # -- libcurl's callbacks. An exception there would be printed and swallowed, and calls would hang: hence `_break`.

    def _on_socket(self, what: int, fd: int, _multi: Any, _data: Any) -> None:
        if self._closed:
            return
        try:
            self._watch.change(what, fd)
        except BaseException as error:  # noqa: BLE001 - see above
            self._break(error)

    def _on_timer(self, milliseconds: int) -> None:
        if self._closed:
            return
        try:
            self._set_timer(milliseconds)
        except BaseException as error:  # noqa: BLE001 - see above
            self._break(error)

    def _set_timer(self, milliseconds: int) -> None:
        if milliseconds == 0:
            self._due = math.inf
            if not self._kicked:  # once, for all calls that start in one round of the loop
                self._kicked = True
                self._loop.call_soon(self._kick)
        elif milliseconds < 0:
            self._due = math.inf
        else:
            # A timer that fires too early costs less than one moved at each call.
            self._due = due = self._loop.time() + milliseconds / 1000
            if self._timer is None or due < self._timer.when():
                self._arm(due)

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._on_due)

    def _break(self, error: BaseException) -> None:
        if self.broken is None:
            self.broken = error
            self._loop.call_soon(self._fail_all)

    def _fail_all(self) -> None:
        for transfer in list(self._running.values()):
            error = HTTPError("the engine broke", url=transfer.request.url, method=transfer.request.method)
            error.__cause__ = self.broken
            self._end(transfer, error)

    # -- the loop's callbacks

    def _kick(self) -> None:
        self._kicked = False
        self._act(pycurl.SOCKET_TIMEOUT, 0)
        self._settle()

    def _on_due(self) -> None:
        self._timer = None
        if self._due == math.inf or self._closed:
            return
        if self._loop.time() < self._due - 0.0005:
            self._arm(self._due)
            return
        self._due = math.inf
        self._act(pycurl.SOCKET_TIMEOUT, 0)
        self._drain()
        if self._due == math.inf and not self._kicked and not self._closed:
            # libcurl tells of changes alone: where the timer came a moment too early, nothing has changed.
            self._set_timer(self._multi.timeout())

    def _act(self, fd: int, what: int) -> None:
        if self._closed:
            return
        try:
            _, alive = self._multi.socket_action(fd, what)
        except pycurl.error as error:
            self._break(error)
        else:
            if alive < self._alive:
                self._drain()
                self._alive = alive

    def _settle(self) -> None:
        if len(self._running) != self._alive:
            self._drain()

    def _drain(self) -> None:
        _, done, failed = self._multi.info_read()
        for easy in done:
            transfer = self._running.get(easy)
            if transfer is not None:
                self._end(transfer, None)
        for easy, code, message in failed:
            transfer = self._running.get(easy)
            if transfer is not None:
                self._end(transfer, error_of(transfer, code, message))

    def _end(self, transfer: Transfer, error: HTTPError | None, *, quietly: bool = False) -> None:
        easy, future = transfer.easy, transfer.future
        del self._running[easy]
        self._tally.connections += easy.getinfo(pycurl.NUM_CONNECTS)
        if error is not None and not easy.getinfo(pycurl.NAMELOOKUP_TIME_T):
            self._resolving = True
        self._multi.remove_handle(easy)
        if not quietly and future is not None:
            self._hand_over(transfer, future, error)
        self._keep(transfer)

    def _hand_over(self, transfer: Transfer, future: "asyncio.Future[Any]", error: HTTPError | None) -> None:
        if error is not None:
            self._tally.failed += 1
            transfer.fail(future, error)
        else:
            self._tally.succeeded += 1
            if not transfer.reusable or not future.done():
                transfer.succeed(future)

    def _keep(self, transfer: Transfer) -> None:
        if not transfer.reusable:
            return
        if self._kept >= _KEPT_HANDLES or self._closed:
            transfer.easy.close()
            return
        transfer.clear()
        self._kept += 1
        idle = self._idle.get(transfer.kind)
        if idle is None:
            self._idle[transfer.kind] = [transfer]
        else:
            idle.append(transfer)

    # -- silent servers

    def _hasten(self, read: float) -> None:
        pace = min(_SLOWEST_LOOK, max(_QUICKEST_LOOK, read / 20))
        if self._look is None or pace < self._pace:
            if self._look is not None:
                self._look.cancel()
            self._pace = pace
            self._look = self._loop.call_later(pace, self._look_round)

    def _look_round(self) -> None:
        self._look = None
        if not self._running:
            self._pace = _SLOWEST_LOOK
            return
        now = self._loop.time()
        for transfer in list(self._running.values()):
            read = transfer.request.timeouts.read
            if read is not None and transfer.silent_for(now) >= read:
                self._give_up(transfer, read)
        self._look = self._loop.call_later(self._pace, self._look_round)

    def _give_up(self, transfer: Transfer, read: float) -> None:
        request = transfer.request
        self._alive -= 1
        silence = ReadTimeout(f"the server was silent for {read:g} s", url=request.url, method=request.method)
        self._end(transfer, silence)

    def _close_multi(self) -> None:
        multi, self._multi = self._multi, None
        if self._resolving:
            # libcurl waits for its resolver threads, and a dead name server keeps one for many seconds.
            threading.Thread(target=multi.close, name="weft-http-close", daemon=True).start()
        else:
            multi.close()
