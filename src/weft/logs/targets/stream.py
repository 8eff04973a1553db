"""Standard output and error, pipes, terminals and sockets: written whole frame by whole frame, however slow the reader.

A stream cannot be read back, so what a killed process had just begun to write may be written twice.
"""

import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from weft.logs.ring.frame import records
from weft.logs.ring.storage import Mark
from weft.logs.targets.locking import take, yield_turn
from weft.logs.targets.protocol import Ledger, ignore

__all__ = ["STREAM", "StreamTarget", "is_stream"]

STREAM = "stream:"
"""What the keys of streams begin with, and those of files, which are absolute paths, do not."""

_CHUNK = 1 << 16  # bytes: the capacity of a Linux pipe
_NOWHERE = Mark(0, 0, 0)
_LOOK_AGAIN = 1000  # milliseconds
# Without a reader, a named pipe says ENXIO instead of waiting for one.
_FLAGS = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NOT_OURS = getattr(os, "O_NOCTTY", 0)  # a terminal must not become that of our session, and send us its signals


class StreamTarget:
    """A stream that is open already, or a named pipe. Used by one thread at a time.

    Where the system allows it, the stream is opened anew for this object: then processes take turns by a lock on it,
    and a reader that stalls blocks nobody but the writing thread.

    Args:
        name: what people call it: "stdout", or the path of a named pipe.
        source: its descriptor, or the path of a named pipe.
        keep: whatever has to live for the descriptor to stay open.
    """

    rotations = 0

    def __init__(self, name: str, source: int | Path, *, keep: object = None) -> None:
        self.name = name
        self.key = _key(name)
        self.on_unfinished: Callable[[int], object] = ignore  # there is no telling
        self._source = source
        self.keep = keep
        self._file: int | None = None
        self._shared = False  # whether ours is an open file of its own, with a lock of its own

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take the turn among the processes that write to this stream."""
        file = self._open() if self._file is None else self._file
        if self._shared:
            take(file)
        try:
            yield
        finally:
            if self._shared and self._file is not None:
                yield_turn(self._file)

    def append(self, frames: bytes, ledger: Ledger) -> int:
        """Write whole frames, about 64 KiB of them; tell how many bytes."""
        assert self._file is not None  # it is our turn
        end = frames.rfind(b"\n", 0, _CHUNK) + 1 or frames.find(b"\n") + 1
        ledger.begin(_NOWHERE, end)
        written = 0
        try:
            self._write(self._file, records(frames[:end]))
            written = end
        except OSError:
            self.close()  # a pipe may get another reader
            raise
        finally:
            ledger.commit(written)
        return written

    def written_since(self, _mark: Mark, _most: int) -> tuple[bytes, bool]:
        """Nothing: a stream cannot be read back."""
        return b"", False

    def resume(self, _rest: bytes) -> None:
        """Never asked for: nothing is known to have been written."""

    def close(self) -> None:
        """Let go of it. Idempotent; the next turn opens it again."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def disown(self) -> None:
        """Let go of it in a forked child."""
        self.close()

    def _open(self) -> int:
        if isinstance(self._source, Path):
            self._file, self._shared = os.open(self._source, _FLAGS | _NOT_OURS), True
            return self._file
        try:
            if stat.S_ISREG(os.fstat(self._source).st_mode):
                raise OSError("a redirection into a file: what `print` writes has to find the place behind our lines")
            self._file, self._shared = os.open(f"/proc/self/fd/{self._source}", _FLAGS | _NOT_OURS), True
        except OSError:  # or a socket, or a system without /proc
            self._file, self._shared = os.dup(self._source), False
        return self._file

    def _write(self, file: int, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(file, left) :]
            except BlockingIOError:
                _wait_for_reader(file)


def _wait_for_reader(file: int) -> None:
    waiting = select.poll()
    waiting.register(file, select.POLLOUT)
    waiting.poll(_LOOK_AGAIN)


def _key(name: str) -> str:
    """Where this program, from this folder, writes."""
    program = sha256("\0".join((str(Path.cwd()), sys.argv[0] if sys.argv else "", name)).encode("utf-8", "replace"))
    return f"{STREAM}{name}:{program.hexdigest()[:16]}"


def is_stream(path: Path) -> bool:
    """Whether there is something at that path that is not a plain file: a pipe, a terminal, /dev/stdout."""
    with suppress(OSError):
        mode = path.stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False
