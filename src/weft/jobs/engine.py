"""What callers, handles and commands ask of whatever keeps the jobs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from weft.jobs.lifecycle import State
from weft.jobs.records import Entry, Record

__all__ = ["Engine", "Serving", "Stored"]


class Stored(Protocol):
    """Jobs on their way into the store."""

    def wait(self) -> list[str]:
        """The uid of each, once they are durable; that of an equal one, perhaps. Blocks.

        Raises:
            StoreError: they could not be stored.
        """


class Engine(Protocol):
    """Keeps jobs until they are done. Concurrency safe; what is not said to be quick may block."""

    @property
    def name(self) -> str:
        """Where it keeps them, for messages; it shows no password."""

    @property
    def url(self) -> str:
        """By which a child of this process opens the same. It may hold a password."""

    @property
    def lacks(self) -> Mapping[str, str]:
        """Options and commands that it cannot honour -> why, and what to do instead. The rest it can."""

    def enqueue(self, entries: Sequence[Entry]) -> Stored:
        """Store jobs, all or none. Never blocks; storing the same uid twice stores one job."""

    def record(self, uid: str) -> Record:
        """All that is known of a job.

        Raises:
            JobNotFound: there is none.
        """

    def records(
        self, *, state: State | None = None, queue: str | None = None, task: str | None = None, most: int = 100
    ) -> list[Record]:
        """The youngest jobs that fit."""

    def pending(self, queues: Iterable[str]) -> bool:
        """Whether any job of these queues runs, or could now."""

    def counts(self) -> dict[str, dict[State, int]]:
        """Queue -> state -> how many."""

    def cancel(self, uid: str) -> State:
        """Cancel a job that has not begun, or ask its worker to; the state it is in then.

        Raises:
            JobNotFound: there is none.
            ImpossibleStep: it has ended.
        """

    def retry(self, uid: str) -> None:
        """Have a job run again, or sooner, with all its attempts.

        Raises:
            JobNotFound: there is none.
            ImpossibleStep: it is running, or about to.
        """

    def prune(self, before: float) -> int:
        """Forget finished jobs whose time to be kept was over then; how many."""

    def depart(self, most: int) -> list[Entry]:
        """Take so many jobs that wait out of it, to be stored elsewhere, whereupon they have `arrived`."""

    def arrived(self, uids: Sequence[str]) -> None:
        """These, which have departed, are stored elsewhere."""

    def returned(self, entries: Sequence[Entry]) -> None:
        """These, which have departed, stay: they are jobs of this store again."""

    def close(self) -> None:
        """Store what waits, and let go of what is held."""


class Serving(Protocol):
    """The worker of an engine."""

    def run(self) -> None:
        """Work until it is told to stop."""

    def ask_to_stop(self, grace: float | None = None) -> None:
        """Take no more jobs, give those under way their grace, hand back the rest. Fit for a signal handler."""
