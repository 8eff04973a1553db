"""What a call came to: one of five frozen records, made for `match`.

```python
match task.outcome:
    case Ok(value): ...
    case Failed(error): ...
    case TimedOut() | Cancelled(): ...
    case Refused(reason): ...
```
"""

from dataclasses import dataclass
from typing import Generic, NoReturn, TypeAlias, TypeVar

from weft.errors import DeadlineExceeded, Overloaded, TaskCancelled

__all__ = ["Cancelled", "Failed", "Ok", "Outcome", "Refused", "TimedOut"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """The call returned `value`."""

    value: T_co

    @property
    def ok(self) -> bool:
        """True: the call succeeded."""
        return True

    def unwrap(self) -> T_co:
        """Return the value."""
        return self.value


class _NotOk:
    __slots__ = ()

    @property
    def ok(self) -> bool:
        """False: the call did not succeed."""
        return False

    def as_error(self) -> BaseException:
        """The exception that `unwrap` raises."""
        raise NotImplementedError  # pragma: no cover - abstract

    def unwrap(self) -> NoReturn:
        """Raise what kept the call from a value."""
        raise self.as_error()


@dataclass(frozen=True, slots=True)
class Failed(_NotOk):
    """The call raised `error`."""

    error: BaseException

    def as_error(self) -> BaseException:
        """The error that the call raised, the same object."""
        return self.error


@dataclass(frozen=True, slots=True)
class TimedOut(_NotOk):
    """The deadline, or the call's own timeout, passed first. `after` is the time allowed in seconds, if it is known."""

    after: float | None = None

    def as_error(self) -> BaseException:
        """A fresh `DeadlineExceeded`."""
        allowed = "" if self.after is None else f" after {self.after:g} s"
        return DeadlineExceeded(f"the call was not done when its time ran out{allowed}", after=self.after)


@dataclass(frozen=True, slots=True)
class Cancelled(_NotOk):
    """The call was cancelled before it ended; `reason` says by whom."""

    reason: str = "cancelled"

    def as_error(self) -> BaseException:
        """A fresh `TaskCancelled`."""
        return TaskCancelled(self.reason)


@dataclass(frozen=True, slots=True)
class Refused(_NotOk):
    """The call never ran: something bounded was full. `reason` says what; `retry_after` is in seconds."""

    reason: str
    retry_after: float = 1.0

    def as_error(self) -> BaseException:
        """A fresh `Overloaded`."""
        return Overloaded(self.reason, retry_after=self.retry_after)


Outcome: TypeAlias = Ok[T] | Failed | TimedOut | Cancelled | Refused
