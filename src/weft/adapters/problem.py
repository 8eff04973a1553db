"""What an HTTP client is told when weft could not do the work in time: one decision for all frameworks."""

import errno
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from weft.errors import DeadlineExceeded, Overloaded, TaskCancelled
from weft.uploads.errors import StorageError, UploadRefused

__all__ = ["KINDS", "Problem", "noted", "of_cancellation", "problem_of"]

log = logging.getLogger("weft.adapters")

KINDS = (Overloaded, DeadlineExceeded, UploadRefused, StorageError, ExceptionGroup)
"""What a framework has to ask us about; of the groups, `problem_of` may decline some."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_LONGEST_WAIT = 86_400.0  # seconds; whoever would be told more than a day may as well try tomorrow


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer in the form of RFC 9457, "Problem Details for HTTP APIs".

    Attributes:
        status: 503 or 504; 507 where a disk is full; or what an upload was refused with.
        detail: a sentence for people. It names no host and no limit: those are for the log, not for strangers.
        retry_after: whole seconds to wait before another try; None: not known.
        reason: one word for machines, of an upload that was refused.
    """

    status: HTTPStatus
    detail: str
    retry_after: int | None = None
    reason: str | None = None

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the answer: its type, its length, `Retry-After` where it is known; never to be cached."""
        headers = [
            ("content-type", "application/problem+json"),
            ("content-length", str(len(self.body))),
            ("cache-control", "no-store"),
        ]
        return headers if self.retry_after is None else [*headers, ("retry-after", str(self.retry_after))]

    @property
    def body(self) -> bytes:
        """The JSON document."""
        members = {
            "type": "about:blank",  # RFC 9457, 4.2.1: no meaning beyond that of the status
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        if self.reason is not None:
            members["reason"] = self.reason  # an extension member: RFC 9457, 3.2
        return json.dumps(members).encode()


def problem_of(error: BaseException) -> Problem | None:
    """The answer to an error that left a request, or None where it is no affair of weft's.

    `Overloaded` is 503 and `DeadlineExceeded` is 504. An exception group counts, whatever its nesting, if nothing else
    is in it: 503 if all its errors are overload, else 504. `UploadRefused` has its own status, and its message is told,
    which is meant for the client; of several, the first. `StorageError` is 507 where the disk is full, else 503. Pure.
    """
    leaves = list(_leaves(error))
    if all(isinstance(leaf, UploadRefused) for leaf in leaves):
        return _refused(leaves[0])
    if all(isinstance(leaf, StorageError) for leaf in leaves):
        return _not_kept(leaves)
    refused = [leaf for leaf in leaves if isinstance(leaf, Overloaded)]
    late = [leaf for leaf in leaves if isinstance(leaf, DeadlineExceeded)]
    if len(refused) + len(late) < len(leaves):
        return None
    return _too_late(late) if late else _too_much(refused)


def noted(error: BaseException, method: str | None, path: str | None) -> Problem | None:
    """`problem_of`, and where there is an answer, a line in the log: it alone holds the error's own words."""
    problem = problem_of(error)
    if problem is not None:
        log.info("%s %s is answered %d: %s", method, path, problem.status, error)
    return problem


def of_cancellation(error: BaseException) -> bool:
    """Whether an error, or everything in a group, says that a call was cancelled, and nothing else. Pure."""
    return all(isinstance(leaf, TaskCancelled) for leaf in _leaves(error))


def _refused(error: BaseException) -> Problem:
    assert isinstance(error, UploadRefused)
    wait = None if error.retry_after is None else _whole(error.retry_after)
    return Problem(HTTPStatus(error.status), str(error), wait, error.reason)


def _not_kept(errors: list[BaseException]) -> Problem:
    if any(isinstance(error, OSError) and error.errno in _FULL for error in errors):
        return Problem(HTTPStatus.INSUFFICIENT_STORAGE, "There is no room for files at the moment.")
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Files cannot be kept at the moment.")


def _too_much(refused: list[Overloaded]) -> Problem:
    wait = _whole(max(0.0, *(leaf.retry_after for leaf in refused)))
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Too much is under way. Try again in {wait} s.", wait)


def _too_late(late: list[DeadlineExceeded]) -> Problem:
    allowed = max((leaf.after for leaf in late if leaf.after is not None), default=None)
    within = "" if allowed is None else f" of {allowed:g} s"
    return Problem(HTTPStatus.GATEWAY_TIMEOUT, f"The work was not done within its time{within}.")


def _whole(wait: float) -> int:
    return math.ceil(min(max(0.0, wait), _LONGEST_WAIT))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from _leaves(inner)
