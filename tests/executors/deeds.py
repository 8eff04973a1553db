"""What the tests of processes have done in them. A module of its own, so that a worker process can import it.

Barriers are named pipes: opening one waits for the other side.
"""

import multiprocessing.util
import os
import subprocess
import sys
import threading
from pathlib import Path

initialised = None
kept = None


def initialise(value):
    global initialised
    initialised = value


def read_initialised():
    return initialised


def promise_to_touch(path):
    """Leave a trace when this process ends in good order."""
    multiprocessing.util.Finalize(None, Path(path).touch, exitpriority=1)


def fail_to_initialise():
    raise LookupError("no such model")


def fail(message):
    raise ValueError(message)


def leave(error):
    raise error


def hold(started, gate):
    """Tell the process id, then wait until the gate is opened."""
    Path(started).write_text(str(os.getpid()))
    return Path(gate).read_text()


def leave_a_call_behind(executor, marker):
    """End with a call that nobody waits for, in an executor that nobody has shut down."""
    global kept
    kept = executor(1)
    kept.submit(Path(marker).touch)


def leave_a_stuck_call_behind():
    """End with a call that does not."""
    from weft.executors.threads import ThreadExecutor

    global kept
    kept = ThreadExecutor(1, exit_grace=0.1)
    begun = threading.Event()
    kept.submit(lambda: (begun.set(), threading.Event().wait()))
    begun.wait()


def compute_without_end(started):
    Path(started).write_text(str(os.getpid()))
    while True:
        pass


def run_a_program(started):
    """Start a program that holds the pipe open for as long as it lives."""
    program = "import sys; sys.stdout.write('up'); sys.stdout.flush(); sys.stdin.read()"
    with Path(started).open("w") as pipe:
        subprocess.run([sys.executable, "-c", program], check=False, stdout=pipe, stdin=subprocess.PIPE)


def keep_open_without_end(started):
    """Hold the pipe open for as long as this process lives."""
    with Path(started).open("w") as pipe:
        pipe.write(str(os.getpid()))
        pipe.flush()
        while True:
            pass


def die_by(number):
    os.kill(os.getpid(), number)


def interrupt_me():
    os.kill(os.getpid(), 2)
    return "still here"


def process_name():
    return Path("/proc/self/comm").read_text().strip()


class Unreadable(Exception):
    """Can be pickled and not unpickled: its constructor wants more than `args` holds."""

    def __init__(self, code, reason):
        super().__init__(f"{code} {reason}")


def raise_unreadable():
    raise Unreadable(7, "seven")


def return_a_lambda():
    return lambda: None


class Refusing:
    def __reduce__(self):
        raise ValueError("I stay here")
