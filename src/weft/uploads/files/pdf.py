"""PDF documents: their text, and pictures of their pages, by PDFium.

PDFium is not safe on threads, even with different documents, and a hostile document may make it take all memory or all
time. So it runs in processes, which are capped and can be killed.
"""

import mmap
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from weft.errors import InvalidValue
from weft.uploads.converting.conversions import CONVERSIONS, Conversion, Made, Where
from weft.uploads.errors import UploadRefused
from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.inspecting.looking import look
from weft.uploads.inspecting.probes import PROBES
from weft.uploads.limits import Limits

__all__ = ["PdfPages", "PdfText", "make_pages", "make_text", "probe_pdf"]

Format = Literal["png", "jpeg", "webp"]

_POINTS = 72  # to an inch
_MEGA = 1_000_000
_LIBRARY = 64_000_000  # bytes: PDFium and Pillow themselves
_A2 = 16.5 * 23.4  # square inches; what is larger is rare, and within the cap
_PER_PIXEL = 10  # bytes: PDFium's picture, Pillow's, and the encoder's
_WRONG_PASSWORD = 4  # FPDF_ERR_PASSWORD
_TREE = re.compile(rb"/Count\s+(\d{1,9})")
_MOST_TREES = 1_000
_AROUND = 256


@dataclass(frozen=True, slots=True)
class PdfText:
    """The text of a PDF, page by page, with a form feed after each, as UTF-8. A scanned page has none."""


@dataclass(frozen=True, slots=True)
class PdfPages:
    """Pictures of a PDF's pages: `PdfPages(dpi=150, pages=(1,))`. Gives one result for each page.

    Attributes:
        dpi: pixels to an inch; from 10 to 1200. A page that comes to more than the limit of megapixels is refused.
        format: "png", "jpeg" or "webp".
        pages: their numbers, from 1; None: all.

    Raises:
        InvalidValue: a resolution or a page that there is not, or an unknown format.
    """

    dpi: int = 150
    format: Format = "png"
    pages: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not 10 <= self.dpi <= 1200:  # noqa: PLR2004 - said above
            raise InvalidValue(f"dpi={self.dpi} is no resolution for a page: write a number from 10 to 1200")
        if self.format not in get_args(Format):
            raise InvalidValue(f'format={self.format!r} is none of a page: write "png", "jpeg" or "webp"')
        if self.pages is not None and (not self.pages or min(self.pages) < 1):
            raise InvalidValue(f"pages={self.pages!r} are none: pages are counted from 1; None stands for all")


def make_text(source: Path, _: PdfText, folder: Path, limits: Limits) -> tuple[Made, ...]:
    """Carry the recipe out.

    Raises:
        UploadRefused: 413 too many pages, 422 damaged or locked.
        ImportError: pypdfium2 is not installed.
    """
    path = folder / "text.txt"
    left = limits.unpacked
    with _opened(source, limits) as document, path.open("wb") as file:
        for page in document:
            text = page.get_textpage().get_text_bounded().replace("\r\n", "\n") + "\f"
            page.close()
            encoded = text.encode("utf-8", "replace")
            left -= len(encoded)
            if left < 0:
                raise UploadRefused(413, "bomb", f"the document has more than {limits.unpacked / _MEGA:.3g} MB of text")
            file.write(encoded)
    return (Made(path, "txt"),)


def make_pages(source: Path, recipe: PdfPages, folder: Path, limits: Limits) -> tuple[Made, ...]:
    """Carry the recipe out.

    Raises:
        UploadRefused: 413 too many pages, or one with too many pixels at this resolution; 422 damaged, locked, or
            without such a page.
        ImportError: pypdfium2 or Pillow is not installed.
    """
    _required("PIL.Image")
    with _opened(source, limits) as document:
        there = len(document)
        wanted = recipe.pages or tuple(range(1, there + 1))
        if max(wanted, default=0) > there:
            raise UploadRefused(422, "pages", f"the document has {there} pages: there is no page {max(wanted)}")
        for number in wanted:  # all of them, before the first is drawn
            _refuse_large(document.get_page_size(number - 1), number, recipe.dpi, limits)
        return tuple(_draw(document, number, recipe, folder) for number in wanted)


