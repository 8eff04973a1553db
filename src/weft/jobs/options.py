"""What a function's author, or the caller, can say about a job."""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal, get_args

from weft.errors import InvalidCall, InvalidValue
from weft.jobs.schedule import Cron

__all__ = ["Options"]

Missed = Literal["skip", "run"]

_PRIORITIES = 100
_MOST_RETRIES = 1_000_000_000  # a store has 32 bits for it
_LONGEST = 500  # characters of what a store has an index of
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a job; `weft.job` tells them. Times are seconds.

    Raises:
        InvalidValue: a value that nothing could run with.
    """

    queue: str = "default"
    retries: int = 3
    backoff: float = 2.0
    longest_backoff: float = 3600.0
    timeout: float | None = None
    priority: int = 0
    delay: float = 0.0
    unique: bool = False
    unique_for: float = 0.0
    idempotency_key: str | None = None
    result_ttl: float = _DAY
    cpu: bool = False
    cron: str | None = None
    tz: str = "UTC"
    missed: Missed = "skip"
    after: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_words(self)
        for name in ("retries", "priority"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), int):
                raise InvalidCall(f"{name}={getattr(self, name)!r} is no whole number: write {name}=3")
        if not 0 <= self.retries <= _MOST_RETRIES:
            raise InvalidValue(f"retries={self.retries}: write 0 for a single attempt, and {_MOST_RETRIES} at most")
        if not -_PRIORITIES <= self.priority <= _PRIORITIES:
            raise InvalidValue(
                f"priority={self.priority}: write -{_PRIORITIES} to {_PRIORITIES}; larger ones come first"
            )
        for name in ("backoff", "longest_backoff", "delay", "unique_for", "result_ttl"):
            _seconds(name, getattr(self, name))
        if self.timeout is not None and _seconds("timeout", self.timeout) == 0:
            raise InvalidValue("timeout=0 leaves no time for anything: write seconds, or None")
        if self.after and self.delay:
            raise InvalidValue("a job that runs after others cannot have a delay as well: leave one of them out")
        if self.missed not in get_args(Missed):
            raise InvalidValue(f'missed={self.missed!r}: write "skip", or "run" to make up for the last one missed')

    @property
    def stored_key(self) -> str | None:
        """The idempotency key as it is stored: a long one by its hash, since PostgreSQL's indexes take 2,704 bytes."""
        key = self.idempotency_key
        if key is None or len(key) <= _LONGEST:
            return key
        return "blake2b:" + hashlib.blake2b(key.encode()).hexdigest()

    @property
    def schedule(self) -> Cron | None:
        """When it comes by itself."""
        return None if self.cron is None else Cron(self.cron, self.tz)


def _check_words(options: Options) -> None:
    if not _is_word(options.queue) or len(options.queue) > _LONGEST or "=" in options.queue or "," in options.queue:
        raise InvalidValue(f"queue={options.queue!r}: a queue has a name without '=' and ',', as in queue=\"mail\"")
    if options.idempotency_key is not None and not _is_word(options.idempotency_key):
        raise InvalidValue(f"idempotency_key={options.idempotency_key!r}: write text that is not empty and has no NUL")


def _is_word(value: object) -> bool:
    """Whether it is text that any store can keep and look for."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    return value.encode("utf-8", "replace").decode() == value  # no half of a surrogate pair


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidCall(f"{name}={value!r} is not a number of seconds: write {name}=60")
    if not 0 <= value < math.inf:
        raise InvalidValue(f"{name}={value!r}: write a number of seconds, 0 or more")
    return float(value)
