"""Names for jobs: unique in the world, and in the order of their making."""

import os
import threading
import time

__all__ = ["new_uid"]

_BUFFER = 4096  # bytes that are asked of the system at once: each asking lets all other threads go first

_lock = threading.Lock()
_last = 0
_chance = b""


def new_uid() -> str:
    """A UUID of version 7 (RFC 9562, 5.7; its method 3 keeps those of one process in order)."""
    global _last, _chance
    with _lock:
        _chance = _chance[8:] or os.urandom(_BUFFER)
        drawn = _chance[:8]
        _last = max(_last + 1, time.time_ns() // 250)  # quarters of a microsecond: 48 bits of ms, 12 of its parts
        stamp = _last
    milliseconds, parts = divmod(stamp, 4000)
    number = milliseconds << 80 | 0x7 << 76 | parts << 64 | 0b10 << 62 | int.from_bytes(drawn, "big") >> 2
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _renew_lock() -> None:
    global _lock, _chance
    _lock, _chance = threading.Lock(), b""  # or it would draw the same as its parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
