"""The memory of a ring: a header and equal segments, in a file that outlives the process or in memory that does not.

The file is mapped shared, so what is copied into it is in the kernel's hands at once: a process that is killed leaves
it behind, whole. (The idea of a log that survives its process in mapped memory: Chronicle Queue, LMAX.)

Layout, little-endian: identity, intent and counters in the first page, the table of segments in the second, the
target's name in the third; then the segments, zero where nothing was written.
"""

import mmap
import os
import struct
import sys
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

__all__ = ["Counters", "Intent", "Mark", "Storage", "abandon_all", "reserve"]

_MAGIC = b"weftlog1"
_PAGE = 4096
_TABLE = _PAGE
_TARGET = 2 * _PAGE
_HEADER = max(4 * _PAGE, mmap.ALLOCATIONGRANULARITY)

_IDENTITY = struct.Struct("<8sIIQd")  # magic, segment size, segments, process id, time of birth
_VALID = struct.Struct("<Q")
_INTENT_VALID, _INTENT_AT = 64, 72
_INTENT = struct.Struct("<6Q")  # sequence, start, end; device, inode, size of the file before
_COUNTERS_AT = 256
_COUNTERS = struct.Struct("<6Qd")
_ENTRY = struct.Struct("<QQ")  # sequence (0: free), drained
_DRAINED = struct.Struct("<Q")  # the second word of it
_LENGTH = struct.Struct("<H")

_SHARED: dict[str, Any] = {}
if sys.platform != "win32":
    _SHARED["flags"] = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
if sys.version_info >= (3, 13):
    _SHARED["trackfd"] = False  # before, each mapping keeps a descriptor of its own

_MOST_SEGMENTS = _PAGE // _ENTRY.size
_LONGEST_TARGET = _HEADER - _TARGET - _LENGTH.size


class Mark(NamedTuple):
    """Where a write was about to land: the file's device and inode, and its size before."""

    device: int
    inode: int
    size: int


class Intent(NamedTuple):
    """A write that had begun: of the segment with this sequence number, these bytes, to there."""

    sequence: int
    start: int
    end: int
    mark: Mark


@dataclass(slots=True)
class Counters:
    """What has happened to a log's lines so far.

    Attributes:
        lines: written to the target.
        octets: bytes written to the target.
        dropped: lost to overload, and told in the log itself.
        recovered: lines of processes that had died, written by this one.
        errors: failed attempts to write.
        rotations: how often the file was put aside.
        troubled: when the target began to fail, in seconds since the epoch; 0.0: it does not.
    """

    lines: int = 0
    octets: int = 0
    dropped: int = 0
    recovered: int = 0
    errors: int = 0
    rotations: int = 0
    troubled: float = 0.0


