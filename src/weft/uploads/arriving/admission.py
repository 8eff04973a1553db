"""Who may send files at the same time, and how much of the disk they have meanwhile. For one process."""

import os
import threading
from collections import Counter
from collections.abc import Hashable

from weft.uploads.arriving.intake import Intake
from weft.uploads.errors import UploadRefused

__all__ = ["Admission", "Ticket", "admission"]

_SOON = 5.0  # seconds after which another try may succeed


class Admission:
    """Counts uploads under way by user, and the bytes of all. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_user: Counter[Hashable] = Counter()
        self._bytes = 0

    @property
    def under_way(self) -> int:
        """Bytes of all uploads under way."""
        return self._bytes

    def enter(self, user: Hashable, intake: Intake) -> "Ticket":
        """Begin an upload.

        Args:
            user: who is to be counted; None: nobody.
            intake: the bounds.

        Raises:
            UploadRefused: 429: this user has as many under way as one may.
        """
        with self._lock:
            if user is not None:
                if self._by_user[user] >= intake.per_user:
                    raise UploadRefused(
                        429, "uploads", f"{intake.per_user} uploads of yours are under way", retry_after=_SOON
                    )
                self._by_user[user] += 1
        return Ticket(self, user, intake.spool)

    def grow(self, size: int, most: int) -> None:
        """Count further bytes.

        Raises:
            UploadRefused: 429: there would be too many.
        """
        with self._lock:
            if self._bytes + size > most:
                raise UploadRefused(429, "spool", "too many uploads are under way", retry_after=_SOON)
            self._bytes += size

    def leave(self, user: Hashable, size: int) -> None:
        """End an upload."""
        with self._lock:
            self._bytes -= size
            if user is not None:
                self._by_user[user] -= 1
                if not self._by_user[user]:
                    del self._by_user[user]


class Ticket:
    """An upload's own share. One thread at a time.

    Args:
        admission: what it is a share of.
        user: who is counted.
        most: bytes of all uploads.
    """

    def __init__(self, admission: Admission, user: Hashable, most: int) -> None:
        self._admission = admission
        self._user = user
        self._most = most
        self._held = 0
        self._left = False

    def grow(self, size: int) -> None:
        """Hold further bytes.

        Raises:
            UploadRefused: 429: all uploads together would have too many.
        """
        self._admission.grow(size, self._most)
        self._held += size

    def leave(self) -> None:
        """Give everything back. Idempotent."""
        if not self._left:
            self._left = True
            self._admission.leave(self._user, self._held)


_admission = Admission()


def admission() -> Admission:
    """The one of this process."""
    return _admission


def _forget() -> None:
    global _admission
    _admission = Admission()


os.register_at_fork(after_in_child=_forget)
