"""A store that ends with its process: the same file, in a folder that is removed."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path

from weft.jobs.sqlite.database import SQLite

__all__ = ["PassingSQLite"]


class PassingSQLite(SQLite):
    """Jobs that last as long as the store, or the process that has made it. No write of it waits for a disk."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="weft-jobs-"))
        self._remove = weakref.finalize(self, _remove, folder, os.getpid())
        super().__init__(folder / "jobs.db", synchronous="OFF")

    @property
    def name(self) -> str:
        """It has none."""
        return "memory:"

    def close(self) -> None:
        """Remove it."""
        self._remove()


def _remove(folder: Path, maker: int) -> None:
    if os.getpid() == maker:  # a forked child leaves it to its parent
        shutil.rmtree(folder, ignore_errors=True)