class Storage:
    """One ring's memory. Segments are filled by any thread; everything else belongs to whoever drains the ring.

    Attributes:
        segments: mapped memory, each with a position of its own; `segment.write(frame)` is one step under the GIL.
        size: bytes of each segment.
    """

    def __init__(self, header: mmap.mmap, segments: list[mmap.mmap], path: Path | None, descriptor: int | None) -> None:
        self.segments = segments
        self.size = len(segments[0])
        self.path = path
        self._header = header
        self._descriptor = descriptor
        self._zeros = memoryview(bytes(self.size))
        _open.add(self)

    # -- making and finding

    @classmethod
    def anonymous(cls, size: int, count: int) -> Self:
        """Memory that ends with the process."""
        own = {} if sys.platform == "win32" else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
        return cls(mmap.mmap(-1, _HEADER, **own), [mmap.mmap(-1, size, **own) for _ in range(count)], None, None)

    @classmethod
    def create(cls, path: Path, descriptor: int, *, target: str, size: int, count: int, born: float) -> Self:
        """Lay a new, empty file out. The storage owns the descriptor from here on.

        Raises:
            OSError: there is no room for it. (All of it is taken now: later there would be a SIGBUS instead.)
        """
        reserve(descriptor, _HEADER + size * count)
        made = cls._map(path, descriptor, size, count)
        name = os.fsencode(target)[:_LONGEST_TARGET]
        _LENGTH.pack_into(made._header, _TARGET, len(name))  # noqa: SLF001 - of this class
        start = _TARGET + _LENGTH.size
        made._header[start : start + len(name)] = name  # noqa: SLF001
        _IDENTITY.pack_into(made._header, 0, _MAGIC, size, count, os.getpid(), born)  # noqa: SLF001
        return made

    @classmethod
    def open(cls, path: Path, descriptor: int) -> Self | None:
        """Take a file over whose process is gone; None: it is none of ours, or was never finished."""
        head = os.pread(descriptor, _IDENTITY.size, 0)
        if len(head) < _IDENTITY.size:
            return None
        magic, size, count, _, _ = _IDENTITY.unpack(head)
        if magic != _MAGIC or not 0 < count <= _MOST_SEGMENTS:
            return None
        if os.fstat(descriptor).st_size != _HEADER + size * count:
            return None
        return cls._map(path, descriptor, size, count)

    @classmethod
    def _map(cls, path: Path, descriptor: int, size: int, count: int) -> Self:
        header = mmap.mmap(descriptor, _HEADER, **_SHARED)
        segments = [mmap.mmap(descriptor, size, offset=_HEADER + size * at, **_SHARED) for at in range(count)]
        return cls(header, segments, path, descriptor)

    # -- who it is

    @property
    def pid(self) -> int:
        """The process that made it."""
        return int(_IDENTITY.unpack_from(self._header)[3])

    @property
    def born(self) -> float:
        """When it was made, in seconds since the epoch."""
        return float(_IDENTITY.unpack_from(self._header)[4])

    @property
    def target(self) -> str:
        """What its lines are for: the absolute path of a log."""
        (length,) = _LENGTH.unpack_from(self._header, _TARGET)
        return os.fsdecode(self._header[_TARGET + _LENGTH.size : _TARGET + _LENGTH.size + length])

    # -- the table of segments

    def activate(self, index: int, sequence: int) -> None:
        """Let the segment be the newest of all, empty."""
        _ENTRY.pack_into(self._header, _TABLE + index * _ENTRY.size, sequence, 0)
        self.segments[index].seek(0)  # only now: a thread that looked it up long ago may write at once

    def entry(self, index: int) -> tuple[int, int]:
        """The segment's sequence number (0: it is free) and how much of it has been written to the target."""
        sequence, drained = _ENTRY.unpack_from(self._header, _TABLE + index * _ENTRY.size)
        return sequence, drained

    def drained(self, index: int, upto: int) -> None:
        """So much of the segment has been written to the target."""
        # Not the whole entry: `pack_into` makes all of it zero first, and a kill then would leave a free segment.
        _DRAINED.pack_into(self._header, _TABLE + index * _ENTRY.size + _DRAINED.size, upto)

    def free(self, index: int, used: int) -> None:
        """Make the segment zero again up to there, and free."""
        self.segments[index][:used] = self._zeros[:used]
        _ENTRY.pack_into(self._header, _TABLE + index * _ENTRY.size, 0, 0)

    def end(self, index: int, known: int = 0) -> int:
        """Where the segment's frames end; those up to `known` are known to be there. Only for one that is sealed."""
        found = self.segments[index][known:].find(
            b"\0"
        )  # of bytes: mmap's own `find` takes 20 times as long before 3.13
        return self.size if found < 0 else known + found

    def seal(self, index: int) -> int:
        """Let no more be written to the segment, and tell where its frames end. Idempotent."""
        segment = self.segments[index]
        known = segment.tell()
        segment.seek(0, os.SEEK_END)  # from here on, every write is out of range
        return self.end(index, known if known < self.size else 0)

    def left_behind(self) -> Iterator[tuple[int, int, int]]:
        """For each segment with frames that were not drained, the oldest first: index, start, end."""
        busy = sorted((self.entry(index)[0], index) for index in range(len(self.segments)) if self.entry(index)[0])
        for _, index in busy:
            start, end = self.entry(index)[1], self.end(index)
            whole = self.segments[index].rfind(b"\n", start, end) + 1  # what follows was never acknowledged
            if start < whole:
                yield index, start, whole

    # -- the intent

    def intend(self, intent: Intent) -> None:
        """Note a write that is about to begin."""
        _INTENT.pack_into(self._header, _INTENT_AT, intent.sequence, intent.start, intent.end, *intent.mark)
        _VALID.pack_into(self._header, _INTENT_VALID, 1)

    def settle(self) -> None:
        """The intended write is over, and what became of it has been noted."""
        _VALID.pack_into(self._header, _INTENT_VALID, 0)

    @property
    def intent(self) -> Intent | None:
        """The write that was under way, if any."""
        if not _VALID.unpack_from(self._header, _INTENT_VALID)[0]:
            return None
        sequence, start, end, *mark = _INTENT.unpack_from(self._header, _INTENT_AT)
        return Intent(sequence, start, end, Mark(*mark))

    # -- the counters

    @property
    def counters(self) -> Counters:
        """As they were last noted."""
        return Counters(*_COUNTERS.unpack_from(self._header, _COUNTERS_AT))

    def count(self, now: Counters) -> None:
        """Note the counters, for whoever looks at the file."""
        _COUNTERS.pack_into(
            self._header, _COUNTERS_AT,
            now.lines, now.octets, now.dropped, now.recovered, now.errors, now.rotations, now.troubled,
        )  # fmt: skip

    # -- the end

    def close(self, *, remove: bool) -> None:
        """Let go of the memory and the lock; with `remove`, of the file as well, whose lines have all been written.

        In a forked child, both remain its parent's.
        """
        if remove and self.path is not None:
            with suppress(OSError):
                self.path.unlink()
        for each in (*self.segments, self._header):
            each.close()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


_open: "weakref.WeakSet[Storage]" = weakref.WeakSet()


def abandon_all() -> None:
    """In a forked child: let go of every ring that the parent has open, also of those that it is just recovering.

    A lock is shared by all who have the open file: with a descriptor, the child would keep it, and the memory.
    """
    for storage in list(_open):
        storage.close(remove=False)


def reserve(descriptor: int, size: int) -> None:
    """Take room for so many bytes. Touching mapped memory for which there is none would end the process by SIGBUS.

    Raises:
        OSError: there is not enough.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # pragma: no cover - macOS
        os.ftruncate(descriptor, size)