def probe_pdf(path: Path, _: Limits) -> Inspection:
    """How many pages it says to have, where that stands in the clear; 0 where it is packed away.

    A conversion asks PDFium, and holds the limit in any case.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1024))
        if b"%%EOF" not in file.read():
            raise UploadRefused(422, "damaged", "this is no whole PDF document: its end is missing")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return Inspection("pdf", size, pages=max(_counts(content), default=0))


def _counts(content: mmap.mmap) -> Iterator[int]:
    at = content.find(b"/Pages")
    for _ in range(_MOST_TREES):
        if at < 0:
            return
        # The dictionary around it: `<< /Type /Pages /Count 12 /Kids [...] >>`, in any order.
        start = max(content.rfind(b"<<", max(0, at - _AROUND), at), 0)
        end = content.find(b">>", at, at + _AROUND)
        claim = _TREE.search(content[start : at + _AROUND if end < 0 else end])
        if claim is not None:
            yield int(claim[1])
        at = content.find(b"/Pages", at + 1)


@contextmanager
def _opened(source: Path, limits: Limits) -> Iterator[Any]:
    pdfium = _required("pypdfium2")
    try:
        with closing(pdfium.PdfDocument(source)) as document:
            pages = len(document)
            if pages > limits.pages:
                told = f"the document has {pages} pages: at most {limits.pages} are taken"
                raise UploadRefused(413, "pages", told)
            if not pages:
                raise UploadRefused(422, "damaged", "the document has no pages")
            yield document
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == _WRONG_PASSWORD:
            raise UploadRefused(422, "locked", "the document is locked by a password: send it without") from error
        raise UploadRefused(422, "damaged", "this is no whole PDF document") from error


def _refuse_large(size: tuple[float, float], number: int, dpi: int, limits: Limits) -> None:
    width, height = (side * dpi / _POINTS for side in size)
    if width * height > limits.megapixels * _MEGA:
        told = f"page {number} has {width:.0f} x {height:.0f} pixels at {dpi} dpi"
        raise UploadRefused(413, "bomb", f"{told}: at most {limits.megapixels:g} megapixels are taken")


def _draw(document: Any, number: int, recipe: PdfPages, folder: Path) -> Made:
    page = document[number - 1]
    bitmap = page.render(scale=recipe.dpi / _POINTS)
    path = folder / f"page-{number:05}"
    bitmap.to_pil().convert("RGB").save(path, recipe.format, dpi=(recipe.dpi, recipe.dpi))
    bitmap.close()
    page.close()
    return Made(path, recipe.format)


def _required(module: str) -> Any:
    from importlib import import_module  # noqa: PLC0415 - in the process that converts

    try:
        return import_module(module)
    except ImportError as missing:
        raise ImportError(f"PDF documents need {module}: run pip install 'weft[pdf]'") from missing


def _look(path: Path, _recipe: PdfText | PdfPages, limits: Limits) -> Inspection:
    return look(path, {"pdf"}, limits)


def _memory_text(found: Inspection, _: PdfText) -> int:
    return _LIBRARY + 2 * found.size


def _memory_pages(found: Inspection, recipe: PdfPages) -> int:
    return _LIBRARY + 2 * found.size + int(_A2 * recipe.dpi**2 * _PER_PIXEL)


PROBES["pdf"] = probe_pdf
CONVERSIONS[PdfText] = Conversion(make_text, Where.PROCESSES, _memory_text, _look)
CONVERSIONS[PdfPages] = Conversion(make_pages, Where.PROCESSES, _memory_pages, _look, many=True)
