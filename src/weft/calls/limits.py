"""Concurrency and rate limits shared by all requests of the process: by name, by host, and for the whole process."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from weft.clock import now
from weft.errors import InvalidCall
from weft.executors.loop import LoopExecutor
from weft.policy.bulkhead import Bulkhead
from weft.policy.rate import Rate
from weft.policy.verdict import Stop, Wait

__all__ = ["Limit", "LimitStatistics", "Limits"]

# A crawl meets ever new hosts; beyond this many, those with nothing under way are forgotten.
_MOST_HOSTS = 4096

Ticket: TypeAlias = tuple[LoopExecutor, "asyncio.Future[None]"]


@dataclass(frozen=True, slots=True)
class LimitStatistics:
    """A limit at one moment."""

    name: str
    size: int
    inside: int
    queued: int
    refused: int


class Limit:
    """A concurrency limit, a rate limit, or both, under one name. Safe to use from any thread and any loop.

    The lock guards the bulkhead and the rate: scopes on several loops meet here.
    """

    def __init__(self, name: str, size: int, *, waiting: int, rate: Rate | None = None, defined: bool = False) -> None:
        self.defined = defined  # by the user: never forgotten
        self._lock = threading.Lock()
        self._bulkhead: Bulkhead[Ticket] = Bulkhead(name, size, waiting)
        self._rate = rate

    @property
    def size(self) -> int:
        """How many may be inside."""
        return self._bulkhead.size

    @property
    def rate(self) -> Rate | None:
        """How many may start in a time. Its numbers are for reading; it is used through the limit."""
        return self._rate

    @property
    def name(self) -> str:
        """What refusals and statistics call it."""
        return self._bulkhead.name

    @property
    def idle(self) -> bool:
        """Whether nothing is inside and nobody waits."""
        return self._bulkhead.inside == 0

    def enter_nowait(self) -> bool:
        """Take a place if that needs no waiting; tell whether it did. Any thread."""
        if self._rate is not None:
            return False
        with self._lock:
            return self._bulkhead.admit()

    async def enter(self, loop: LoopExecutor, owner: object, deadline: float) -> None:
        """Take a place, waiting for one if the waiting room has a seat; give it back with `leave`.

        Raises:
            Overloaded: the waiting room is full, or the rate's next slot is later than `deadline` on `weft.clock`.
        """
        ticket = (loop, loop.loop.create_future())
        with self._lock:
            verdict = self._bulkhead.enter(ticket, owner)
        if isinstance(verdict, Stop):
            raise verdict.error
        if isinstance(verdict, Wait):
            await self._wait_for_place(ticket, owner)
        if self._rate is not None:
            await self._wait_for_slot(self._rate, deadline)

    def leave(self) -> None:
        """Give the place back, to whoever waits for it first. Any thread."""
        while True:
            with self._lock:
                ticket = self._bulkhead.leave()
            if ticket is None:
                return
            loop, called = ticket
            # A closed loop takes no call: its waiter is gone for good, so the next one has the place.
            with suppress(RuntimeError):
                if loop.here:
                    _grant(called)
                else:
                    loop.loop.call_soon_threadsafe(_grant, called)
                return

    def statistics(self) -> LimitStatistics:
        """How full it is now. Any thread."""
        with self._lock:
            b = self._bulkhead
            return LimitStatistics(b.name, b.size, b.inside, b.queued, b.refused)

    async def _wait_for_place(self, ticket: Ticket, owner: object) -> None:
        try:
            await ticket[1]
        except BaseException:
            with self._lock:
                waiting_still = self._bulkhead.withdraw(ticket, owner)
            if not waiting_still:
                self.leave()
            raise

    async def _wait_for_slot(self, rate: Rate, deadline: float) -> None:
        try:
            with self._lock:
                began = now()  # the wait for the place is over: what is left is less than it was
                verdict = rate.reserve(began, deadline - began)
            if isinstance(verdict, Stop):
                raise verdict.error
            if isinstance(verdict, Wait):
                await asyncio.sleep(verdict.seconds)
        except BaseException:
            self.leave()
            raise


def _grant(called: "asyncio.Future[None]") -> None:
    # A waiter cancelled in this very moment finds that it could not withdraw, and passes the place on.
    if not called.done():
        called.set_result(None)


class Limits:
    """The limits of a process. Safe to use from any thread.

    The lock guards the two tables; each limit guards itself.
    """

    def __init__(self, *, per_host: int, process: int, waiting: int) -> None:
        self._lock = threading.Lock()
        self._per_host = per_host
        self._waiting = waiting
        self._named: dict[str, Limit] = {}
        self._hosts: dict[str, Limit] = {}
        self._most_hosts = _MOST_HOSTS
        self.process = Limit("process", process, waiting=waiting)

    def define(self, name: str, size: int, *, waiting: int | None = None, rate: Rate | None = None) -> Limit:
        """Set up a limit, or replace the one of that name; calls inside the old one are not counted by the new."""
        limit = Limit(name, size, waiting=self._waiting if waiting is None else waiting, rate=rate, defined=True)
        with self._lock:
            table, key = (self._hosts, name[5:]) if name.startswith("host:") else (self._named, name)
            table[key] = limit
        return limit

    def named(self, name: str) -> Limit:
        """The limit of that name.

        Raises:
            InvalidCall: nobody has defined it.
        """
        found = self._named.get(name)
        if found is None:
            known = ", ".join(sorted(self._named)) or "none"
            raise InvalidCall(f"no limit is called {name!r} (known: {known}): write weft.limit({name!r}, 10) first")
        return found

    def find(self, name: str) -> Limit | None:
        """The limit of that name, if somebody has defined it."""
        return self._named.get(name)

    def host(self, host: str) -> Limit:
        """The limit of a `host:port`, made with the default size when it is first asked for."""
        found = self._hosts.get(host)
        if found is None:
            with self._lock:
                if len(self._hosts) >= self._most_hosts:
                    self._forget_idle_hosts()
                found = self._hosts.setdefault(host, Limit(f"host:{host}", self._per_host, waiting=self._waiting))
        return found

    def _forget_idle_hosts(self) -> None:
        self._hosts = {host: limit for host, limit in self._hosts.items() if limit.defined or not limit.idle}
        # Doubled where few could be forgotten, so that the next search is as far away as it is long.
        self._most_hosts = max(_MOST_HOSTS, 2 * len(self._hosts))

    def __iter__(self) -> Iterator[Limit]:
        with self._lock:
            return iter([self.process, *self._named.values(), *self._hosts.values()])
