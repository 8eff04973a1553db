"""What an adapter is told, by its arguments or by the settings of its framework; one shape for all frameworks."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

from weft.calls.call import seconds
from weft.config import Config
from weft.http import pool as http
from weft.logs.access import Format
from weft.runtime import background
from weft.runtime.process import configure, refuse_green_threads

__all__ = ["DEADLINE_HEADER", "Settings", "configure_runtime", "parse_timeout", "prepare"]

DEADLINE_HEADER = "X-Request-Timeout"
"""The header by which a client tells how long it will wait, unless an app chooses another."""

# https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "TimeoutUnit"
_GRPC = "grpc-timeout"
_GRPC_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_LONGEST = 32  # characters of a header's value that are looked at
_LEAST = 0.001  # seconds; whoever has no time left is told so by the first call


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one app.

    Attributes:
        deadline: seconds that a request may take; None: no bound.
        deadline_header: the request header that can shorten it, see `parse_timeout`; None: none is looked at.
        access_log: the format of the access log around the app; None: there is none.

    Raises:
        InvalidValue: a deadline of 0 seconds or less.
    """

    deadline: float | None = 10.0
    deadline_header: str | None = DEADLINE_HEADER
    access_log: Format | None = None

    def __post_init__(self) -> None:
        if self.deadline is not None:
            seconds("deadline", self.deadline)

    def overridden(self, get: Callable[[str, Any], Any]) -> Self:
        """These, but for what the framework's settings say: `get("WEFT_DEADLINE", default)` and so on."""
        return replace(
            self,
            deadline=get("WEFT_DEADLINE", self.deadline),
            deadline_header=get("WEFT_DEADLINE_HEADER", self.deadline_header),
            access_log=get("WEFT_ACCESS_LOG", self.access_log),
        )

    def asked(self, header: Callable[[str], str | None]) -> float | None:
        """The seconds that the client has asked for; `header(name)` is the value of a header, None: it has none."""
        name = self.deadline_header
        value = None if name is None else header(name)
        return None if name is None or value is None else parse_timeout(name, value)

    def asked_in(self, environ: Mapping[str, Any]) -> float | None:
        """The same, of a WSGI environment (PEP 3333) or Django's `META`: frameworks' own lookups cost several times."""
        name = self.deadline_header
        value = None if name is None else environ.get(_environ_key(name))
        return None if name is None or value is None else parse_timeout(name, value)


@cache
def _environ_key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def parse_timeout(name: str, value: str) -> float | None:
    """Read how long a client will wait: a number of seconds from now, so that no two clocks need agree.

    A header whose name ends in "-ms" holds milliseconds, as Envoy's `x-envoy-expected-rq-timeout-ms` does, and
    `grpc-timeout` a whole number with gRPC's unit, as in "250m". Nothing left is told as 1 ms, for which no call
    is begun in vain. Pure.

    Returns:
        Seconds, above 0; None: it is no such number, and is to be ignored.
    """
    if len(value) > _LONGEST:
        return None
    lowered, unit = name.lower(), 1.0
    if lowered == _GRPC:
        value, unit = value[:-1], _GRPC_UNITS.get(value[-1:], math.nan)
    elif lowered.endswith("-ms"):
        unit = 1e-3
    try:
        asked = float(value) * unit
    except ValueError:
        return None
    return max(asked, _LEAST) if 0 <= asked < math.inf else None


def prepare() -> None:
    """Load at start-up what a first request would have to wait for. Starts nothing.

    Raises:
        WeftError: gevent or eventlet has patched this process.
    """
    refuse_green_threads()
    http.load()
    background.load(uvloop=configure().uvloop)


def configure_runtime(get: Callable[[str, Any], Any]) -> None:
    """Set the runtime up as the framework's settings say: `WEFT_THREADS` and the other attributes of `weft.Config`.

    Raises:
        InvalidValue: an impossible setting.
        InvalidCall: one changes after the runtime's first use.
    """
    now = configure()
    wanted = {name: get(f"WEFT_{name.upper()}", getattr(now, name)) for name in Config.names()}
    configure(**{name: value for name, value in wanted.items() if value != getattr(now, name)})
