"""Whether the last process that wrote ended its turn well: one word of memory that all of them share."""

import mmap
import os
import struct
from pathlib import Path
from typing import Self

from weft.logs.ring.storage import reserve

__all__ = ["Gate"]

_WORD = struct.Struct("<Q")


class Gate:
    """Closed while somebody writes; still closed, when that one has died. Read and changed by whoever has the turn.

    Args:
        memory: that the processes share; None: there is nobody to share it with.
    """

    def __init__(self, memory: mmap.mmap | None = None) -> None:
        self._memory = memory

    @classmethod
    def at(cls, path: Path | None) -> Self:
        """The gate at that path, made if it is missing; where that cannot be, one that is never found closed."""
        if path is None:
            return cls()
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return cls()
        try:
            reserve(descriptor, _WORD.size)
            return cls(mmap.mmap(descriptor, _WORD.size, flags=mmap.MAP_SHARED))
        except OSError:
            return cls()
        finally:
            os.close(descriptor)

    @property
    def closed_by(self) -> int:
        """The process whose lines somebody has begun to write, without ending the turn; 0: there is none."""
        return 0 if self._memory is None else int(_WORD.unpack_from(self._memory)[0])

    def close(self, owner: int) -> None:
        """A turn begins to write the lines of that process."""
        if self._memory is not None:
            _WORD.pack_into(self._memory, 0, owner)

    def open(self) -> None:
        """What the turn wrote has been noted."""
        if self._memory is not None:
            _WORD.pack_into(self._memory, 0, 0)
