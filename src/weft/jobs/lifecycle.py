"""The life of a job, as one table: which step leads from which states to which. Pure; the words are Oban's and River's.

```
scheduled -> available -> running -> completed
                 ^           |-> retryable (-> available)
                 |           |-> cancelled
                 |           `-> discarded: the dead letters
                 `-- a person retries it
```
"""

from collections.abc import Iterable
from enum import Enum, IntEnum
from typing import NamedTuple

__all__ = ["FINAL", "STEPS", "ImpossibleStep", "State", "Step", "Transition", "advance", "numbers"]


class State(IntEnum):
    """Where a job stands. The numbers are what is stored."""

    SCHEDULED = 0
    AVAILABLE = 1
    RUNNING = 2
    COMPLETED = 3
    RETRYABLE = 4
    CANCELLED = 5
    DISCARDED = 6

    def __str__(self) -> str:
        return self.name.lower()


FINAL = frozenset({State.COMPLETED, State.CANCELLED, State.DISCARDED})
"""The states from which only a person leads a job back."""


def numbers(states: Iterable[State]) -> str:
    """The states as they are stored, for a list in SQL: "3, 5, 6"."""
    return ", ".join(str(int(state)) for state in sorted(states))


class Step(Enum):
    """What can happen to a job."""

    FALL_DUE = "fall due"
    CLAIM = "claim"
    COMPLETE = "complete"
    TRY_LATER = "try later"
    GIVE_UP = "give up"
    HAND_BACK = "hand back"
    CANCEL = "cancel"
    REVIVE = "revive"


class Transition(NamedTuple):
    """From any of these states to that one."""

    sources: frozenset[State]
    target: State


STEPS = {
    Step.FALL_DUE: Transition(frozenset({State.SCHEDULED, State.RETRYABLE}), State.AVAILABLE),
    Step.CLAIM: Transition(frozenset({State.AVAILABLE}), State.RUNNING),
    Step.COMPLETE: Transition(frozenset({State.RUNNING}), State.COMPLETED),
    Step.TRY_LATER: Transition(frozenset({State.RUNNING}), State.RETRYABLE),
    Step.GIVE_UP: Transition(frozenset({State.RUNNING}), State.DISCARDED),
    Step.HAND_BACK: Transition(frozenset({State.RUNNING}), State.AVAILABLE),
    Step.CANCEL: Transition(frozenset(State) - FINAL, State.CANCELLED),
    Step.REVIVE: Transition(FINAL | {State.SCHEDULED, State.RETRYABLE}, State.AVAILABLE),
}


class ImpossibleStep(ValueError):
    """The job stands where no such step begins."""


def advance(state: State, step: Step) -> State:
    """The state that the step leads to.

    Raises:
        ImpossibleStep: it does not begin in this state.
    """
    sources, target = STEPS[step]
    if state not in sources:
        begins = ", ".join(sorted(map(str, sources)))
        raise ImpossibleStep(f"a {state} job cannot {step.value}: only one that is {begins}")
    return target
