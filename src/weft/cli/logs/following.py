"""Following a log as it grows, whatever becomes of its file: renamed, cut, deleted, made anew."""

import gzip
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import NamedTuple, TypeAlias

from weft.cli.logs.reading import BLOCK, Splitter, forwards
from weft.clock import now
from weft.logs.targets.rotation import archives

__all__ = ["Follower", "follow"]

Identity: TypeAlias = tuple[int, int]  # of a file, whatever it is called
Source: TypeAlias = FileIO | gzip.GzipFile

_GRACE = 5.0  # seconds in which a file that was put aside may still get lines, from who has not noticed yet
_REMEMBERED = 256  # bytes
_TRIES = 3  # to open files that are being renamed
_STAMP = r"[.-]\d[\dTZ_.:-]*"  # what logrotate, the handlers of logging, and we put behind the name of an old file


class State(NamedTuple):
    """A file as it was at its last line."""

    identity: Identity
    modified: int  # nanoseconds since 1970


def follow(followed: "Sequence[tuple[Follower, Callable[[list[bytes]], None]]]", wait: Callable[[], object]) -> None:
    """Hand the new lines of each log to its function, for ever. Waits when there are none."""
    while True:
        idle = True
        for follower, show in followed:
            for lines in follower.poll():
                show(lines)
                idle = False
        if idle:
            wait()


class Growing:
    """An open file that lines are appended to. Owns the file."""

    def __init__(self, file: FileIO, at: int) -> None:
        found = os.fstat(file.fileno())
        self.identity = _identity(found)
        self.active = now()
        self._file = file
        self._at = at
        self._splitter = Splitter()
        file.seek(max(0, at - _REMEMBERED))
        self._seen = file.read(min(at, _REMEMBERED))  # what stands before our place

    @property
    def modified(self) -> int:
        """When it was last written to, in nanoseconds since 1970."""
        return os.fstat(self._file.fileno()).st_mtime_ns

    def lines(self) -> Iterator[list[bytes]]:
        """The lines that have become whole since the last time, from the beginning if the file was cut meanwhile."""
        while data := self._read():
            self.active = now()
            if lines := self._splitter.lines(data):
                yield lines

    def close(self) -> list[bytes]:
        """Let go of the file; gives the last line, if it never became whole."""
        self._file.close()
        return self._splitter.rest()

    def _read(self) -> bytes:
        # The size does not tell whether it was cut: it may have grown again beyond our place.
        self._file.seek(self._at - len(self._seen))
        data = self._file.read(len(self._seen) + BLOCK)
        if not data.startswith(self._seen):
            self._at, self._seen, self._splitter = 0, b"", Splitter()
            self._file.seek(0)
            data = self._file.read(BLOCK)
        new = data[len(self._seen) :]
        self._at += len(new)
        self._seen = data[-_REMEMBERED:]
        return new


class Follower:
    """The new lines of a log, in the order of its files. Close it after use.

    A file that was put aside is read to its end, and for a while after; one that had the name only between two looks is
    read as a whole. What was written between the last look and the moment in which a file was cut cannot be had.

    Args:
        path: of the log; it may not be there yet.
        file: what has this name now, opened without a buffer; None: nothing.
        at: the place in it from which on lines are new.
    """

    def __init__(self, path: Path, file: FileIO | None, at: int) -> None:
        self._path = path
        self._current = None if file is None else Growing(file, at)
        self._former: list[Growing] = []
        self._between: list[Source] = []
        # Old files that have been read to their end, or were there before the log that is waited for.
        self._done = set() if file else set(_states(_old_files(path)))

    def poll(self) -> Iterator[list[bytes]]:
        """What there is now."""
        self._look()
        for former in self._former:
            yield from former.lines()
        while self._between:
            with self._between[0] as file:
                yield from forwards(file)
            self._between.pop(0)
        if self._current is not None:
            yield from self._current.lines()
        yield from self._let_go()

    def close(self) -> None:
        """Let go of all files."""
        for each in (*self._former, *self._between, *filter(None, [self._current])):
            each.close()

    def _look(self) -> None:
        """Open what has the name now, and the files that had it since the last look and are no more."""
        last = self._current
        try:
            if last is not None and _identity(self._path.stat()) == last.identity:
                return
            found = Growing(self._path.open("rb", buffering=0), 0)
        except OSError:  # it will be back, or be readable again
            return
        if last is not None and last.identity == found.identity:  # it was back between the two
            found.close()
            return
        self._current = found
        if last is not None:
            self._former.append(last)
            self._between = self._missed(last.modified)
        else:
            self._between = self._missed(max((state.modified for state in self._done), default=0))

    def _missed(self, since: int) -> list[Source]:
        self._done = {state for state in self._done if state.modified >= since}
        followed = {growing.identity for growing in (*self._former, *filter(None, [self._current]))}
        missed = _opened(self._path, since, lambda state: state in self._done or state.identity in followed)
        self._done.update(_state(file.fileno()) for file in missed)
        return missed

    def _let_go(self) -> Iterator[list[bytes]]:
        for former in [former for former in self._former if now() - former.active > _GRACE]:
            self._former.remove(former)
            self._done.add(State(former.identity, former.modified))
            yield former.close()


def _opened(path: Path, since: int, known: Callable[[State], bool]) -> list[Source]:
    """The old files of this log that were written to after that moment and are not known, the oldest first."""
    for _ in range(_TRIES):
        with suppress(OSError), ExitStack() as stack:  # renamed since we looked: look again
            opened = [_open(old, stack) for old in _younger(path, since, known)]
            stack.pop_all()
            return opened
    return []


def _younger(path: Path, since: int, known: Callable[[State], bool]) -> list[Path]:
    found = []
    for old in _old_files(path):
        state = _state(old)
        # A compressed file has the time of what was compressed: one of the same time is the one that we know.
        if state.modified >= since + (old.suffix == ".gz") and not known(state):
            found.append((state.modified, old.name, old))
    return [old for _, _, old in sorted(found)]


def _old_files(path: Path) -> list[Path]:
    if not path.parent.is_dir():
        return []
    names = {each.name for each in path.parent.iterdir()}
    stamped = re.compile(re.escape(path.name) + _STAMP)
    plain = {name for name in names if stamped.fullmatch(name)}
    # Of compressed files only ours: others may have the time at which they were compressed.
    packed = {name for name in archives(path.name, names) if name.removesuffix(".gz") not in plain}
    return [path.with_name(name) for name in plain | packed]


def _open(path: Path, stack: ExitStack) -> Source:
    if path.suffix == ".gz":
        return stack.enter_context(gzip.open(path))
    return stack.enter_context(path.open("rb", buffering=0))


def _states(files: list[Path]) -> Iterator[State]:
    for file in files:
        with suppress(FileNotFoundError):  # renamed since we looked
            yield _state(file)


def _state(file: Path | int) -> State:
    status = os.stat(file)  # noqa: PTH116 - of a descriptor, too
    return State(_identity(status), status.st_mtime_ns)


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
