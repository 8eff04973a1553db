"""Which origins may have a connection to spare.

Before each transfer libcurl looks through all connections to the origin for one that is free. With thousands under way
none is, and the looking alone grows with the square of their number: at 10,000 calls in flight it takes two thirds of
the time. So the connections that have come free are counted here, and a call that cannot find one is told not to look.
The count may be too high (a server closes connections without a word), never so low as to matter.
"""

from weft.http.outgoing import Request

__all__ = ["Spares"]

_MOST_ORIGINS = 4096
_MANY = 64  # calls under way, below which looking costs nothing


class Spares:
    """Counts connections that came free, by origin. Plaintext HTTP/1.1 alone: one of HTTP/2 serves many calls."""

    __slots__ = ("_free",)

    def __init__(self) -> None:
        self._free: dict[str, int] = {}

    def none_for(self, request: Request, running: int) -> bool:
        """Whether the call need not look for a free connection; otherwise it is taken to use one."""
        origin = request.target.authority
        free = self._free.pop(origin, 0)
        if free > 1:
            self._free[origin] = free - 1
        return not free and running >= _MANY and _one_call_each(request)

    def add(self, request: Request) -> None:
        """Note that the call ended well, and left its connection."""
        if request.target.scheme == "http":
            if len(self._free) >= _MOST_ORIGINS:
                self._free.clear()
            origin = request.target.authority
            self._free[origin] = self._free.get(origin, 0) + 1


def _one_call_each(request: Request) -> bool:
    return request.target.scheme == "http" and request.options.http_version != "2"
