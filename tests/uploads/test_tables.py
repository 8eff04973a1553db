"""Facts about tables: what comes out, what is refused and in which words, and how much is read of it."""

import json
import resource
import subprocess
import sys

import polars as pl
import pytest
from documents import MAIN, RELATIONS, archive, row, workbook
from sample_pictures import Folder

from weft.errors import InvalidValue
from weft.uploads import Limits, Table, UploadRefused, convert, inspect
from weft.uploads.files.tables import make_table
from weft.uploads.storing import storages

PEOPLE = row(1, "name", "age") + row(2, "Ada", 36) + row(3, "Alan", 41)


@pytest.fixture(scope="module", autouse=True)
def runtime_of_polars(tmp_path_factory):
    """Its threads have descriptors of their own, which it makes at its first use and keeps."""
    pl.LazyFrame({"a": [1]}).sink_parquet(tmp_path_factory.mktemp("polars") / "first.parquet")


@pytest.fixture
def made(tmp_path):
    """Carry a recipe out, and give what came of it."""

    def make(content, recipe, limits=None):
        source, folder = tmp_path / "source", tmp_path / "made"
        source.write_bytes(content)
        folder.mkdir(exist_ok=True)
        (one,) = make_table(source, recipe, folder, limits or Limits())
        assert one.path.parent == folder
        return one.path

    return make


def refusal(made, content, recipe=None, limits=None):
    with pytest.raises(UploadRefused) as caught:
        made(content, recipe or Table(), limits)
    return caught.value.status, caught.value.reason, str(caught.value)


def test_csv_becomes_parquet_with_types(made):
    """Numbers are numbers, and text is text."""
    frame = pl.read_parquet(made(b"id,name,x,ok\n1,Ada,1.5,true\n2,Alan,2.5,false\n", Table()))
    assert frame.schema == {"id": pl.Int64, "name": pl.String, "x": pl.Float64, "ok": pl.Boolean}
    assert frame.rows() == [(1, "Ada", 1.5, True), (2, "Alan", 2.5, False)]


def test_csv_becomes_json_lines(made):
    """One object a line."""
    path = made(b'a,b\n1,"x\ny"\n2,\n', Table(format="json"))
    assert path.suffix == ".ndjson"
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 1, "b": "x\ny"}, {"a": 2, "b": None}]


def test_csv_becomes_csv_as_all_read_it(made):
    """Commas, UTF-8, no byte order mark, whatever it had before."""
    content = "\ufeffNom;Prix\nCafé;2,50\n".encode()
    assert made(content, Table(format="csv")).read_text("utf-8") == 'Nom,Prix\nCafé,"2,50"\n'


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(made, separator):
    """The one that parts all lines alike, whatever else stands in quotes."""
    lines = [["a", "b", "c"], ["1", '"x,;|\t\n"', "3"], ["4", "y", "6"]]
    content = "\n".join(separator.join(line) for line in lines).encode()
    assert pl.read_parquet(made(content, Table())).rows() == [(1, "x,;|\t\n", 3), (4, "y", 6)]


def test_another_encoding_is_read_if_it_is_named(made):
    """As Excel writes it in Western Europe, and elsewhere."""
    for encoding in ("cp1252", "utf-16"):
        content = "a;b\n1;Zoë\n".encode(encoding)
        assert pl.read_parquet(made(content, Table(encoding=encoding))).rows() == [(1, "Zoë")]


def test_a_type_that_does_not_hold_to_the_end_gives_way(made):
    """To a wider one, or to text: no row is lost for it."""
    content = b"n,x,t,ok\n" + b"1,2,3,true\n" * 20_000 + b"n/a,2.5,4,perhaps\n"
    frame = pl.read_parquet(made(content, Table()))
    assert frame.schema == {"n": pl.String, "x": pl.Float64, "t": pl.Int64, "ok": pl.String}
    assert frame.row(-1) == ("n/a", 2.5, 4, "perhaps")
    assert frame.height == 20_001


def test_a_row_that_ends_early_is_filled_up(made):
    """With nulls."""
    assert pl.read_parquet(made(b"a,b\n1,2\n3\n", Table())).rows() == [(1, 2), (3, None)]


def test_formulas_are_carried_over_unchanged(made):
    """What a spreadsheet would run is text to us, and stays as it was."""
    content = b"a,b\n=1+1,@SUM(A1)\n+1,-2x\n"
    assert made(content, Table(format="csv")).read_bytes() == content


