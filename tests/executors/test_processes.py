"""Calls in worker processes: the promises of ProcessPoolExecutor, and those that it does not make."""

import gc
import multiprocessing
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from weft.errors import InvalidCall, InvalidValue, Overloaded, TaskCancelled, WorkerCrashed
from weft.executors.processes import ProcessExecutor
from weft.executors.work import State, Work
from weft.executors.workerprocess import Lost, WorkerProcess

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # worker processes get this path, and find the deeds there

import deeds  # noqa: E402 - found through the line above


@pytest.fixture(scope="module", autouse=True)
def _fork_server():
    """Have multiprocessing open what it keeps for the life of the process, before leaks are looked for."""
    with ProcessExecutor(1) as executor:
        executor.submit(abs, 1).result()


@pytest.fixture
def one():
    with ProcessExecutor(1) as executor:
        yield executor


@pytest.fixture
def two():
    with ProcessExecutor(2) as executor:
        yield executor


class Pipes:
    """Two named pipes: a call says that it has begun, and waits to be let on."""

    def __init__(self, folder):
        self.started, self.gate = str(folder / "started"), str(folder / "gate")
        os.mkfifo(self.started)
        os.mkfifo(self.gate)

    @property
    def both(self):
        return self.started, self.gate

    def wait_for_start(self):
        return int(Path(self.started).read_text())

    def open_gate(self):
        Path(self.gate).write_text("open")


@pytest.fixture
def pipes(tmp_path):
    return Pipes(tmp_path)


def work(fn, *args, owner=None):
    """A work and the queue in which it arrives when it is done."""
    done = queue.SimpleQueue()
    return Work(fn, args, {}, done.put, owner=owner), done


class EndOfProcess:
    """A descriptor that becomes ready when the executor's only process is dead; it stays open whoever buries that."""

    def __init__(self, executor):
        (supervisor,) = executor._roster.supervisors
        self.descriptor = os.dup(supervisor.process._process.sentinel)

    def wait(self):
        wait([self.descriptor])
        os.close(self.descriptor)


# What the standard library promises.


def test_a_call_runs_in_another_process(one):
    """The result of a submitted call comes from a process that is not this one."""
    assert one.submit(os.getpid).result() != os.getpid()
    assert one.submit(int, "ff", base=16).result() == 255


def test_an_exception_brings_its_remote_traceback(one):
    """The exception is the call's own; its cause shows the traceback of the worker process."""
    with pytest.raises(ValueError, match=r"^why$") as caught:
        one.submit(deeds.fail, "why").result()
    assert "deeds.py" in str(caught.value.__cause__)
    assert "raise ValueError(message)" in str(caught.value.__cause__)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_not_even_system_exit_ends_a_worker(one, error):
    """An exception that would end a program is the outcome of its call, and the process stays."""
    before = one.submit(os.getpid).result()
    with pytest.raises(error):
        one.submit(deeds.leave, error).result()
    assert one.submit(os.getpid).result() == before


def test_a_lambda_is_refused_with_advice(one):
    """A function that another process cannot import is the caller's mistake, and the message says what to write."""
    with pytest.raises(InvalidCall, match="top level of a module: move it there") as caught:
        one.submit(lambda: None).result()
    assert isinstance(caught.value, pickle.PicklingError)


def test_an_argument_that_cannot_be_pickled_fails_its_call_alone(one):
    """The error lands on that future, names the function, and no other call notices."""
    bad, good = one.submit(len, deeds.Refusing()), one.submit(len, "four")
    with pytest.raises(InvalidCall, match=r"an argument of len cannot .*I stay here"):
        bad.result()
    assert good.result() == 4


def test_a_result_that_cannot_be_pickled_fails_its_call_alone(one):
    """The error lands on that future, and the process stays."""
    before = one.submit(os.getpid).result()
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        one.submit(deeds.return_a_lambda).result()
    assert one.submit(os.getpid).result() == before


