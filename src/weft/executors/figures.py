"""The figures of a thread pool: those it is given, and those it gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Settings", "ThreadStatistics"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What does not change while a pool lives; a forked child starts from it."""

    max_workers: int
    spare: int
    queue_size: int | None
    idle_timeout: float | None
    exit_grace: float
    name: str
    initializer: Callable[..., object] | None
    initargs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ThreadStatistics:
    """What a thread executor is doing now, and has done since it was made (or since the fork).

    Attributes:
        workers: threads alive.
        idle: threads that wait for work.
        running: calls under way that somebody waits for, those that wait in `lending()` included.
        abandoned: calls under way that were cancelled and could not be stopped.
        lent: slots lent at present, by abandoned calls (at most `spare`) and by waits in `lending()`.
        queued: calls that wait for a slot. A `map` queues its lanes, at most one more than run.
        started: calls that were begun, ever.
        finished: calls that came to an end, ever, the abandoned ones included.
        cancelled: calls that were taken out of the queue, ever.
        abandonments: calls that were abandoned, ever.
        refused: calls that were turned away because the queue was full, ever.
        spawned: threads that were started, ever.
        retired: threads that ended because there was nothing to do, ever.
    """

    workers: int
    idle: int
    running: int
    abandoned: int
    lent: int
    queued: int
    started: int
    finished: int
    cancelled: int
    abandonments: int
    refused: int
    spawned: int
    retired: int
