"""A stored job, as whoever has stored it sees it."""

import asyncio
import time
from collections.abc import Generator, Iterator
from typing import Any, Generic, TypeVar

from weft.errors import WouldBlock
from weft.executors.loop import running_loop
from weft.jobs.codec import decode_json
from weft.jobs.engine import Engine, Stored
from weft.jobs.errors import JobCancelled, JobFailed, ResultTimeout
from weft.jobs.lifecycle import FINAL, State
from weft.jobs.records import Record

__all__ = ["Handle"]

T = TypeVar("T")

_FIRST_LOOK, _LAST_LOOK = 0.002, 0.1  # seconds between looks at the store, growing by half


class Handle(Generic[T]):
    """A job in the store. Any thread; what reads the store takes some ten microseconds.

    In async code the job is stored when the handle has been awaited: `handle = await compress.enqueue(...)`.
    """

    def __init__(self, uid: str, store: Engine, result_type: Any = Any, change: Stored | None = None) -> None:
        self._uid = uid
        self._store = store
        self._type = result_type
        self._change = change

    def __repr__(self) -> str:
        return f"<Handle {self._uid}>"

    @property
    def uid(self) -> str:
        """The job's id, by which `weft.jobs.handle(uid)` finds it again."""
        return self._uid

    def __await__(self) -> Generator[Any, None, "Handle[T]"]:
        if self._change is not None:
            # The id of the job that is meant: that of an equal one, perhaps.
            (self._uid,) = yield from asyncio.to_thread(self._change.wait).__await__()
            self._change = None
        return self

    def record(self) -> Record:
        """All that the store knows of it.

        Raises:
            JobNotFound: it was pruned.
        """
        return self._store.record(self._uid)

    def status(self) -> State:
        """Where it stands."""
        return self.record().state

    def progress(self) -> tuple[float, str]:
        """How far it says it is: a fraction of 1, and words."""
        record = self.record()
        return (1.0 if record.state is State.COMPLETED else record.progress), record.note

    def cancel(self) -> State:
        """Cancel it, at once if it has not begun, else as soon as its worker can; the state it is in then.

        Raises:
            ImpossibleStep: it has ended.
        """
        return self._store.cancel(self._uid)

    def retry(self) -> None:
        """Have it run again, or sooner, with all its attempts.

        Raises:
            ImpossibleStep: it is running, or about to.
        """
        self._store.retry(self._uid)

    def result(self, timeout: float | None = None) -> T:
        """Wait for it, blocking, and return its value.

        Args:
            timeout: seconds to wait at most; None: no bound.

        Raises:
            JobFailed: it was given up.
            JobCancelled: it was cancelled.
            ResultTimeout: it was not done by then, and goes on.
            WouldBlock: asked on an event loop's thread; write `await handle.wait(timeout)` there.
        """
        if running_loop() is not None:
            raise WouldBlock("handle.result() would block the event loop: write `await handle.wait(timeout=...)`")
        for pause in _pauses(timeout):
            if (found := self._look()) is not None:
                return self._value_of(found)
            time.sleep(pause)
        raise self._late(timeout)

    async def wait(self, timeout: float | None = None) -> T:  # noqa: ASYNC109 - the caller's own, as in `result`
        """Wait for it in async code; as `result` does."""
        for pause in _pauses(timeout):
            if (found := self._look()) is not None:
                return self._value_of(found)
            await asyncio.sleep(pause)
        raise self._late(timeout)

    def _look(self) -> Record | None:
        """Its record, if it has ended."""
        found = self.record()
        return found if found.state in FINAL else None

    def _value_of(self, record: Record) -> T:
        if record.state is State.COMPLETED:
            value: T = decode_json(record.result or b"null", self._type)
            return value
        if record.state is State.CANCELLED:
            raise JobCancelled(f"job {record.uid} ({record.task}) was cancelled")
        raise JobFailed(f"job {record.uid} ({record.task}) was given up:\n{record.error}")

    def _late(self, timeout: float | None) -> ResultTimeout:
        return ResultTimeout(f"job {self._uid} is {self.status()} after {timeout:g} s; it goes on")


def _pauses(timeout: float | None) -> Iterator[float]:
    end = None if timeout is None else time.monotonic() + timeout
    pause = _FIRST_LOOK
    while True:
        left = pause if end is None else end - time.monotonic()
        yield max(0.0, min(pause, left))
        if left <= 0:
            return
        pause = min(_LAST_LOOK, pause * 1.5)
