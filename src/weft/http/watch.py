"""How libcurl's sockets are watched, on the loop that drives them.

libcurl says for each socket what it waits for, twice or more in each call. An asyncio loop takes 5 to 15 microseconds
for each such change and each event; `EpollWatch` takes one system call for a change and one loop callback for all the
sockets that are ready, by giving the loop a single descriptor: its own epoll.
"""

import asyncio
import select
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

__all__ = ["EpollWatch", "LoopWatch", "Watch", "make_watch"]

# libcurl's numbers (curl/multi.h): what a socket waits for, and what happened on it.
_IN, _OUT, _REMOVE = 1, 2, 4
_ERROR = 4

Act = Callable[[int, int], None]


class Watch(Protocol):
    """Watches sockets. Used on its loop's thread alone."""

    def change(self, what: int, fd: int) -> None:
        """Take libcurl's word for what the socket waits for from now on."""

    def close(self, *, loop_ended: bool) -> None:
        """Stop watching."""


class EpollWatch:
    """Watches with an epoll of its own (Linux).

    Sockets are watched for one event at a time (EPOLLONESHOT) and re-armed as long as libcurl waits for more. So a
    connection that goes idle right after its answer, as most do, needs no system call to be let go of; and one that a
    forked child still holds open cannot wake us after we closed it.

    Args:
        loop: the loop that libcurl is driven by.
        act: told of each socket and what happened on it.
        settle: told after a round of events.
    """

    __slots__ = ("_act", "_acting", "_epoll", "_loop", "_settle", "_wanted")

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Act, settle: Callable[[], None]) -> None:
        self._loop = loop
        self._act = act
        self._settle = settle
        self._acting = -1
        self._wanted: dict[int, int] = {}
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._ready)

    def change(self, what: int, fd: int) -> None:
        """Take libcurl's word for what the socket waits for from now on."""
        wanted = self._wanted
        if what == _REMOVE:
            if wanted.pop(fd, None) is not None and fd != self._acting:
                with suppress(OSError):
                    self._epoll.unregister(fd)
            return
        mask = _EPOLL_MASK[what]
        known = fd in wanted
        wanted[fd] = mask
        if not known or fd != self._acting:
            self._arm(fd, mask)

    def close(self, *, loop_ended: bool) -> None:
        """Stop watching."""
        if not loop_ended:
            self._loop.remove_reader(self._epoll.fileno())
        self._wanted.clear()
        self._epoll.close()

    def _arm(self, fd: int, mask: int) -> None:
        try:
            self._epoll.modify(fd, mask)
        except FileNotFoundError:  # a new socket, perhaps under an old number
            self._epoll.register(fd, mask)

    def _ready(self) -> None:
        wanted = self._wanted
        for fd, events in self._epoll.poll(0):
            if fd in wanted:
                self._acting = fd
                self._act(fd, (events & 1) | (events & 4) >> 1 | (_ERROR if events & _EPOLL_ERROR else 0))
                self._acting = -1
                if fd in wanted:
                    self._arm(fd, wanted[fd])
        self._settle()


class LoopWatch:
    """Watches with the loop's own readers and writers: for systems without epoll."""

    __slots__ = ("_act", "_loop", "_settle", "_wanted")

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Act, settle: Callable[[], None]) -> None:
        self._loop = loop
        self._act = act
        self._settle = settle
        self._wanted: dict[int, int] = {}

    def change(self, what: int, fd: int) -> None:
        """Take libcurl's word for what the socket waits for from now on."""
        before = self._wanted.pop(fd, 0)
        after = 0 if what == _REMOVE else what
        if after:
            self._wanted[fd] = after
        if before & ~after & _IN:
            self._loop.remove_reader(fd)
        if before & ~after & _OUT:
            self._loop.remove_writer(fd)
        if after & ~before & _IN:
            self._loop.add_reader(fd, self._happened, fd, _IN)
        if after & ~before & _OUT:
            self._loop.add_writer(fd, self._happened, fd, _OUT)

    def close(self, *, loop_ended: bool) -> None:
        """Stop watching."""
        for fd in () if loop_ended else list(self._wanted):
            self.change(_REMOVE, fd)
        self._wanted.clear()

    def _happened(self, fd: int, what: int) -> None:
        self._act(fd, what)
        self._settle()


if hasattr(select, "epoll"):
    _EPOLL_ERROR = select.EPOLLERR | select.EPOLLHUP
    _EPOLL_MASK = {
        0: select.EPOLLONESHOT,
        _IN: select.EPOLLONESHOT | select.EPOLLIN,
        _OUT: select.EPOLLONESHOT | select.EPOLLOUT,
        _IN | _OUT: select.EPOLLONESHOT | select.EPOLLIN | select.EPOLLOUT,
    }


def make_watch(loop: asyncio.AbstractEventLoop, act: Act, settle: Callable[[], None]) -> Watch:
    """Make the fastest watch that this system has."""
    kind = EpollWatch if hasattr(select, "epoll") else LoopWatch
    return kind(loop, act, settle)