def test_an_exception_that_cannot_be_unpickled_keeps_its_traceback(one):
    """An exception with a constructor of its own would break a ProcessPoolExecutor; here it fails its call alone."""
    with pytest.raises(RuntimeError, match="cannot be unpickled") as caught:
        one.submit(deeds.raise_unreadable).result()
    assert "7 seven" in str(caught.value.__cause__)
    assert one.submit(abs, -1).result() == 1


def test_map_keeps_the_order_whatever_travels_together(two):
    """Chunks are invisible in the results, and the shortest iterable ends them."""
    assert list(two.map(pow, range(10), [2] * 7, chunksize=3)) == [0, 1, 4, 9, 16, 25, 36]


def test_map_with_a_buffer_reads_ahead_no_further_than_it_says(two):
    """With `buffersize` an endless iterable can be mapped: it is read piece by piece."""
    read = []

    def endless():
        while True:
            read.append(len(read))
            yield read[-1]

    results = two.map(abs, endless(), buffersize=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(read) == 5
    results.close()


def test_map_raises_when_its_time_is_up(one, pipes):
    """A result that is not there in time is a TimeoutError, and what has not begun is cancelled."""
    results = one.map(deeds.hold, [pipes.started] * 2, [pipes.gate] * 2, timeout=0)
    pipes.wait_for_start()
    with pytest.raises(TimeoutError):
        next(results)
    pipes.open_gate()
    one.shutdown()
    assert one.statistics().started == 1


@pytest.mark.parametrize("sizes", [{"chunksize": 0}, {"buffersize": 0}])
def test_map_needs_sizes_above_zero(one, sizes):
    """Sizes are checked when `map` is called, not when its results are read."""
    with pytest.raises(InvalidValue, match="must be at least 1"):
        one.map(abs, [1], **sizes)


def test_an_initializer_runs_before_every_other_call():
    """Each process is prepared once, with the arguments given."""
    with ProcessExecutor(1, None, deeds.initialise, ("ready",)) as executor:
        assert executor.submit(deeds.read_initialised).result() == "ready"


def test_a_failing_initializer_breaks_the_executor():
    """Calls that wait and calls to come fail with BrokenProcessPool, whose cause is the initializer's own exception."""
    with ProcessExecutor(1, initializer=deeds.fail_to_initialise) as executor:
        waiting, done = work(abs, 1)
        executor.start(waiting)
        assert isinstance(done.get().error, BrokenProcessPool)
        with pytest.raises(BrokenProcessPool) as caught:
            executor.submit(abs, 1)
        assert isinstance(caught.value.__cause__, LookupError)


def test_an_initializer_that_cannot_be_sent_breaks_the_executor():
    """Without its initializer no process can be made ready, ever."""
    with (
        ProcessExecutor(1, initializer=lambda: None) as executor,
        pytest.raises(BrokenProcessPool, match="to a module"),
    ):
        executor.submit(abs, 1).result()


def test_a_process_leaves_after_its_number_of_calls():
    """`max_tasks_per_child` bounds what a leaking function can pile up."""
    with ProcessExecutor(1, max_tasks_per_child=2) as executor:
        first, second, third = (executor.submit(os.getpid).result() for _ in range(3))
    assert first == second != third


def test_leaving_the_block_waits_for_the_calls(pipes):
    """`with` ends when the last call has, and then takes no more."""
    with ProcessExecutor(1) as executor:
        future = executor.submit(deeds.hold, *pipes.both)
        pipes.wait_for_start()
        threading.Thread(target=pipes.open_gate).start()
    assert future.done()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    assert executor.statistics().pids == ()


def test_shutdown_can_cancel_what_waits(one, pipes):
    """Queued futures are cancelled, queued works done with TaskCancelled; the running call comes to its end."""
    running = one.submit(deeds.hold, *pipes.both)
    pipes.wait_for_start()
    queued, (waiting, done) = one.submit(abs, 1), work(abs, 1)
    one.start(waiting)
    one.shutdown(wait=False, cancel_futures=True)
    assert queued.cancelled()
    assert isinstance(done.get().error, TaskCancelled)
    assert waiting.state is State.CANCELLED
    pipes.open_gate()
    assert running.result() == "open"
    assert list(as_completed([running, queued]))


def test_a_future_can_be_cancelled_before_its_turn(one, pipes):
    """`Future.cancel` works until the call begins, and not after."""
    running = one.submit(deeds.hold, *pipes.both)
    pipes.wait_for_start()
    queued = one.submit(deeds.fail, "it ran")
    assert queued.cancel()
    assert not running.cancel()
    pipes.open_gate()
    assert one.submit(abs, -1).result() == 1
    assert one.statistics().started == 2
    with pytest.raises(CancelledError):
        queued.result()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_workers": 0}, ValueError),
        ({"initializer": 1}, TypeError),
        ({"max_tasks_per_child": 0}, ValueError),
        ({"max_tasks_per_child": 1.5}, TypeError),
        ({"max_tasks_per_child": 1, "mp_context": multiprocessing.get_context("fork")}, ValueError),
        ({"queue_size": -1}, InvalidValue),
        ({"exit_grace": -1}, InvalidValue),
    ],
)
def test_impossible_settings_are_refused(arguments, error):
    """With the exceptions that ProcessPoolExecutor raises."""
    with pytest.raises(error):
        ProcessExecutor(**arguments)


