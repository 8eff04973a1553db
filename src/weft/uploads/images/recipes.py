"""What can be made of a picture, and what carries that out."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from weft.errors import InvalidValue
from weft.uploads.converting.conversions import CONVERSIONS, Conversion, Made, Where
from weft.uploads.errors import UploadRefused
from weft.uploads.images.engine import Picture, Size, engine_for
from weft.uploads.images.geometry import Fit
from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.inspecting.looking import look
from weft.uploads.limits import Limits

__all__ = ["Animation", "Image", "ImageFormat", "Thumbnails", "render", "render_thumbnails"]

ImageFormat = Literal["jpeg", "png", "webp", "avif"]
Animation = Literal["refuse", "first", "keep"]

_FORMATS = {"jpeg", "png", "webp", "avif"}
_TAKEN = frozenset({*_FORMATS, "gif", "heic"})
# What is not written here is written as that which shows all it can show.
_WRITTEN = {"gif": "png", "heic": "jpeg"}
_QUALITY = {"jpeg": 80, "webp": 80, "avif": 55, "png": 100}
_MOVES = {"gif", "webp"}  # whose frames can be kept
_BEST = 100
_NO_LIMITS = Limits(size=sys.maxsize, megapixels=math.inf, frames=sys.maxsize)

_BASE = 16_000_000  # bytes of libraries and buffers
_BYTES_PER_PIXEL = 4  # a whole picture, decoded: more than any road takes that streams (measured, see docs/why/images)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, made anew: upright, in sRGB, and without what the file carried along. Never scaled up.

    Taken are JPEG, PNG, WebP, AVIF, GIF and HEIC.

    Attributes:
        width, height: of the box that it has to fit into, in pixels; None: no bound.
        fit: "inside": all of it is in the box; "cover": its middle fills the box, which has both bounds.
        format: to be written; None: as it is (of GIF a PNG, or a WebP that moves; of HEIC a JPEG).
        quality: 1 to 100; None: 80, for AVIF 55, which look about the same. PNG loses nothing and has none.
        metadata: keep EXIF, with the place where a photo was taken, XMP and IPTC.
        animation: "refuse" what has several frames, take the "first", or "keep" all of a GIF or WebP, as a WebP; their
            number is limited by `Limits(frames=...)`, and the megapixels of all of them together.

    Raises:
        InvalidValue: a value that nothing could be made with.
    """

    width: int | None = None
    height: int | None = None
    fit: Fit = "inside"
    format: ImageFormat | None = None
    quality: int | None = None
    metadata: bool = False
    animation: Animation = "refuse"

    def __post_init__(self) -> None:
        _check_bounds(self.width, self.height)
        _check_output(self.format, self.quality)
        if self.fit not in {"inside", "cover"}:
            raise InvalidValue(f'fit={self.fit!r}: write "inside" or "cover"')
        if self.fit == "cover" and (self.width is None or self.height is None):
            raise InvalidValue('fit="cover" needs a box to cover: write width=... and height=...')
        if self.animation not in {"refuse", "first", "keep"}:
            raise InvalidValue(f'animation={self.animation!r}: write "refuse", "first" or "keep"')
        if self.animation == "keep" and self.format not in {None, "webp"}:
            raise InvalidValue(f'{self.format} files are written with one frame: write format="webp" to keep all')


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """A picture in several widths, from one decode: a tuple of files in the order of the widths.

    Of an animation the first frame is taken. A width that the picture does not have gives it as wide as it is.

    Attributes:
        widths: in pixels.
        format: to be written; None: as in `Image`.
        quality: as in `Image`.
        metadata: as in `Image`.

    Raises:
        InvalidValue: no width, or a value that nothing could be made with.
    """

    widths: tuple[int, ...]
    format: ImageFormat | None = None
    quality: int | None = None
    metadata: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if not self.widths or len(set(self.widths)) < len(self.widths):
            raise InvalidValue(f"widths={self.widths}: write different widths, as in widths=(320, 1280)")
        for width in self.widths:
            _check_bounds(width, None)
        _check_output(self.format, self.quality)


