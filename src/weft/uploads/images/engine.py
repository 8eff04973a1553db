"""What an imaging library must be able to do, and which one does it."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Protocol

from weft.uploads.errors import UploadRefused
from weft.uploads.images.geometry import Fit, Fitted, fitted
from weft.uploads.inspecting.inspection import Inspection

__all__ = ["Engine", "Picture", "Size", "engine_for", "refuse_liar", "sizes_of"]


class Size(NamedTuple):
    """A box to fit a picture into; see `fitted`."""

    width: int | None
    height: int | None
    fit: Fit


class Picture(NamedTuple):
    """A file to write.

    Attributes:
        path: where.
        size: how large.
        format: "jpeg", "png", "webp" or "avif".
        quality: 1 to 100; what it means is the format's affair. PNG has none.
    """

    path: Path
    size: Size
    format: str
    quality: int


class Engine(Protocol):
    """Decodes once, orients, brings to sRGB, scales and writes. Safe on any thread; blocks, and lets go of the GIL."""

    def render(
        self, source: Path, seen: Inspection, pictures: Sequence[Picture], *, metadata: bool, animated: bool
    ) -> None:
        """Write the pictures.

        Args:
            source: what was inspected.
            seen: what came of that; its format alone is decoded, and never more pixels than it has.
            pictures: what to make of it.
            metadata: keep EXIF, XMP and IPTC. (The orientation is spent.)
            animated: keep all frames, as WebP; else the first is taken.

        Raises:
            UploadRefused: 422, the file is damaged, in whatever part of it.
        """


def engine_for(kind: str) -> Engine:
    """Pick libvips where it is installed and can read the format, Pillow otherwise.

    Raises:
        ImportError: neither is installed; the message says what to install.
    """
    return _pillow() if kind == "heic" or not _has("pyvips") else _vips()


def sizes_of(pictures: Sequence[Picture], upright: tuple[int, int]) -> tuple[Fitted, list[Fitted]]:
    """What the picture is scaled to first, from the file, and what each picture is made of that."""
    each = [fitted(upright, *picture.size) for picture in pictures]
    first = max(each, key=lambda size: (size.width, size.height))
    return Fitted(first.width, first.height), each


def refuse_liar(seen: Inspection, width: int, height: int) -> None:
    """Refuse a file that tells the decoder of more pixels than it told whoever inspected it.

    Raises:
        UploadRefused: it does.
    """
    if width * height > max(1, seen.width * seen.height):
        raise UploadRefused(422, "damaged", f"this {seen.format.upper()} file contradicts itself about its size")


def _has(module: str) -> bool:
    return find_spec(module) is not None


@cache
def _vips() -> Engine:
    from weft.uploads.images.vips import VipsEngine  # noqa: PLC0415 - an extra

    return VipsEngine()


@cache
def _pillow() -> Engine:
    if not _has("PIL"):
        raise ImportError("pictures need an imaging library: run pip install 'weft[images]'")
    from weft.uploads.images.pillow import PillowEngine  # noqa: PLC0415 - an extra

    return PillowEngine()