BROKEN = {
    "an endless row": (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, and the first line has 2"),
    "late": (b"a,b\n" + b"1,2\n" * 100_000 + b"3,4,5\n", "line 100002 has 3 fields"),
    "latin-1": (b"a,b\n1,caf\xe9\n", "line 2 is not UTF-8"),
    "latin-1 late": (b"a,b\n" + b"1,x\n" * 400_000 + b"1,caf\xe9\n", "line 400002 is not UTF-8"),
    "latin-1 header": (b"a,caf\xe9\n1,2\n", "line 1 is not UTF-8"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "UTF-16: save it as UTF-8"),
    "nul": (b"a,b\n1,x\0y\n", "line 2 has a NUL byte"),
    "nul late": (b"a,b\n" + b"1,x\n" * 400_000 + b"1,\0\n", "line 400002 has a NUL byte"),
    "an open quote": (b'a,b\n1,"abc\n2,d\n', "line 3: unexpected end"),
    "an open quote late": (b"a,b\n" + b"1,x\n" * 50_000 + b'1,"abc\n2,d\n', "line 50003: unexpected end"),
    "a quote in a field": (b'a,b\n1,"abc"x\n2,d\n', "line 2: ',' expected"),
    "a lone quote": (b'a,b\n1,5" pipe\n2,d\n', "quotation mark"),
    "blank": (b"\n\n \n", "the file is empty"),
    "carriage returns": (b"a,b\r1,2\r", "carriage return"),
    "packed": (b"x\x01a,b\n1,2\n", "control characters"),
    "no lines": (b"x" * 2_000_000, "line 1 does not end"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "line 1 is not UTF-8|NUL"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_told_with_its_line(made, name):
    """422, in words that help whoever sent it."""
    content, words = BROKEN[name]
    status, reason, message = refusal(made, content)
    assert (status, reason) == (422, "damaged")
    assert any(word in message for word in words.split("|")), message


def test_a_separator_that_is_not_there_is_told(made):
    """Rather than to make a table of one column."""
    status, _, message = refusal(made, b"a;b\n1;2\n", Table(separator=","))
    assert status == 422
    assert "separated by ';'" in message
    assert pl.read_parquet(made(b"a\n1\n", Table(separator=","))).rows() == [(1,)]  # a column may stand alone


def test_an_encoding_that_it_is_not_is_told(made):
    """With the line near which that shows."""
    status, _, message = refusal(made, b"a,b\n1,\x81\n", Table(encoding="cp1252"))
    assert status == 422
    assert "cp1252" in message
    assert "line 1" in message


def test_rows_are_limited(made):
    """To the number allowed, the header aside; 413 with the number."""
    content = b"a,b\n" + b"1,2\n" * 10
    for wanted in ("parquet", "json", "csv"):
        assert made(content, Table(format=wanted), Limits(rows=10))
        status, reason, message = refusal(made, content, Table(format=wanted), Limits(rows=9))
        assert (status, reason) == (413, "rows")
        assert "more than 9 rows" in message


def test_rows_of_many_lines_are_counted_as_rows(made):
    """What looks too long by its lines is read to its end, and what is broken there is found."""
    content = b"a,b\n" + b'1,"x\ny\nz"\n' * 8
    assert pl.read_parquet(made(content, Table(), Limits(rows=10))).height == 8
    assert refusal(made, content + b'2,"open\n', limits=Limits(rows=10))[0] == 422


def test_what_is_beyond_the_limit_is_not_read(made):
    """A table with too many rows costs no more than one that has as many as allowed."""
    content = b"a,b\n" + b"1,2\n" * 50_000 + b"not,read,any,more\n" * 100_000
    assert refusal(made, content, limits=Limits(rows=10_000))[1] == "rows"


def test_columns_are_limited(made):
    """A header alone can be a bomb."""
    status, reason, message = refusal(made, b",".join(b"c%d" % n for n in range(20_000)) + b"\n")
    assert (status, reason) == (413, "columns")
    assert "20000" in message


# -- workbooks


def test_a_workbook_becomes_a_table(made):
    """Its first sheet, or the one that is named."""
    for sheet in (None, 0, "People"):
        assert pl.read_parquet(made(workbook(PEOPLE), Table(sheet=sheet))).rows() == [("Ada", 36.0), ("Alan", 41.0)]


def test_a_sheet_that_is_not_there_is_told(made):
    """With the names of those that are."""
    for sheet in ("Missing", 1, -1):
        status, reason, message = refusal(made, workbook(PEOPLE), Table(sheet=sheet))
        assert (status, reason) == (422, "sheet")
        assert "'People'" in message


def test_rows_of_a_workbook_are_limited(made):
    """As those of a CSV."""
    assert made(workbook(PEOPLE), Table(), Limits(rows=2))
    assert refusal(made, workbook(PEOPLE), limits=Limits(rows=1))[:2] == (413, "rows")


BOMBS = {
    "two corners": '<row r="1"><c r="A1"><v>1</v></c></row><row r="900000"><c r="XFD900000"><v>2</v></c></row>',
    "cells without a place": "<row>" + "<c/>" * 16_000 + '</row><row r="900000"><c><v>2</v></c></row>',
    "another prefix": '<x:row r="1"><x:c r="A1"/></x:row><x:row r="900000"><x:c s="1" r="XFD900000"/></x:row>',
    "padded": '<row r="1"><c r="A1"/></row><row r="900000"><c ' + " " * 500_000 + " r = 'XFD900000'/></row>",
    "wide rows": "".join(f'<row r="{n}"><c r="XFD{n}"/></row>' for n in range(1, 3000)),
}


def shared(text, cells, cell='<c r="A{0}" t="s"><v>0</v></c>'):
    """A workbook in which many cells name one long text."""
    rows = "".join(f'<row r="{n}">{cell.format(n)}</row>' for n in range(1, cells + 1))
    return workbook(rows, **{"xl/sharedStrings.xml": f"<sst {MAIN}><si><t>{text}</t></si><si><t>b</t></si></sst>"})


def test_shared_texts_are_read(made):
    """And counted by what they come to in the cells that name them."""
    frame = pl.read_parquet(made(shared("Ada", 3), Table()))
    assert frame.rows() == [("Ada",), ("Ada",)]
    assert made(shared("x" * 1000, 100), Table(), Limits(unpacked=150_000))


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="A{0}" t="s"><v>0</v></c>',
        "<x:c t = 's' r='A{0}'>\n<x:v> 0 </x:v></x:c>",
        '<c r="A{0}" t="s"><f>1</f><v>0</v></c>',
        '<c r="A{0}" t="s"><!-- --><v>0</v></c>',
    ],
)
def test_a_text_that_many_cells_name_is_refused(made, cell):
    """30 kB that would become 3 GB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(made, shared("x" * 30_000, 100_000, cell))[:2] == (413, "bomb")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_any_part_may_be_a_sheet(made):
    """One that a workbook names as a sheet is measured, wherever it stands."""
    content = workbook(
        "",
        **{
            "xl/_rels/workbook.xml.rels": RELATIONS.format("styles.xml", "worksheet"),
            "xl/styles.xml": f"<worksheet {MAIN}><sheetData>{BOMBS['two corners']}</sheetData></worksheet>",
        },
    )
    assert refusal(made, content)[:2] == (413, "bomb")


@pytest.mark.parametrize("name", BOMBS)
def test_a_sheet_that_spans_too_much_is_refused(made, name):
    """Before its engine lays out all the cells between its corners."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, reason, message = refusal(made, workbook(BOMBS[name]))
    assert (status, reason) == (413, "bomb"), message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_a_workbook_that_unpacks_to_too_much_is_refused(made):
    """By its directory."""
    assert refusal(made, workbook("<row>" + " " * 5_000_000 + "</row>"), limits=Limits(unpacked=1_000_000))[0] == 413


def test_a_broken_workbook_is_refused(made):
    """Whatever is broken in it."""
    whole = workbook(PEOPLE)
    for content in (whole[:-30], whole[:200], archive({"a.txt": "x"}), workbook(""), workbook("<row")):
        assert refusal(made, content)[0] == 422


# -- as uploads


def test_a_table_is_kept_as_any_upload(tmp_path):
    """With its format as its ending; the source's own name is for people."""
    source = tmp_path / "sales 2026.csv"
    source.write_bytes(b"a,b\n1,2\n")
    storage = Folder(tmp_path / "kept")
    before = storages.install(storage)
    try:
        upload = convert(source, Table(format="json"))
    finally:
        storages.install(before)
    assert upload.key.endswith(".ndjson")
    assert upload.filename == "sales 2026.ndjson"
    assert (storage.path / upload.key).read_bytes() == b'{"a":1,"b":2}\n'


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 422), (b"%PDF-1.7\n", 415), (archive({"a.txt": "x"}), 415), (b"a,b\n1,\xe9\n", 422)]
)
def test_what_is_no_table_is_refused_before_it_is_read(tmp_path, content, status):
    """By its first bytes; text in the wrong encoding is told where it is wrong."""
    source = tmp_path / "a.csv"
    source.write_bytes(content)
    with pytest.raises(UploadRefused) as caught:
        convert(source, Table(), storage=Folder(tmp_path / "kept"))
    assert caught.value.status == status
    assert not list((tmp_path / "kept").iterdir())


