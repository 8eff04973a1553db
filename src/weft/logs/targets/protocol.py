"""What can be written to: one protocol for files and streams."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from weft.logs.ring.storage import Mark

__all__ = ["UNKEPT", "Ledger", "Target", "ignore"]


class Ledger(Protocol):
    """Keeps account of what was written, in a place that outlives the process.

    Attributes:
        owner: the process whose lines they are, dead or alive.
    """

    @property
    def owner(self) -> int:
        """See above."""

    def begin(self, mark: Mark, length: int) -> object:
        """So many bytes are about to be written there."""

    def commit(self, length: int) -> object:
        """So many bytes have been written; the rest has not."""


class _Unkept:
    """No account: nobody asks later, because whoever writes is there until it has been written."""

    @property
    def owner(self) -> int:
        return os.getpid()

    def begin(self, _mark: Mark, _length: int) -> None:
        """Nothing is noted."""

    def commit(self, _length: int) -> None:
        """Nothing is noted."""


UNKEPT = _Unkept()
"""The ledger of what need not survive its writer."""


def ignore(_died: int) -> None:
    """What `on_unfinished` is where nobody keeps account of what was written."""


class Target(Protocol):
    """Where frames are written. Used by one thread at a time; processes take turns by themselves.

    Attributes:
        name: what people call it.
        key: the same for all processes whose lines go to the same place.
        rotations: how often it has been put aside by this object.
        on_unfinished: called with the turn taken, and the process whose lines were being written when it was lost.
    """

    name: str
    key: str
    rotations: int
    on_unfinished: Callable[[int], object]

    def turn(self) -> AbstractContextManager[object]:
        """Take the turn among the processes that write there."""

    def append(self, frames: bytes, ledger: Ledger) -> int:
        """Write whole frames, as many as can be written at once; tell how many bytes. Only while it is our turn.

        Raises:
            OSError: nothing of it could be written.
        """

    def written_since(self, mark: Mark, most: int) -> tuple[bytes, bool]:
        """What was written at that mark and behind it, up to `most` bytes, and whether the file ends there."""

    def resume(self, rest: bytes) -> None:
        """Complete a frame at the end, of which its writer wrote the first part and died. Only while it is our turn."""

    def close(self) -> None:
        """Let go of it. Idempotent; the next turn opens it again."""

    def disown(self) -> None:
        """Let go of it in a forked child, whose parent still has it."""
