"""What becomes of a job that has been run. Pure."""

import math
import traceback

from weft.errors import WorkerCrashed
from weft.jobs.errors import Discard, Snooze
from weft.jobs.lifecycle import Step
from weft.jobs.records import Claim, Settlement
from weft.policy.retry import Retry
from weft.policy.verdict import Wait

__all__ = ["after_crash", "completed", "failed", "handed_back", "storable", "words_of"]

CRASHES = 3
"""Processes that a job may take along before it is given up."""

_LONGEST = 20_000
"""Characters of an error that are kept; the end is what tells most."""


def completed(claim: Claim, result: bytes, now: float) -> Settlement:
    """It has returned."""
    return Settlement(claim.id, claim.attempt, Step.COMPLETE, result=result, expires_at=now + claim.result_ttl)


def failed(claim: Claim, error: BaseException, now: float, chance: float, *, final: bool = False) -> Settlement:
    """It has raised, was late, or took its process along. `chance` is in 0..1; `final`: another try would not help."""
    if isinstance(error, WorkerCrashed):
        return after_crash(claim.id, claim.attempt, claim.crashes, storable(str(error)))
    if isinstance(error, Snooze):
        again = now + error.seconds
        return Settlement(claim.id, claim.attempt, Step.TRY_LATER, again_at=again, uncharged=True)
    words = words_of(error)
    if not (final or isinstance(error, Discard)):
        retry = Retry(claim.max_attempts - 1, claim.backoff, claim.longest_backoff, on=(BaseException,))
        verdict = retry.after(claim.attempt, error, math.inf, chance)
        if isinstance(verdict, Wait):
            return Settlement(claim.id, claim.attempt, Step.TRY_LATER, error=words, again_at=now + verdict.seconds)
    return Settlement(claim.id, claim.attempt, Step.GIVE_UP, error=words)


def handed_back(claim: Claim) -> Settlement:
    """It goes to another worker: this one ends."""
    return Settlement(claim.id, claim.attempt, Step.HAND_BACK, uncharged=True)


def words_of(error: BaseException) -> str:
    """The error and its traceback, as text that can be stored."""
    try:
        words = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - its own __str__ is the user's code
        words = f"{type(error).__qualname__}, whose message cannot be had"
    return storable(words[-_LONGEST:].strip())


def storable(words: str) -> str:
    """The text, with what is no character written out: a store takes UTF-8 alone, and PostgreSQL's no NUL."""
    return words.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def after_crash(job: int, attempt: int, crashes: int, how: str) -> Settlement:
    """What becomes of a job that may have taken its process along: again, alone; and in the end to the dead letters."""
    if crashes + 1 >= CRASHES:
        error = f"given up: {how}, and it was so {crashes + 1} times"
        return Settlement(job, attempt, Step.GIVE_UP, error=error, crashed=True)
    return Settlement(job, attempt, Step.HAND_BACK, error=how, uncharged=True, crashed=True)
