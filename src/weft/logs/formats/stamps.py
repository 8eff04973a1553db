"""The time of a record as text: made once a second, since that is how often it changes."""

import time
from collections.abc import Callable

__all__ = ["cached", "local_iso", "utc_iso"]

_ISO = "%Y-%m-%dT%H:%M:%S"


def cached(render: Callable[[int], str]) -> Callable[[int], str]:
    """The same function of a second, which remembers its last answer. Any thread."""
    last = (-1, "")

    def remembering(second: int) -> str:
        nonlocal last
        known, text = last  # one look, and one change: the two belong together
        if known != second:
            text = render(second)
            last = (second, text)
        return text

    return remembering


_utc = cached(lambda second: time.strftime(f"{_ISO}.%%03dZ", time.gmtime(second)))


def _local_template(second: int) -> str:
    text = time.strftime(f"{_ISO}.%%03d%z", time.localtime(second))
    return f"{text[:-2]}:{text[-2:]}"  # RFC 3339 wants the colon, which strftime does not know


_local = cached(_local_template)


def utc_iso(moment: float) -> str:
    """RFC 3339 in UTC, with milliseconds: `2026-11-25T02:15:24.123Z`."""
    second = int(moment)
    return _utc(second) % int((moment - second) * 1000)


def local_iso(moment: float) -> str:
    """The same in local time, with its offset: `2026-11-25T03:15:24.123+01:00`."""
    second = int(moment)
    return _local(second) % int((moment - second) * 1000)
