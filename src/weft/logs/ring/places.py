"""Where rings lie, so that the next process finds those of the dead: one folder for each user of the machine."""

import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from weft.logs.ring.storage import Storage
from weft.logs.targets.locking import try_take

__all__ = ["Place", "default_folder", "orphans", "owner", "rings"]

_SUFFIX = ".ring"
_TRIES, _PAUSE = 1000, 0.001  # seconds
_UNFINISHED = ".new"
_STALE = 60.0  # seconds; making a ring takes milliseconds
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it belongs to this user alone


class Place:
    """The rings of one log, and what its processes share. Has no state.

    Args:
        folder: where they lie; made, for this user alone, if it is missing. None: the default folder of whatever user
            this process runs as at the time. (Servers begin as root, and their workers become somebody else.)
        key: of the target.

    Raises:
        OSError: the folder cannot be made, or belongs to somebody else, who could read or change what is in it.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._given = folder
        self._stem = sha256(os.fsencode(key)).hexdigest()[:24]
        _make_private(self.folder)

    @property
    def folder(self) -> Path:
        """Where the rings lie."""
        return self._given or default_folder()

    @property
    def gate(self) -> Path:
        """Where the gate of the target is."""
        return self.folder / f"{self._stem}.gate"

    def create(self, target: str, size: int, count: int, born: float) -> Storage:
        """Make a ring for this process, and hold its lock until the process ends.

        Raises:
            OSError: there is no room.
        """
        _make_private(self.folder)
        _sweep(self.folder)
        path = self.folder / f"{self._stem}.{os.getpid()}.{secrets.token_hex(4)}{_SUFFIX}"
        unfinished = path.with_suffix(_UNFINISHED)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try_take(descriptor)
            made = Storage.create(path, descriptor, target=target, size=size, count=count, born=born)
            unfinished.rename(path)  # only now can others see it, and they find it locked
        except OSError:
            unfinished.unlink()
            os.close(descriptor)
            raise
        return made

    def leave(self, ours: Path | None = None) -> None:
        """Remove what the processes share, if no ring is left but ours. Only while the turn at the target is ours."""
        if not self.others(ours):
            self.gate.unlink(missing_ok=True)

    def others(self, ours: Path | None) -> list[Path]:
        """The rings of this log, of the living and the dead, but for ours."""
        return [path for path in rings(self.folder, self._stem) if path != ours]

    def orphans(self, *, dying: int = 0) -> Iterator[Storage]:
        """The rings of this log whose processes are gone, each locked while it is looked at.

        Args:
            dying: a process of which it is known that the last one to hold its rings is on its way out. They are
                waited for.
        """
        return orphans(self.folder, self._stem, dying=dying)


def orphans(folder: Path, stem: str = "", *, dying: int = 0) -> Iterator[Storage]:
    """The rings in the folder whose processes are gone. Close each, and remove it when its lines have been written."""
    for path in rings(folder, stem):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # gone this moment
        found = None
        try:
            if _take(descriptor, patient=owner(path) == dying) and os.fstat(descriptor).st_nlink:
                found = Storage.open(path, descriptor)
        finally:
            if found is None:
                os.close(descriptor)
        if found is not None:
            yield found


def owner(ring: Path) -> int:
    """The process that made the ring of that name."""
    return int(ring.name.split(".")[1])


def _take(descriptor: int, *, patient: bool) -> bool:
    # A process that is killed loses its locks one after the other: that of the log may be free before that of its ring.
    for _ in range(_TRIES if patient else 0):
        if try_take(descriptor):
            return True
        time.sleep(_PAUSE)
    return try_take(descriptor)


def rings(folder: Path, stem: str = "") -> list[Path]:
    """All rings in the folder, of the living and the dead."""
    return sorted(folder.glob(f"{stem}*{_SUFFIX}")) if folder.is_dir() else []


def _sweep(folder: Path) -> None:
    """Remove rings whose processes were killed before they had made them."""
    for path in folder.glob(f"*{_UNFINISHED}"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _STALE:
                path.unlink()


def default_folder() -> Path:
    """In shared memory where there is such a thing: there the kernel never makes a writer wait for a disk."""
    base = _MEMORY if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    return base / f"weft-logs-{_user()}"


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "getuid"):
        return  # pragma: no cover - Windows
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} is not a folder that this user alone can write to")
