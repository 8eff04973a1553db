"""Who is alive, told by the kernel, and what was running when somebody died.

Each worker holds a lock on a file of its own for as long as it lives: a dead owner's is free at once, a slow one's
never. The same file, mapped into memory, is a register of the jobs that its owner has begun. It survives the process,
without a single write to the disk (it need not survive the machine: nothing that runs does).
"""

import fcntl
import mmap
import os
import secrets
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

__all__ = ["DeadOwner", "Owner", "dead_owners", "owner_file"]

_SUFFIX = ".owner"
_SLOT = struct.Struct("<q")


class Owner:
    """A worker's claim to be alive. `begin` and `end` from any thread.

    Args:
        folder: where its file is to be.
        slots: jobs that may have begun at the same time.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, folder: Path, slots: int = 64) -> None:
        self.name = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._path = owner_file(folder, self.name)
        # Locked before it has its name: nobody may see it unlocked.
        temporary = folder / (self.name + ".new")
        self._file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.ftruncate(self._file, slots * _SLOT.size)
        temporary.rename(self._path)
        self._map = mmap.mmap(self._file, slots * _SLOT.size)
        self._lock = threading.Lock()
        self._free = list(range(slots - 1, -1, -1))
        self._slots: dict[int, int] = {}

    def begin(self, job: int) -> None:
        """Note that a job has begun."""
        with self._lock:
            if self._free:
                slot = self._slots[job] = self._free.pop()
                _SLOT.pack_into(self._map, slot * _SLOT.size, job)

    def end(self, job: int) -> None:
        """Note that it has ended."""
        with self._lock:
            slot = self._slots.pop(job, None)
            if slot is not None:
                _SLOT.pack_into(self._map, slot * _SLOT.size, 0)
                self._free.append(slot)

    def abandon(self) -> None:
        """Let go of the lock. The owner is dead, for others to see to what is left, unless a parent holds it, too."""
        self._map.close()  # which has a descriptor of its own
        os.close(self._file)

    def close(self) -> None:
        """Be gone, in good order: nothing is running."""
        self._path.unlink(missing_ok=True)
        self.abandon()


class DeadOwner:
    """An owner that has died. Nobody else can hold it; `bury` it when its jobs have been seen to."""

    def __init__(self, path: Path, file: int) -> None:
        self.name = path.name.removesuffix(_SUFFIX)
        self._path = path
        self._file = file
        data = os.pread(file, os.fstat(file).st_size, 0)
        jobs = [job for (job,) in _SLOT.iter_unpack(data[: len(data) // _SLOT.size * _SLOT.size]) if job]
        self.begun = frozenset(jobs)

    def bury(self) -> None:
        """Remove its file, and let go."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def leave(self) -> None:
        """Let go, for somebody else to see to it."""
        os.close(self._file)


def owner_file(folder: Path, name: str) -> Path:
    """Where this owner's file is, as long as it has one."""
    return folder / (name + _SUFFIX)


def dead_owners(folder: Path) -> Iterator[DeadOwner]:
    """Those who hold their lock no longer. Each is handed to one process at a time."""
    for path in sorted(folder.glob("*" + _SUFFIX)):
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        if path.exists():
            yield DeadOwner(path, file)
        else:  # buried by another while we opened it
            os.close(file)
