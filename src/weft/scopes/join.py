"""When a scope has what it wants, and what it raises when it has not. Pure.

The joins are those of Java's StructuredTaskScope (JEP 505): all, any success, and await-all, here "settled".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

from weft.errors import DeadlineExceeded, InvalidCall, InvalidValue
from weft.outcome import Cancelled, Ok, Outcome, TimedOut

__all__ = ["Count", "Join", "JoinName", "Verdict", "as_join", "conclusion", "quorum", "verdict"]

JoinName: TypeAlias = Literal["all", "settled", "first"]


class Verdict(Enum):
    """What the scope does next."""

    KEEP = "keep going"
    ENOUGH = "cancel the rest, all is well"
    HOPELESS = "cancel the rest, it has failed"


@dataclass(slots=True)
class Count:
    """How the calls of a scope stand."""

    ok: int = 0
    bad: int = 0  # failed, refused or timed out; a cancelled call is neither good nor bad
    live: int = 0
    closed: bool = False  # no more will start


@dataclass(frozen=True, slots=True)
class Join:
    """`needed` successes are enough; None: every call must succeed. `strict` joins raise, the settled one does not."""

    name: str
    needed: int | None
    strict: bool = True


_JOINS = {"all": Join("all", None), "settled": Join("settled", None, strict=False), "first": Join("first", 1)}


def quorum(needed: int) -> Join:
    """The join that is content with `needed` successes, cancels the rest, and fails as soon as they are out of reach.

    Raises:
        InvalidValue: `needed` is less than 1.
    """
    if isinstance(needed, bool) or not isinstance(needed, int):
        raise InvalidCall(f"a quorum of {needed!r} is not a number of calls: write weft.quorum(2)")
    if needed < 1:
        raise InvalidValue(f"a quorum of {needed} is met by nothing: write weft.quorum(1) or more")
    return Join(f"quorum of {needed}", needed)


def as_join(join: JoinName | Join) -> Join:
    """Find the join meant by a name.

    Raises:
        InvalidValue: there is none of that name.
    """
    if isinstance(join, Join):
        return join
    if join not in _JOINS:
        raise InvalidValue(f"there is no join {join!r}: write 'all', 'settled', 'first' or weft.quorum(k)")
    return _JOINS[join]


def verdict(join: Join, count: Count) -> Verdict:
    """Decide, after a call has ended or the scope has closed, whether the rest is still wanted."""
    if not join.strict:
        return Verdict.KEEP
    if join.needed is None:
        return Verdict.HOPELESS if count.bad else Verdict.KEEP
    if count.ok >= join.needed:
        return Verdict.ENOUGH
    out_of_reach = count.closed and count.ok + count.live < join.needed
    return Verdict.HOPELESS if out_of_reach else Verdict.KEEP


def conclusion(
    join: Join,
    count: Count,
    failures: Sequence[Outcome[Any]],
    outcomes: Sequence[Outcome[Any]],
    *,
    allowed: float | None,
) -> BaseException | None:
    """What a scope raises when its calls have ended, or None.

    Args:
        join: what it wanted.
        count: what it got.
        failures: the bad outcomes, in the order they came.
        outcomes: all outcomes, for a `DeadlineExceeded` to carry.
        allowed: the seconds that its deadline allowed.
    """
    if not join.strict or (join.needed is not None and count.ok >= join.needed):
        return None
    if join.needed is None and not failures:
        return None
    late = sum(isinstance(outcome, TimedOut) for outcome in failures)
    if failures and late == len(failures):
        return _too_late(late, outcomes, allowed)
    return _group(join, count, failures)


def _too_late(late: int, outcomes: Sequence[Outcome[Any]], allowed: float | None) -> DeadlineExceeded:
    in_time = "" if allowed is None else f" of {allowed:g} s"
    error = DeadlineExceeded(f"{late} of {len(outcomes)} calls were not done by the deadline{in_time}", after=allowed)
    error.outcomes = tuple(outcomes)
    return error


def _group(join: Join, count: Count, failures: Sequence[Outcome[Any]]) -> BaseExceptionGroup[BaseException]:
    errors = [outcome.as_error() for outcome in failures if not isinstance(outcome, Ok)]
    total = count.ok + count.bad
    wanted = "" if join.needed is None else f", and {join.needed} had to succeed"
    if not errors:
        errors = [Cancelled("no call was left to succeed").as_error()]
    return BaseExceptionGroup(f"{count.bad} of {total} calls failed{wanted}", errors)
