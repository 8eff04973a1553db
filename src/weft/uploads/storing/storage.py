"""Where files are kept: a promise that a folder keeps, and an object store as well."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

__all__ = ["Storage"]


class Storage(Protocol):
    """A place for whole files under keys. Concurrency safe; every method blocks.

    Each method raises `StorageError` where the place itself fails.
    """

    def put(self, source: Path, key: str) -> None:
        """Take this file in under the key: whole, or not at all. The source may be moved; it is gone afterwards."""

    def open(self, key: str) -> BinaryIO:
        """The file, to be read from its start.

        Raises:
            FileNotFoundError: there is none under this key.
        """

    def local(self, key: str) -> AbstractContextManager[Path]:
        """The file as a path on this machine, to be read and not changed: itself, or a copy that ends with the block.

        Raises:
            FileNotFoundError: there is none under this key.
        """

    def delete(self, key: str) -> None:
        """Forget it. Nothing happens if there is none."""
