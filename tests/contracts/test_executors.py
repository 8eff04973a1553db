"""What `concurrent.futures.Executor` promises in the library reference, asked of every executor.

The standard library's own thread pool is among them, so that the suite cannot ask for more than is promised. To add an
executor, add a line to `EXECUTORS`: a callable that takes the arguments of the documented constructor that all of them
share, `max_workers`, `initializer` and `initargs`.
"""

import asyncio
import os
import sys
import threading
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from pathlib import Path

import pytest

from weft.executors.processes import ProcessExecutor
from weft.executors.threads import ThreadExecutor

sys.path.insert(0, str(Path(__file__).parents[2]))  # a worker process imports this file by its name below that folder

EXECUTORS = {
    "concurrent.futures.ThreadPoolExecutor": ThreadPoolExecutor,
    "weft.ThreadExecutor": ThreadExecutor,
    "weft.ProcessExecutor": ProcessExecutor,
}

SOON = 30.0  # seconds for what must happen; not a time that any test waits


def double(value):
    return 2 * value


def arguments(*args, **kwargs):
    return args, kwargs


def fail(value):
    raise LookupError(value)


def fail_at_three(value):
    return fail(value) if value == 3 else value


def leave(kind):
    raise {"KeyboardInterrupt": KeyboardInterrupt, "SystemExit": SystemExit, "GeneratorExit": GeneratorExit}[kind]


def pass_gate(path, value=None):
    """Block until the gate is opened, in whatever thread or process this runs."""
    with Path(path).open("rb") as gate:
        gate.read()
    return value


def mark(path, value):
    """Leave a trace of having run that a test can read from another process."""
    with Path(path).open("a") as trace:
        trace.write(f"{value}\n")
    return value


def remember(value):
    os.environ["WEFT_CONTRACT"] = value


def remembered(_):
    return os.environ.get("WEFT_CONTRACT")


class Gate:
    """A call that waits at a gate: a named pipe, which threads and processes alike can wait for."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = str(path)
        self._pipe = None

    def begun(self):
        """Wait until a call stands at the gate."""
        self._pipe = os.open(self.path, os.O_WRONLY)
        return self

    def open(self):
        if self._pipe is None:
            self.begun()
        os.close(self._pipe)


@pytest.fixture(params=EXECUTORS.values(), ids=EXECUTORS.keys())
def make(request):
    """A constructor; what it made is shut down in the end."""
    made = []

    def make(*args, **kwargs):
        made.append(request.param(*args, **kwargs))
        return made[-1]

    yield make
    for executor in made:
        executor.shutdown(wait=True)


@pytest.fixture
def gate(tmp_path):
    count = iter(range(100))
    return lambda: Gate(tmp_path / f"gate{next(count)}")


@pytest.fixture
def busy(make, gate):
    """An executor whose one worker is held up by a call, the gate that holds it, and the call's future."""
    executor, held = make(1), gate()
    future = executor.submit(pass_gate, held.path, "passed")
    return executor, held.begun(), future


def test_submit_runs_the_call_and_gives_its_result_to_a_future(make):
    """submit(fn, *args, **kwargs) schedules fn(*args, **kwargs) and returns a Future of its result."""
    assert make(2).submit(arguments, 1, 2, x=3).result(SOON) == ((1, 2), {"x": 3})


def test_any_keyword_can_be_passed_on(make):
    """The callable is positional only, so that `fn` and `self` can be keywords of the call."""
    assert make(1).submit(arguments, fn=1, self=2).result(SOON) == ((), {"fn": 1, "self": 2})


def test_an_exception_travels_to_the_future(make):
    """result() raises what the call raised, and exception() returns it."""
    future = make(1).submit(fail, "lost")
    assert isinstance(future.exception(SOON), LookupError)
    with pytest.raises(LookupError, match="lost"):
        future.result()


@pytest.mark.parametrize("kind", ["KeyboardInterrupt", "SystemExit", "GeneratorExit"])
def test_an_exit_in_a_call_ends_the_call_alone(make, kind):
    """BaseExceptions reach the future as well, and the executor goes on."""
    executor = make(1)
    assert type(executor.submit(leave, kind).exception(SOON)).__name__ == kind
    assert executor.submit(double, 2).result(SOON) == 4


def test_result_waits_no_longer_than_it_was_told(busy):
    """result(timeout) and exception(timeout) raise TimeoutError while the call is under way."""
    _, held, future = busy
    assert future.running()
    with pytest.raises(TimeoutError):
        future.result(0)
    with pytest.raises(TimeoutError):
        future.exception(0.001)
    held.open()
    assert future.result(SOON) == "passed"


