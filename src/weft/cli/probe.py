"""One check: asks one site, reads its answer to the end without keeping it, and tells how the time was spent."""

from collections.abc import Mapping
from typing import Any

from weft.cli.results import Reading
from weft.cli.targets import Target
from weft.clock import now
from weft.http.api import CallOptions, stream
from weft.http.errors import InvalidURL
from weft.http.response import Timings
from weft.http.url import target as parse
from weft.telemetry.waterfall import Phase

__all__ = ["Probe", "phases_of"]


class Probe:
    """Checks targets, all in one way. Safe to call any number of times at once.

    Args:
        method: "GET" or "HEAD".
        timeout: seconds for each, to connect and in all.
        max_body: bytes after which a body is a failure; None: no bound.
        verify: whether certificates are checked.
        ca_file: a file of trusted certificates; None: the usual ones.
    """

    def __init__(self, method: str, *, timeout: float, max_body: int | None, verify: bool, ca_file: str | None) -> None:
        self._method = method
        self._options: CallOptions = {
            "timeout": timeout,
            "max_body": max_body,
            "verify": (ca_file or True) if verify else False,
        }

    async def __call__(self, target: Target) -> Reading:
        """Ask the site; the body is read to its end, so that the duration is that of the whole answer.

        Raises:
            InvalidURL: the target has a problem.
            HTTPError: there was no answer, or it broke off.
        """
        if target.problem is not None:
            raise InvalidURL(target.problem)
        async with stream(self._method, target.url, **self._options) as answer:
            arrived, size = now(), 0
            async for chunk in answer:
                size += len(chunk)
            phases = phases_of(answer.timings, now() - arrived)
            return Reading(answer.status_code, answer.http_version, size, phases)

    def __weft_host__(self, args: tuple[Target], _: Mapping[str, Any]) -> str | None:
        """Tell the limits per host which one this check will talk to."""
        return None if args[0].problem is not None else parse(args[0].url).authority


def phases_of(timings: Timings, body: float) -> tuple[Phase, ...]:
    """What each step took, of the moments at which they were done; one that was not needed is left out.

    Args:
        timings: seconds from the start to the end of each step, 0.0 where it was not needed.
        body: the seconds that reading the body took.
    """
    phases, before = [], 0.0
    for name, done in (("dns", timings.dns), ("connect", timings.connect), ("tls", timings.tls)):
        if done > before:
            phases.append(Phase(name, done - before))
            before = done
    return (*phases, Phase("wait", max(0.0, timings.first_byte - before)), Phase("body", body))
