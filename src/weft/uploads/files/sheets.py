"""What a sheet of a workbook comes to, measured while it passes by: its rectangle, and the text of its cells."""

import re
from collections import Counter
from collections.abc import Sequence

from weft.uploads.errors import UploadRefused

__all__ = ["Sheet"]

_LONGEST = 1 << 20  # bytes that a tag, or the text behind it, may have
_NEAR = 1 << 12
_CELL = re.compile(rb"<(?:\w+:)?c\b[^<>]*")
_ROW = re.compile(rb"<(?:\w+:)?row\b[^<>]*")
_CELL_AT = re.compile(rb"""<(?:\w+:)?c\b[^<>]*?\sr\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_ROW_AT = re.compile(rb"""<(?:\w+:)?row\b[^<>]*?\sr\s*=\s*["']([0-9]{1,7})["']""")
_SHARED = re.compile(rb"""<(?:\w+:)?c\b[^<>]*?\st\s*=\s*["']s["']""")
_SHARED_AT = re.compile(
    rb"""<(?:\w+:)?c\b[^<>]*?\st\s*=\s*["']s["'][^<>]*>\s*<(?:\w+:)?v\b[^<>]*>\s*([0-9]{1,9})\s*<"""
)
_STRING_END = re.compile(rb"</(?:\w+:)?si\s*>|<(?:\w+:)?si\s*/>")


class Sheet:
    """A part of a workbook, taken in piece by piece. What it tells is never too little.

    Args:
        lengths: of the shared texts that its cells may name, in bytes.

    Attributes:
        rows, columns: that its cells span. Those that do not say where they are follow the one before.
        text: bytes that the shared texts in its cells come to.
        strings: the lengths of the shared texts that it holds itself, tags included.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.rows = self.columns = self.text = 0
        self.strings: list[int] = []
        self._lengths = lengths
        self._longest = max(lengths, default=0)
        self._rest = b""
        self._last_row = self._last_column = 0
        self._followers = 0
        self._broad = 0
        self._open = 0  # cells of the row that the last piece ended in
        self._string = 0  # bytes of the shared text that the last piece ended in

    def take(self, piece: bytes) -> None:
        """Take in what comes next.

        Raises:
            UploadRefused: 422, this is no XML.
        """
        text = self._rest + piece
        cut = text.rfind(b"<c ", max(0, len(text) - _NEAR))  # so that a cell and its value stay together
        cut = text.rfind(b"<") if cut < 0 else cut
        if len(text) - cut > _LONGEST:
            raise UploadRefused(422, "damaged", "the workbook cannot be read: a sheet in it is no XML")
        self._measure(text[:cut])
        self._rest = text[cut:]

    def end(self) -> None:
        """There is no more to take in."""
        self._measure(self._rest)
        self._rest = b""

    def _measure(self, text: bytes) -> None:
        self._stretch(text)
        self._fill(text)
        *ends, last = _STRING_END.split(text)
        for end in ends:
            self.strings.append(self._string + len(end))
            self._string = 0
        self._string += len(last)

    def _stretch(self, text: bytes) -> None:
        cells, rows = _CELL_AT.findall(text), _ROW_AT.findall(text)
        self._last_row = max(self._last_row, *map(int, {row for _, row in cells}), *map(int, rows), 0)
        self._last_column = max(self._last_column, *map(_number, {column for column, _ in cells}), 0)
        self._followers += len(_ROW.findall(text)) - len(rows)
        if len(_CELL.findall(text)) != len(cells):
            counts = [len(_CELL.findall(row)) for row in _ROW.split(text)]
            counts[0] += self._open
            self._open = counts[-1]
            self._broad = max(self._broad, *counts)
        self.rows = self._last_row + self._followers
        self.columns = self._last_column + self._broad

    def _fill(self, text: bytes) -> None:
        named = Counter(_SHARED_AT.findall(text))
        for number, times in named.items():
            at = int(number)
            self.text += times * (self._lengths[at] if at < len(self._lengths) else 0)
        # Of a cell whose value stands elsewhere than usual, the worst is thought.
        self.text += (len(_SHARED.findall(text)) - named.total()) * self._longest


def _number(column: bytes) -> int:
    number = 0
    for letter in column:
        number = number * 26 + letter - 64
    return number
