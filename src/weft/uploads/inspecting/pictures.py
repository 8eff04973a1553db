"""What the headers of JPEG, PNG, GIF and WebP files say. Read in steps of a few bytes, and nothing is decoded.

Written here and not left to an imaging library, because those answer this question by opening a decoder: Pillow reads a
whole WebP file and decodes each frame of a GIF to count them. The decoder compares what it finds with what was found
here, so that a file cannot tell one size to each.

Sources: ITU-T T.81 (JPEG) annex B; the PNG specification (W3C, third edition); the GIF89a specification; RFC 9649
(WebP).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from weft.uploads.errors import UploadRefused
from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.inspecting.probes import PROBES
from weft.uploads.limits import Limits

__all__ = ["damaged", "gif", "jpeg", "png", "webp"]

_MOST_STEPS = 10_000  # parts of a file in front of its pixels; honest ones have some ten
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def damaged(kind: str, why: str) -> UploadRefused:
    """The error for a file that is not what its first bytes say, or only a part of it."""
    return UploadRefused(422, "damaged", f"this is no whole {kind.upper()} file: {why}")


def jpeg(path: Path, _limits: Limits) -> Inspection:
    """Size by the first frame header."""
    with path.open("rb") as file:
        file.seek(2)
        for _ in range(_MOST_STEPS):
            marker = _marker(file)
            if marker in _STANDALONE:
                continue
            length = int.from_bytes(_exactly(file, 2, "jpeg"), "big")
            if marker in _FRAME_HEADERS:
                facts = _exactly(file, 5, "jpeg")
                return _still("jpeg", path, int.from_bytes(facts[3:5], "big"), int.from_bytes(facts[1:3], "big"))
            if length < 2 or marker in {0xD9, 0xDA}:  # noqa: PLR2004 - the length counts itself
                break
            file.seek(length - 2, 1)
    raise damaged("jpeg", "no picture begins in it")


def _marker(file: BinaryIO) -> int:
    if _exactly(file, 1, "jpeg") != b"\xff":
        raise damaged("jpeg", "its parts do not follow each other")
    for _ in range(_MOST_STEPS):
        if (byte := _exactly(file, 1, "jpeg")) != b"\xff":  # any number of fill bytes
            return byte[0]
    raise damaged("jpeg", "it is filled up with nothing")


def png(path: Path, _limits: Limits) -> Inspection:
    """Size by IHDR, frames by acTL (an animated PNG)."""
    frames = 1
    with path.open("rb") as file:
        file.seek(8)
        header = _exactly(file, 25, "png")
        if header[4:8] != b"IHDR":
            raise damaged("png", "its header is missing")
        for _ in range(_MOST_STEPS):
            length, name = int.from_bytes(_exactly(file, 4, "png"), "big"), _exactly(file, 4, "png")
            if name == b"IDAT":
                width, height = (int.from_bytes(header[at : at + 4], "big") for at in (8, 12))
                return _still("png", path, width, height, frames)
            if name == b"acTL":
                frames = max(1, int.from_bytes(_exactly(file, 4, "png"), "big"))
                length -= 4
            file.seek(max(0, length) + 4, 1)
    raise damaged("png", "no picture begins in it")


def gif(path: Path, limits: Limits) -> Inspection:
    """Size by the largest frame and the screen, frames by a walk from block to block, up to the limit and one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        screen = _exactly(file, 13, "gif")
        width, height = (int.from_bytes(screen[at : at + 2], "little") for at in (6, 8))
        file.seek(_palette(screen[10]), 1)
        frames = 0
        for kind in _gif_blocks(file, steps=size // 64 + _MOST_STEPS):
            if kind is None:
                continue
            left, top, across, down = (int.from_bytes(kind[at : at + 2], "little") for at in (0, 2, 4, 6))
            width, height = max(width, left + across), max(height, top + down)
            frames += 1
            if frames > limits.frames:
                break
    if not frames:
        raise damaged("gif", "no picture begins in it")
    return _still("gif", path, width, height, frames)


def _gif_blocks(file: BinaryIO, steps: int) -> Iterator[bytes | None]:
    # Yields a frame's descriptor for each frame, before its pixels are passed over; None for other blocks.
    while True:
        kind = file.read(1)
        if kind == b"\x3b" or not kind:  # many files lack their last byte, and are shown all the same
            return
        if kind == b"\x2c":
            descriptor = _exactly(file, 9, "gif")
            yield descriptor
            file.seek(_palette(descriptor[8]) + 1, 1)
        elif kind == b"\x21":
            file.seek(1, 1)
            yield None
        else:
            raise damaged("gif", "its parts do not follow each other")
        while length := file.read(1):
            steps -= 1
            if steps < 0:
                raise damaged("gif", "it is cut into too many pieces")
            if length == b"\0":
                break
            file.seek(length[0], 1)
        else:
            return


def _palette(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def webp(path: Path, limits: Limits) -> Inspection:
    """Size by the first chunk, frames by a walk from chunk to chunk, up to the limit and one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(12)
        name, length, facts = _chunk(file)
        if name == b"VP8 ":
            width, height = (int.from_bytes(facts[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        elif name == b"VP8L":
            bits = int.from_bytes(facts[1:5], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif name == b"VP8X":
            width, height = (int.from_bytes(facts[at : at + 3], "little") + 1 for at in (4, 7))
            if facts[0] & 2:
                return _still("webp", path, width, height, _webp_frames(file, length, limits.frames))
        else:
            raise damaged("webp", "no picture begins in it")
        if 20 + length > size:
            raise damaged("webp", "its end is missing")
    return _still("webp", path, width, height)


def _webp_frames(file: BinaryIO, length: int, most: int) -> int:
    file.seek(20 + length + length % 2)
    frames = 0
    for _ in range(_MOST_STEPS + most):
        head = file.read(8)
        if len(head) < 8 or frames > most:  # noqa: PLR2004 - a name and a length
            break
        frames += head[:4] == b"ANMF"
        length = int.from_bytes(head[4:], "little")
        file.seek(length + length % 2, 1)
    return max(1, frames)


def _chunk(file: BinaryIO) -> tuple[bytes, int, bytes]:
    name, length = _exactly(file, 4, "webp"), int.from_bytes(_exactly(file, 4, "webp"), "little")
    return name, length, _exactly(file, 10, "webp")


def _still(kind: str, path: Path, width: int, height: int, frames: int = 1) -> Inspection:
    if not width or not height:
        raise damaged(kind, "it has no pixels")
    return Inspection(kind, path.stat().st_size, width, height, frames)


def _exactly(file: BinaryIO, count: int, kind: str) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise damaged(kind, "it ends in its header")
    return found


PROBES.update(jpeg=jpeg, png=png, gif=gif, webp=webp)
