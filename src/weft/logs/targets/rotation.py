"""When a log is put aside, what it is called then, and which of its old parts are given up. Pure."""

import calendar
import math
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from weft.errors import InvalidValue

__all__ = ["Period", "Rotation", "archive_name", "archives", "expired"]

Period: TypeAlias = Literal["minute", "hour", "day", "month"]

_SECONDS = "%Y%m%dT%H%M%S"
_FIELDS: dict[Period, int] = {"month": 2, "day": 3, "hour": 4, "minute": 5}


@dataclass(frozen=True, slots=True)
class Rotation:
    """When and how. Concurrency safe: it has no state, so all processes come to the same decision.

    Attributes:
        max_bytes: a file that would grow beyond is put aside first; 0: whatever its size. A single record that is
            larger has a file of its own.
        every: "minute", "hour", "day" or "month": the first line of a new one, in local time, begins a new file.
        keep: how many old files are kept; None: all.
        compress: whether old files are compressed (gzip).

    Raises:
        InvalidValue: a negative size or count, an unknown period.
    """

    max_bytes: int = 0
    every: Period | None = None
    keep: int | None = None
    compress: bool = False

    def __post_init__(self) -> None:
        if self.max_bytes < 0:
            raise InvalidValue(f"max_bytes={self.max_bytes}: write the size of a file, as in max_bytes=100_000_000")
        if self.every is not None and self.every not in get_args(Period):
            raise InvalidValue(f"every={self.every!r}: write one of {', '.join(map(repr, get_args(Period)))}")
        if self.keep is not None and self.keep < 0:
            raise InvalidValue(f"keep={self.keep}: write how many old files to keep, 0 or more, or None for all")
        if (self.keep is not None or self.compress) and not self.rotates:
            raise InvalidValue("keep= and compress= are for old files, and there are none: write max_bytes= or every=")

    @property
    def rotates(self) -> bool:
        """Whether a file is ever put aside."""
        return self.max_bytes > 0 or self.every is not None

    def due(self, size: int, incoming: int, modified: float, now: float) -> bool:
        """Whether to put a file of that size aside before so many more bytes; times in seconds since the epoch."""
        if size == 0:
            return False
        if self.max_bytes and size + incoming > self.max_bytes:
            return True
        return self.every is not None and modified < now and _period(self.every, modified) != _period(self.every, now)

    def room(self, size: int) -> float:
        """Bytes that fit into a file of that size; infinity, where size does not matter."""
        return max(0, self.max_bytes - size) if self.max_bytes else math.inf


def _period(every: Period, moment: float) -> tuple[int, ...]:
    return tuple(time.localtime(moment)[: _FIELDS[every]])


def archive_name(name: str, moment: float, names: Iterable[str]) -> str:
    """What the file is called from that moment on: `app.log.20261125T021524.123Z`.

    The time is UTC, so that an hour that comes twice in autumn does not upset the order; and it is behind that of
    every old file among the names, should the clock have been set back.
    """
    stamp = int(moment * 1000)
    taken = archives(name, names)
    if taken:
        stamp = max(stamp, _parsed(_without_suffix(taken[-1])[len(name) + 1 :]) + 1)
    return f"{name}.{time.strftime(_SECONDS, time.gmtime(stamp // 1000))}.{stamp % 1000:03d}Z"


def archives(name: str, names: Iterable[str]) -> list[str]:
    """Those of the names that are old files of this log, the oldest first."""
    pattern = re.compile(re.escape(name) + r"\.\d{8}T\d{6}\.\d{3}Z(\.gz)?")
    return sorted(filter(pattern.fullmatch, names))


def expired(name: str, names: Iterable[str], keep: int | None) -> list[str]:
    """Those of the names that are old files beyond the newest `keep`."""
    old = archives(name, names)
    parts = sorted({_without_suffix(each) for each in old})
    given_up = set(parts if keep == 0 else parts[:-keep]) if keep is not None else set()
    return [each for each in old if _without_suffix(each) in given_up]


def _without_suffix(name: str) -> str:
    return name.removesuffix(".gz")


def _parsed(stamp: str) -> int:
    seconds, _, rest = stamp.partition(".")
    return calendar.timegm(time.strptime(seconds, _SECONDS)) * 1000 + int(rest[:3])
