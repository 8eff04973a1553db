"""CSV as text: its separator, its encoding, and in which line it is broken."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from weft.uploads.errors import UploadRefused

__all__ = ["Looks", "as_utf8", "blame", "count_lines", "first_look"]

_HEAD = 1 << 20
_PIECE = 1 << 18
_SEPARATORS = ",;\t|"
_SAMPLE = 50  # lines that a separator must fit
_COLUMNS = 10_000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def as_utf8(source: Path, encoding: str, folder: Path) -> Path:
    """The file in UTF-8: itself, or a copy in the folder.

    Raises:
        UploadRefused: 422, it is not of that encoding; the message tells the line.
    """
    if encoding.lower().replace("_", "-") in {"utf-8", "utf8", "utf-8-sig"}:
        return source
    copy = folder / "utf8.csv"
    line = 1
    try:
        with source.open(encoding=encoding, newline="") as old, copy.open("w", encoding="utf-8", newline="") as new:
            while piece := old.read(_PIECE):
                new.write(piece)
                line += piece.count("\n")
    except UnicodeError as error:
        _refuse(f"the file is not {encoding}: near line {line}, {error}")
    return copy


@dataclass(frozen=True, slots=True)
class Looks:
    """What is known of a CSV before it is parsed: what separates its fields, and how many lines it may have.

    The number is a guess by the first megabyte.
    """

    separator: str
    lines: int


def first_look(path: Path, separator: str | None) -> Looks:
    """Read it through once as bytes. What no CSV has is refused here: NUL bytes, another encoding, endless lines.

    Raises:
        UploadRefused: 422; the message tells the line.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        _refuse("the file is empty")
    if head.startswith(_UTF16):
        _refuse("the file is UTF-16: save it as UTF-8")
    _refuse_nul(path)
    if b"\n" not in head and len(head) == _HEAD:
        _refuse(f"line 1 does not end in the first {_HEAD} bytes: this is no table")
    lines = _lines(head)
    if len(lines) == 1 and "\r" in lines[0].strip():
        _refuse("lines end with a carriage return alone: save the file with line feeds")
    if any(letter < " " and letter not in "\t\r" for letter in lines[0]):
        _refuse("line 1 has control characters in it: this is no table")  # but what polars would unpack, perhaps
    fitting = [each for each in _SEPARATORS if _fits(lines, each)]
    if separator is None:
        separator = fitting[0] if fitting else ","
    elif fitting and separator not in fitting and separator not in lines[0]:
        _refuse(f"line 1 has no {separator!r} in it: the fields seem to be separated by {fitting[0]!r}")
    columns = lines[0].count(separator) + 1
    if columns > _COLUMNS:
        raise UploadRefused(413, "columns", f"the table has {columns} columns; at most {_COLUMNS} are taken here")
    return Looks(separator, path.stat().st_size * head.count(b"\n") // len(head))


def blame(path: Path, separator: str) -> None:
    """Find the first line that breaks the table; nothing happens if there is none.

    Raises:
        UploadRefused: 422; the message tells the line.
    """
    with path.open("rb") as file:
        reader = csv.reader(_decoded(file), delimiter=separator, strict=True)
        try:
            columns = len(next(reader, ()))
            for row in reader:
                if len(row) > columns:
                    _refuse(f"line {reader.line_num} has {len(row)} fields, and the first line has {columns}")
        except csv.Error as error:
            _refuse(f"line {reader.line_num}: {error}")


def count_lines(path: Path) -> int:
    """Its line feeds."""
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(_PIECE), b""))


def _decoded(file: "Iterator[bytes]") -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            _refuse_encoding(number, error)


def _lines(head: bytes) -> list[str]:
    """The first lines, decoded; a line that the head cuts off is left out."""
    whole = head[: head.rfind(b"\n") + 1] or head
    try:
        return whole.decode("utf-8-sig").split("\n")[:_SAMPLE]
    except UnicodeDecodeError as error:
        return _refuse_encoding(whole.count(b"\n", 0, error.start) + 1, error)


def _fits(lines: list[str], separator: str) -> bool:
    """Whether it parts all lines into as many fields, two or more."""
    try:
        rows = [row for row in csv.reader((line + "\n" for line in lines), delimiter=separator) if row]
    except csv.Error:
        return False
    counts = {len(row) for row in rows[:-1] or rows}  # the last may have been cut
    return len(counts) == 1 and counts.pop() > 1


def _refuse_nul(path: Path) -> None:
    # Into one buffer, again and again: 60 to 100 ms for a gigabyte.
    piece = bytearray(_PIECE)
    with path.open("rb", buffering=0) as file:
        before = 0
        while count := file.readinto(piece):
            at = piece.find(0, 0, count)
            if at >= 0:
                _refuse(f"line {_line_of(path, before + at)} has a NUL byte in it: this is no text")
            before += count


def _line_of(path: Path, offset: int) -> int:
    feeds = 0
    with path.open("rb") as file:
        while offset:
            piece = file.read(min(_PIECE, offset))
            feeds += piece.count(b"\n")
            offset -= len(piece)
    return feeds + 1


def _refuse_encoding(line: int, error: UnicodeDecodeError) -> NoReturn:
    _refuse(f"line {line} is not UTF-8 (byte 0x{error.object[error.start]:02x}): save the file as CSV UTF-8")


def _refuse(message: str) -> NoReturn:
    raise UploadRefused(422, "damaged", message)
