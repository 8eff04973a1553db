"""What runs inside a worker process, and the language it speaks with its supervisor.

Light to import (standard library only), because every new worker pays for it. A request is the pickle of
`(fn, args, kwargs)`; an empty one asks the worker to leave. An answer is one byte, which says what it is, and pickles
one behind the other: of the value, or of a traceback's text and then of the error, so that an error that cannot be
read back still has its traceback.
"""

import contextlib
import multiprocessing
import os
import pickle
import select
import signal
import threading
import traceback
from collections.abc import Callable
from io import BytesIO
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

__all__ = ["BROKEN", "ERROR", "LEAVE", "READY", "UNREADABLE", "VALUE", "Remote", "dumps", "main", "run_chunk"]

READY, VALUE, ERROR = b"R", b"V", b"E"
UNREADABLE = b"U"  # the request could not be read: its function or an argument is not to be found in this process
BROKEN = b"B"  # the initializer failed
LEAVE = b""


class Remote(Exception):
    """The traceback of an error, as text from the process where it was raised. Found as the error's `__cause__`."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def dumps(*values: object, kind: bytes = b"") -> memoryview:
    """The `kind`, then each value pickled. Knows what multiprocessing knows to send: connections, sockets, arrays."""
    buffer = BytesIO()
    buffer.write(kind)
    for value in values:
        ForkingPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getbuffer()


def main(
    requests: "Connection[Any, Any]",
    answers: "Connection[Any, Any]",
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> None:
    """Answer requests until asked to leave. The supervising process dies: so does this one, at once."""
    _settle_in(requests)
    try:
        if initializer is not None:
            initializer(*initargs)
    except BaseException as error:  # noqa: BLE001 - SystemExit too: the supervisor must hear why there is no worker
        answers.send_bytes(_failure(BROKEN, error))
        return
    answers.send_bytes(READY)
    while request := requests.recv_bytes():
        answers.send_bytes(answer(request))
        del request  # a large argument must not stay until the next call


def answer(request: bytes) -> memoryview:
    """Run one request; whatever goes wrong is part of the answer. Never raises."""
    try:
        fn, args, kwargs = pickle.loads(request)  # noqa: S301 - from our own supervisor, through an inherited pipe
    except BaseException as error:  # noqa: BLE001 - importing the function's module can raise anything
        return _failure(UNREADABLE, error)
    try:
        return dumps(fn(*args, **kwargs), kind=VALUE)
    except BaseException as error:  # noqa: BLE001 - SystemExit in a call must not end the worker
        return _failure(ERROR, error)


def run_chunk(fn: Callable[..., Any], chunk: tuple[tuple[Any, ...], ...]) -> list[Any]:
    """Call `fn` with each of the argument tuples: one message there and back for all of them."""
    return [fn(*args) for args in chunk]


def _failure(kind: bytes, error: BaseException) -> memoryview:
    text = "".join(traceback.format_exception(error))
    try:
        return dumps(text, error.with_traceback(None), kind=kind)
    except BaseException as unpicklable:  # noqa: BLE001 - __reduce__ is the user's code
        told = RuntimeError(f"{type(error).__qualname__} was raised, and cannot be pickled: {unpicklable}")
        return dumps(text, told, kind=kind)


def _settle_in(requests: "Connection[Any, Any]") -> None:
    # A group of its own: the terminal's Ctrl-C does not reach it, and a kill takes the programs it runs along.
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    # Not SIG_IGN: programs started from here would inherit that, and could no longer be stopped by SIGINT.
    signal.signal(signal.SIGINT, lambda *_: None)
    with contextlib.suppress(OSError):  # Linux: the name that top and ps show
        Path("/proc/self/comm").write_text(multiprocessing.current_process().name, "utf-8")
    threading.Thread(target=_die_with_parent, args=(requests,), name="weft-lifeline", daemon=True).start()


def _die_with_parent(requests: "Connection[Any, Any]") -> None:
    # The main thread computes; this one waits for the other end to vanish (no event but "hung up" is asked for).
    if hasattr(select, "poll"):
        lifeline = select.poll()
        lifeline.register(requests.fileno(), 0)
        lifeline.poll()
        os.killpg(0, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
