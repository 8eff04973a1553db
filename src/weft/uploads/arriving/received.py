"""What a request has brought."""

from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from typing import Any

from weft.errors import InvalidCall
from weft.uploads.errors import UploadRefused
from weft.uploads.records import Upload

__all__ = ["Received"]

Contents = tuple[Mapping[str, tuple[Upload, ...]], Mapping[str, tuple[str, ...]], Callable[[], None]]


class Received:
    """The files and fields of a form: `received["photo"]` is the file of that field. In async code, `await` it first.

    Files are in the storage when you have this; what you do not want to keep, `discard()`.
    """

    def __init__(self, contents: Contents | None, pending: Callable[[], Awaitable[Contents]] | None = None) -> None:
        self._contents = contents
        self._pending = pending

    def __await__(self) -> Generator[Any, None, "Received"]:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self._contents = yield from pending().__await__()
        self._known()
        return self

    @property
    def files(self) -> Mapping[str, tuple[Upload, ...]]:
        """Field -> its files, in the order in which they came."""
        return self._known()[0]

    @property
    def fields(self) -> Mapping[str, tuple[str, ...]]:
        """Field -> its values, of all fields that are no files."""
        return self._known()[1]

    def __getitem__(self, field: str) -> Upload:
        """The file of that field; the last, if there are several.

        Raises:
            UploadRefused: 422: the client has sent none.
        """
        found = self.files.get(field)
        if not found:
            raise UploadRefused(422, "missing", f"the form has no file in its field {field!r}")
        return found[-1]

    def __contains__(self, field: object) -> bool:
        return field in self.files

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def get_all(self, field: str) -> tuple[Upload, ...]:
        """The files of that field, which may be none."""
        return self.files.get(field, ())

    def text(self, field: str, default: str = "") -> str:
        """The value of a field that is no file; the last, if there are several."""
        return self.fields.get(field, (default,))[-1]

    def discard(self) -> None:
        """Delete the files from the storage. Blocks; in async code: `await weft.to_thread(received.discard)`.

        Raises:
            StorageError: the storage fails; some are left.
        """
        self._known()[2]()

    def _known(self) -> Contents:
        if self._contents is None:
            raise InvalidCall("nothing was received yet: write `received = await weft.uploads.receive(request)`")
        return self._contents
