"""What is done with the old files of a log: they are compressed, and given up when there are too many.

Any process may do it, at any time and more than once: each step leaves a state from which it can be done again.
"""

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.logs.targets.locking import locked
from weft.logs.targets.rotation import Rotation, archives, expired

__all__ = ["names_in", "tidy"]

_PARTIAL = ".partial"


def tidy(log: Path, rotation: Rotation) -> None:
    """Compress the old files of this log and give up those that are too many, as the rotation says.

    Raises:
        OSError: no room, no right. Nothing is lost: an old file goes when its compressed one is whole.
    """
    for name in expired(log.name, names_in(log.parent), rotation.keep):
        (log.parent / name).unlink(missing_ok=True)
    if rotation.compress:
        for name in archives(log.name, names_in(log.parent)):
            if not name.endswith(".gz"):
                _compress(log.parent / name)


def names_in(folder: Path) -> list[str]:
    """The names of all that is in the folder."""
    return [path.name for path in folder.iterdir()]


def _compress(old: Path) -> None:
    with suppress(FileNotFoundError), old.open("rb") as source, locked(source.fileno()):
        if not old.exists():
            return  # another process has done it while this one waited
        with _appearing_as(old.with_name(old.name + ".gz")) as partial, gzip.open(partial, "wb", compresslevel=6) as to:
            shutil.copyfileobj(source, to, 1 << 20)
        shutil.copystat(old, old.with_name(old.name + ".gz"))
        old.unlink()


@contextmanager
def _appearing_as(whole: Path) -> Iterator[Path]:
    partial = whole.with_name(whole.name + _PARTIAL)
    try:
        yield partial
        partial.replace(whole)
    finally:
        partial.unlink(missing_ok=True)