def test_spawn_serves_as_well():
    """Another context of multiprocessing can be given."""
    with ProcessExecutor(1, multiprocessing.get_context("spawn")) as executor:
        assert executor.submit(abs, -1).result() == 1


# Processes.


def test_processes_start_one_by_one(two):
    """No process before the first call, and no second one while the first is free."""
    assert two.statistics().workers == 0
    assert {two.submit(os.getpid).result() for _ in range(3)} == set(two.statistics().pids)
    assert two.statistics().spawned == 1


def test_the_name_of_a_process_shows(one):
    """`ps` and `top` show what the process belongs to."""
    assert one.submit(deeds.process_name).result() == "weft-process-1"


def test_a_worker_is_deaf_to_ctrl_c(one):
    """SIGINT neither ends a worker nor disturbs its call: the parent decides."""
    assert one.submit(deeds.interrupt_me).result() == "still here"


def test_a_worker_leads_its_own_process_group(one):
    """The terminal's Ctrl-C, which goes to the group in front, does not reach it."""
    assert one.submit(os.getpgrp).result() == one.submit(os.getpid).result()


@pytest.mark.parametrize(("code", "said"), [(3, "exit code 3"), (0, "exit code 0")])
def test_a_process_that_ends_fails_its_call_alone(two, pipes, code, said):
    """`os._exit` in a call is a WorkerCrashed with the exit code; a call beside it goes on, and so does the pool."""
    beside = two.submit(deeds.hold, *pipes.both)
    pipes.wait_for_start()
    with pytest.raises(WorkerCrashed, match=rf"_exit ended with {said}") as caught:
        two.submit(os._exit, code).result()
    assert caught.value.exit_code == code
    assert isinstance(caught.value, BrokenProcessPool)
    assert two.submit(abs, -1).result() == 1
    pipes.open_gate()
    assert beside.result() == "open"
    assert two.statistics().crashed == 1


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGTERM"])
def test_a_crash_is_reported_by_the_name_of_its_signal(one, name):
    """The message says what killed the process, and the exit code is the signal's number, negative."""
    number = getattr(signal, name)
    with pytest.raises(WorkerCrashed, match=f"die_by was killed by {name}") as caught:
        one.submit(deeds.die_by, number).result()
    assert caught.value.exit_code == -number


def test_a_process_that_died_idle_costs_no_call(one):
    """The call finds the process dead, has not begun, and runs in a new one."""
    pid = one.submit(os.getpid).result()
    end = EndOfProcess(one)
    os.kill(pid, signal.SIGKILL)
    end.wait()
    assert one.submit(os.getpid).result() != pid
    assert one.statistics().crashed == 0


def test_a_process_that_is_not_needed_any_more_ends_in_good_order(tmp_path):
    """It is asked to leave, and may clean up; it is not killed."""
    trace = tmp_path / "trace"
    with ProcessExecutor(1, initializer=deeds.promise_to_touch, initargs=(trace,)) as executor:
        executor.submit(abs, 1).result()
        assert not trace.exists()
    assert trace.exists()