def render(source: Path, recipe: Image, folder: Path, _limits: Limits) -> tuple[Made, ...]:
    """Carry an `Image` out.

    Raises:
        UploadRefused: the file is damaged.
        ImportError: no imaging library is installed.
    """
    seen = _seen_again(source, still=recipe.animation != "keep")
    animated = recipe.animation == "keep" and seen.frames > 1
    kind = "webp" if animated else _written(recipe.format, seen)
    size = Size(recipe.width, recipe.height, recipe.fit)
    return _render(source, seen, [(folder / "image", size)], kind, recipe, animated=animated)


def render_thumbnails(source: Path, recipe: Thumbnails, folder: Path, _limits: Limits) -> tuple[Made, ...]:
    """Carry `Thumbnails` out. Raises as `render`."""
    seen = _seen_again(source, still=True)
    wanted = [(folder / str(width), Size(width, None, "inside")) for width in recipe.widths]
    return _render(source, seen, wanted, _written(recipe.format, seen), recipe, animated=False)


def _render(
    source: Path,
    seen: Inspection,
    wanted: Sequence[tuple[Path, Size]],
    kind: str,
    recipe: Image | Thumbnails,
    *,
    animated: bool,
) -> tuple[Made, ...]:
    quality = recipe.quality or _QUALITY[kind]
    pictures = [Picture(path.with_suffix(f".{kind}"), size, kind, quality) for path, size in wanted]
    engine_for(seen.format).render(source, seen, pictures, metadata=recipe.metadata, animated=animated)
    return tuple(Made(picture.path, kind) for picture in pictures)


def _seen_again(source: Path, *, still: bool) -> Inspection:
    # Whether it is within the limits is known by now; the engine holds the decoder to what the header says.
    return look(source, _TAKEN, _NO_LIMITS, still=still)


def _written(wanted: str | None, seen: Inspection) -> str:
    return wanted or _WRITTEN.get(seen.format, seen.format)


def _look_for_image(path: Path, recipe: Image, limits: Limits) -> Inspection:
    if recipe.animation == "first":
        return look(path, _TAKEN, limits, still=True)
    if recipe.animation == "refuse":
        return look(path, _TAKEN, replace(limits, frames=1))
    seen = look(path, _TAKEN, limits)
    if seen.frames > 1 and seen.format not in _MOVES:
        raise UploadRefused(
            415, "format", f"a {seen.format.upper()} file that moves is not taken here: send GIF or WebP"
        )
    return seen


def _look_for_thumbnails(path: Path, _recipe: Thumbnails, limits: Limits) -> Inspection:
    return look(path, _TAKEN, limits, still=True)


def _memory(seen: Inspection, _recipe: Image | Thumbnails) -> int:
    return _BASE + _BYTES_PER_PIXEL * seen.width * seen.height * max(1, seen.frames)


def _check_bounds(width: int | None, height: int | None) -> None:
    for name, bound in (("width", width), ("height", height)):
        if bound is not None and bound < 1:
            raise InvalidValue(f"{name}={bound} leaves no picture: write {name}=1 or more, or None for no bound")


def _check_output(kind: str | None, quality: int | None) -> None:
    if kind is not None and kind not in _FORMATS:
        raise InvalidValue(f"format={kind!r} is not written here: choose from {', '.join(sorted(_FORMATS))}")
    if quality is not None and not 1 <= quality <= _BEST:
        raise InvalidValue(f"quality={quality}: write a number from 1 to {_BEST}")


CONVERSIONS[Image] = Conversion(render, Where.THREADS, _memory, _look_for_image)
CONVERSIONS[Thumbnails] = Conversion(render_thumbnails, Where.THREADS, _memory, _look_for_thumbnails, many=True)
