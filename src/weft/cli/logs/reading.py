"""Lines of a log: from its end backwards, or as they come. Never more in memory than a block and one line."""

from collections.abc import Iterator
from typing import BinaryIO, Protocol

__all__ = ["BLOCK", "Readable", "Splitter", "backwards", "end_of_lines", "forwards", "text_of"]

BLOCK = 1 << 16  # bytes
_LONGEST = 1 << 24  # bytes; what is longer, or has no lines at all, is taken in pieces


class Readable(Protocol):
    """What gives bytes as they come."""

    def read(self, size: int, /) -> bytes | None:
        """Up to so many bytes; none at the end."""


def backwards(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The lines before that place in the file, the last one first. Reads no more than it is asked for."""
    pieces: list[bytes] = []  # of the line whose beginning has not been read yet, the last one first
    for _, block in _blocks(file, _without_newline(file, end)):
        first, *lines = block.split(b"\n")
        if lines:
            pieces.append(lines.pop())
            yield _joined(pieces)
            yield from reversed(lines)
            pieces.clear()
        pieces.append(first)
        if len(pieces) > _LONGEST // BLOCK:
            yield _joined(pieces)
            pieces.clear()
    if pieces or end == 1:  # a file of one newline has one line
        yield _joined(pieces)


def end_of_lines(file: BinaryIO, end: int) -> int:
    """Where the last whole line before that place ends; what is behind it is not finished yet."""
    for start, block in _blocks(file, end):
        found = block.rfind(b"\n")
        if found >= 0:
            return start + found + 1
    return 0


def forwards(source: Readable) -> Iterator[list[bytes]]:
    """The lines of a source, as many at a time as have come."""
    splitter = Splitter()
    while data := source.read(BLOCK):
        yield splitter.lines(data)
    yield splitter.rest()


def text_of(line: bytes) -> str:
    """The text of a line, whatever it holds."""
    return line.removesuffix(b"\r").decode("utf-8", "replace")


class Splitter:
    """Cuts what comes in blocks into whole lines."""

    def __init__(self) -> None:
        self._rest = b""

    def lines(self, data: bytes) -> list[bytes]:
        """The lines that are whole now."""
        # A file that was cut while its writer kept its place has a hole of zeros there, as long as the old file.
        *lines, self._rest = (self._rest + data).lstrip(b"\0").split(b"\n")
        if len(self._rest) > _LONGEST:
            lines += self.rest()
        return lines

    def rest(self) -> list[bytes]:
        """The last line, if it has no end; it is taken as it is."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def _blocks(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    while end > 0:
        start = max(0, end - BLOCK)
        file.seek(start)
        yield start, file.read(end - start)
        end = start


def _without_newline(file: BinaryIO, end: int) -> int:
    if end == 0:
        return 0
    file.seek(end - 1)
    return end - (file.read(1) == b"\n")


def _joined(pieces: list[bytes]) -> bytes:
    return b"".join(reversed(pieces)).lstrip(b"\0")
