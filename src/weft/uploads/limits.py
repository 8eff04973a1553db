"""How much of a file is still sensible."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one file, by its own header, before anything is decoded. Immutable.

    Attributes:
        size: bytes of the file.
        megapixels: millions of pixels, of all frames of an animation together.
        frames: of an animation.
        pages: of a document.
        rows: of a table.
        files: in an archive.
        unpacked: bytes that all files of an archive come to.
        seconds: for a conversion.
    """

    size: int = 25_000_000
    megapixels: float = 50.0
    frames: int = 1
    pages: int = 500
    rows: int = 1_000_000
    files: int = 1_000
    unpacked: int = 250_000_000
    seconds: float = 30.0
