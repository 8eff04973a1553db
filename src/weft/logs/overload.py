"""What becomes of a line for which there is no room: one frozen decision, in the terms of Log4j 2. Pure."""

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal, TypeAlias, get_args

from weft.errors import InvalidValue
from weft.policy.verdict import Wait

__all__ = ["Drop", "Overload", "PolicyName"]

PolicyName: TypeAlias = Literal["block", "drop_new", "drop_old"]


class Drop(Enum):
    """Which lines are given up."""

    NEW = auto()
    OLD = auto()


@dataclass(frozen=True, slots=True)
class Overload:
    """How a log behaves when lines come faster than they can be written. Concurrency safe: it has no state.

    Attributes:
        policy: "block": wait for room; "drop_new": give the new line up; "drop_old": give the oldest ones up.
        timeout: seconds that "block" waits at most, counted from the moment at which the log was full: a sink that
            stalls holds everybody up once, not each line anew. Then new lines are given up.
        shed_below: a level; lines below it are given up early, once the backlog has reached the high-water mark, so
            that room is left for the others. 0: none are.
        high_water: that mark, as a share of the ring, above 0.0 and up to 1.0.

    Raises:
        InvalidValue: an unknown policy, a negative timeout, a mark outside of its range.
    """

    policy: PolicyName = "block"
    timeout: float = 1.0
    shed_below: int = 0
    high_water: float = 0.75

    def __post_init__(self) -> None:
        if self.policy not in get_args(PolicyName):
            raise InvalidValue(f"overload={self.policy!r}: write one of {', '.join(map(repr, get_args(PolicyName)))}")
        if not 0 <= self.timeout < math.inf:
            raise InvalidValue(f"timeout={self.timeout}: write the seconds, 0 or more, that a log call may wait")
        if not 0 < self.high_water <= 1:
            raise InvalidValue(f"high_water={self.high_water}: write a share of the ring, such as high_water=0.75")

    def when_full(self, stalled: float) -> Wait | Drop:
        """What a line does that finds no room, `stalled` seconds after there was none for the first time."""
        if self.policy == "drop_old":
            return Drop.OLD
        left = self.timeout - stalled
        return Wait(left) if self.policy == "block" and left > 0 else Drop.NEW

    def floor(self, fill: float) -> int:
        """The level below which lines are given up at this fill of the ring; 0: none are."""
        return self.shed_below if fill >= self.high_water else 0
