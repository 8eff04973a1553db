"""Folders of processes, which the kernel says are somebody's, or nobody's.

A process holds a lock on its folder for as long as it lives. What a dead one has left is swept by the next that makes a
folder beside it, however young it is; that of one that is slow, or asleep, is never touched.
"""

import os
import secrets
import shutil
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: what a dead process left is swept by the system
    fcntl = None  # type: ignore[assignment]

__all__ = ["OwnFolder"]


class OwnFolder:
    """This process's own folder in the given one, where other processes have theirs. Any thread.

    Attributes:
        path: the folder.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, parent: Path) -> None:
        while True:
            self.path = parent / f"{os.getpid()}-{secrets.token_hex(6)}"
            self.path.mkdir(mode=0o700)
            file = _claim(self.path)
            if file is not None:
                break  # or it was swept before it had its lock
        self._file = file
        _sweep(parent)

    def close(self) -> None:
        """Remove it, with what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.abandon()

    def abandon(self) -> None:
        """Let go of the lock alone, in a forked child: there it would keep the folder of a parent that has died."""
        os.close(self._file)


def _sweep(parent: Path) -> None:
    for folder in parent.iterdir():
        if folder.is_symlink() or not folder.is_dir():
            continue
        file = _claim(folder)
        if file is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(file)


def _claim(folder: Path) -> int | None:
    """Lock a folder that is nobody's: a descriptor. None: it is somebody's, or gone."""
    try:
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    if folder.exists():
        return file
    os.close(file)
    return None
