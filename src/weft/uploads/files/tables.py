"""Tables: CSV and Excel in; Parquet, JSON lines or CSV out. Read and written piece by piece, on all cores.

The engines are polars and, for workbooks, calamine (fastexcel): 12 to 40 times as fast as what is written in Python.
They are imported by the first conversion. Both let go of the interpreter's lock; neither can be stopped, so what bounds
their time are the bounds on size and rows.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from weft.errors import InvalidValue
from weft.uploads.converting.conversions import CONVERSIONS, Conversion, Made, Where
from weft.uploads.errors import UploadRefused
from weft.uploads.files.csvfiles import as_utf8, blame, count_lines, first_look
from weft.uploads.files.workbooks import read_sheet
from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.inspecting.looking import look, size_of
from weft.uploads.inspecting.sniffing import HEAD, sniff
from weft.uploads.limits import Limits

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Table", "make_table"]

Format = Literal["parquet", "json", "csv"]

_UNREADABLE = "the file cannot be read as a table: perhaps a quotation mark in it is not closed, or not doubled"
_INFERRED = 10_000  # rows by which the types of columns are guessed
_LEVEL = 1  # of zstd; with polars' own, 3, 1 GB took 1.4 times as long, for a file 6 % smaller or 3 % larger
_ENDINGS: Mapping[str, str] = {"parquet": "parquet", "json": "ndjson", "csv": "csv"}
_ENGINE = 150_000_000  # bytes that polars takes for itself, measured
_STREAM = 350_000_000  # bytes that it has under way at most, measured with 1 GB


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a CSV file or an Excel workbook (`.xlsx`): `Table(format="parquet")`.

    The first row has the columns' names. Types are guessed; a column in which the guess does not hold to the end is
    text. Rows that end early are filled up with nulls; those with too many fields are refused. Cells are carried over
    as they are: one that begins with `=`, `+`, `-` or `@` is a formula to the spreadsheet that opens a CSV, so put a
    `'` before it if people will.

    Attributes:
        format: "parquet" (zstd), "json" (one object a line) or "csv" (commas, UTF-8).
        sheet: of a workbook, by its name or number from 0; None: the first.
        separator: of a CSV's fields, one character; None: the one of `,` `;` tab `|` that fits its first lines.
        encoding: of a CSV, by Python's name for it, such as "cp1252" or "utf-16".

    Raises:
        InvalidValue: an unknown format or encoding, or a separator that is none.
    """

    format: Format = "parquet"
    sheet: str | int | None = None
    separator: str | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise InvalidValue(f'format={self.format!r} is none of a table: write "parquet", "json" or "csv"')
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\r\n\0'):
            raise InvalidValue(f'separator={self.separator!r} separates nothing: write one character, as in ";"')
        try:
            "".encode(self.encoding)
        except LookupError:
            raise InvalidValue(f'encoding={self.encoding!r} is unknown: write "utf-8", "cp1252" or the like') from None


def make_table(source: Path, recipe: Table, folder: Path, limits: Limits) -> tuple[Made, ...]:
    """Carry the recipe out.

    Raises:
        UploadRefused: 413 more rows than the limit, or a workbook that unpacks to too much; 422 no such table, with
            the number of the line that is to blame where it can be told.
        ImportError: polars or fastexcel is not installed.
    """
    made = folder / f"table.{_ENDINGS[recipe.format]}"
    with source.open("rb") as file:
        workbook = file.read(4) == b"PK\x03\x04"
    if workbook:
        frame = read_sheet(source, recipe.sheet, folder, limits)
        _sink(frame.lazy(), recipe.format, made)
    else:
        _convert_csv(source, recipe, folder, made, limits)
    return (Made(made, _ENDINGS[recipe.format]),)


def _convert_csv(source: Path, recipe: Table, folder: Path, made: Path, limits: Limits) -> None:
    path = as_utf8(source, recipe.encoding, folder)
    looks = first_look(path, recipe.separator)
    if looks.lines > limits.rows:
        # One row more than allowed tells, and what comes after it is not read; so polars does not notice all that is
        # broken, and what turns out to be short enough is read again, to its end.
        _read_csv(path, looks.separator, recipe.format, made, limits.rows + 1)
        _refuse_rows(made, recipe.format, limits)
    _read_csv(path, looks.separator, recipe.format, made, None)
    if path.stat().st_size > limits.rows:  # a row takes a byte, at least
        _refuse_rows(made, recipe.format, limits)


