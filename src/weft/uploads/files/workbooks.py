"""Excel workbooks (`.xlsx`), read by calamine from a copy that only holds what we have measured.

calamine unpacks a sheet whole and lays its cells out as one rectangle, so two cells in opposite corners of an empty
sheet would take 400 GB. What is handed to it is therefore an archive of our own making, stored without compression: its
sizes are true, and the rectangle of each sheet has been measured.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile, ZipInfo

from weft.uploads.errors import UploadRefused
from weft.uploads.files.archives import kind_of, members, reading
from weft.uploads.limits import Limits

__all__ = ["read_sheet"]

_PIECE = 1 << 20
_MOST_CELLS = 20_000_000  # of a sheet's rectangle; calamine takes 24 bytes for each, empty ones too
_CELL = re.compile(rb"<(?:\w+:)?c\b[^<>]*")
_ROW = re.compile(rb"<(?:\w+:)?row\b[^<>]*")
_CELL_AT = re.compile(rb"""<(?:\w+:)?c\b[^<>]*?\sr\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_ROW_AT = re.compile(rb"""<(?:\w+:)?row\b[^<>]*?\sr\s*=\s*["']([0-9]{1,7})["']""")
_SHEETS = "xl/worksheets/"
_NEEDED = (
    "[Content_Types].xml",
    "_rels/",
    "xl/_rels/",
    "xl/workbook.xml",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    _SHEETS,
)


def read_sheet(source: Path, sheet: str | int | None, folder: Path, limits: Limits) -> Any:
    """A sheet as a polars frame.

    Args:
        source: the workbook.
        sheet: by its name, or its number from 0; None: the first.
        folder: where a copy may stand.
        limits: rows of the sheet, bytes of the workbook unpacked.

    Raises:
        UploadRefused: 413 too many rows or cells, 422 no workbook, or none with this sheet.
        ImportError: fastexcel is not installed.
    """
    try:
        import fastexcel  # noqa: PLC0415 - an extra
    except ImportError as missing:
        raise ImportError("workbooks need fastexcel: run pip install 'weft[tables]'") from missing
    copy = folder / "workbook.xlsx"
    with reading(source, limits) as old, ZipFile(copy, "w") as new:
        if kind_of(old) not in {"xlsx", "xlsm"}:
            raise UploadRefused(422, "damaged", "this is no Excel workbook")
        for member in members(old):
            if member.filename.startswith(_NEEDED):
                _copy(old, member, new, limits)
    try:
        book = fastexcel.read_excel(copy)
        _refuse_unknown(sheet, book.sheet_names)
        frame = book.load_sheet(0 if sheet is None else sheet, n_rows=limits.rows + 1).to_polars()
    except fastexcel.FastExcelError as error:
        raise UploadRefused(422, "damaged", "the workbook cannot be read") from error
    if frame.width == 0:
        raise UploadRefused(422, "damaged", "the sheet is empty")
    if frame.height > limits.rows:
        _refuse_rows(limits)
    return frame


def _copy(old: ZipFile, member: ZipInfo, new: ZipFile, limits: Limits) -> None:
    with old.open(member) as source, new.open(ZipInfo(member.filename), "w") as target:
        pieces = _pieces(source)
        if member.filename.startswith(_SHEETS):
            pieces = _measured(pieces, limits)
        for piece in pieces:
            target.write(piece)


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: source.read(_PIECE), b"")


def _measured(pieces: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    """The pieces of a sheet, as long as the rectangle around its cells stays within bounds."""
    rectangle = _Rectangle()
    rest = b""
    for piece in pieces:
        text = rest + piece
        cut = text.rfind(b"<")
        if len(text) - cut > _PIECE:
            raise UploadRefused(422, "damaged", "the workbook cannot be read: a sheet in it is no XML")
        rectangle.stretch(text[:cut])
        rest = text[cut:]
        if rectangle.rows > limits.rows + 1:
            _refuse_rows(limits)
        if rectangle.rows * rectangle.columns > _MOST_CELLS:
            raise UploadRefused(
                413, "bomb", f"the sheet spans {rectangle.rows} rows and {rectangle.columns} columns: too many cells"
            )
        yield piece


class _Rectangle:
    """What the cells of a sheet span at most. Those that do not say where they are follow the one before."""

    def __init__(self) -> None:
        self.rows = self.columns = 0
        self._last_row = self._last_column = 0
        self._followers = 0
        self._broad = 0
        self._open = 0  # cells of the row that the last text ended in

    def stretch(self, text: bytes) -> None:
        """Take in these whole tags."""
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


def _number(column: bytes) -> int:
    number = 0
    for letter in column:
        number = number * 26 + letter - 64
    return number


def _refuse_unknown(sheet: str | int | None, names: list[str]) -> None:
    known = sheet is None or (sheet in names if isinstance(sheet, str) else 0 <= sheet < len(names))
    if not known:
        raise UploadRefused(
            422, "sheet", f"the workbook has no sheet {sheet!r}; it has {', '.join(map(repr, names[:20]))}"
        )


def _refuse_rows(limits: Limits) -> None:
    raise UploadRefused(413, "rows", f"the sheet has more than {limits.rows} rows, which is the limit here")