def test_a_call_that_has_begun_cannot_be_cancelled(busy):
    """cancel() returns False for a running call, which runs to its end."""
    _, held, future = busy
    assert not future.cancel()
    held.open()
    assert future.result(SOON) == "passed"
    assert not future.cancelled()


def test_a_call_that_has_not_begun_can_be_cancelled(busy, tmp_path):
    """cancel() returns True for a call that waits, which never runs; its result raises CancelledError."""
    executor, held, _ = busy
    queued = [executor.submit(mark, tmp_path / "trace", number) for number in range(5)]
    assert queued[-1].cancel()
    assert queued[-1].cancelled()
    held.open()
    with pytest.raises(CancelledError):
        queued[-1].result(SOON)
    executor.shutdown()
    assert (tmp_path / "trace").read_text().split() == ["0", "1", "2", "3"]


def test_done_callbacks_are_called_in_order_and_their_errors_are_logged(busy, caplog):
    """Callbacks run in the order they were added; one that raises is logged and ignored."""
    _, held, future = busy
    called, end = [], threading.Event()
    future.add_done_callback(lambda _: called.append("first"))
    future.add_done_callback(lambda _: fail("callback"))
    future.add_done_callback(called.append)
    future.add_done_callback(lambda _: end.set())
    held.open()
    assert end.wait(SOON)
    assert called == ["first", future]
    assert "exception calling callback" in caplog.text
    future.add_done_callback(called.append)
    assert called == ["first", future, future]


def test_wait_returns_when_all_have_completed(make):
    """wait() gives back the done and the not done."""
    executor = make(2)
    futures = {executor.submit(double, number) for number in range(10)}
    assert wait(futures, SOON, return_when=ALL_COMPLETED) == (futures, set())


def test_wait_returns_at_the_first_to_complete(busy):
    """FIRST_COMPLETED does not wait for the others; a cancelled future is completed, too."""
    executor, held, future = busy
    queued = [executor.submit(double, number) for number in range(5)]
    held.open()
    done, _ = wait([future, *queued], SOON, return_when=FIRST_COMPLETED)
    assert done


def test_wait_returns_at_the_first_exception(make, gate):
    """FIRST_EXCEPTION returns while other calls still run."""
    executor, held = make(2), gate()
    running = executor.submit(pass_gate, held.path)
    held.begun()
    failed = executor.submit(fail, "first")
    done, not_done = wait([running, failed], SOON, return_when=FIRST_EXCEPTION)
    assert (done, not_done) == ({failed}, {running})
    held.open()


def test_as_completed_yields_every_future_once(make):
    """as_completed() yields futures as they complete, duplicates once."""
    executor = make(3)
    futures = [executor.submit(double, number) for number in range(10)]
    completed = list(as_completed(futures + futures, SOON))
    assert sorted(future.result() for future in completed) == [double(number) for number in range(10)]


def test_map_yields_results_in_the_order_of_its_arguments(make, gate):
    """map(fn, *iterables) is in order, even if a later call ends first."""
    executor, first, second = make(2), gate(), gate()
    results = executor.map(pass_gate, [first.path, second.path], ["first", "second"])
    first.begun()
    second.open()
    first.open()
    assert list(results) == ["first", "second"]


def test_map_stops_at_the_shortest_iterable(make):
    """Like the built-in map()."""
    assert list(make(2).map(arguments, range(3), "ab")) == [((0, "a"), {}), ((1, "b"), {})]
    assert list(make(2).map(double, [])) == []


@pytest.mark.parametrize("chunksize", [1, 7, 1000])
def test_map_takes_a_chunksize(make, chunksize):
    """Executors that have no use for chunksize accept it."""
    assert list(make(2).map(double, range(100), chunksize=chunksize)) == [double(number) for number in range(100)]


def test_map_raises_what_a_call_raised_when_its_turn_comes(make):
    """The results before the exception are yielded; after it the iterator is at its end."""
    results = make(2).map(fail_at_three, range(6))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError):
        next(results)
    assert list(results) == []


def test_map_raises_timeout_error(make, gate):
    """If a result is not there `timeout` seconds after the call of map(), its turn raises TimeoutError."""
    held = gate()
    results = make(1).map(pass_gate, [held.path], timeout=0.001)
    held.begun()
    with pytest.raises(TimeoutError):
        next(results)
    held.open()


