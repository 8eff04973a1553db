"""Zip archives: what their central directory says, whether that can be true, and unpacking them without believing it.

A zip's directory stands at its end, and says of each file where it begins, how long it is, and what it comes to. So a
bomb is told from the directory alone, before a byte is unpacked. What a lying directory hides shows while unpacking: no
file is written further than the directory has said.

Sources: PKWARE's APPNOTE.TXT 6.3.10; D. Fifield, "A better zip bomb" (WOOT 2019), on files that overlap.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError  # noqa: N812 - named as errors are

from weft.uploads.errors import UploadRefused
from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.inspecting.probes import PROBES
from weft.uploads.limits import Limits

__all__ = ["copy_member", "kind_of", "members", "probe_zip", "reading"]

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = 30  # bytes of a local header, the name aside
_COMMENT = 0xFFFF
_ZIP64 = 0xFFFFFFFF
_ENCRYPTED = 0x1
_PIECE = 1 << 20
_MOST = 200  # times its own size that an archive may come to
_SMALL = 10_000_000  # bytes that no archive is a bomb for
_OFFICE = (
    ("xl/vbaProject.bin", "xlsm"),
    ("word/vbaProject.bin", "docm"),
    ("ppt/vbaProject.bin", "pptm"),
    ("xl/workbook.xml", "xlsx"),
    ("word/document.xml", "docx"),
    ("ppt/presentation.xml", "pptx"),
)


@contextmanager
def reading(path: Path, limits: Limits) -> Iterator[ZipFile]:
    """The archive, whose directory has been looked through and found possible.

    Raises:
        UploadRefused: 413 too many files, or too much in them; 422 no whole archive, or one with a lock. Also where
            that shows only while it is read.
    """
    try:
        _walk(path, limits)
        with ZipFile(path) as archive:
            _refuse_bomb(archive, path.stat().st_size, limits)
            yield archive
    except (BadZipFile, ZlibError, EOFError, NotImplementedError, struct.error, UnicodeError) as error:
        raise UploadRefused(422, "damaged", f"this is no whole ZIP archive: {error}") from error


def members(archive: ZipFile) -> list[ZipInfo]:
    """What is in it, folders aside."""
    return [each for each in archive.infolist() if not each.filename.endswith("/")]  # `is_dir` fails on an empty name


def kind_of(archive: ZipFile) -> str:
    """What kind of zip it is: "xlsx", "docx", "pptx", one of these with macros ("xlsm" ...), or just "zip"."""
    names = set(archive.namelist())
    if "[Content_Types].xml" not in names:
        return "zip"
    return next((kind for name, kind in _OFFICE if name in names), "zip")


def copy_member(archive: ZipFile, member: ZipInfo, target: BinaryIO) -> None:
    """Write it out, and no more of it than the directory has said.

    Raises:
        UploadRefused: 422, there is more, or it is not what it was.
    """
    left = member.file_size
    with archive.open(member) as source:
        while piece := source.read(_PIECE):
            left -= len(piece)
            if left < 0:
                _refuse_lie()
            target.write(piece)
    if left:
        _refuse_lie()


def probe_zip(path: Path, limits: Limits) -> Inspection:
    """Its kind, how many files are in it and what they come to; of a workbook also the rows that it claims."""
    with reading(path, limits) as archive:
        files = members(archive)
        kind = kind_of(archive)
        return Inspection(
            kind,
            path.stat().st_size,
            rows=_claimed_rows(archive) if kind in {"xlsx", "xlsm"} else 0,
            files=len(files),
            unpacked=sum(each.file_size for each in files),
        )


def _walk(path: Path, limits: Limits) -> None:
    """Count the entries, before `ZipFile` makes an object of each."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END.size - _COMMENT))
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < _END.size:
            raise BadZipFile("its end is missing")
        _, disk, _, here, count, length, start, comment = _END.unpack_from(tail, at)
        end = size - len(tail) + at
        if disk or here != count or len(tail) - at - _END.size != comment:
            raise BadZipFile("its end is not at its end")
        if count > limits.files or count == _COMMENT:
            _refuse_files(limits)
        if _ZIP64 in {length, start} or start + length != end:
            raise BadZipFile("something stands before or behind its directory")
        file.seek(start)
        _walk_entries(file.read(length), count, limits)


def _walk_entries(directory: bytes, count: int, limits: Limits) -> None:
    at = found = unpacked = 0
    while at < len(directory):
        entry = _ENTRY.unpack_from(directory, at)
        if entry[0] != b"PK\1\2":
            raise BadZipFile("its directory is broken")
        at += _ENTRY.size + sum(entry[10:13])
        found += 1
        unpacked += entry[9]
        if found > count:
            raise BadZipFile("there are more files in it than it says")
        if unpacked > limits.unpacked:
            _refuse_size(limits)
    if found != count:
        raise BadZipFile("there are fewer files in it than it says")


def _refuse_bomb(archive: ZipFile, size: int, limits: Limits) -> None:
    unpacked = sum(each.file_size for each in archive.infolist())
    if unpacked > limits.unpacked:
        _refuse_size(limits)
    if unpacked > max(_SMALL, _MOST * size):
        raise UploadRefused(413, "bomb", f"the archive would come to more than {_MOST} times its own size")
    reached = 0
    for each in sorted(archive.infolist(), key=lambda each: each.header_offset):
        if each.header_offset < reached:
            raise UploadRefused(413, "bomb", "files in the archive overlap")
        # The name in the directory is as long as the one in the file's own header; what else that holds is not known.
        reached = each.header_offset + _LOCAL + len(each.orig_filename) + each.compress_size
        if each.flag_bits & _ENCRYPTED:
            raise UploadRefused(422, "locked", "the archive is locked by a password: send it without")
        if each.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            # The others need memory as the file asks for: an LZMA dictionary may have 4 GB.
            raise UploadRefused(422, "method", "the archive is packed in an unusual way: pack it again with Deflate")
    if reached > archive.start_dir:
        raise UploadRefused(413, "bomb", "files in the archive overlap with its directory")


def _claimed_rows(archive: ZipFile) -> int:
    name = next((each for each in archive.namelist() if each.startswith("xl/worksheets/")), None)
    if name is None:
        return 0
    with archive.open(name) as sheet:
        claim = re.search(rb'<dimension ref="[A-Z]+\d+:[A-Z]+(\d{1,7})"', sheet.read(2048))
    return 0 if claim is None else int(claim[1])


def _refuse_files(limits: Limits) -> NoReturn:
    raise UploadRefused(413, "files", f"there are more than {limits.files} files in the archive: that is the limit")


def _refuse_size(limits: Limits) -> NoReturn:
    megabytes = limits.unpacked / 1_000_000
    raise UploadRefused(413, "bomb", f"the archive comes to more than {megabytes:.3g} MB unpacked: that is the limit")


def _refuse_lie() -> NoReturn:
    raise UploadRefused(422, "damaged", "a file in the archive is not as long as the archive says")


PROBES["zip"] = probe_zip
