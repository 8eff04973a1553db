"""Where files lie while they arrive: a folder of each process, swept by others when it has died."""

import os
import secrets
import threading
from pathlib import Path

from weft.executors.exits import at_exit, mind_exit
from weft.uploads.claims import OwnFolder
from weft.uploads.errors import StorageError
from weft.uploads.storing.local import failures

__all__ = ["Spool", "close", "shared_spool", "spool_in"]

_lock = threading.Lock()
_spools: dict[Path, "Spool"] = {}


class Spool:
    """This process's own folder in the given one, where other processes have theirs. Any thread.

    Args:
        parent: made if it is not there; must be this user's alone.

    Raises:
        StorageError: the folder cannot be made, or is somebody else's.
    """

    def __init__(self, parent: Path) -> None:
        with failures(f"cannot receive files in {parent}"):
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_foreign(parent)
            self._own = OwnFolder(parent)
        self.folder = self._own.path

    def create(self) -> tuple[Path, int]:
        """Make an empty file; its path, and a descriptor to write by."""
        path = self.folder / secrets.token_hex(16)
        with failures(f"cannot receive files in {self.folder.parent}"):
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        """Remove it, with what is in it."""
        self._own.close()

    def abandon(self) -> None:
        """Let go of the lock."""
        self._own.abandon()


def spool_in(parent: Path) -> Spool:
    """The spool of this process in that folder, opened at first use. Any thread."""
    with _lock:
        found = _spools.get(parent)
        if found is None or not found.folder.exists():  # somebody has tidied up by hand
            mind_exit()
            if found is not None:
                found.abandon()
            found = _spools[parent] = Spool(parent)
        return found


def shared_spool() -> Path:
    """A folder of this user's for storages that are none: on a disk, where /tmp may be memory."""
    return Path("/var/tmp") / f"weft-uploads-{os.getuid()}"  # noqa: S108 - its owner and mode are checked


def close() -> None:
    """Remove the spools of this process. Called by itself when the process ends."""
    with _lock:
        while _spools:
            _spools.popitem()[1].close()


def _refuse_foreign(parent: Path) -> None:
    found = parent.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StorageError(f"{parent} can be written by others: let it belong to the server's user, with mode 0700")


def _forget() -> None:
    # The lock is the parent's: a child that kept it open would keep the folder of a dead parent from being swept.
    global _lock
    _lock = threading.Lock()
    while _spools:
        _spools.popitem()[1].abandon()


at_exit(close)
os.register_at_fork(after_in_child=_forget)
