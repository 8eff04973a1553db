"""What rings there are on this machine, of the living and the dead; and writing what the dead have left."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from weft.logs.ring.places import Place, default_folder, rings
from weft.logs.ring.recovery import recover
from weft.logs.ring.storage import Counters, Storage
from weft.logs.targets.file import FileTarget
from weft.logs.targets.locking import try_take
from weft.logs.targets.rotation import Rotation
from weft.logs.targets.stream import STREAM

__all__ = ["RingFacts", "default_folder", "inventory", "rescue"]


@dataclass(frozen=True, slots=True)
class RingFacts:
    """One ring.

    Attributes:
        target: what its lines are for: the path of a file, or of a stream its name and what tells programs apart.
        pid: the process that made it.
        alive: whether that process has it still.
        age: seconds since it was made.
        waiting: bytes that have not been written.
        counters: what has happened to its lines.
    """

    target: str
    pid: int
    alive: bool
    age: float
    waiting: int
    counters: Counters

    @property
    def is_file(self) -> bool:
        """Whether the target is a file, which can be written by anybody."""
        return not self.target.startswith(STREAM)

    @property
    def name(self) -> str:
        """The path of the file, or what people call the stream."""
        return self.target if self.is_file else self.target.removeprefix(STREAM).rpartition(":")[0]


def inventory(folder: Path | None = None) -> list[RingFacts]:
    """All rings in the folder, in the order of their targets. Looks, and changes nothing.

    Args:
        folder: where rings lie; None: where they lie unless a handler says otherwise.
    """
    found = [_facts(storage, alive=alive) for storage, alive in _opened(folder or default_folder())]
    return sorted(found, key=lambda ring: (ring.target, ring.pid))


def rescue(target: str, folder: Path | None = None, *, to: Path | None = None) -> int:
    """Write what dead processes have left for this target, and tell how many lines it was.

    Args:
        target: as `RingFacts` has it.
        folder: where the rings lie; None: as above.
        to: a file for the lines, instead of the one that they were for.

    Raises:
        OSError: it cannot be written; nothing is lost.
    """
    place = Place(folder, target)
    file = FileTarget(to or Path(target), Rotation(), durable=True, gate=(lambda: place.gate) if to is None else None)
    recovered = 0

    def finish(dying: int = 0) -> None:
        nonlocal recovered
        recovered += recover(partial(place.orphans, dying=dying), file)

    file.on_unfinished = finish
    try:
        with file.turn():
            finish()
            place.leave()
    finally:
        file.close()
    return recovered


def _opened(folder: Path) -> Iterator[tuple[Storage, bool]]:
    for path in rings(folder):
        with suppress(OSError):  # gone this moment, or somebody else's
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            alive = not try_take(descriptor)
            storage = Storage.open(path, descriptor)
            if storage is None:
                os.close(descriptor)
                continue
            try:
                yield storage, alive
            finally:
                storage.close(remove=False)


def _facts(storage: Storage, *, alive: bool) -> RingFacts:
    waiting = sum(end - start for _, start, end in storage.left_behind())
    return RingFacts(
        storage.target, storage.pid, alive, max(0.0, time.time() - storage.born), waiting, storage.counters
    )
