"""A bell for each worker, rung by whoever has put a job in the store: it need not look again and again.

A datagram to an abstract socket of Linux: nothing lies about when a process dies, and nobody waits for the sender.
Where there are none, and in another network namespace, a worker looks once a second.
"""

import hashlib
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["SocketBell", "ring"]


class SocketBell:
    """A worker's own. `ring_here` from any thread; the rest belongs to the worker's."""

    def __init__(self, folder: Path, owner: str) -> None:
        if sys.platform == "linux":
            self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._ear.bind(_address(folder, owner))
            self._hand = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._hand.connect(_address(folder, owner))
        else:  # pragma: no cover - macOS, Windows
            self._ear, self._hand = socket.socketpair()
        self._hand.setblocking(False)

    def ring_here(self) -> None:
        """Wake the worker of this bell."""
        with suppress(OSError):  # rung enough, or closed
            self._hand.send(b"!")

    def wait(self, seconds: float) -> None:
        """Sleep until it rings, or for so long."""
        self._ear.settimeout(max(seconds, 0.0001))
        with suppress(OSError):
            self._ear.recv(16)
            self._ear.setblocking(False)
            while True:
                self._ear.recv(16)

    def close(self) -> None:
        """Take it away."""
        self._ear.close()
        self._hand.close()


def ring(folder: Path, owners: Iterable[str]) -> None:
    """Wake these workers, those of other processes too. Never waits."""
    names = list(owners)
    if not names or sys.platform != "linux":  # elsewhere they look by themselves
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hand:
        hand.setblocking(False)
        for owner in names:
            with suppress(OSError):  # it has just gone, or has been rung enough
                hand.sendto(b"!", _address(folder, owner))


def _address(folder: Path, owner: str) -> bytes:
    place = hashlib.blake2b(str(folder).encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    return f"\0weft-{place}-{owner}".encode()
