"""Facts about PDF documents: text, pictures of pages, and what hostile ones come to."""

import time
import zlib
from pathlib import Path

import pytest
from documents import assembled, document
from PIL import Image
from sample_pictures import Folder

import weft
from weft.errors import InvalidValue
from weft.uploads import Limits, PdfPages, PdfText, UploadRefused, convert, inspect
from weft.uploads.converting import places, workplaces

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(scope="module", autouse=True)
def home():
    """The folder in which this process works; its lock is kept open for the life of the process."""
    return workplaces._home_of_this_process()


@pytest.fixture(autouse=True)
def _as_at_the_beginning(no_leaks, home):
    yield
    places.close()
    places._budget = None
    weft.close(grace=5)
    assert not list(home.iterdir()), "folders left behind"


@pytest.fixture
def storage(tmp_path):
    return Folder(tmp_path / "kept")


@pytest.fixture
def made(tmp_path, storage):
    """Convert in a process, as an application does, and give the new files."""

    def make(content, recipe, limits=None):
        source = tmp_path / "a.pdf"
        source.write_bytes(content)
        kept = convert(source, recipe, limits, storage=storage)
        return [storage.path / one.key for one in (kept if isinstance(kept, tuple) else (kept,))]

    return make


def refusal(made, content, recipe, limits=None):
    with pytest.raises(UploadRefused) as caught:
        made(content, recipe, limits)
    return caught.value.status, caught.value.reason


def test_the_text_comes_page_by_page(made):
    """With a form feed after each, in UTF-8."""
    (path,) = made(document(3), PdfText())
    assert path.suffix == ".txt"
    assert path.read_text("utf-8").split("\f") == ["Hello 1", "Hello 2", "Hello 3", ""]


def test_pages_become_pictures(made):
    """As large as the resolution says, in the format asked for."""
    for wanted in ("png", "jpeg", "webp"):
        paths = made(document(2, size=(144, 72)), PdfPages(dpi=100, format=wanted))
        with Image.open(paths[0]) as picture:
            assert (picture.size, picture.format.lower()) == ((200, 100), wanted)
            assert picture.convert("L").getextrema()[1] == 255  # white paper
        assert len(paths) == 2


def test_some_pages_are_taken(made):
    """In the order asked for; one that is not there is told."""
    assert len(made(document(3), PdfPages(dpi=20, pages=(3, 1)))) == 2
    assert refusal(made, document(3), PdfPages(dpi=20, pages=(4,))) == (422, "pages")


def test_a_library_in_this_process_is_not_loaded(made):
    """PDFium runs in processes alone."""
    import sys

    made(document(), PdfText())
    assert "pypdfium2" not in sys.modules


@pytest.mark.parametrize("recipe", [PdfText(), PdfPages(dpi=20)])
def test_pages_are_limited(made, recipe):
    """Whether the document says in the clear how many it has, or lies."""
    assert refusal(made, document(12), recipe, Limits(pages=11)) == (413, "pages")
    # Counted by PDFium where the claim cannot be read; PDFium believes a claim that is too small, and so do we.
    hidden = document(12).replace(b"/Type /Pages", b"/Type/#50ages")
    assert refusal(made, hidden, recipe, Limits(pages=11)) == (413, "pages")


def test_ten_thousand_pages_are_refused_from_the_header(tmp_path):
    """In milliseconds, by what the document says of itself."""
    source = tmp_path / "a.pdf"
    source.write_bytes(document(10_000))
    times = []
    for _ in range(3):
        began = time.perf_counter()
        with pytest.raises(UploadRefused, match="10000 pages"):
            inspect(source)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05
    source.write_bytes(document(7))
    assert inspect(source).pages == 7


def test_a_probe_is_not_held_up(tmp_path):
    """By a document that is full of what it looks for."""
    source = tmp_path / "a.pdf"
    source.write_bytes(document(extra=b"<< /Pages /Pages " * 1_000_000))
    began = time.perf_counter()
    assert inspect(source).pages in {0, 1}
    assert time.perf_counter() - began < 0.2


