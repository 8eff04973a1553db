"""What is known of one job, and what its arrival at a worker means. Pure."""

from dataclasses import dataclass, replace
from enum import Enum

from weft.jobs.lifecycle import STEPS, State, Step, advance
from weft.jobs.records import KEPT, Claim, Entry, Record, Settlement

__all__ = ["Arrival", "Page", "arrival", "begun", "claim_of", "record_of", "revived", "settled"]


@dataclass(frozen=True, slots=True)
class Page:
    """All that is known of one job.

    Attributes:
        ticket: the messages with it count; those of before somebody had the job run anew do not.
        attempt: the attempt that has begun last; 0: none.
        owner: the worker that runs it.
    """

    entry: Entry
    ticket: str
    state: State = State.AVAILABLE
    attempt: int = 0
    crashes: int = 0
    owner: str = ""
    progress: float = 0.0
    note: str = ""
    result: bytes | None = None
    error: str | None = None
    scheduled_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    expires_at: float | None = None
    cancel_requested: bool = False


class Arrival(Enum):
    """What to do about a message that has come: brokers bring some twice."""

    BEGIN = "begin"
    DROP = "drop"
    """It is over, or another message stands for the job now."""

    LATER = "later"
    """It runs, in a worker that lives: come again, in case that dies."""

    CRASHED = "crashed"
    """It ran, in a worker that lives no more."""


def arrival(page: Page, ticket: str, attempt: int, *, alive: bool) -> Arrival:
    """What this message means for the job; `alive`: its owner is."""
    if page.ticket != ticket or page.state not in STEPS[Step.CANCEL].sources or attempt < page.attempt:
        return Arrival.DROP
    if attempt > page.attempt:
        return Arrival.BEGIN  # its predecessor has sent it, and may not have written so
    if page.state is not State.RUNNING:
        return Arrival.DROP
    return Arrival.LATER if alive else Arrival.CRASHED


def begun(page: Page, attempt: int, owner: str, now: float, *, crashed: bool = False) -> Page:
    """It runs."""
    crashes = page.crashes + crashed
    return replace(page, state=State.RUNNING, attempt=attempt, owner=owner, started_at=now, crashes=crashes)


def settled(page: Page, settlement: Settlement, now: float) -> Page:
    """What it has come to; nothing, if that attempt is not the one that counts."""
    if page.state is not State.RUNNING or page.attempt != settlement.attempt:
        return page
    final = settlement.step in {Step.COMPLETE, Step.GIVE_UP, Step.CANCEL}
    expires = settlement.expires_at if settlement.step is Step.COMPLETE else now + KEPT
    return replace(
        page,
        state=advance(page.state, settlement.step),
        attempt=page.attempt - settlement.uncharged,
        crashes=page.crashes + settlement.crashed,
        owner="",
        result=settlement.result,
        error=settlement.error if settlement.error is not None else page.error,
        scheduled_at=settlement.again_at if settlement.again_at is not None else page.scheduled_at,
        finished_at=now if final else None,
        expires_at=expires if final else None,
    )


def revived(page: Page, ticket: str) -> Page:
    """It is to run again, with all its attempts.

    Raises:
        ImpossibleStep: it is running, or about to.
    """
    return Page(page.entry, ticket, state=advance(page.state, Step.REVIVE), error=page.error)


def claim_of(page: Page, number: int) -> Claim:
    """As a crew takes it."""
    entry = page.entry
    return Claim(
        number, entry.uid, entry.task, entry.queue, entry.arguments, page.attempt, entry.max_attempts, entry.backoff,
        entry.longest_backoff, page.crashes, entry.timeout, entry.result_ttl,
    )  # fmt: skip


def record_of(page: Page) -> Record:
    """As everybody sees it."""
    entry = page.entry
    return Record(
        uid=entry.uid, task=entry.task, queue=entry.queue, state=page.state, priority=entry.priority,
        arguments=entry.arguments.decode("utf-8", "replace"), attempt=page.attempt, max_attempts=entry.max_attempts,
        crashes=page.crashes, created_at=entry.created_at, scheduled_at=page.scheduled_at, started_at=page.started_at,
        finished_at=page.finished_at, progress=page.progress, note=page.note, result=page.result, error=page.error,
        cancel_requested=page.cancel_requested,
    )  # fmt: skip