def test_a_dropped_executor_lets_its_processes_go():
    """An executor that is collected without a shutdown finishes its calls, and its processes leave."""
    executor = ProcessExecutor(1)
    future = executor.submit(os.getpid)
    future.result()
    end = EndOfProcess(executor)
    del executor
    gc.collect()
    end.wait()


# weft's own door.


def test_a_work_is_done_with_its_value_or_its_error(one):
    """`done` is called with the work, which has ended and knows when it began and ended."""
    good, done = work(abs, -1)
    bad, done_badly = work(deeds.fail, "why")
    one.start_many([good, bad])
    assert done.get() is good
    assert (good.value, good.state) == (1, State.ENDED)
    assert good.queued_at <= good.started_at <= good.ended_at
    assert isinstance(done_badly.get().error, ValueError)


def test_a_queued_work_that_is_cancelled_never_runs(one, pipes):
    """It is taken out of the queue, and `done` is not called."""
    running, done = work(deeds.hold, *pipes.both)
    waiting, never = work(deeds.fail, "it ran")
    one.start_many([running, waiting])
    pipes.wait_for_start()
    assert one.cancel(waiting) is True
    assert waiting.state is State.CANCELLED
    pipes.open_gate()
    assert done.get().value == "open"
    one.shutdown()
    assert never.empty()
    assert (one.statistics().cancelled, one.statistics().started) == (1, 1)


def test_a_running_work_that_is_cancelled_loses_its_process_at_once(one, pipes):
    """A function that computes without end is stopped, `done` is not called, and the pool has a new process."""
    running, never = work(deeds.compute_without_end, pipes.started)
    one.start(running)
    pid = pipes.wait_for_start()
    end = EndOfProcess(one)
    assert one.cancel(running) is True
    assert running.state is State.ABANDONED
    end.wait()
    assert one.submit(os.getpid).result() != pid
    assert never.empty()
    assert (one.statistics().killed, one.statistics().crashed) == (1, 0)


def test_a_kill_takes_the_programs_along_that_the_call_started(one, tmp_path):
    """A converter that the function runs ends with it: the pipe that it holds is closed."""
    started = str(tmp_path / "started")
    os.mkfifo(started)
    running, _ = work(deeds.run_a_program, started)
    one.start(running)
    with Path(started).open() as pipe:
        assert pipe.read(2) == "up"
        one.cancel(running)
        assert pipe.read() == ""  # returns when nobody holds the pipe open any more


def test_cancelling_what_has_ended_does_nothing(one):
    """A work that is done, or that belongs to nobody, is not cancelled."""
    ended, done = work(abs, -1)
    one.start(ended)
    done.get()
    assert one.cancel(ended) is False
    assert one.cancel(work(abs, -1)[0]) is False


def test_a_full_queue_refuses_works_and_no_submits(pipes):
    """What fits neither a process nor the queue is Overloaded, all of it; the standard library's door stays open."""
    with ProcessExecutor(1, queue_size=1) as executor:
        running, _ = work(deeds.hold, *pipes.both)
        executor.start(running)
        pipes.wait_for_start()
        first, second, third = work(abs, 1), work(abs, 2), work(abs, 3)
        with pytest.raises(Overloaded, match="1 calls running, 0 of 1 queued"):
            executor.start_many([first[0], second[0]])
        executor.start(third[0])
        with pytest.raises(Overloaded):
            executor.start(first[0])
        future = executor.submit(abs, -4)
        assert (executor.statistics().queued, executor.statistics().refused) == (2, 3)
        pipes.open_gate()
        assert (third[1].get().value, future.result()) == (3, 4)
    assert first[0].state is State.QUEUED


def test_owners_take_turns(one, pipes):
    """Who has queued one call does not wait for all those of another."""
    order = queue.SimpleQueue()
    holding, _ = work(deeds.hold, *pipes.both)
    one.start(holding)
    pipes.wait_for_start()
    one.start_many([Work(abs, (n,), {}, order.put, owner="greedy") for n in (1, 2)])
    one.start(Work(abs, (3,), {}, order.put, owner="modest"))
    pipes.open_gate()
    assert [order.get().value for _ in range(3)] == [1, 3, 2]


