"""Exceptions that nobody handled, as lines of the log: those that end the program, and those that end a thread.

Those of asyncio's tasks need no help: asyncio logs them by itself.
"""

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

__all__ = ["log_uncaught"]

log = logging.getLogger("weft.uncaught")


class _Before(NamedTuple):
    program: Callable[[type[BaseException], BaseException, TracebackType | None], object]
    thread: Callable[[threading.ExceptHookArgs], object]


_before: _Before | None = None
_echo = True


def log_uncaught(*, echo: bool = True) -> None:
    """Log them from now on, as CRITICAL. Whoever was told of them before is told still.

    Args:
        echo: whether Python itself still prints them to standard error; False where the log goes there.
    """
    global _before, _echo
    _echo = echo
    if _before is None:  # once: a hook that was put before ours since then calls ours
        _before = _Before(sys.excepthook, threading.excepthook)
        sys.excepthook, threading.excepthook = _in_program, _in_thread


def _in_program(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, Exception):  # Ctrl-C is no failure
        log.critical("unhandled exception: the program ends", exc_info=(kind, error, trace))
    assert _before is not None  # or this would not be called
    if _echo or _before.program is not sys.__excepthook__ or not issubclass(kind, Exception):
        _before.program(kind, error, trace)


def _in_thread(args: threading.ExceptHookArgs) -> None:
    failed = issubclass(args.exc_type, Exception)
    if failed:
        name = args.thread.name if args.thread is not None else "?"
        error = args.exc_value or args.exc_type()
        log.critical("unhandled exception: thread %s ends", name, exc_info=(args.exc_type, error, args.exc_traceback))
    assert _before is not None  # or this would not be called
    if _echo or _before.thread is not threading.__excepthook__ or not failed:
        _before.thread(args)
