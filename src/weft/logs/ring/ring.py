"""The ring: segments that are filled one after the other, drained in the same order, and used again.

Filling is one call of `mmap.write`, which copies the frame and moves the position without letting go of the GIL: no
lock, no system call, and no other thread ever sees half of it. Without a GIL a lock takes its place.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from weft.logs.ring.storage import Storage

__all__ = ["Lot", "Ring"]


class Lot(NamedTuple):
    """Frames that wait to be written: so much of a segment."""

    segment: int
    start: int
    frames: bytes


class Ring:
    """A ring over its storage. Any thread may `put`; `advance` and `discard_oldest` want `lock`; one drains.

    Attributes:
        lock: guards which segments are free and which are in use. Held for a few lines at a time, never across a
            system call. Reentrant, because a signal handler may log in the middle of it.
        moved: told when frames have been drained or a segment has become free.
        is_shut: whether nothing more is taken.
        put: copies a frame into the newest segment; ValueError: it does not fit, `advance` and try again.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.lock = threading.RLock()
        self.moved = threading.Condition(self.lock)
        self._free = list(range(len(storage.segments)))  # used as a stack: the one used last is still in the caches
        self._used: deque[int] = deque()
        self._ends: dict[int, int] = {}  # of sealed segments
        self._sequence = 0
        self.is_shut = False
        self.put: Callable[[bytes], object]
        self.advance()

    def advance(self) -> bool:
        """Begin the next free segment; False: there is none, or the ring is shut."""
        if not self._free or self.is_shut:
            return False
        index = self._free.pop()
        self._sequence += 1
        self.storage.activate(index, self._sequence)
        self._used.append(index)
        self.put = _one_step(self.storage, index)
        return True

    @property
    def fill(self) -> float:
        """The share of the segments that is in use, the newest one aside, from 0.0 to 1.0."""
        return (len(self._used) - 1) / (len(self._used) + len(self._free) - 1 or 1)

    @property
    def empty(self) -> bool:
        """Whether all frames have been drained. For the thread that drains."""
        return len(self._used) == 1 and self._end(self._used[0]) == self.storage.entry(self._used[0])[1]

    @property
    def backlog(self) -> int:
        """Bytes that wait to be drained, about."""
        with self.lock:
            full = (len(self._used) - 1) * self.storage.size
            return full + self._end(self._used[-1]) - self.storage.entry(self._used[0])[1]

    @property
    def position(self) -> tuple[int, int]:
        """How far it has been filled: to be handed to `passed`."""
        with self.lock:
            newest = self._used[-1]
            return self.storage.entry(newest)[0], self._end(newest)

    def passed(self, position: tuple[int, int]) -> bool:
        """Whether all up to there has been drained. Wants `lock`."""
        return self.storage.entry(self._used[0]) >= position

    def shut(self) -> None:
        """Take nothing more; what was taken can be drained. Idempotent."""
        with self.lock:
            if not self.is_shut:
                self.is_shut = True
                self._ends[self._used[-1]] = self.storage.seal(self._used[-1])
                self.moved.notify_all()

    # -- draining: one thread at a time

    def pending(self) -> Lot | None:
        """The oldest frames that were not drained; None: there are none."""
        while True:
            index = self._used[0]
            newest = len(self._used) == 1
            start, end = self.storage.entry(index)[1], self._end(index)
            if start < end:
                return Lot(index, start, self.storage.segments[index][start:end])
            if newest:
                return None
            self._recycle(index)

    def _end(self, index: int) -> int:
        if index in self._ends:
            return self._ends[index]
        if index == self._used[-1]:
            return self.storage.segments[index].tell()
        # A thread that had looked `put` up before the ring moved on may have filled the gap at the end since: seal it.
        return self._ends.setdefault(index, self.storage.seal(index))

    def _recycle(self, index: int) -> None:
        self.storage.free(index, self._ends.pop(index))
        with self.lock:
            self._used.popleft()
            self._free.append(index)
            self.moved.notify_all()

    def progressed(self) -> None:
        """Tell those who wait that frames have been drained."""
        with self.lock:
            self.moved.notify_all()

    def discard_oldest(self) -> int:
        """Give the oldest frames up that nobody is draining, and tell how many; 0: there are none."""
        if not list(self._used)[1:-1]:  # the first may be on its way out this moment, and the last is being filled
            return 0
        index = self._used[1]
        del self._used[1]
        end = self.storage.seal(index)
        lost = self.storage.segments[index][:end].count(b"\n")
        self.storage.free(index, end)
        self._free.append(index)
        return lost


def _one_step(storage: Storage, index: int) -> Callable[[bytes], object]:
    write = storage.segments[index].write
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        return write
    turn = threading.Lock()  # pragma: no cover - free-threaded builds

    def in_turn(frame: bytes) -> int:  # pragma: no cover
        with turn:
            return write(frame)

    return in_turn  # pragma: no cover
