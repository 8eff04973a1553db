"""A log file that several processes write, rotate and may find moved or gone. Never torn, never written twice."""

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.logs.complaints import complain
from weft.logs.ring.frame import records
from weft.logs.ring.storage import Mark
from weft.logs.targets.archive import names_in, tidy
from weft.logs.targets.gate import Gate
from weft.logs.targets.locking import take, yield_turn
from weft.logs.targets.protocol import Ledger, ignore
from weft.logs.targets.rotation import Rotation, archive_name

__all__ = ["FileTarget"]

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class FileTarget:
    """A file that is appended to. Used by one thread at a time; processes take turns by a lock on the file itself.

    Whoever has the turn looks first whether the file is still the one of that name: it may have been rotated by
    another process, moved by logrotate, or deleted. Then the one that is there now is opened, or a new one made.

    Args:
        path: of the file; its folder is made if it is missing.
        rotation: when it is put aside.
        durable: whether what is written has to reach the disk before it counts as written.
        gate: the path of what says whether the last turn ended well; None: nothing does. Asked in each process, which
            may run as another user than the one that made this object.
    """

    def __init__(self, path: Path, rotation: Rotation, *, durable: bool, gate: Callable[[], Path] | None) -> None:
        self.path = path
        self.name = str(path)
        self.key = str(path)
        self.rotations = 0
        self.on_unfinished: Callable[[int], object] = ignore
        self._rotation = rotation
        self._durable = durable
        self._gate_path = gate
        # Only root can become another user, who may not be allowed to open the file: this one is for such a child. It
        # is never locked, because a lock would be shared by all who have it, and outlive the one who took it.
        self._spare: int | None = None
        self._borrowed = False  # whether it is what we write to
        self._gate: Gate | None = None
        self._file: int | None = None
        self._unsure = True  # whether the file may end in the middle of a line, as others may have left it
        self._tidying: threading.Thread | None = None
        self._open()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take the turn, with the file open that has the name now."""
        rotations = self.rotations
        try:
            self._take_current()
            if self._gate is None:  # only now: whoever removes it has the turn, and sees that we have a ring
                self._gate = Gate.at(None if self._gate_path is None or self._borrowed else self._gate_path())
            if died := self._gate.closed_by:
                self._unsure = True
                self.on_unfinished(died)
                self._gate.open()
            yield
        finally:
            if self._file is not None and not self._borrowed:
                yield_turn(self._file)
        if self.rotations != rotations:
            self._tidy()

    def append(self, frames: bytes, ledger: Ledger) -> int:
        """Write whole frames, as many as fit into the file before it is rotated; tell how many bytes.

        What has been written of a frame that could not be written whole, on a full disk, is cut off again.
        """
        if self._unsure:
            self._end_last_line()
        now = self._rotated(frames)
        chunk = _whole_frames(frames, self._rotation.room(now.st_size))
        assert self._gate is not None  # it is our turn
        self._gate.close(ledger.owner)
        ledger.begin(Mark(now.st_dev, now.st_ino, now.st_size), len(chunk))
        written = 0
        try:
            written = self._write(chunk, now.st_size)
        finally:
            ledger.commit(written)
            self._gate.open()
        return written

    def resume(self, rest: bytes) -> None:
        """Complete a frame at the end of the file, of which its writer wrote the first part and died."""
        assert self._file is not None  # it is our turn
        _write_all(self._file, records(rest))

    def written_since(self, mark: Mark, most: int) -> tuple[bytes, bool]:
        """What was written at that mark and behind it, up to `most` bytes, and whether the file ends there.

        Of the file that it was then, which may have another name by now; nothing, if that cannot be found.
        """
        for path in (self.path, *self._siblings()):
            with suppress(OSError), path.open("rb") as file:
                found = os.fstat(file.fileno())
                if (found.st_dev, found.st_ino) == (mark.device, mark.inode):
                    file.seek(mark.size)
                    data = file.read(most)
                    return data, path == self.path and mark.size + len(data) == found.st_size
        return b"", False

    def close(self) -> None:
        """Let go of the file, and wait until old ones are compressed. Idempotent; the next turn opens it again."""
        self._close_file()
        self._close_spare()
        self._gate = Gate()  # a late line needs none: its caller is still there
        if self._tidying is not None:
            self._tidying.join()

    def disown(self) -> None:
        """Let go of the file in a forked child."""
        self._close_file()
        self._gate = self._tidying = None

    # -- opening, and the turn

    def _open(self) -> int:
        try:
            file = os.open(self.path, _FLAGS, 0o666)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, _FLAGS, 0o666)
        except PermissionError:
            if self._spare is None:
                raise
            file, self._borrowed, self._rotation = os.dup(self._spare), True, Rotation()
        self._file, self._unsure = file, True
        if _is_root():
            self._keep_a_spare()
        return file

    def _keep_a_spare(self) -> None:
        self._close_spare()
        with suppress(OSError):  # moved away this moment: then there is another one soon
            self._spare = os.open(self.path, _FLAGS & ~os.O_CREAT)

    def _close_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            os.close(spare)

    def _end_last_line(self) -> None:
        assert self._file is not None  # it is our turn
        if os.lseek(self._file, 0, os.SEEK_END):
            os.lseek(self._file, -1, os.SEEK_END)
            if os.read(self._file, 1) != b"\n":
                _write_all(self._file, b"\n")
        self._unsure = False

    def _take_current(self) -> int:
        while True:
            file = self._open() if self._file is None else self._file
            if self._borrowed:
                return file
            take(file)
            if self._is_current(file):
                return file
            self._close_file()

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _is_current(self, file: int) -> bool:
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(file)
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    # -- rotating

    def _rotated(self, frames: bytes) -> os.stat_result:
        """The file that the first of the frames belongs in, as it is now."""
        assert self._file is not None  # it is our turn
        found = os.fstat(self._file)
        if not self._rotation.rotates:
            return found
        now, first = time.time(), frames.find(b"\n") + 1
        if not self._rotation.due(found.st_size, first, found.st_mtime, now):
            return found
        return self._rotate(found, now)

    def _rotate(self, old: os.stat_result, now: float) -> os.stat_result:
        try:
            name = archive_name(self.path.name, now, names_in(self.path.parent))
            self.path.rename(self.path.with_name(name))
        except PermissionError as error:
            complain(f"{self.path} cannot be put aside, and grows on: {error}")
            self._rotation = Rotation()
            return old
        self._close_file()
        new = self._take_current()
        self.rotations += 1
        with suppress(OSError, AttributeError):  # the latter on Windows
            os.fchmod(new, stat.S_IMODE(old.st_mode))
            os.fchown(new, old.st_uid, old.st_gid)
        return os.fstat(new)

    def _siblings(self) -> Iterator[Path]:
        for name in names_in(self.path.parent):
            if name.startswith(self.path.name) and name != self.path.name and not name.endswith(".gz"):
                yield self.path.with_name(name)

    def _tidy(self) -> None:
        if not (self._rotation.compress or self._rotation.keep is not None):
            return
        if self._tidying is None or not self._tidying.is_alive():
            tidying = threading.Thread(target=_try_to_tidy, args=(self.path, self._rotation), name="weft-logs-tidy")
            with suppress(RuntimeError):  # the interpreter is ending: the next rotation does it
                tidying.start()
                self._tidying = tidying

    # -- writing

    def _write(self, chunk: bytes, size: int) -> int:
        assert self._file is not None  # it is our turn
        try:
            written = _write_all(self._file, records(chunk))
        except _CutShort as cut:
            whole = chunk.rfind(b"\n", 0, cut.written) + 1
            if os.fstat(self._file).st_size == size + cut.written:
                os.ftruncate(self._file, size + whole)
            if not whole:
                raise
            written = whole
        if self._durable:
            self._sync(size, written)
        return written

    def _sync(self, size: int, written: int) -> None:
        assert self._file is not None  # it is our turn
        try:
            _sync(self._file)
        except OSError:
            if os.fstat(self._file).st_size == size + written:
                os.ftruncate(self._file, size)  # it is going to be written again
            raise


def _is_root() -> bool:
    return hasattr(os, "getuid") and os.getuid() == 0


def _sync(file: int) -> None:
    getattr(os, "fdatasync", os.fsync)(file)


class _CutShort(OSError):
    """So much was written, and then no more. Callers that do not care see the system's own error."""

    def __init__(self, written: int, error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.written = written


def _write_all(file: int, data: bytes) -> int:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(file, left) :]
        except OSError as error:
            raise _CutShort(len(data) - len(left), error) from error
    return len(data)


def _whole_frames(frames: bytes, room: float) -> bytes:
    """As many frames as fit, and one in any case."""
    if room >= len(frames):
        return frames
    end = frames.rfind(b"\n", 0, int(room)) + 1
    return frames[: end or frames.find(b"\n") + 1]


def _try_to_tidy(path: Path, rotation: Rotation) -> None:
    with suppress(OSError):  # a full disk: the next rotation tries again
        tidy(path, rotation)
