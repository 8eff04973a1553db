"""What the headers of AVIF and HEIC files say: boxes within boxes (ISO/IEC 14496-12 and 23008-12). Nothing is decoded.

The size is that of the largest picture that the file declares: a thumbnail, a mask and the tiles of a grid are smaller
than the picture itself. The frames are those of its longest track.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.inspecting.pictures import damaged
from weft.uploads.inspecting.probes import PROBES
from weft.uploads.limits import Limits

__all__ = ["avif", "heic"]

_WITHIN = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"iprp", b"ipco"}
_MOST_BOXES, _DEEPEST = 10_000, 8


class _Found(NamedTuple):
    name: bytes
    start: int
    end: int


def avif(path: Path, _limits: Limits) -> Inspection:
    """Size and frames."""
    return _look("avif", path)


def heic(path: Path, _limits: Limits) -> Inspection:
    """Size and frames."""
    return _look("heic", path)


def _look(kind: str, path: Path) -> Inspection:
    size = path.stat().st_size
    sizes: list[tuple[int, int]] = []
    frames = 1
    with path.open("rb") as file:
        for box in _boxes(file, 0, size, [_MOST_BOXES], 0):
            if box.name == b"ispe":
                facts = _read(file, box, 12)
                sizes.append((int.from_bytes(facts[4:8], "big"), int.from_bytes(facts[8:12], "big")))
            elif box.name == b"stsz":
                frames = max(frames, int.from_bytes(_read(file, box, 12)[8:12], "big"))
            elif box.name == b"tkhd":
                sizes.append(_track_size(file, box))
            elif box.name == b"mdat" and box.end > size:
                raise damaged(kind, "its end is missing")
    width, height = max(sizes, key=lambda found: found[0] * found[1], default=(0, 0))
    if not width or not height:
        raise damaged(kind, "it does not say how large its picture is")
    return Inspection(kind, size, width, height, frames)


def _boxes(file: BinaryIO, start: int, end: int, left: list[int], depth: int) -> Iterator[_Found]:
    while start + 8 <= end and depth <= _DEEPEST and left[0] > 0:
        left[0] -= 1
        file.seek(start)
        head = file.read(16)
        length, name, body = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if length == 1:
            length, body = int.from_bytes(head[8:16], "big"), start + 16
        stop = end if length == 0 else start + length
        if stop < body:
            return
        if name == b"meta":
            yield from _boxes(file, body + 4, min(stop, end), left, depth + 1)
        elif name in _WITHIN:
            yield from _boxes(file, body, min(stop, end), left, depth + 1)
        else:
            yield _Found(name, body, stop)
        start = stop


def _read(file: BinaryIO, box: _Found, count: int) -> bytes:
    file.seek(box.start)
    return file.read(count).ljust(count, b"\0")


def _track_size(file: BinaryIO, box: _Found) -> tuple[int, int]:
    # The last eight bytes, as numbers with 16 bits behind the point.
    file.seek(max(box.start, box.end - 8))
    facts = file.read(8).ljust(8, b"\0")
    return int.from_bytes(facts[:2], "big"), int.from_bytes(facts[4:6], "big")


PROBES.update(avif=avif, heic=heic)
