"""What is to be done when this process ends, whichever of its two ways a process of Python's takes."""

import atexit
import os
import sys
from collections.abc import Callable

__all__ = ["at_exit", "mind_exit"]

_BEFORE_JOINING = 1
"""Priority among multiprocessing's finalizers: those of 0 and above run before it joins the child's own children."""

_acts: list[Callable[[], object]] = []
_minded: int | None = None  # the process whose way out is taken care of


def at_exit(act: Callable[[], object]) -> None:
    """Have something done when the process ends; the last registered is the first done. For modules, while imported."""
    _acts.append(act)
    atexit.register(_act, act)


def mind_exit() -> None:
    """Make sure that it is done in this process, too. To be called when there is something to end. Any thread.

    A child of multiprocessing joins its own children before it runs the handlers of `atexit`, if it runs them at all:
    it would wait for ever for workers that nobody has sent away.
    """
    global _minded
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is None or multiprocessing.parent_process() is None or _minded == os.getpid():
        return
    from multiprocessing.util import Finalize  # noqa: PLC0415 - imported by now, or this is no such child

    Finalize(None, _act_all, exitpriority=_BEFORE_JOINING)
    # What is registered while it still imports its main module, it forgets.
    if not getattr(multiprocessing.current_process(), "_inheriting", False):
        _minded = os.getpid()


def _act_all() -> None:
    for act in reversed(tuple(_acts)):
        _act(act)


def _act(act: Callable[[], object]) -> None:
    if act in _acts:  # children that were spawned run the handlers of `atexit` as well
        _acts.remove(act)
        act()