def _read_csv(path: Path, separator: str, format_: str, made: Path, most: int | None) -> None:
    pl = _polars()
    scan = partial(pl.scan_csv, path, separator=separator, n_rows=most, glob=False)
    try:
        with _blaming(path, separator):
            guessed = scan(infer_schema_length=_INFERRED)
            _sink(guessed, format_, made)
    except pl.exceptions.ComputeError:
        with _blaming(path, separator, last=True):
            held = _types_that_hold(scan(infer_schema=False), guessed.collect_schema())
            _sink(scan(schema=held), format_, made)


@contextmanager
def _blaming(path: Path, separator: str, *, last: bool = False) -> Iterator[None]:
    """Say in which line the file is to blame for what polars raises, if it is."""
    exceptions = _polars().exceptions
    try:
        yield
    except (exceptions.NoDataError, exceptions.ComputeError, exceptions.PanicException) as error:
        blame(path, separator)
        if last or not isinstance(error, exceptions.ComputeError):
            raise UploadRefused(422, "damaged", _UNREADABLE) from error
        raise


def _types_that_hold(text: "pl.LazyFrame", guessed: Mapping[str, Any]) -> dict[str, Any]:
    """The guessed types where all rows agree with them, a wider one where that does; else text."""
    pl = _polars()
    asked: list[tuple[str, Any]] = []
    for name, kind in guessed.items():
        if kind.is_numeric():
            asked += [(name, kind)] if kind == pl.Float64 else [(name, kind), (name, pl.Float64)]
        elif kind == pl.Boolean:
            asked.append((name, kind))
    answers = text.select(_holds(name, kind).alias(str(n)) for n, (name, kind) in enumerate(asked))
    held: dict[str, Any] = dict.fromkeys(guessed, pl.String)
    found = answers.collect(engine="streaming").row(0) if asked else ()
    for (name, kind), holds in zip(reversed(asked), reversed(found), strict=True):  # the narrowest has the last word
        if holds:
            held[name] = kind
    return held


def _holds(name: str, kind: Any) -> "pl.Expr":
    cell: pl.Expr = _polars().col(name)
    if kind == _polars().Boolean:
        return (cell.is_null() | cell.is_in(["true", "false"])).all()
    return (cell.is_null() | cell.cast(kind, strict=False).is_not_null()).all()


def _sink(frame: "pl.LazyFrame", format_: str, made: Path) -> None:
    sinks: dict[str, Callable[[Path], object]] = {
        "parquet": partial(frame.sink_parquet, compression_level=_LEVEL),
        "json": frame.sink_ndjson,
        "csv": frame.sink_csv,
    }
    sinks[format_](made)


def _refuse_rows(made: Path, format_: str, limits: Limits) -> None:
    if _rows(made, format_) > limits.rows:
        raise UploadRefused(413, "rows", f"the table has more than {limits.rows} rows, which is the limit here")


def _rows(made: Path, format_: str) -> int:
    pl = _polars()
    if format_ == "json":
        return count_lines(made)
    scan = (
        pl.scan_parquet(made, glob=False) if format_ == "parquet" else pl.scan_csv(made, infer_schema=False, glob=False)
    )
    return int(scan.select(pl.len()).collect(engine="streaming").item())


def _polars() -> Any:
    try:
        import polars as pl  # noqa: PLC0415 - an extra, and half a second: the first conversion pays
    except ImportError as missing:
        raise ImportError("tables need polars: run pip install 'weft[tables]'") from missing
    return pl


def _memory(found: Inspection, _: Table) -> int:
    return _ENGINE + (3 * found.unpacked if found.format == "xlsx" else min(2 * found.size, _STREAM))


def _look(path: Path, _recipe: Table, limits: Limits) -> Inspection:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head and sniff(head) in {"csv", "txt", None}:
        # What no format claims may be text in another encoding; if it is no text, its first line will tell.
        return Inspection("csv", size_of(path, limits))
    return look(path, {"csv", "xlsx", "xlsm"}, limits)


CONVERSIONS[Table] = Conversion(make_table, Where.ONE_AT_A_TIME, _memory, _look)