def test_a_size_beyond_the_limit_is_refused(tmp_path):
    """As for every upload."""
    source = tmp_path / "a.csv"
    source.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(UploadRefused, match="at most"):
        convert(source, Table(), Limits(size=4), storage=Folder(tmp_path / "kept"))


def test_a_workbook_is_known_by_what_is_inside(tmp_path):
    """A zip with the parts of a workbook is one; its sheet's own claim tells its rows."""
    source = tmp_path / "a"
    source.write_bytes(workbook(PEOPLE, '<dimension ref="A1:B3"/>'))
    found = inspect(source)
    assert (found.format, found.rows, found.files) == ("xlsx", 3, 5)
    source.write_bytes(workbook(PEOPLE, '<dimension ref="A1:B9000000"/>'))
    with pytest.raises(UploadRefused, match="rows"):
        inspect(source)
    source.write_bytes(workbook(PEOPLE, **{"xl/vbaProject.bin": "macros"}))
    assert inspect(source).format == "xlsm"


def test_impossible_recipes_are_refused_where_they_are_written():
    """With what to write instead."""
    for wrong in ({"format": "xml"}, {"separator": ";;"}, {"separator": '"'}, {"encoding": "klingon"}):
        with pytest.raises(InvalidValue, match="write"):
            Table(**wrong)


def test_the_engines_are_loaded_by_the_first_conversion():
    """Not by naming the recipe: they are half a second, and unsafe to fork."""
    code = "import sys; from weft.uploads import Table; Table(); print({'polars', 'fastexcel'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"
