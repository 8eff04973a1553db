"""Pillow, for where libvips is missing, and for HEIC, which libvips' wheels cannot read.

`draft` lets the JPEG decoder shrink while it loads, for half the time and memory. `Image.thumbnail`, which everybody
writes, does not get there by itself at common sizes.
"""

import io
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps, ImageSequence

from weft.uploads.errors import UploadRefused
from weft.uploads.images.engine import Picture, refuse_liar, sizes_of
from weft.uploads.images.geometry import Fitted, upright
from weft.uploads.inspecting.inspection import Inspection

__all__ = ["PillowEngine"]

_PLUGINS = {"jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "avif": "AVIF"}
_ORIENTATION = 0x0112
_REDUCING_GAP = 2.0
_AVIF_SPEED = 8


class PillowEngine:
    """An `Engine`."""

    def render(
        self, source: Path, seen: Inspection, pictures: Sequence[Picture], *, metadata: bool, animated: bool
    ) -> None:
        """See `Engine`."""
        try:
            with closing(_open(source, seen.format)) as image:
                width, height = image.size
                refuse_liar(seen, width, height)
                first, sizes = sizes_of(pictures, upright(width, height, _orientation(image)))
                if seen.format == "jpeg":
                    _draft(image, first)
                kept = _metadata_of(image) if metadata else {}
                if animated:
                    _write_frames(image, pictures, sizes, kept)
                else:
                    _write_still(image, first, pictures, sizes, kept)
        except UploadRefused:
            raise
        except Image.DecompressionBombError as error:
            raise UploadRefused(413, "bomb", f"this {seen.format.upper()} file has too many pixels") from error
        except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk, and not the file
            # Pillow's plugins raise all of these over what they cannot read.
            raise UploadRefused(422, "damaged", f"this {seen.format.upper()} file is damaged") from error


def _open(source: Path, kind: str) -> Any:
    if kind == "heic":
        try:
            import pillow_heif  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ImportError("HEIC files need pillow-heif: run pip install 'weft[images]'") from error
        # Not by registering it with Pillow, which would change what `Image.open` does elsewhere in the process.
        return pillow_heif.HeifImageFile(str(source))  # type: ignore[no-untyped-call]
    return Image.open(source, formats=[_PLUGINS[kind]])


def _draft(image: Any, first: Fitted) -> None:
    # The smallest of 1/1, 1/2, 1/4 and 1/8 that is still as large as what is wanted; the filter does the rest.
    image.draft(None, upright(first.width, first.height, _orientation(image)))


def _write_still(image: Any, first: Fitted, pictures: Sequence[Picture], sizes: list[Fitted], kept: Any) -> None:
    image.load()
    image = ImageOps.exif_transpose(image)
    profile = image.info.get("icc_profile")
    image = _resized(_plain(image), (first.width, first.height))
    image = _to_srgb(image, profile)
    for picture, size in zip(pictures, sizes, strict=True):
        _save(_cropped(_resized(image, (size.width, size.height)), size.crop), picture, kept)


def _write_frames(image: Any, pictures: Sequence[Picture], sizes: list[Fitted], kept: Any) -> None:
    for picture, size in zip(pictures, sizes, strict=True):
        frames, durations = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(_cropped(_resized(frame.convert("RGBA"), (size.width, size.height)), size.crop))
            durations.append(int(frame.info.get("duration", 100)))
        frames[0].save(
            picture.path,
            "WEBP",
            save_all=True,
            append_images=frames[1:],
            duration=durations,
            loop=int(image.info.get("loop", 0)),
            quality=picture.quality,
            **kept,
        )


def _plain(image: Any) -> Any:
    # To 8 bits for each channel, and no palette: what can be scaled and saved in every format.
    if image.mode in {"L", "RGB", "RGBA", "CMYK", "LAB"}:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips 16 bits instead of scaling them.
        return image.convert("I").point(lambda value: value / 256).convert("L")
    transparent = image.mode in {"LA", "PA", "La", "RGBa"} or "transparency" in image.info
    return image.convert("RGBA" if transparent else "L" if image.mode == "1" else "RGB")


def _to_srgb(image: Any, profile: bytes | None) -> Any:
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):  # a profile that is none: the numbers are taken as they are
            return _through(image, profile)
    return image if image.mode in {"L", "RGB", "RGBA"} else image.convert("RGB")


def _through(image: Any, profile: bytes) -> Any:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    if image.mode != "RGBA":
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    alpha = image.getchannel("A")
    made: Any = ImageCms.profileToProfile(image.convert("RGB"), source, target, outputMode="RGB")
    made.putalpha(alpha)
    return made


def _resized(image: Any, size: tuple[int, int]) -> Any:
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)


def _cropped(image: Any, crop: tuple[int, int, int, int] | None) -> Any:
    if crop is None:
        return image
    left, top, width, height = crop
    return image.crop((left, top, left + width, top + height))


def _save(image: Any, picture: Picture, kept: dict[str, Any]) -> None:
    if picture.format == "jpeg" and image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    image.info = {}  # what Pillow would write along by itself, such as comments and profiles
    options: dict[str, Any] = {} if picture.format == "png" else {"quality": picture.quality}
    if picture.format == "avif":
        options |= {"speed": _AVIF_SPEED, "max_threads": 1}
    image.save(picture.path, picture.format.upper(), **options, **kept)


def _metadata_of(image: Any) -> dict[str, Any]:
    exif = image.getexif()
    exif.pop(_ORIENTATION, None)  # spent
    return {"exif": exif.tobytes()} if len(exif) else {}


def _orientation(image: Any) -> int:
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1  # noqa: PLR2004 - as EXIF has them
