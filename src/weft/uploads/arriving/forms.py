"""Reading what a request brings, without reading anything: bytes are given, and what they mean is handed back.

A new file is its `FileHead`, its content is `bytes`, and its end is None. Fields of the form are gathered here. Every
bound on what a client may send is kept here, before anything is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from weft.uploads.arriving.intake import Intake
from weft.uploads.errors import UploadRefused

if TYPE_CHECKING:
    from multipart import PushMultipartParser

__all__ = ["Event", "FileHead", "Form", "MultipartForm", "RawFile", "form_of"]

_MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class FileHead:
    """A file begins.

    Attributes:
        field: of the form.
        filename: as the client has it.
    """

    field: str
    filename: str


Event: TypeAlias = FileHead | bytes | bytearray | None


class Form(Protocol):
    """A body in the making. One thread at a time."""

    fields: dict[str, list[str]]

    def feed(self, data: bytes) -> Iterator[Event]:
        """Go on with this data. To be exhausted before the next; raises `UploadRefused`."""

    def end(self) -> Iterator[Event]:
        """There is no more. Raises `UploadRefused` where there should be."""


def form_of(content_type: str, announced: int | None, intake: Intake, raw: FileHead | None) -> Form:
    """The form for a body of this type. Pure.

    Args:
        content_type: the header of the request.
        announced: its Content-Length.
        intake: the bounds.
        raw: how to take a body that is no form: as this file; None: not at all.

    Raises:
        UploadRefused: 413, 415 or 400, before anything was read.
        ImportError: multipart is not installed.
    """
    try:
        from multipart import MultipartError, PushMultipartParser, parse_options_header  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError("receiving files needs multipart: pip install 'weft[uploads]'") from error

    if announced is not None and announced > intake.total:
        raise _too_large("the request", intake.total)
    kind, options = parse_options_header(content_type)
    if kind == _MULTIPART:
        try:
            return MultipartForm(PushMultipartParser(options.get("boundary", ""), strict=False), intake)
        except (MultipartError, UnicodeError) as error:
            raise UploadRefused(400, "multipart", f"no {_MULTIPART} can be read without its boundary") from error
    if raw is None or kind == "application/x-www-form-urlencoded":
        raise UploadRefused(415, "content-type", f"send files as {_MULTIPART}")
    if announced is not None and announced > intake.file_size:
        raise _too_large("the file", intake.file_size)
    return RawFile(raw, intake)


class _Bounds:
    """What is counted of any form."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._total = 0
        self._size = 0
        self._files = 0
        self.fields: dict[str, list[str]] = {}

    def _came(self, data: bytes) -> None:
        self._total += len(data)
        if self._total > self._intake.total:
            raise _too_large("the request", self._intake.total)

    def _file_begins(self) -> None:
        self._files += 1
        self._size = 0
        if self._files > self._intake.files:
            raise UploadRefused(413, "files", f"no more than {self._intake.files} files are taken at once")

    def _file_grows(self, size: int) -> None:
        self._size += size
        if self._size > self._intake.file_size:
            raise _too_large("a file", self._intake.file_size)

    def _file_ends(self) -> None:
        if self._size < self._intake.smallest:
            what = "is empty" if not self._size else f"has fewer than {self._intake.smallest} bytes"
            raise UploadRefused(422, "empty", f"a file {what}")


class MultipartForm(_Bounds):
    """RFC 7578, by the library multipart."""

    def __init__(self, parser: "PushMultipartParser", intake: Intake) -> None:
        super().__init__(intake)
        self._parser = parser
        self._field: tuple[str, bytearray] | None = None
        self._nothing = False  # a file input in which no file was chosen, as far as we have seen
        self._unnamed = ""
        self._count = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """See `Form`."""
        from multipart import MultipartError  # noqa: PLC0415 - an extra

        self._came(data)
        try:
            for event in self._parser.parse(data):
                if isinstance(event, bytes | bytearray):
                    yield from self._content(event)
                elif event is None:
                    yield from self._part_ends()
                else:
                    yield from self._part_begins(event)
        except MultipartError as error:
            raise _broken(error) from error

    def end(self) -> Iterator[Event]:
        """See `Form`."""
        from multipart import MultipartError  # noqa: PLC0415 - an extra

        try:
            self._parser.close()
        except MultipartError as error:
            raise _broken(error) from error
        yield from ()

    def _part_begins(self, part: Any) -> Iterator[Event]:
        if part.filename is None:
            self._count += 1
            if self._count > self._intake.fields:
                raise UploadRefused(413, "fields", f"no more than {self._intake.fields} fields are taken at once")
            self._field = part.name, bytearray()
            return
        self._nothing = not part.filename  # as browsers send it; it has no content, or is a file without a name
        if not self._nothing:
            self._file_begins()
            yield FileHead(part.name, part.filename)
        else:
            self._unnamed = part.name

    def _content(self, data: bytes | bytearray) -> Iterator[Event]:
        if self._field is not None:
            name, value = self._field
            if len(value) + len(data) > self._intake.field_size:
                raise _too_large(f"the field {name[:40]!r}", self._intake.field_size)
            value += data
            return
        if self._nothing:
            self._nothing = False
            self._file_begins()
            yield FileHead(self._unnamed, "")
        self._file_grows(len(data))
        yield data

    def _part_ends(self) -> Iterator[Event]:
        if self._field is None:
            if not self._nothing:
                self._file_ends()
                yield None
            self._nothing = False
            return
        name, value = self._field
        self._field = None
        try:
            self.fields.setdefault(name, []).append(value.decode())
        except UnicodeDecodeError as error:
            raise UploadRefused(422, "field", f"the field {name[:40]!r} is no text in UTF-8") from error


class RawFile(_Bounds):
    """A body that is one file."""

    def __init__(self, head: FileHead, intake: Intake) -> None:
        super().__init__(intake)
        self._head: FileHead | None = head

    def feed(self, data: bytes) -> Iterator[Event]:
        """See `Form`."""
        yield from self._begin()
        self._came(data)
        self._file_grows(len(data))
        yield data

    def end(self) -> Iterator[Event]:
        """See `Form`."""
        yield from self._begin()
        self._file_ends()
        yield None

    def _begin(self) -> Iterator[Event]:
        if self._head is not None:
            self._file_begins()
            yield self._head
            self._head = None


def _too_large(what: str, most: int) -> UploadRefused:
    return UploadRefused(413, "too-large", f"{what} is larger than {most:,} bytes")


def _broken(error: Exception) -> UploadRefused:
    return UploadRefused(400, "multipart", f"the form cannot be read: {error}")
