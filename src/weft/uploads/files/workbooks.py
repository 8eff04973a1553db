"""Excel workbooks (`.xlsx`), read by calamine from a copy that only holds what we have measured.

calamine unpacks a sheet whole and lays its cells out as one rectangle, so two cells in opposite corners of an empty
sheet would take 400 GB; it unpacks what an archive says to be small, and writes a shared text out for each cell that
names it. What is handed to it is therefore an archive of our own making, stored without compression: its sizes are
true, and each of its parts has been measured.
"""

from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

from weft.uploads.errors import UploadRefused
from weft.uploads.files.archives import kind_of, members, reading
from weft.uploads.files.sheets import Sheet
from weft.uploads.limits import Limits

__all__ = ["read_sheet"]

_PIECE = 1 << 20
_MEGA = 1_000_000
_MOST_CELLS = 20_000_000  # of a sheet's rectangle; calamine takes 24 bytes for each, empty ones too
_STRINGS = "xl/sharedStrings.xml"
_NEEDED = (
    "[Content_Types].xml",
    "_rels/",
    "xl/_rels/",
    "xl/workbook.xml",
    _STRINGS,
    "xl/styles.xml",
    "xl/worksheets/",
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
        _copy_needed(old, new, limits)
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


def _copy_needed(old: ZipFile, new: ZipFile, limits: Limits) -> None:
    # The shared strings first: what cells come to depends on them. Any part may be named as a sheet: each is measured.
    needed = [each for each in members(old) if each.filename.startswith(_NEEDED)]
    lengths: list[int] = []
    for member in sorted(needed, key=lambda each: each.filename != _STRINGS):
        with old.open(member) as source, new.open(ZipInfo(member.filename), "w") as target:
            sheet = Sheet(lengths)
            for piece in iter(partial(source.read, _PIECE), b""):
                sheet.take(piece)
                _refuse_excess(sheet, limits)
                target.write(piece)
            sheet.end()
            _refuse_excess(sheet, limits)
            if member.filename == _STRINGS:
                lengths = sheet.strings


def _refuse_excess(sheet: Sheet, limits: Limits) -> None:
    if sheet.rows > limits.rows + 1:
        _refuse_rows(limits)
    if sheet.rows * sheet.columns > _MOST_CELLS:
        told = f"the sheet spans {sheet.rows} rows and {sheet.columns} columns: too many cells"
        raise UploadRefused(413, "bomb", told)
    if sheet.text > limits.unpacked:
        told = f"the sheet comes to more than {limits.unpacked / _MEGA:.3g} MB of text: that is the limit here"
        raise UploadRefused(413, "bomb", told)


def _refuse_unknown(sheet: str | int | None, names: list[str]) -> None:
    known = sheet is None or (sheet in names if isinstance(sheet, str) else 0 <= sheet < len(names))
    if not known:
        raise UploadRefused(
            422, "sheet", f"the workbook has no sheet {sheet!r}; it has {', '.join(map(repr, names[:20]))}"
        )


def _refuse_rows(limits: Limits) -> None:
    raise UploadRefused(413, "rows", f"the sheet has more than {limits.rows} rows, which is the limit here")
