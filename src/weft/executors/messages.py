"""What a supervisor tells its worker process, and what it makes of the answers: values, errors, and last words."""

import pickle
import signal
import traceback
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from io import BytesIO

from weft.errors import InvalidCall, WorkerCrashed
from weft.executors import child
from weft.executors.work import Work

__all__ = ["NotPicklable", "ProcessCrashed", "crash", "error_of", "pack", "unpack", "without_frames"]


class NotPicklable(InvalidCall, pickle.PicklingError):
    """The call cannot be sent to another process: its function or an argument cannot be pickled, or not be found."""


class ProcessCrashed(WorkerCrashed, BrokenProcessPool):
    """A `WorkerCrashed` that code written for ProcessPoolExecutor catches too. Unlike there, the pool is not broken."""


def pack(work: Work) -> memoryview:
    """The request to run this call.

    Raises:
        NotPicklable: its message says what to write instead.
    """
    try:
        return child.dumps((work.fn, work.args, dict(work.kwargs)))
    except Exception as error:  # noqa: BLE001 - __reduce__ is the user's code
        raise NotPicklable(_advice(work, error)) from without_frames(error)


def without_frames(error: BaseException) -> BaseException:
    """The error without its frames, which hold the arguments and the very call whose error it is; they stay as text."""
    if error.__cause__ is None:
        error.__cause__ = child.Remote("".join(traceback.format_exception(error)))
    return error.with_traceback(None)


def _advice(work: Work, error: Exception) -> str:
    try:
        child.dumps(work.fn)
    except Exception:  # noqa: BLE001 - whatever it is, the function is what cannot be pickled
        where = "another process can only import functions from the top level of a module: move it there"
        return f"{_name(work)} cannot be sent to another process ({error}): {where}"
    instead = "pass what it is made from (a path instead of an open file) and make it inside the function"
    return f"an argument of {_name(work)} cannot be sent to another process ({error}): {instead}"


def unpack(answer: bytes, work: Work) -> None:
    """Write an answer into the call it belongs to. Raises what unpickling the value raises."""
    kind = answer[:1]
    if kind == child.VALUE:
        work.value = pickle.loads(memoryview(answer)[1:])  # noqa: S301 - from our own child, through our own pipe
    elif kind == child.ERROR:
        work.error = error_of(answer)
    else:
        error = error_of(answer)
        move = "move what it needs to a module that both processes can import"
        work.error = NotPicklable(f"{_name(work)} could not be loaded in the worker process ({error!r}): {move}")
        work.error.__cause__ = error


def error_of(answer: bytes) -> BaseException:
    """The error in an answer, with the traceback of the other process as its cause."""
    stream = BytesIO(answer)
    stream.seek(1)
    remote = child.Remote(pickle.load(stream))  # noqa: S301 - from our own child, through our own pipe
    try:
        error: BaseException = pickle.load(stream)  # noqa: S301 - the same
    except BaseException as unreadable:  # noqa: BLE001 - __init__ is the user's code
        error = RuntimeError(f"the call raised an exception that cannot be unpickled: {unreadable!r}")
    error.__cause__ = remote
    return error


def _name(work: Work) -> str:
    return work.label or getattr(work.fn, "__qualname__", repr(work.fn))


def crash(work: Work, exit_code: int | None, *, ready: bool) -> ProcessCrashed:
    """The error of a call whose process died under it, or before it was `ready` to run it."""
    if ready:
        return ProcessCrashed(f"the process that ran {_name(work)} {_epitaph(exit_code)}", exit_code=exit_code)
    hint = 'its stderr may say why; a main module needs `if __name__ == "__main__":` around the program'
    message = f"the process that was to run {_name(work)} {_epitaph(exit_code)} while it started: {hint}"
    return ProcessCrashed(message, exit_code=exit_code)


def _epitaph(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (" (out of memory, perhaps)" if name == "SIGKILL" else "")
    return f"was killed by signal {-code}"
