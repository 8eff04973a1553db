"""Files in a folder of this machine, or of a share that several machines see."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from weft.uploads.errors import StorageError
from weft.uploads.storing.keys import checked_key

__all__ = ["LocalStorage", "failures"]

_SPOOL = ".incoming"  # no key begins with a dot


class LocalStorage:
    """A folder; each file has the name of its key. Any thread, any number of processes.

    What is under a key is whole and on the disk: it was written elsewhere, synchronized, and renamed. Only the
    user that the process runs as may read it (mode 0600).

    Args:
        folder: made at the first use, with its parents.

    Attributes:
        folder: its absolute path.
        spool: a folder in the same file system, for what is not complete yet.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).absolute()
        self.spool = self.folder / _SPOOL

    def __repr__(self) -> str:
        return f"LocalStorage({str(self.folder)!r})"

    def put(self, source: Path, key: str) -> None:
        """Take this file in under the key, by renaming it where it is in the same file system.

        Raises:
            InvalidValue: no key.
            StorageError: the disk is full, or fails.
        """
        target = self._path(key)
        with failures(f"cannot keep a file in {self.folder}"):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                _settle(source)
                source.rename(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._carry(source, target)
            _synchronize(self.folder)

    def open(self, key: str) -> BinaryIO:
        """The file, to be read from its start.

        Raises:
            FileNotFoundError: there is none under this key.
            InvalidValue: no key.
            StorageError: the disk fails.
        """
        path = self._path(key)
        with failures(f"cannot read a file in {self.folder}"):
            return path.open("rb")

    def local(self, key: str) -> AbstractContextManager[Path]:
        """The file itself; see `weft.uploads.Storage`."""
        return self._itself(self._path(key))

    def delete(self, key: str) -> None:
        """Forget it. Nothing happens if there is none.

        Raises:
            InvalidValue: no key.
            StorageError: the disk fails.
        """
        path = self._path(key)
        with failures(f"cannot delete a file in {self.folder}"):
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / checked_key(key)

    @contextmanager
    def _itself(self, path: Path) -> Iterator[Path]:
        with failures(f"cannot read a file in {self.folder}"):
            path.stat()
        yield path

    def _carry(self, source: Path, target: Path) -> None:
        self.spool.mkdir(mode=0o700, exist_ok=True)
        part = self.spool / f"{secrets.token_hex(16)}.part"
        try:
            shutil.copyfile(source, part)
            _settle(part)
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)
        source.unlink()


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Tell errors of the operating system as failures of the storage; a file that is not there stays what it is."""
    try:
        yield
    except (FileNotFoundError, StorageError):
        raise
    except OSError as error:
        raise StorageError(error.errno, f"{what}: {error.strerror or error}") from error


def _settle(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fchmod(file, 0o600)
        os.fsync(file)
    finally:
        os.close(file)


def _synchronize(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
