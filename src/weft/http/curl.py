"""The first engine: libcurl's multi interface (through pycurl), driven by the event loop.

The loop watches libcurl's sockets and timer and tells it what happened (curl_multi_socket_action); libcurl does HTTP,
TLS, connections, redirects and decoding. No thread takes part, but for names, which libcurl resolves on its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weft.http.errors import EngineClosed
from weft.http.forked import belongs_to_this_process
from weft.http.guards import Guard
from weft.http.lane import Lane, Tally
from weft.http.outgoing import Request
from weft.http.protocol import EngineStatistics
from weft.http.redirects import Hops
from weft.http.response import Response, Stream
from weft.http.transfer import StreamTransfer

__all__ = ["CurlEngine"]

# libcurl looks at all connections to a host for one that is free, so thousands of them are spread over several pools.
_POOL_SIZE = 1_000
_GUARDED_POOLS = 16


class CurlEngine:
    """Calls through libcurl. Belongs to one loop and one process; used on that loop's thread alone.

    After a fork, the child's copy is dead and leaves the parent's connections alone: the child makes its own.

    Args:
        loop: the loop to be driven by; None: the running one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop or asyncio.get_running_loop()
        self._tally = Tally()
        self._guarded: dict[Guard, Lane] = {}
        self._closed = False
        self._lane_here = self._new_lane()
        self._open = [self._lane_here]  # for calls without a guard: the first with room is used
        belongs_to_this_process(self)

    async def fetch(self, request: Request) -> Response:
        """Send the request and return the whole answer; see `Engine.fetch`."""
        if request.options.guard is not None:
            return await self._fetch_guarded(request)
        lane = self._lane_here
        return await self._send(lane if lane.running < _POOL_SIZE else self._roomy(), request)

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Stream]:
        """Send the request and return the answer once its head is there; see `Engine.open`."""
        hops = Hops(request)
        while True:
            lane, transfer, response = await self._begin(hops.current)
            try:
                if request.options.guard is None or not hops.lead_on(response):
                    yield Stream(transfer.pull, hops.finish(response))
                    return
            finally:
                lane.abandon(transfer)

    async def close(self) -> None:
        """Close every connection; see `Engine.close`."""
        self.close_now()

    def close_now(self) -> None:
        """Close every connection, whether or not the loop still runs. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for lane in (*self._open, *self._guarded.values()):
            lane.close(loop_ended=self.loop.is_closed())
        self._guarded.clear()

    def statistics(self) -> EngineStatistics:
        """Counters so far."""
        lanes = (*self._open, *self._guarded.values())
        tally = self._tally
        return EngineStatistics(
            name="curl",
            running=sum(lane.running for lane in lanes),
            idle_handles=sum(lane.kept for lane in lanes),
            started=tally.started,
            succeeded=tally.succeeded,
            failed=tally.failed,
            cancelled=tally.cancelled,
            connections_opened=tally.connections,
        )

    async def _send(self, lane: Lane, request: Request) -> Response:
        if self._closed or lane.broken is not None:
            lane = self._usable(request)
        future = self.loop.create_future()
        transfer = lane.start(request, future)
        try:
            response: Response = await future
        except BaseException:
            if transfer.future is future:  # cancelled: else the handle may be another call's by now
                lane.abandon(transfer)
            raise
        return response

    async def _fetch_guarded(self, request: Request) -> Response:
        hops = Hops(request)
        while True:
            response = await self._send(self._lane(hops.current), hops.current)
            if not hops.lead_on(response):
                return hops.finish(response)

    async def _begin(self, request: Request) -> tuple[Lane, StreamTransfer, Response]:
        lane = self._usable(request)
        future = self.loop.create_future()
        transfer = lane.start_stream(request, future)
        try:
            await future
            return lane, transfer, transfer.response()
        except BaseException:
            lane.abandon(transfer)
            raise

    def _usable(self, request: Request) -> Lane:
        if self._closed:
            raise EngineClosed("the engine is closed", url=request.url, method=request.method)
        lane = self._lane(request)
        if lane.broken is None:
            return lane
        lane.close(loop_ended=False)
        if request.options.guard is None:
            self._open.remove(lane)
            self._lane_here = self._roomy()
        else:
            del self._guarded[request.options.guard]
        return self._usable(request)

    def _lane(self, request: Request) -> Lane:
        """Find the pool of the call's guard: no connection serves two guards."""
        guard = request.options.guard
        if guard is None:
            return self._roomy()
        lane = self._guarded.get(guard)
        if lane is None:
            self._make_room()
            lane = self._guarded[guard] = self._new_lane()
        return lane

    def _roomy(self) -> Lane:
        for lane in self._open:
            if lane.running < _POOL_SIZE:
                return lane
        self._open.append(self._new_lane())
        return self._open[-1]

    def _make_room(self) -> None:
        """Bound the pools of guards: those made anew for each call would pile up."""
        if len(self._guarded) >= _GUARDED_POOLS:
            for guard in [guard for guard, lane in self._guarded.items() if not lane.running]:
                self._guarded.pop(guard).close(loop_ended=False)

    def _new_lane(self) -> Lane:
        return Lane(self.loop, self._tally, _POOL_SIZE)

    def disown(self) -> None:
        """In a forked child: never touch the parent's connections."""
        self._closed = True
