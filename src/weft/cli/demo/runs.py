"""A run of one of the three ways, as lines of JSON: one for each call as it ends, and at last the seconds it took."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict
from typing import Any

from weft.cli.demo.sites import Check, one_by_one, pool_of_five, with_weft, with_weft_async
from weft.cli.demo.web import Job
from weft.clock import now
from weft.runtime.face import to_thread

__all__ = ["WAYS", "lines", "lines_async"]

_BLOCKING: dict[str, Callable[[list[str]], Iterator[Check]]] = {"one-by-one": one_by_one, "pool": pool_of_five}
WAYS = {*_BLOCKING, "weft"}
"""The names of the ways."""


def lines(way: str, job: Job) -> Iterator[bytes]:
    """The run, for applications whose views run on threads."""
    began = now()
    for check in _BLOCKING[way](job.urls) if way in _BLOCKING else with_weft(job.urls, job.deadline):
        yield _line(asdict(check))
    yield _line({"total": now() - began})


async def lines_async(way: str, job: Job) -> AsyncIterator[bytes]:
    """The run, for applications whose views run on a loop; the ways that block do so on a thread."""
    if way in _BLOCKING:
        run = lines(way, job)
        while line := await to_thread(next, run, b""):
            yield line
        return
    began = now()
    async for check in with_weft_async(job.urls, job.deadline):
        yield _line(asdict(check))
    yield _line({"total": now() - began})


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"
