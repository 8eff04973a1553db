"""What is stored of a job, as it goes in, comes out, and is settled. Times are seconds since 1970 (`time.time`)."""

from dataclasses import dataclass
from typing import NamedTuple

from weft.jobs.lifecycle import State, Step

__all__ = ["KEPT", "Claim", "Entry", "Progress", "Record", "Settlement"]

KEPT = 30 * 86_400.0
"""Seconds for which jobs that were given up or cancelled are kept."""


class Entry(NamedTuple):
    """A job that is to be stored.

    Attributes:
        uid: its name in the world; sorts by time (UUIDv7, RFC 9562).
        task: the name of the function.
        arguments: their JSON.
        scheduled_at: not before then; None: at once.
        unique_key: while an unfinished job has this key, or a younger one than `unique_for` seconds, that one is meant.
        idempotency_key: no second job gets this key, ever.
        after: uids of the jobs that must be complete before.
    """

    uid: str
    task: str
    queue: str
    arguments: bytes
    created_at: float
    priority: int = 0
    scheduled_at: float | None = None
    max_attempts: int = 1
    backoff: float = 2.0
    longest_backoff: float = 3600.0
    timeout: float | None = None
    result_ttl: float = 86_400.0
    unique_key: str | None = None
    unique_for: float = 0.0
    idempotency_key: str | None = None
    after: tuple[str, ...] = ()


class Claim(NamedTuple):
    """A job that a worker has taken. `attempt`, from 1, is the fencing token: only its holder may settle the job."""

    id: int
    uid: str
    task: str
    queue: str
    arguments: bytes
    attempt: int
    max_attempts: int
    backoff: float
    longest_backoff: float
    crashes: int
    timeout: float | None
    result_ttl: float


class Settlement(NamedTuple):
    """What a claim has come to.

    Attributes:
        result: JSON, of a job that is complete.
        error: in words, with the traceback.
        again_at: when it is tried again.
        uncharged: the attempt does not count: it had not begun, or ended for no fault of the job's.
        crashed: it took its process along.
    """

    id: int
    attempt: int
    step: Step
    result: bytes | None = None
    error: str | None = None
    again_at: float | None = None
    expires_at: float | None = None
    uncharged: bool = False
    crashed: bool = False


class Progress(NamedTuple):
    """How far a running job says it is: a fraction of 1, and words."""

    id: int
    attempt: int
    fraction: float
    note: str


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of a job."""

    uid: str
    task: str
    queue: str
    state: State
    priority: int
    arguments: str
    attempt: int
    max_attempts: int
    crashes: int
    created_at: float
    scheduled_at: float | None
    started_at: float | None
    finished_at: float | None
    progress: float
    note: str
    result: bytes | None
    error: str | None
    cancel_requested: bool
