"""What runs on a thread or in a process: make, check what was made, and blame who is to blame."""

import ctypes
import errno
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weft.uploads.converting.conversions import Made
from weft.uploads.errors import StorageError, UploadRefused
from weft.uploads.limits import Limits

try:
    import resource
except ImportError:  # pragma: no cover - Windows has no such caps
    resource = None  # type: ignore[assignment]

__all__ = ["make", "make_capped"]

Make = Callable[[Path, Any, Path, Limits], tuple[Made, ...]]

_ROOM = 256 << 20  # bytes beside the estimate: libraries, stacks and arenas that are reserved and not used


def make(fn: Make, source: Path, recipe: Any, folder: Path, limits: Limits) -> tuple[Made, ...]:
    """Call what carries out the recipe.

    Raises:
        UploadRefused: the file is to blame.
        StorageError: the disk is full.
    """
    _count(1)
    try:
        made = fn(source, recipe, folder, limits)
    except MemoryError as error:
        raise UploadRefused(413, "memory", "this file takes more memory to convert than is allowed") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageError(error.errno, f"no room to convert in {folder.parent}: {error.strerror}") from error
        raise
    finally:
        if _count(-1) == 0:
            _trim()
    if not made:
        raise UploadRefused(422, "nothing", "there is nothing in this file to make it of")
    return made


def make_capped(fn: Make, source: Path, recipe: Any, folder: Path, limits: Limits, *, memory: int) -> tuple[Made, ...]:
    """As `make`, in a process of its own, which may take twice the estimated bytes and no more."""
    if resource is None or sys.platform != "linux":  # elsewhere the cap is not kept, or counts otherwise
        return make(fn, source, recipe, folder, limits)
    before = resource.getrlimit(resource.RLIMIT_AS)
    cap = _address_space() + 2 * memory + _ROOM
    resource.setrlimit(resource.RLIMIT_AS, (cap if before[1] < 0 else min(cap, before[1]), before[1]))
    try:
        return make(fn, source, recipe, folder, limits)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _malloc_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library than glibc, or another system
        return None
    return found


_give_back = _malloc_trim()


def _trim() -> None:
    # glibc keeps what a thread has freed for that thread. After eight photos, each on whichever thread was free, a
    # process had grown by 58 MB, and by 31 where this is called. It takes 1 to 4 ms and holds up whoever allocates, so
    # that it waits for a moment when nothing is converted.
    if _give_back is not None:
        _give_back(0)


def _count(by: int) -> int:
    global _under_way
    with _lock:
        _under_way += by
        return _under_way


def _after_fork() -> None:
    global _lock, _under_way
    _lock, _under_way = threading.Lock(), 0


_lock = threading.Lock()  # guards the number below
_under_way = 0
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * resource.getpagesize()