def test_map_collects_its_iterables_at_once(make):
    """Without buffersize the iterables are read before map() returns, whoever reads the results."""
    source = iter(range(50))
    results = make(1).map(double, source)
    assert list(source) == []
    assert list(results) == [double(number) for number in range(50)]


def test_map_runs_calls_whose_results_nobody_reads(make, tmp_path):
    """A dropped iterator that was never begun cancels nothing: map() is an eager function."""
    executor = make(1)
    executor.map(mark, [tmp_path / "trace"] * 20, range(20))
    executor.shutdown()
    assert len((tmp_path / "trace").read_text().split()) == 20


def test_map_cancels_what_is_left_when_its_iterator_is_closed(make, gate, tmp_path):
    """After the iterator was begun and closed, calls that have not begun never run."""
    executor, held = make(1), gate()
    results = executor.map(fail_at_three, [3])
    with pytest.raises(LookupError):
        next(results)
    blocked = executor.submit(pass_gate, held.path)
    held.begun()
    results = executor.map(mark, [tmp_path / "trace"] * 20, range(20), timeout=0)
    with pytest.raises(TimeoutError):
        next(results)
    held.open()
    blocked.result(SOON)
    executor.shutdown()
    ran = (tmp_path / "trace").read_text().split() if (tmp_path / "trace").exists() else []
    assert len(ran) < 20


def test_nothing_is_taken_after_shutdown(make):
    """submit() and map() raise RuntimeError; shutdown() may be called again."""
    executor = make(1)
    assert executor.submit(double, 1).result(SOON) == 2
    executor.shutdown()
    executor.shutdown()
    with pytest.raises(RuntimeError):
        executor.submit(double, 1)
    with pytest.raises(RuntimeError):
        executor.map(double, [1])


def test_shutdown_waits_for_the_calls_taken_before(make):
    """The `with` block ends when every pending future is done."""
    with make(1) as executor:
        futures = [executor.submit(double, number) for number in range(20)]
    assert all(future.done() for future in futures)


def test_shutdown_without_wait_returns_at_once_and_loses_nothing(busy):
    """wait=False returns while calls run; those pending are run all the same."""
    executor, held, future = busy
    queued = [executor.submit(double, number) for number in range(5)]
    executor.shutdown(wait=False)
    assert not future.done()
    held.open()
    assert [each.result(SOON) for each in queued] == [0, 2, 4, 6, 8]


def test_shutdown_can_cancel_what_has_not_begun(busy):
    """cancel_futures=True cancels pending futures, and runs those under way to their end."""
    executor, held, future = busy
    queued = [executor.submit(double, number) for number in range(5)]
    executor.shutdown(wait=False, cancel_futures=True)
    held.open()
    executor.shutdown()
    assert future.result(SOON) == "passed"
    assert queued[-1].cancelled()


def test_no_more_than_max_workers_run_at_once(busy):
    """A call waits until a worker is free."""
    executor, held, _ = busy
    queued = executor.submit(double, 1)
    assert not wait([queued], 0.01).done
    held.open()
    assert queued.result(SOON) == 2


def test_max_workers_must_be_positive(make):
    """max_workers of zero or less raises ValueError."""
    for number in (0, -1):
        with pytest.raises(ValueError, match="max_workers"):
            make(number)


def test_the_initializer_runs_in_a_worker_before_its_calls(make, monkeypatch):
    """initializer(*initargs) is called at the start of each worker."""
    monkeypatch.setenv("WEFT_CONTRACT", "not called")
    assert make(1, initializer=remember, initargs=("called",)).submit(remembered, None).result(SOON) == "called"


def test_the_initializer_must_be_callable(make):
    """Anything else raises TypeError."""
    with pytest.raises(TypeError):
        make(1, initializer="remember")


def test_a_failing_initializer_breaks_the_executor(make):
    """Pending futures and later submits raise BrokenExecutor."""
    executor = make(1, initializer=fail, initargs=("no start",))
    with pytest.raises(BrokenExecutor):
        executor.submit(double, 1).result(SOON)
    with pytest.raises(BrokenExecutor):
        executor.submit(double, 1).result(SOON)


def test_futures_can_be_awaited(make):
    """asyncio.wrap_future() and loop.run_in_executor() take them."""
    executor = make(2)

    async def both():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(
            asyncio.wrap_future(executor.submit(double, 1)), loop.run_in_executor(executor, double, 2)
        )

    assert asyncio.run(both()) == [2, 4]
