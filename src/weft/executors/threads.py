"""Threads for functions that block: an executor of the standard library with a bounded queue, fair and hard to jam.

Three things set it apart from `concurrent.futures.ThreadPoolExecutor`, whose promises it keeps. Nested calls cannot
deadlock it, because a worker that waits lends its slot (`weft.executors.lending`). A call that is stuck costs no slot
once it was cancelled, because its slot is lent until it ends, and it does not hold the interpreter's exit. And nobody
starves: the queue deals round robin between owners (`weft.fairness`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from weft.clock import now
from weft.errors import InvalidValue
from weft.executors.figures import Settings, ThreadStatistics
from weft.executors.futures import Call
from weft.executors.lanes import Batch
from weft.executors.pool import Pool
from weft.executors.sizing import thread_workers
from weft.executors.work import Work

__all__ = ["ThreadExecutor", "ThreadStatistics"]

P = ParamSpec("P")
T = TypeVar("T")


class ThreadExecutor(ThreadPoolExecutor):
    """A pool of threads with two doors. Every method may be called from any thread.

    `submit` and `map` are the standard library's, and keep what it promises; they never refuse a call for want of
    room. `start`, `start_many` and `cancel` are weft's own: bounded, fair between owners, without a future per call.

    It is a `ThreadPoolExecutor` by type, because `loop.set_default_executor` and others insist on one; it shares the
    interface and none of the machinery.

    Forked children get it afresh: no workers, an empty queue, the same settings. At the interpreter's exit it takes no
    more calls, and those under way or queued have `exit_grace` seconds to end; what has not ended then is lost, which
    is logged. (ThreadPoolExecutor waits without limit. To have everything done, leave the `with` block or call
    `shutdown()`.)

    Args:
        max_workers: calls that run at once; by default `weft.executors.sizing.thread_workers()`.
        thread_name_prefix: worker number 3 is named "prefix-3", and "prefix-3 load_user" while it runs `load_user`.
        initializer: called in each new worker before anything else. If it raises, the executor is broken: queued and
            later calls fail with `concurrent.futures.thread.BrokenThreadPool`.
        initargs: arguments for `initializer`.
        queue_size: works that `start` and `start_many` let wait for a slot; None for no bound.
        idle_timeout: seconds after which a worker without work retires; None for never.
        spare: slots that abandoned calls may have lent at the same time, by default `max_workers`. So there are never
            more than `max_workers + spare` threads, but for calls that wait for nested calls.
        exit_grace: seconds that calls have left when the interpreter exits.

    Raises:
        InvalidValue: a number is out of range (it is a ValueError).
        TypeError: `initializer` is not callable.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        queue_size: int | None = 1000,
        idle_timeout: float | None = 30.0,
        spare: int | None = None,
        exit_grace: float = 5.0,
    ) -> None:
        # The base class is not initialised: its queue and its threads would be a second, dead pool.
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        workers = thread_workers() if max_workers is None else max_workers
        settings = Settings(
            max_workers=_at_least(1, "max_workers", workers),
            spare=workers if spare is None else _at_least(0, "spare", spare),
            queue_size=None if queue_size is None else _at_least(0, "queue_size", queue_size),
            idle_timeout=None if idle_timeout is None else _at_least(0, "idle_timeout", idle_timeout),
            exit_grace=_at_least(0, "exit_grace", exit_grace),
            name=thread_name_prefix or "weft",
            initializer=initializer,
            initargs=initargs,
        )
        self._max_workers = workers  # read by many who size their work by it
        self._pool = Pool(settings)

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None:
            pool.lose()

    # The standard library's door.

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `fn(*args, **kwargs)` run on a worker; see `concurrent.futures.Executor.submit`.

        The queue's bound does not apply. Waiting for the future inside a worker lends that worker's slot.

        Raises:
            RuntimeError: the executor was shut down; BrokenThreadPool, which is one, where the initializer failed.
        """
        call = Call(fn, args, kwargs)
        future = call.future
        self._pool.start((call,))
        assert future is not None  # for the type checker
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,  # noqa: ARG002 - of use to processes only, as in the standard library
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """The results of `fn` over the iterables, in their order; see `concurrent.futures.Executor.map`.

        The calls begin at once, in order, whether or not the results are read. The first call that raises ends the
        iteration with its exception; then, and when the iterator is closed or the time is up, the calls that have not
        begun are cancelled. One call after the other makes way for works of other owners.

        Args:
            fn: called with one item of each iterable.
            *iterables: read at once and to the end of the shortest, or with `buffersize` piece by piece.
            timeout: seconds from now until all results must have been read.
            chunksize: ignored.
            buffersize: how many calls may be begun ahead of the reader; None for all of them. (In the standard
                library since Python 3.14; here on all versions.)

        Raises:
            TimeoutError: by the iterator, when a result is not there in time.
            RuntimeError: the executor was shut down, or is broken.
        """
        if buffersize is not None:
            _at_least(1, "buffersize", buffersize)
        end = None if timeout is None else now() + timeout
        batch = Batch(self._pool, fn, zip(*iterables, strict=False), buffersize)
        batch.open()
        return batch.read(end, keep=None if buffersize is None else self)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False, timeout: float | None = None) -> None:
        """Take no more calls; see `concurrent.futures.Executor.shutdown`. May be called more than once.

        Args:
            wait: return when the last call has ended and its thread is gone. Calls that were abandoned are not waited
                for, nor is the calling thread itself if it is a worker.
            cancel_futures: the calls still queued never run: their futures are cancelled, their works are `done` with
                `TaskCancelled` as error.
            timeout: seconds to wait at most; then the calls still queued are cancelled, and those under way left alone.
        """
        self._pool.close(cancel=cancel_futures)
        if wait and not self._pool.join(timeout):
            self._pool.close(cancel=True)

    # weft's own door.

    def start(self, work: Work, *, bounded: bool = True) -> None:
        """Have one work run; see `start_many`. Unbounded, it is never refused for want of room."""
        self._pool.start((work,), bounded=bounded)

    def start_many(self, works: Sequence[Work]) -> None:
        """Have works run: all of them or, where this raises, none. One round of the lock and one wake-up.

        Works of one owner run in their order, those of several owners in turn; owners must be hashable. `work.done` is
        called on the worker, except for works that the executor cannot run any more (`shutdown` with
        `cancel_futures`, a failed initializer): these are done with `work.error` set, on the thread that found out.

        Raises:
            Overloaded: the works do not fit into the free slots and the queue.
            RuntimeError: the executor was shut down, or is broken.
        """
        self._pool.start(works, bounded=True)

    def cancel(self, work: Work) -> bool:
        """Give a work up; its `done` will not be called.

        True: it was queued, and will never run. False: it had begun or was none of this executor's. A call that has
        begun cannot be stopped: it is abandoned, and its slot is lent to a spare worker until it ends.
        """
        return self._pool.cancel(work)

    def drain(self, timeout: float) -> bool:
        """Take no more calls, let those taken end, and after `timeout` seconds cancel what is still queued.

        Returns:
            Whether everything ended in time, abandoned calls apart.
        """
        self._pool.close(cancel=False)
        ended = self._pool.join(timeout)
        if not ended:
            self._pool.close(cancel=True)
        return ended

    def trim(self) -> int:
        """Let the workers retire whose `idle_timeout` is up by `weft.clock.now`, and tell how many those were.

        Workers do so by themselves; this is for those who cannot wait.
        """
        return self._pool.trim()

    def statistics(self) -> ThreadStatistics:
        """The figures of this moment, consistent with each other."""
        return self._pool.statistics()


N = TypeVar("N", int, float)


def _at_least(least: N, name: str, value: N) -> N:
    if value < least:
        raise InvalidValue(f"{name} must be at least {least}, and is {value}")
    return value