def test_shutdown_kills_when_its_time_is_up(one, pipes):
    """With `timeout` no call holds the shutdown: it fails with TaskCancelled, and so does what waited."""
    running, done = work(deeds.compute_without_end, pipes.started)
    waiting, done_waiting = work(abs, 1)
    one.start_many([running, waiting])
    pipes.wait_for_start()
    one.shutdown(timeout=0)
    assert isinstance(done.get().error, TaskCancelled)
    assert isinstance(done_waiting.get().error, TaskCancelled)
    assert one.statistics().workers == 0


def test_shutdown_kills_a_process_that_never_gets_ready(pipes):
    """An initializer without end does not hold the shutdown either."""
    executor = ProcessExecutor(1, initializer=deeds.compute_without_end, initargs=(pipes.started,))
    future = executor.submit(abs, 1)
    pipes.wait_for_start()
    executor.shutdown(timeout=0)
    assert future.cancelled()


def test_a_process_that_is_killed_before_it_exists_dies_at_birth(one):
    """A kill may come while the process is still being started: it is remembered."""
    process = WorkerProcess(multiprocessing.get_context("spawn"), "doomed", one._roster.settings)
    process.kill()
    process.start()
    with pytest.raises(Lost):
        process.hear()
    assert process.bury() == -signal.SIGKILL


def test_a_process_that_is_hired_after_the_kill_is_killed_too(one):
    """A supervisor that was about to start one does not escape the shutdown."""
    one._roster.killing = True
    assert isinstance(one.submit(abs, 1).exception(), TaskCancelled)


def test_a_callback_that_raises_ends_no_supervisor(one, caplog):
    """It is logged where the standard library logs such things, and the pool goes on."""

    def bad(_):
        raise ValueError("bad callback")

    one.start(Work(abs, (1,), {}, bad))
    assert one.submit(abs, -1).result() == 1
    assert "bad callback" in caplog.text


# Whole programs.

PROGRAM = """
import os, sys
from pathlib import Path
sys.path.insert(0, {here!r})
import deeds
from weft.executors.processes import ProcessExecutor

{body}
"""


def program(tmp_path, body, *, guarded=True):
    """Write a script whose main part is `body`."""
    script = tmp_path / "program.py"
    if guarded:
        body = "def main():\n" + "".join(f"    {line}\n" for line in body.splitlines())
        body += 'if __name__ == "__main__":\n    main()\n'
    script.write_text(PROGRAM.format(here=str(HERE), body=body))
    return [sys.executable, "-W", "error", str(script)]


def run(tmp_path, body, **options):
    return subprocess.run(program(tmp_path, body, **options), capture_output=True, text=True, timeout=60, check=False)


def test_an_exit_without_shutdown_lets_calls_end(tmp_path):
    """Futures that nobody waited for are done when the interpreter exits, and nothing is said on stderr."""
    marker = tmp_path / "marker"
    ended = run(tmp_path, f"ProcessExecutor(1).submit(Path.touch, Path({str(marker)!r}))")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert marker.exists()


