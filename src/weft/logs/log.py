"""A log: what is written to it is in memory at once, and in its target soon, whatever becomes of the process.

The order of things: `write` copies a frame into the ring; the writer thread takes what has gathered, takes the turn at
the target, notes what it is about to write, writes it, and notes that it has. A kill between any two of these steps
leaves notes from which the next process can tell what is in the target and what is not.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from weft.clock import now
from weft.logs.bell import Bell
from weft.logs.complaints import complain
from weft.logs.overload import Drop, Overload
from weft.logs.ring.frame import frame
from weft.logs.ring.places import Place
from weft.logs.ring.ring import Ring
from weft.logs.ring.storage import Counters, Storage, abandon_all
from weft.logs.targets.protocol import UNKEPT, Target
from weft.logs.writer import Writer
from weft.policy.verdict import Wait

__all__ = ["Log", "LogStatistics", "close_all"]

_SEGMENTS = 8
_SMALLEST_SEGMENT = 16_384


@dataclass(frozen=True, slots=True)
class LogStatistics:
    """How a log is doing in this process.

    Attributes:
        target: what it writes to.
        lines: written to the target.
        octets: bytes of them.
        backlog: bytes that wait to be written.
        dropped: lines given up under overload.
        recovered: lines of dead processes that this one has written.
        errors: failed attempts to write.
        rotations: how often this process put the file aside.
        troubled: seconds for which the target has been failing; None: it does not.
        survives: whether a backlog outlives a kill of the process.
    """

    target: str
    lines: int
    octets: int
    backlog: int
    dropped: int
    recovered: int
    errors: int
    rotations: int
    troubled: float | None
    survives: bool


class Log:
    """Lines on their way to a target. Any thread may write; a forked child gets a ring and a writer of its own.

    Opens no ring and starts no thread before the first line.

    Args:
        target: where the lines go.
        overload: what becomes of a line for which there is no room.
        size: bytes of the ring, in 8 segments; a record larger than a segment is written by its caller.
        place: where the ring lies; None: in memory that ends with the process.
        notice: makes a frame of what the log has to say itself.

    Attributes:
        floor: the level below which callers should give lines up (by `shed`) at present; 0: none.
    """

    def __init__(
        self,
        target: Target,
        *,
        overload: Overload,
        size: int,
        place: Place | None,
        notice: Callable[[str], bytes] = frame,
    ) -> None:
        self.target = target
        self._overload = overload
        self._segment = max(_SMALLEST_SEGMENT, size // _SEGMENTS // _SMALLEST_SEGMENT * _SMALLEST_SEGMENT)
        self._place = place
        self._notice = notice
        self._closed = False
        self._begin_afresh()
        _logs.add(self)

    def _begin_afresh(self) -> None:
        self.floor = 0
        self._ring: Ring | _NoRing = _NO_RING
        self._writer: Writer | None = None
        self._bell = Bell()
        self._opening = threading.RLock()  # reentrant, because a signal handler may log meanwhile
        self._writing = threading.RLock()  # around the target; reentrant for the same reason
        self._counters = Counters()
        self._full_since: float | None = None
        self._survives = self._place is not None

    # -- what callers do

    def write(self, line: bytes) -> None:
        """Take the frame over. Returns at once, unless the ring is full (see `Overload`) or the frame is huge.

        Raises:
            OSError: the frame is huge, or the log is closed, and the target cannot be written.
        """
        try:
            self._ring.put(line)
        except ValueError:
            self._without_room(line)
        if self._bell.waiting:
            self._bell.ring()

    def shed(self) -> None:
        """Count a line that its caller gave up, because of its level."""
        with self._opening:
            self._counters.dropped += 1

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until what was written so far is in the target; False: it was not within so many seconds."""
        ring, writer = self._ring, self._writer
        if isinstance(ring, _NoRing) or writer is None:
            return True
        try:
            upto = ring.position
            writer.hurry()
            with ring.moved:
                return ring.moved.wait_for(lambda: ring.passed(upto), timeout)
        except ValueError:  # somebody has closed the log meanwhile, and with that written what there was
            return True

    def close(self, timeout: float = 5.0) -> bool:
        """Write what there is and let go of everything; False: not all could be written within so many seconds.

        What was not written stays in the ring, for the next process that opens this log. Idempotent. A line that
        comes later is written by its caller.
        """
        with self._opening:
            ring, writer = self._ring, self._writer
            self._ring, self._writer, self._closed = _NO_RING, None, True
        if isinstance(ring, _NoRing) or writer is None:
            return self._let_go()
        ring.shut()
        if not writer.stop(timeout):  # memory, lock and file have to stay until the process ends
            if ring.backlog:
                complain(f"{self.target.name} did not take the last lines. {self._fate}")
            return False
        written = ring.empty
        if not written:
            complain(f"the last {ring.backlog:,} bytes could not be written to {self.target.name}. {self._fate}")
        ring.storage.close(remove=written)
        self.target.close()
        return written

    def _let_go(self) -> bool:
        """Close the target; False: somebody is writing to it, whose descriptor could become another file's."""
        if not self._writing.acquire(blocking=False):
            return False
        try:
            self.target.close()
        finally:
            self._writing.release()
        return True

    def statistics(self) -> LogStatistics:
        """How the log is doing. Never waits."""
        seen, ring = self._counters, self._ring
        return LogStatistics(
            target=self.target.name,
            lines=seen.lines,
            octets=seen.octets,
            backlog=_backlog(ring),
            dropped=seen.dropped,
            recovered=seen.recovered,
            errors=seen.errors,
            rotations=self.target.rotations,
            troubled=time.time() - seen.troubled if seen.troubled else None,
            survives=self._survives,
        )

    @property
    def _fate(self) -> str:
        return "The next process that opens this log writes them." if self._survives else "They are lost."

    # -- when there is no room

    def _without_room(self, line: bytes) -> None:
        ring = self._opened()
        if ring is None:
            self._write_around(line)
        elif len(line) > self._segment:
            if self.drain(self._overload.timeout):
                self._write_around(line)
            else:
                self.shed()
        elif not self._squeeze_in(ring, line):
            self._write_around(line)  # the log was closed meanwhile

    def _squeeze_in(self, ring: Ring, line: bytes) -> bool:
        """Put the frame where there is room for it, or give it up; False: the ring has been shut."""
        with ring.lock:
            while not _fits(ring, line):
                if ring.is_shut:
                    return False
                if ring.advance():
                    self._full_since = None
                    self.floor = self._overload.floor(ring.fill)
                    continue
                if self._full_since is None:
                    self._full_since = now()
                match self._overload.when_full(now() - self._full_since):
                    case Wait(seconds):
                        ring.moved.wait(seconds)
                    case Drop.OLD if lost := ring.discard_oldest():
                        self._counters.dropped += lost
                    case _:
                        self._counters.dropped += 1
                        return True
        return True

    def _write_around(self, line: bytes) -> None:
        """Write a frame without the ring. The caller waits for the target, unless the writer is stuck in it."""
        if not self._writing.acquire(timeout=self._overload.timeout):
            self.shed()
            return
        try:
            with self.target.turn():
                self.target.append(line, UNKEPT)
            self._counters.lines += 1
            self._counters.octets += len(line)
        finally:
            if self._closed:
                self.target.close()
            self._writing.release()

    # -- opening, and beginning afresh

    def _opened(self) -> Ring | None:
        """The ring, opened if need be; None: the log is closed, or the interpreter is ending."""
        with self._opening:
            if self._closed or isinstance(self._ring, Ring):
                return self._ring if isinstance(self._ring, Ring) else None
            ring = Ring(self._storage())
            if isinstance(self._ring, Ring):  # a signal handler has logged meanwhile
                ring.storage.close(remove=True)
                return self._ring
            writer = Writer(
                ring, self.target, self._place, self._bell,
                counters=self._counters, writing=self._writing, notice=self._notice, rest=self._rested,
            )  # fmt: skip
            self._ring, self._writer = ring, writer  # first: starting a thread can be interrupted as well
            if not writer.start():
                self._ring, self._writer = _NO_RING, None
                ring.storage.close(remove=True)
                return None
            return ring

    def _storage(self) -> Storage:
        if self._place is not None:
            try:
                return self._place.create(self.target.key, self._segment, _SEGMENTS, time.time())
            except OSError as error:
                complain(f"no ring in {self._place.folder}: {error}. A kill would lose the lines of its last moment.")
                self._survives = False
        return Storage.anonymous(self._segment, _SEGMENTS)

    def _rested(self, ring: Ring) -> None:
        self.floor = self._overload.floor(ring.fill)

    def forked(self) -> None:
        """In a forked child: ring, thread and locks stayed with the parent, and so do the lines in it."""
        self.target.disown()
        self._begin_afresh()


class _NoRing:
    """Stands where there is no ring: nothing fits."""

    def put(self, _line: bytes) -> object:
        raise ValueError


_NO_RING = _NoRing()
_logs: "weakref.WeakSet[Log]" = weakref.WeakSet()


def close_all() -> None:
    """Close every log of this process."""
    for log in list(_logs):
        log.close()


def _backlog(ring: Ring | _NoRing) -> int:
    with suppress(ValueError):  # closed this moment
        return 0 if isinstance(ring, _NoRing) else ring.backlog
    return 0


def _fits(ring: Ring, line: bytes) -> bool:
    try:
        ring.put(line)
    except ValueError:
        return False
    return True


def _forked() -> None:
    abandon_all()
    for log in list(_logs):
        log.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
