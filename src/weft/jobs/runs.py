"""A claimed job under way."""

from collections.abc import Callable
from typing import Any

from weft.calls.call import Place
from weft.jobs.context import CurrentJob
from weft.jobs.declaring import Job
from weft.jobs.records import Claim

__all__ = ["ALONE", "Run"]

ALONE = "alone"
"""The lane of suspects."""


class Run:
    """One claimed job under way. Its end is told once, by whoever is first."""

    __slots__ = ("began", "claim", "context", "job", "lane", "stop")

    def __init__(self, claim: Claim, job: "Job[Any, Any]") -> None:
        self.claim = claim
        self.job = job
        self.lane: Place | str = ALONE if claim.crashes else job.place
        self.began: float | None = None
        self.stop: Callable[[], object] = _nothing  # ends it, or abandons it
        self.context: CurrentJob | None = None  # once it has begun


def _nothing() -> None:
    """Not yet started."""
