"""Processes for functions that compute: a `concurrent.futures.Executor` whose calls can be stopped.

Built on multiprocessing's own processes and pipes, with one thread to supervise each process, because no peer stops a
call as fast, or at all (measured in benchmarks/process_executor.py): a cancelled call is dead in 2 ms (Pebble: 36 to
70 ms, it polls; loky and concurrent.futures cannot), a crash is reported in 3 ms and costs one call (elsewhere the
pool). A round trip takes 0.55 to 0.85 of the time of the next best, with one megabyte 1.0 to 1.1.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import islice
from multiprocessing.context import BaseContext
from typing import Any, ParamSpec, TypeVar
from weakref import finalize

from weft.clock import now
from weft.errors import InvalidValue
from weft.executors import child
from weft.executors.futures import Call
from weft.executors.messages import NotPicklable, ProcessCrashed
from weft.executors.roster import ProcessStatistics, Roster
from weft.executors.sizing import process_workers
from weft.executors.work import Work
from weft.executors.workerprocess import ProcessSettings, default_context

__all__ = ["NotPicklable", "ProcessCrashed", "ProcessExecutor", "ProcessStatistics"]

P = ParamSpec("P")
T = TypeVar("T")


class ProcessExecutor(Executor):
    """A pool of processes with two doors. Every method may be called from any thread.

    `submit` and `map` are the standard library's, and keep what `ProcessPoolExecutor` promises; they never refuse a
    call for want of room. `start`, `start_many` and `cancel` are weft's own: bounded, fair between owners, and a call
    that is running can be stopped, because its process is killed and replaced.

    A process that dies fails the one call that ran in it, with `weft.errors.WorkerCrashed` (which is here a
    `BrokenProcessPool` too); all others go on. Functions, arguments and results are pickled; functions must be found
    at the top level of a module. Context variables do not cross. A program that uses the executor needs
    `if __name__ == "__main__":` around its own start, as with ProcessPoolExecutor.

    Processes start one by one when there is work for them, and stay. The first is there in 0.1 to 0.4 s, the fork
    server included, the next ones in some 25 ms, plus the time that each needs to import the main module. They leave
    with their parent, however it dies; one that is inside an extension module as soon as that lets go of the GIL. Each
    leads a process group of its own: Ctrl-C in the terminal does not reach it, and a kill takes the programs that it
    started along.

    Forked children get the executor afresh: no processes, an empty queue, the same settings. At the interpreter's exit
    it takes no more calls, and those under way or queued have `exit_grace` seconds; what has not ended then is killed,
    which is logged. (ProcessPoolExecutor waits without limit. To have everything done, leave the `with` block or call
    `shutdown()`.)

    Args:
        max_workers: processes at most; by default `weft.executors.sizing.process_workers()`.
        mp_context: a context of multiprocessing; by default "forkserver" where the platform has it, else "spawn".
        initializer: called in each new process before anything else. If it raises, the executor is broken: queued and
            later calls fail with `concurrent.futures.process.BrokenProcessPool`.
        initargs: arguments for `initializer`.
        max_tasks_per_child: calls after which a process leaves in good order and is replaced; None for no limit.
        queue_size: works that `start` and `start_many` let wait for a process; None for no bound.
        exit_grace: seconds that calls have left when the interpreter exits.

    Raises:
        InvalidValue: a number is out of range (it is a ValueError), or `max_tasks_per_child` meets "fork".
        TypeError: `initializer` is not callable, or `max_tasks_per_child` is not an integer.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        queue_size: int | None = 1000,
        exit_grace: float = 5.0,
    ) -> None:
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        context = default_context() if mp_context is None else mp_context
        _check_turnover(max_tasks_per_child, context)
        self._max_workers = process_workers() if max_workers is None else _at_least(1, "max_workers", max_workers)
        settings = ProcessSettings(
            max_workers=self._max_workers,
            context=context,
            initializer=initializer,
            initargs=initargs,
            max_tasks_per_child=max_tasks_per_child,
            queue_size=None if queue_size is None else _at_least(0, "queue_size", queue_size),
            exit_grace=_at_least(0, "exit_grace", exit_grace),
        )
        self._roster = Roster(settings)
        # An executor that is dropped without a shutdown lets its calls end, and then its processes leave.
        finalize(self, self._roster.close).atexit = False

    # The standard library's door.

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `fn(*args, **kwargs)` run in a process; see `concurrent.futures.Executor.submit`.

        The queue's bound does not apply. Arguments are pickled later, when a process is free; if that fails, the error
        is this future's (`NotPicklable`, a TypeError and a PicklingError), and no other call is touched.

        Raises:
            RuntimeError: the executor was shut down; BrokenProcessPool, which is one, where the initializer failed.
        """
        call = Call(fn, args, kwargs)
        future = call.future
        self._roster.start((call,))
        assert future is not None  # for the type checker
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """The results of `fn` over the iterables, in their order; see `concurrent.futures.Executor.map`.

        Args:
            fn: called with one item of each iterable.
            *iterables: read at once and to the end of the shortest, or with `buffersize` piece by piece.
            timeout: seconds from now until all results must have been read.
            chunksize: calls that travel to a process together; more is faster for many short calls.
            buffersize: chunks that may be begun ahead of the reader; None for all of them. (In the standard library
                since Python 3.14; here on all versions.)

        Raises:
            TimeoutError: by the iterator, when a result is not there in time.
            RuntimeError: the executor was shut down, or is broken.
        """
        _at_least(1, "chunksize", chunksize)
        if buffersize is not None:
            _at_least(1, "buffersize", buffersize)
        end = None if timeout is None else now() + timeout
        calls = (self.submit(child.run_chunk, fn, chunk) for chunk in _chunks(zip(*iterables, strict=False), chunksize))
        begun = deque(islice(calls, buffersize))
        return _results(begun, calls, end)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False, timeout: float | None = None) -> None:
        """Take no more calls; see `concurrent.futures.Executor.shutdown`. May be called more than once.

        Args:
            wait: return when the last call has ended and its process is gone.
            cancel_futures: the calls still queued never run: their futures are cancelled, their works are `done` with
                `TaskCancelled` as error.
            timeout: seconds to wait at most; then what is queued is cancelled as above, and what runs is killed and
                fails with `TaskCancelled`.
        """
        self._roster.close(cancel=cancel_futures)
        if wait and not self._roster.join(timeout):
            self._roster.close(cancel=True)
            self._roster.kill()
            self._roster.join(None)

    # weft's own door.

    def start(self, work: Work) -> None:
        """Have one work run; see `start_many`."""
        self._roster.start((work,), bounded=True)

    def start_many(self, works: Sequence[Work]) -> None:
        """Have works run: all of them or, where this raises, none. Never waits.

        Works of one owner run in their order, those of several owners in turn; owners must be hashable. `work.done` is
        called on the thread that supervises the process, except for works that cannot be run any more (`shutdown` with
        `cancel_futures`, a failed initializer): these are done with `work.error` set, on the thread that found out.
        `work.context` is not used.

        Raises:
            Overloaded: the works do not fit into the free processes and the queue.
            RuntimeError: the executor was shut down, or is broken.
        """
        self._roster.start(works, bounded=True)

    def cancel(self, work: Work) -> bool:
        """Stop a work; its `done` will not be called. Never waits.

        True: it was queued and will never run, or it ran and its process has been killed at once, with the programs
        that it had started; a new process takes its place. False: it had ended, or was none of this executor's.
        """
        return self._roster.cancel(work)

    def statistics(self) -> ProcessStatistics:
        """The figures of this moment, consistent with each other."""
        return self._roster.statistics()


N = TypeVar("N", int, float)


def _at_least(least: N, name: str, value: N) -> N:
    if value < least:
        raise InvalidValue(f"{name} must be at least {least}, and is {value}")
    return value


def _check_turnover(limit: int | None, context: BaseContext) -> None:
    if limit is None:
        return
    if not isinstance(limit, int):
        raise TypeError("max_tasks_per_child must be an integer")
    _at_least(1, "max_tasks_per_child", limit)
    if context.get_start_method(allow_none=False) == "fork":
        raise InvalidValue('max_tasks_per_child cannot be used with "fork": use a "spawn" or "forkserver" context')


def _chunks(rows: Iterator[tuple[Any, ...]], size: int) -> Iterator[tuple[tuple[Any, ...], ...]]:
    return iter(lambda: tuple(islice(rows, size)), ())


def _results(begun: deque[Future[list[T]]], more: Iterator[Future[list[T]]], end: float | None) -> Iterator[T]:
    try:
        while begun:
            begun.extend(islice(more, 1))
            chunk = begun[0].result(None if end is None else max(0.0, end - now()))
            begun.popleft()
            yield from chunk
    finally:
        for future in begun:
            future.cancel()
