"""The three answers that a policy can give."""

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["GO", "Go", "Stop", "Verdict", "Wait"]


@dataclass(frozen=True, slots=True)
class Go:
    """The call may run now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The call may run after `seconds`; infinity means: when somebody hands it a place."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """The call must not run (again); `error` says why."""

    error: BaseException


Verdict: TypeAlias = Go | Wait | Stop

GO = Go()
