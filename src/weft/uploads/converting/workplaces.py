"""Where a conversion works: an empty folder of its own and a share of the memory budget, until the last has left.

A thread cannot be stopped. One that nobody waits for any more still writes into its folder and still holds its memory:
both are given back when it ends, and not when the wait for it does.

Folders of a process that died are swept away by the next one that needs a folder.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from weft.executors.exits import at_exit
from weft.uploads.claims import OwnFolder

__all__ = ["Workplace"]

T = TypeVar("T")

_lock = threading.Lock()  # guards the name below
_home: OwnFolder | None = None  # of this process


class Workplace:
    """A folder, and whatever else is to be given back at the end. Concurrency safe.

    Attributes:
        held: closed at the end.
    """

    def __init__(self) -> None:
        self.held = ExitStack()
        self._lock = threading.Lock()
        self._users = 1  # whoever has made it
        self._left = False

    def open(self) -> Path:
        """Make the folder: empty, and gone at the end with all that is in it. From within `use`."""
        folder = Path(tempfile.mkdtemp(dir=_home_of_this_process()))
        self.held.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def use(self, fn: Callable[..., T], *args: Any) -> T:
        """Call `fn(*args)`; nothing is given back before it has ended."""
        with self._lock:
            if self._left:
                raise RuntimeError("nobody waits for this any more")
            self._users += 1
        try:
            return fn(*args)
        finally:
            self._less()

    @property
    def forsaken(self) -> bool:
        """Whether whoever has made it has left. To be asked from within `use`."""
        return self._left

    def leave(self) -> None:
        """Whoever has made it leaves; if nothing is used any more, all is given back."""
        self._left = True
        self._less()

    def _less(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self.held.close()


def _home_of_this_process() -> Path:
    global _home
    with _lock:
        if _home is None or not _home.path.exists():
            if _home is not None:
                _home.abandon()
            common = Path(tempfile.gettempdir()) / f"weft-convert-{_user()}"
            common.mkdir(mode=0o700, exist_ok=True)
            _refuse_strangers(common)
            _home = OwnFolder(common)
        return _home.path


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _refuse_strangers(folder: Path) -> None:
    # The folder for temporary files is everybody's: another user may have been there first, to read along.
    found = folder.lstat()
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or folder.is_symlink() or found.st_mode & 0o077):
        raise PermissionError(f"{folder} is not this user's alone: remove it, or set TMPDIR to a folder that is")


def _go() -> None:
    global _home
    if _home is not None:
        _home.close()
        _home = None


def _after_fork() -> None:
    global _lock, _home
    _lock = threading.Lock()
    if _home is not None:  # the parent's
        _home.abandon()
        _home = None


at_exit(_go)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