@pytest.mark.parametrize("daemon", [False, True], ids=["not daemonic", "daemonic"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("executor", ["processes.ProcessExecutor", "threads.ThreadExecutor"])
def test_children_of_multiprocessing_run_calls_and_end(tmp_path, executor, method, daemon):
    """They leave without `atexit`, and daemonic ones (as Sanic's workers are) may have no children: no matter."""
    room, name = executor.split(".")
    marker = tmp_path / "marker"
    body = f"""
from multiprocessing import get_context
from weft.executors.{room} import {name}
child = get_context({method!r}).Process(
    target=deeds.leave_a_call_behind, args=({name}, {str(marker)!r}), daemon={daemon}
)
child.start()
child.join(30)
sys.exit(child.exitcode)
"""
    ended = run(tmp_path, body)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert marker.exists()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_give_one_grace(tmp_path, method):
    """What is to be done at the end is done once, whichever of its two ways out a child takes."""
    body = f"""
from multiprocessing import get_context
child = get_context({method!r}).Process(target=deeds.leave_a_stuck_call_behind)
child.start()
child.join(30)
sys.exit(child.exitcode)
"""
    ended = run(tmp_path, body)
    assert ended.returncode == 0
    assert ended.stderr.count("exits without the calls that still run or wait") == 1


def test_a_process_that_could_not_be_started_fails_its_call_alone(monkeypatch):
    """The system allows no further process: the call fails with its error, the executor goes on, and ends in order."""

    def refuse(_process):
        raise BlockingIOError("no more")

    with ProcessExecutor(1) as executor:
        with monkeypatch.context() as scarce:
            scarce.setattr(multiprocessing.process.BaseProcess, "start", refuse)
            assert isinstance(executor.submit(abs, -1).exception(), BlockingIOError)
        assert executor.submit(abs, -1).result() == 1
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
    with ProcessExecutor(1) as executor:
        assert isinstance(executor.submit(abs, -1).exception(), BlockingIOError)


def test_an_exit_never_hangs(tmp_path, pipes):
    """A call without end holds the exit for `exit_grace` seconds and is killed; a warning says so."""
    body = f"""
executor = ProcessExecutor(1, exit_grace=0)
executor.submit(deeds.compute_without_end, {pipes.started!r})
Path({pipes.started!r}).read_text()
"""
    ended = run(tmp_path, body)
    assert ended.returncode == 0
    assert ended.stderr.splitlines() == ["the interpreter exits without the calls that still run or wait in processes"]


def test_a_worker_does_not_outlive_a_parent_that_was_killed(tmp_path, pipes):
    """After kill -9 of the parent a worker that computes exits by itself: it lets go of the pipe that it held."""
    body = f"ProcessExecutor(1).submit(deeds.keep_open_without_end, {pipes.started!r}).result()"
    with subprocess.Popen(program(tmp_path, body)) as parent, Path(pipes.started).open() as pipe:
        assert int(pipe.read(1)) > 0
        parent.kill()
        pipe.read()


def test_ctrl_c_ends_parent_and_workers_without_noise(tmp_path, pipes):
    """SIGINT to the whole group interrupts the parent alone, whose exit ends the worker."""
    body = f"""
executor = ProcessExecutor(1, exit_grace=0)
future = executor.submit(deeds.keep_open_without_end, {pipes.started!r})
try:
    future.result()
except KeyboardInterrupt:
    print("interrupted")
"""
    command = program(tmp_path, body)
    with (
        subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as parent,
        Path(pipes.started).open() as pipe,
    ):
        pipe.read(1)
        os.killpg(parent.pid, signal.SIGINT)
        out, err = parent.communicate(timeout=60)
        pipe.read()
    assert (out, parent.returncode) == ("interrupted\n", 0)
    assert "Traceback" not in err


def test_a_forked_child_gets_a_fresh_executor(tmp_path):
    """The child has processes of its own, leaves those of its parent alone, and both exit in order."""
    body = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # since 3.12 fork itself warns where there are threads
executor = ProcessExecutor(1)
mine = executor.submit(os.getpid).result()
child = os.fork()
if child == 0:
    assert executor.statistics().spawned == 0
    assert executor.submit(os.getpid).result() != mine
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert executor.submit(os.getpid).result() == mine
"""
    ended = run(tmp_path, body)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_program_without_main_guard_is_told_so(tmp_path):
    """A worker that re-imports such a program starts no processes of its own, and both errors say what to write."""
    ended = run(tmp_path, "ProcessExecutor(1).submit(abs, -1).result()", guarded=False)
    assert ended.returncode == 1
    assert "this worker process is still importing the main module" in ended.stderr
    assert ended.stderr.rstrip().endswith('a main module needs `if __name__ == "__main__":` around the program')


def test_a_function_of_a_nameless_program_is_refused_with_advice():
    """`python -c` has no file that a worker could import: the message says to move the function to a module."""
    code = """
from weft.executors.processes import ProcessExecutor
def here(): pass
print(ProcessExecutor(1).submit(here).exception())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "here could not be loaded in the worker process" in ended.stdout
    assert "to a module" in ended.stdout
