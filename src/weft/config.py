"""How the runtime of a process is set up: one frozen record, checked as a whole before anything starts."""

import math
from dataclasses import dataclass, fields

from weft.errors import InvalidValue

__all__ = ["Config"]


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a runtime.

    Attributes:
        threads: worker threads for functions that block; None: 32 for each usable CPU, from 32 to 256.
        processes: worker processes for CPU-bound functions; None: one for each usable CPU.
        thread_queue: calls that may wait for a thread; one more is refused.
        process_queue: calls that may wait for a process; one more is refused.
        host_limit: calls in flight to one host.
        process_limit: calls in flight in the whole process.
        waiting: calls that may wait at one limit; one more is refused.
        uvloop: run the background loop on uvloop, where it is installed.
        grace: seconds that calls under way have to end when the process exits; then they are cancelled.
    """

    threads: int | None = None
    processes: int | None = None
    thread_queue: int = 10_000
    process_queue: int = 1_000
    host_limit: int = 100
    process_limit: int = 10_000
    waiting: int = 10_000
    uvloop: bool = True
    grace: float = 2.0

    def __post_init__(self) -> None:
        for name in ("threads", "processes", "thread_queue", "process_queue", "host_limit", "process_limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidValue(f"{name}={value} lets nothing through: write {name}=1 or more")
        if self.waiting < 0:
            raise InvalidValue(f"waiting={self.waiting}: write waiting=0 to refuse at once what does not fit")
        if not 0 <= self.grace < math.inf:
            raise InvalidValue(f"grace={self.grace}: write the seconds, 0 or more, that an exit may take")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all settings."""
        return tuple(field.name for field in fields(cls))
