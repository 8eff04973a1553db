"""Many files at once: one recipe or function for all of them, an event for each that ends, and one report.

What becomes of one file is its own affair: the others go on. The object that `process` gives has no colour, as a
`weft.Batch` has none: iterate it with `for` in a thread and with `async for` in a coroutine.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any, cast

from weft.calls.call import Call, as_call
from weft.clock import now
from weft.errors import InvalidCall, InvalidValue, Overloaded
from weft.executors.sizing import usable_cpus
from weft.outcome import Ok, Outcome
from weft.runtime.process import runtime
from weft.scopes.batch import Batch, Plan
from weft.scopes.join import as_join
from weft.scopes.scope import Scope
from weft.scopes.task import Task
from weft.uploads.converting.carrying import conversion_of, convert
from weft.uploads.limits import Limits
from weft.uploads.records import Upload
from weft.uploads.reports import Processed, Progress, Report, state_of
from weft.uploads.storing.storage import Storage

__all__ = ["Processing", "process"]

File = Upload | Path | str

_FAILED = "something went wrong here: this file was not processed"
_log = logging.getLogger("weft.uploads")


def process(
    files: Iterable[File],
    work: Any,
    *,
    limits: Limits | None = None,
    deadline: float | None = None,
    at_once: int | None = None,
    storage: Storage | None = None,
) -> "Processing":
    """Do the same with many files: `for event in weft.uploads.process(uploads, Image(width=1600)): ...`.

    Nothing starts before the events or the report are asked for. Who stops listening before the end cancels the rest:
    what must outlive the request is a job.

    Args:
        files: in the storage, or paths.
        work: a recipe, carried out where its line in `CONVERSIONS` says; or a function of one file, which runs as in
            `weft.map`: async on the loop, plain on threads, marked `weft.cpu` in processes.
        limits: for each file that a recipe is carried out with; None: those of `Limits()`.
        deadline: seconds for all; what has not ended by then is "late".
        at_once: files under way; None: two for each CPU, so that one is read while another is converted.
        storage: where uploads are kept, for a recipe; None: the process's own.

    Raises:
        InvalidCall: `work` is neither a recipe that is known nor a function.
        InvalidValue: an impossible deadline or number.
    """
    if at_once is not None and at_once < 1:
        raise InvalidValue(f"at_once={at_once} lets nothing run: write at_once=1 or more")
    Scope(runtime(), deadline=deadline)  # an impossible deadline is told here, where it was written
    known = list(files)
    calls = [as_call(_function(work, limits, storage), (file,), {}) for file in known]
    return Processing(known, calls, deadline, at_once or 2 * usable_cpus().chosen)


class Processing:
    """Files being processed. Iterate once, with `for` or `async for`; or ask for the report alone.

    `for` and `async for` give a `Progress` at the beginning and one more for each file that has ended; `.result()`
    blocks and `await` waits for the `Report`. Not safe to share between threads.
    """

    def __init__(self, files: list[File], calls: list[Call[Any]], deadline: float | None, at_once: int) -> None:
        self._files = files
        self._place = {id(call): place for place, call in enumerate(calls)}
        self._calls = calls  # kept, so that their ids stay theirs
        self._batch: Batch[Any, Any] = Batch(
            Plan(calls, at_once, sized=True),
            scope=lambda join: Scope(runtime(), deadline=deadline, join=join, ambient=False),
            join=as_join("settled"),
            pick=list,
        )
        self._results: dict[int, Processed] = {}
        self._states: Counter[str] = Counter()
        self._began = self._ended = 0.0
        self._over = False

    @property
    def report(self) -> Report | None:
        """What has come of all files, in their order; None before the last has ended."""
        if not self._over:
            return None
        return Report(tuple(self._results[place] for place in range(len(self._files))), self._ended - self._began)

    def result(self) -> Report:
        """Process all files, blocking, and give the report.

        Raises:
            WouldBlock: asked on an event loop's thread; there, write `await`.
            InvalidCall: they have been processed half-way, and given up.
        """
        if not self._over:
            for _ in self:
                pass
        return self._whole()

    def __await__(self) -> Generator[Any, None, Report]:
        return self._wait().__await__()

    def __iter__(self) -> Iterator[Progress]:
        with closing(self._tasks()) as tasks:
            yield self._begin()
            for task in tasks:
                yield self._take(task)
        self._end()

    async def __aiter__(self) -> AsyncIterator[Progress]:
        async with aclosing(self._tasks_async()) as tasks:
            yield self._begin()
            async for task in tasks:
                yield self._take(task)
        self._end()

    def sse(self) -> "ServerSentEvents":
        """The events as text for `text/event-stream`, with `for` or `async for`: each "progress", then the "report"."""
        return ServerSentEvents(self)

    async def _wait(self) -> Report:
        if not self._over:
            async with aclosing(self.__aiter__()) as events:  # type: ignore[type-var]
                async for _ in events:
                    pass
        return self._whole()

    def _whole(self) -> Report:
        report = self.report
        if report is None:
            raise InvalidCall("these files were given up half-way: call weft.uploads.process(...) anew")
        return report

    def _tasks(self) -> Generator[Task[Any], None, None]:
        yield from self._batch.as_completed()

    async def _tasks_async(self) -> Any:
        async for task in self._batch.as_completed():
            yield task

    def _begin(self) -> Progress:
        self._began = now()
        return self._progress(None)

    def _take(self, task: Task[Any]) -> Progress:
        place = self._place[id(task.call)]
        result = self._results[place] = _processed(self._files[place], task)
        self._states[result.state] += 1
        return self._progress(result)

    def _progress(self, last: Processed | None) -> Progress:
        ok, refused = self._states["ok"], self._states["refused"]
        return Progress(len(self._files), ok, refused, self._states.total() - ok - refused, last)

    def _end(self) -> None:
        self._ended = now()
        self._over = True


class ServerSentEvents:
    """The events of a `Processing` as text; iterate once, with `for` or `async for`."""

    def __init__(self, processing: Processing) -> None:
        self._processing = processing
        self._texts: Generator[str, None, None] | None = None

    def __iter__(self) -> Iterator[str]:
        self._texts = self._generate()
        return self._texts

    async def __aiter__(self) -> AsyncIterator[str]:
        async with aclosing(aiter(self._processing)) as events:  # type: ignore[type-var]
            async for event in events:
                yield event.as_sse()
        yield (await self._processing).as_sse()

    def close(self) -> None:
        """Give up what has not ended. WSGI servers call it when the client has gone."""
        if self._texts is not None:
            self._texts.close()

    def _generate(self) -> Generator[str, None, None]:
        with closing(iter(self._processing)) as events:  # type: ignore[type-var]
            for event in events:
                yield event.as_sse()
        yield self._processing.result().as_sse()


def _function(work: Any, limits: Limits | None, storage: Storage | None) -> Callable[..., Any]:
    if callable(work):
        return work  # type: ignore[no-any-return]
    conversion_of(work)

    async def convert_one(file: File) -> Any:
        return await convert(file, work, limits, storage=storage)

    return convert_one


def _processed(file: File, task: Task[Any]) -> Processed:
    outcome = cast("Outcome[Any]", task.outcome)
    error = None if isinstance(outcome, Ok) else outcome.as_error()
    state = state_of(outcome)
    told = state != "failed" or isinstance(error, Overloaded)
    if not told:
        _log.error("%s was not processed", _name(file), exc_info=error)
    value = outcome.value if isinstance(outcome, Ok) else None
    return Processed(
        name=_name(file),
        state=state,
        reason="" if error is None else str(error) if told else _FAILED,
        before=_size(file),
        made=tuple(each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, Upload)),
        seconds=max(0.0, (task.ended_at or 0.0) - (task.started_at or task.created_at)),
        value=value,
        error=error,
    )


def _name(file: File) -> str:
    return (file.filename or file.key) if isinstance(file, Upload) else Path(file).name


def _size(file: File) -> int:
    if isinstance(file, Upload):
        return file.size
    try:
        return Path(file).stat().st_size
    except OSError:
        return 0
