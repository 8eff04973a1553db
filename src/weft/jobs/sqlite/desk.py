"""A worker's place at the embedded store: a locked file says that it lives, a socket is its bell."""

from collections.abc import Sequence
from pathlib import Path

from weft.jobs.sql.database import Fallen
from weft.jobs.sqlite.bell import SocketBell
from weft.jobs.sqlite.owners import Owner, dead_owners, owner_file

__all__ = ["SQLiteDesk"]


class SQLiteDesk:
    """A worker's place at the store. Belongs to the worker's thread.

    Attributes:
        owner: its claim to be alive.
        bell: rung when there is something to do.
    """

    def __init__(self, folder: Path, slots: int) -> None:
        self._folder = folder
        self.owner = Owner(folder, slots)
        self.bell = SocketBell(folder, self.owner.name)

    def fallen(self, owners: Sequence[str]) -> list[Fallen]:
        """Those whose lock is free, and those whose file did not outlive a power cut, or was removed by somebody."""
        lost = [Lost(name) for name in owners if not owner_file(self._folder, name).exists()]
        return [*dead_owners(self._folder), *lost]

    def abandon(self) -> None:
        """Leave without having settled all."""
        self.owner.abandon()
        self.bell.close()

    def close(self) -> None:
        """Leave in good order."""
        self.owner.close()
        self.bell.close()

    def disown(self) -> None:
        """In a forked child: the place is the parent's."""
        self.owner.abandon()


class Lost:
    """An owner without a file: nobody knows what it had begun, and nobody can be to blame."""

    begun: frozenset[int] = frozenset()

    def __init__(self, name: str) -> None:
        self.name = name

    def bury(self) -> None:
        """There is nothing to remove."""

    def leave(self) -> None:
        """There is nothing to let go of."""
