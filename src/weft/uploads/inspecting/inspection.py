"""What a file's own header says of it. Nothing is decoded for it."""

from dataclasses import dataclass

__all__ = ["Inspection"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found. Zero: it has no such thing, or its header does not say.

    Attributes:
        format: "jpeg", "png", "webp", "avif", "gif", "heic", "tiff", "pdf", "zip", "xlsx", "csv", "mp4" ...
        size: bytes.
        width, height: pixels of a frame, as they are stored (before auto-orientation).
        frames: of an animation; 1 for a still picture.
        pages: of a document.
        rows: of a table.
        files: in an archive.
        unpacked: bytes that they come to.
    """

    format: str
    size: int
    width: int = 0
    height: int = 0
    frames: int = 0
    pages: int = 0
    rows: int = 0
    files: int = 0
    unpacked: int = 0

    @property
    def megapixels(self) -> float:
        """Millions of pixels, of all frames."""
        return self.width * self.height * max(1, self.frames) / 1e6
