"""Turns between processes: the kernel's advisory lock on an open file, which ends with its process."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: processes cannot take turns there
    fcntl = None  # type: ignore[assignment]

__all__ = ["LOCKS", "locked", "take", "try_take", "yield_turn"]

LOCKS = fcntl is not None
"""Whether this system has such locks."""

_MISSING = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}  # some networks and FUSE


def take(descriptor: int) -> None:
    """Wait for the lock on this open file.

    It is `flock`'s: of the open file and not of the process. So two of them in one process exclude each other, and a
    child that closes its copy leaves its parent's lock alone.
    """
    if fcntl is not None:
        with _or_without():
            fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def _or_without() -> Iterator[None]:
    """Go on without a lock where the file system has none: lines are worth more than their order."""
    try:
        yield
    except OSError as error:
        if error.errno not in _MISSING:
            raise


def try_take(descriptor: int) -> bool:
    """Take the lock if it is free; False: somebody has it."""
    if fcntl is None:  # pragma: no cover - Windows
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody has it, or there are none
        return False
    return True


def yield_turn(descriptor: int) -> None:
    """Give the lock back."""
    if fcntl is not None:
        with _or_without():
            fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Hold the lock on this open file."""
    take(descriptor)
    try:
        yield
    finally:
        yield_turn(descriptor)