def test_huge_pages_are_refused(made):
    """Before anything is drawn: pixels are counted at the resolution asked for."""
    assert refusal(made, document(size=(14_400, 14_400)), PdfPages()) == (413, "bomb")
    assert refusal(made, document(), PdfPages(dpi=100), Limits(megapixels=0.5)) == (413, "bomb")
    assert made(document(), PdfPages(dpi=100), Limits(megapixels=1))


@pytest.mark.parametrize("recipe", [PdfText(), PdfPages()])
def test_broken_documents_are_refused(made, recipe):
    """422, wherever they are broken."""
    whole = document(2)
    for content in (
        whole[:-40],
        whole[: len(whole) // 2],
        b"%PDF-1.7\n%%EOF\n",
        b"%PDF-1.7\n" + bytes(5000) + b"%%EOF",
        assembled([b"<< /Type /Catalog >>"]),
    ):
        assert refusal(made, content, recipe) == (422, "damaged")


def test_a_locked_document_is_told(made):
    """Rather than called broken."""
    lock = (
        b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> >>"
        b" /ID [<" + b"43" * 16 + b"> <" + b"43" * 16 + b">]"
    )
    page = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
    ]
    assert refusal(made, assembled(page, trailer=lock), PdfText()) == (422, "locked")


def bomb():
    """A page whose content unpacks to a gigabyte of commands, from a megabyte."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"0 0 1 rg " * 1_000_000) for _ in range(110)) + packer.flush()
    return assembled([
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R >>",
        b"<< /Filter /FlateDecode /Length %d >>\nstream\n" % len(packed) + packed + b"\nendstream",
    ])  # fmt: skip


def endless():
    """A large page that is painted all over a hundred thousand times, in few bytes."""
    painting = b"/S sh " * 100_000
    shading = (
        b"<< /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 4000 4000] /Extend [true true] "
        b"/Function << /FunctionType 2 /Domain [0 1] /C0 [0 0 0] /C1 [1 1 1] /N 2 >> >>"
    )
    return assembled([
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 4000 4000] /Contents 4 0 R "
        b"/Resources << /Shading << /S %s >> >> >>"
        % shading,
        b"<< /Length %d >>\nstream\n" % len(painting) + painting + b"\nendstream",
    ])  # fmt: skip


@pytest.mark.slow
def test_a_bomb_hurts_nobody_else(made):
    """It is refused, or costs the one process that opened it; the next document is converted as ever."""
    source = bomb()
    assert len(source) < 2_000_000
    with pytest.raises((UploadRefused, weft.WorkerCrashed)):
        made(source, PdfPages(dpi=72), Limits(seconds=3))
    assert made(document(), PdfText())


def test_one_that_takes_for_ever_is_killed(made):
    """When its time is up; 422, and the next document is converted as ever."""
    began = time.monotonic()
    assert refusal(made, endless(), PdfPages(dpi=72), Limits(seconds=1)) == (422, "slow")
    assert time.monotonic() - began < 4
    assert made(document(), PdfText())


def test_text_is_limited(made):
    """By what may be unpacked."""
    assert refusal(made, document(20, words="word " * 50), PdfText(), Limits(unpacked=100)) == (413, "bomb")


def test_impossible_recipes_are_refused_where_they_are_written():
    """With what to write instead."""
    for wrong in ({"dpi": 0}, {"dpi": 5000}, {"format": "bmp"}, {"pages": ()}, {"pages": (0,)}):
        with pytest.raises(InvalidValue, match="write|counted from 1"):
            PdfPages(**wrong)


def test_nothing_is_left_behind(made, home, storage):
    """Of what was refused half-way: neither files nor notes."""
    refusal(made, document(20, words="word " * 50), PdfText(), Limits(unpacked=100))
    assert not list(Path(home).iterdir())
    assert not list(storage.path.iterdir())
