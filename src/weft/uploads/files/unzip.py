"""Unpacking: the files of an archive under names of ours, each with the format that it proved to have."""

import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn
from unicodedata import category, normalize
from zipfile import ZipFile, ZipInfo

from weft.uploads.converting.conversions import CONVERSIONS, Conversion, Made, Where
from weft.uploads.errors import UploadRefused
from weft.uploads.files.archives import copy_member, kind_of, members, reading
from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.inspecting.looking import look
from weft.uploads.inspecting.sniffing import HEAD, sniff
from weft.uploads.limits import Limits

__all__ = ["Unzip", "make_unzipped"]

_LONGEST, _DEEPEST = 255, 32
_ARCHIVES = frozenset({"zip", "gzip", "7z", "rar", "bzip2", "xz", "zstd", "tar"})
_ENDINGS = {
    ".zip": "zip", ".jar": "zip", ".gz": "gzip", ".tgz": "gzip", ".7z": "7z", ".rar": "rar", ".bz2": "bzip2",
    ".xz": "xz", ".zst": "zstd", ".tar": "tar",
}  # fmt: skip
_MAGIC = ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"),
          (b"\x28\xb5\x2f\xfd", "zstd"))  # fmt: skip
_NOISE = ("__MACOSX/", ".DS_Store", "Thumbs.db")  # what systems put in by themselves


@dataclass(frozen=True, slots=True)
class Unzip:
    """The files of a ZIP archive: `Unzip(allow={"jpeg", "png"})`. Gives one result for each.

    All or nothing: an archive with one hostile name, one link, one archive inside or one file that is not allowed is
    refused. Folders, and what macOS and Windows put in for themselves, are left out.

    Attributes:
        allow: formats that may be inside, as the files' own first bytes tell them; None: all but archives.
    """

    allow: Collection[str] | None = None


def make_unzipped(source: Path, recipe: Unzip, folder: Path, limits: Limits) -> tuple[Made, ...]:
    """Carry the recipe out.

    Raises:
        UploadRefused: 413 a bomb, 415 a file inside that is not allowed, 422 damaged, locked, or a hostile name.
    """
    with reading(source, limits) as archive:
        wanted = [each for each in members(archive) if not _is_noise(each.filename)]
        _refuse_names(wanted)
        return tuple(_unpack(archive, each, folder / f"{n:06}", recipe, limits) for n, each in enumerate(wanted))


def _unpack(archive: ZipFile, member: ZipInfo, path: Path, recipe: Unzip, limits: Limits) -> Made:
    with path.open("xb") as target:
        copy_member(archive, member, target)
    format_ = _format_of(path, limits)
    name = PurePosixPath(member.filename).name
    if recipe.allow is None and format_ in _ARCHIVES:
        _refuse_archive(name)
    if recipe.allow is not None and format_ not in recipe.allow:
        taken = ", ".join(sorted(recipe.allow))
        raise UploadRefused(415, "format", f"{name!r} in the archive is none of what is taken here: {taken}")
    return Made(path, format_, name)


def _format_of(path: Path, limits: Limits) -> str:
    with path.open("rb") as file:
        head = file.read(HEAD)
    found = next((format_ for magic, format_ in _MAGIC if head.startswith(magic)), None) or sniff(head) or "bin"
    if found != "zip":
        return found
    with reading(path, limits) as archive:
        return kind_of(archive)


def _refuse_names(wanted: list[ZipInfo]) -> None:
    seen = set()
    for each in wanted:
        name = each.orig_filename  # zipfile's own cuts a name at a NUL byte
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or ":" in name or ".." in parts or "." in parts or "" in parts:
            _refuse_name("a name in the archive leads out of it")
        if any(category(char) in {"Cc", "Cf", "Cs"} for char in name):
            _refuse_name("a name in the archive has control characters in it")
        if len(parts) > _DEEPEST or max(len(part.encode()) for part in parts) > _LONGEST:
            _refuse_name("a name in the archive is too long")
        kind = stat.S_IFMT(each.external_attr >> 16)
        if kind not in {0, stat.S_IFREG}:
            _refuse_name(f"{name!r} in the archive is a link or a device, and no file")
        alike = normalize("NFC", name).casefold()
        if alike in seen:
            _refuse_name(f"{name!r} is in the archive twice")
        seen.add(alike)
        if PurePosixPath(name).suffix.lower() in _ENDINGS:
            _refuse_archive(name)


def _is_noise(name: str) -> bool:
    return name.startswith(_NOISE[0]) or PurePosixPath(name).name in _NOISE[1:]


def _refuse_name(message: str) -> NoReturn:
    raise UploadRefused(422, "name", message)


def _refuse_archive(name: str) -> NoReturn:
    raise UploadRefused(415, "format", f"{name!r} is an archive in an archive: send its files themselves")


def _memory(_: Inspection, __: Unzip) -> int:
    return 8_000_000  # pieces of 1 MB, whatever is inside


def _look(path: Path, _recipe: Unzip, limits: Limits) -> Inspection:
    return look(path, {"zip"}, limits)


CONVERSIONS[Unzip] = Conversion(make_unzipped, Where.THREADS, _memory, _look, many=True)
