"""libvips, as it is to be used in a web server.

Streams from the decoder to the encoder, so that a photograph is never in memory as a whole; shrinks while it loads.
One thread each, because our pool fills the cores; no cache of operations, which would only grow; no loaders that its
authors call unfit for untrusted files. These three hold for the process, and so for other code that uses pyvips in it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyvips

from weft.uploads.errors import UploadRefused
from weft.uploads.images.engine import Picture, refuse_liar, sizes_of
from weft.uploads.images.geometry import Fitted, upright
from weft.uploads.inspecting.inspection import Inspection

__all__ = ["VipsEngine"]

_WHITE = [255, 255, 255]
_AVIF_EFFORT = 3  # of 9; twice as fast as the default of 4, and 3 % larger


class VipsEngine:
    """An `Engine`."""

    def __init__(self) -> None:
        pyvips.block_untrusted_set(True)
        pyvips.cache_set_max(0)
        pyvips.concurrency_set(1)

    def render(
        self, source: Path, seen: Inspection, pictures: Sequence[Picture], *, metadata: bool, animated: bool
    ) -> None:
        """See `Engine`."""
        # Among the loader's options: `thumbnail_source` has a `fail_on` of its own, and does not heed it (8.18).
        options = "[fail_on=error,n=-1]" if animated else "[fail_on=error]"
        try:
            header = pyvips.Image.new_from_source(_opened(source), options)
            page = _page_height(header)
            refuse_liar(seen, header.width, page)
            first, sizes = sizes_of(pictures, upright(header.width, page, _orientation(header)))
            image = _decode(source, first, options, bool(header.get_typeof("icc-profile-data")))
            if len(pictures) > 1:
                image = image.copy_memory()
            for picture, size in zip(pictures, sizes, strict=True):
                _write(_sized(image, first, size), picture, metadata=metadata)
        except pyvips.Error as error:
            raise UploadRefused(422, "damaged", f"this {seen.format.upper()} file is damaged") from error


def _opened(source: Path) -> Any:
    # Not by its name: libvips reads "photo[n=-1].jpg" as options.
    return pyvips.Source.new_from_file(str(source))


def _decode(source: Path, first: Fitted, options: str, profiled: bool) -> Any:
    # Only where there is a profile: without one, the way to sRGB would lead through Lab, for 200 ms instead of 0.
    through: dict[str, Any] = {"export_profile": "srgb"} if profiled else {}
    image = pyvips.Image.thumbnail_source(
        _opened(source), first.width, height=first.height, size="force", option_string=options, **through
    )
    if image.format != "uchar" or image.interpretation not in {"srgb", "b-w"}:
        image = image.colourspace("srgb").cast("uchar")
    return image


def _sized(image: Any, first: Fitted, size: Fitted) -> Any:
    if (size.width, size.height) != (first.width, first.height):
        image = image.thumbnail_image(size.width, height=size.height, size="force")
    if size.crop is None:
        return image
    if image.get_typeof("page-height") and image.get("page-height") != image.height:
        return _cropped_frames(image, size.crop)
    # In memory first: of a crop alone, libvips would not read the end of the file, nor see that it is missing.
    return image.copy_memory().crop(*size.crop)


def _cropped_frames(image: Any, crop: tuple[int, int, int, int]) -> Any:
    left, top, width, height = crop
    tall = image.get("page-height")
    image = image.copy_memory()
    frames = [image.crop(left, at + top, width, height) for at in range(0, image.height, tall)]
    joined = pyvips.Image.arrayjoin(frames, across=1).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", height)
    return joined


def _write(image: Any, picture: Picture, *, metadata: bool) -> None:
    keep = "exif|xmp|iptc" if metadata else "none"
    path = str(picture.path)
    if picture.format == "jpeg":
        if image.hasalpha():
            image = image.flatten(background=_WHITE)
        image.jpegsave(path, Q=picture.quality, keep=keep)
    elif picture.format == "png":
        image.pngsave(path, keep=keep)
    elif picture.format == "webp":
        image.webpsave(path, Q=picture.quality, keep=keep)
    else:
        image.heifsave(path, Q=picture.quality, compression="av1", effort=_AVIF_EFFORT, keep=keep)


def _page_height(image: Any) -> int:
    return int(image.get("page-height")) if image.get_typeof("page-height") else int(image.height)


def _orientation(image: Any) -> int:
    return int(image.get("orientation")) if image.get_typeof("orientation") else 1
