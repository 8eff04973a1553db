"""A job that is in the store once its transaction has been committed."""

import time
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

from weft.jobs.errors import JobNotFound
from weft.jobs.handles import Handle
from weft.jobs.records import Record
from weft.jobs.stores import store

__all__ = ["OutboxHandle"]

T = TypeVar("T")

_RELAYED = 10.0  # seconds in which a committed job is in the store, unless something is wrong


class OutboxHandle(Handle[T]):
    """As a handle, and it says of a job that is not in the store yet why that may be.

    `result` and `wait` are for after the commit: they wait for the job to come into the store, 10 seconds at most.
    """

    def __init__(self, uid: str, result_type: Any, putting: Coroutine[Any, Any, None] | None) -> None:
        super().__init__(uid, store(), result_type)
        self._putting = putting
        self._first_looked: float | None = None

    def __await__(self) -> Generator[Any, None, "OutboxHandle[T]"]:
        if self._putting is not None:
            putting, self._putting = self._putting, None
            yield from putting.__await__()
        return self

    def record(self) -> Record:
        """All that the store knows of it.

        Raises:
            JobNotFound: it is not there: not committed, rolled back, or not relayed yet; or it was pruned.
        """
        try:
            return super().record()
        except JobNotFound:
            raise JobNotFound(
                f"job {self.uid} is not in the store: its transaction has not been committed or was rolled back, or no "
                "relay has moved it yet; or an equal job (unique, idempotency_key) stands for it, or it was pruned"
            ) from None

    def _look(self) -> Record | None:
        if self._first_looked is None:
            self._first_looked = time.monotonic()
        try:
            return super()._look()
        except JobNotFound:
            if time.monotonic() - self._first_looked > _RELAYED:
                raise
            return None
