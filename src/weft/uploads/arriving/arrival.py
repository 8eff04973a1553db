"""A request's files on their way to the storage: written to the spool and hashed as they come, and kept all or none."""

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.clock import now
from weft.uploads.arriving.admission import Ticket
from weft.uploads.arriving.filenames import harmless
from weft.uploads.arriving.forms import Event, FileHead, Form
from weft.uploads.arriving.received import Contents
from weft.uploads.arriving.spools import Spool, spool_in
from weft.uploads.errors import UploadRefused
from weft.uploads.records import Upload
from weft.uploads.storing.keys import new_key
from weft.uploads.storing.local import failures
from weft.uploads.storing.storage import Storage

__all__ = ["Arrival"]

_SPAN = 4 * 1024 * 1024  # bytes


class Arrival:
    """Everything that blocks. `take` and `finish` by one thread after the other; `abort` by any thread, at any time.

    Args:
        form: what the bytes mean.
        announced: bytes that the request will have, where it says so.
        storage: where the files go.
        spool: the folder where they lie until then.
        ticket: what is counted of them.
    """

    def __init__(self, form: Form, announced: int | None, storage: Storage, spool: Path, ticket: Ticket) -> None:
        self._form = form
        self._announced = announced
        self._storage = storage
        self._parent = spool
        self._ticket = ticket
        self._began = now()
        self._total = 0
        self._spool: Spool | None = None
        self._open: _File | None = None
        self._files: list[_File] = []
        self._kept: list[str] = []
        self._busy = threading.Lock()
        self._aborted = False

    def take(self, pieces: list[bytes]) -> None:
        """Go on with these pieces, made one: to take turns with an event loop costs more than to copy.

        Raises:
            UploadRefused: the client is to blame.
            StorageError: the disk is.
        """
        data = b"".join(pieces)
        with self._working():
            self._total += len(data)
            self._ticket.grow(len(data))
            self._follow(self._form.feed(data))

    def finish(self) -> Contents:
        """There is no more: keep the files, all or none.

        Raises:
            UploadRefused: the client has not sent everything.
            StorageError: the storage fails.
        """
        with self._working():
            if self._announced is not None and self._total != self._announced:
                raise UploadRefused(400, "incomplete", "the request ended before all of it had come")
            self._follow(self._form.end())
            files: dict[str, list[Upload]] = {}
            for file in self._files:
                key = new_key()
                self._kept.append(key)
                self._storage.put(file.path, key)
                seconds = {"receive": now() - self._began}
                upload = Upload(key, file.size, f"sha256:{file.hash.hexdigest()}", None, file.filename, seconds)
                files.setdefault(file.field, []).append(upload)
            self._files.clear()
            self._ticket.leave()
        return (
            {field: tuple(uploads) for field, uploads in files.items()},
            {field: tuple(values) for field, values in self._form.fields.items()},
            self._discard,
        )

    def abort(self) -> None:
        """Leave nothing behind. Never waits for what is under way: whoever is at it cleans up when it ends."""
        self._aborted = True
        if self._busy.acquire(blocking=False):
            try:
                self._clean()
            finally:
                self._busy.release()

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Keep others from cleaning up meanwhile; clean up if it fails, or is no longer wanted."""
        whole = False
        try:
            with self._busy:
                if self._aborted:
                    raise UploadRefused(400, "aborted", "the upload was given up")
                yield
            whole = True
        finally:
            # After the release: an abort that found us at work is seen here, or else has cleaned up by itself.
            if not whole or self._aborted:
                self.abort()

    def _follow(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, FileHead):
                if self._spool is None:
                    self._spool = spool_in(self._parent)
                self._open = _File(event, *self._spool.create())
                self._files.append(self._open)
            elif self._open is not None:
                if event is None:
                    self._open.close()
                    self._open = None
                else:
                    self._open.write(event)

    def _clean(self) -> None:
        for file in self._files:
            file.close()
            with suppress(OSError):
                file.path.unlink(missing_ok=True)
        self._files.clear()
        with suppress(OSError):
            self._discard()
        self._ticket.leave()

    def _discard(self) -> None:
        while self._kept:
            self._storage.delete(self._kept[-1])
            self._kept.pop()


class _File:
    def __init__(self, head: FileHead, path: Path, file: int) -> None:
        self.field = head.field
        self.filename = harmless(head.filename)
        self.path = path
        self.size = 0
        self._begun = 0  # so much has been sent on its way to the disk
        self.hash = hashlib.sha256()
        self._file: int | None = file

    def write(self, data: bytes | bytearray) -> None:
        assert self._file is not None
        self.hash.update(data)
        self.size += len(data)
        view = memoryview(data)
        with failures(f"cannot receive files in {self.path.parent.parent}"):
            while view:
                view = view[os.write(self._file, view) :]
            if self.size - self._begun >= _SPAN:
                _begin_to_write(self._file, self._begun, self.size - self._begun)
                self._begun = self.size

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)


def _begin_to_write(file: int, start: int, size: int) -> None:
    # Linux sends pages that are not written yet on their way, and returns: the disk works while we receive, and
    # there is little left to do when the file is synchronized.
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, start, size, os.POSIX_FADV_DONTNEED)
