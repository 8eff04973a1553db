"""A worker that is about to wait lends its slot, so that nested calls cannot deadlock their pool.

The idea is `ForkJoinPool.ManagedBlocker` of Java: a pool that knows that one of its workers is blocked lets another
run in its place.
"""

import threading
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Protocol

__all__ = ["Lender", "enlist", "here", "lending"]


class Lender(Protocol):
    """What a pool shows to the threads that it owns."""

    def lend(self) -> None:
        """Let another worker run in the place of the calling one."""

    def reclaim(self) -> None:
        """The calling worker runs again. Never waits: the pool is over its size until some worker ends its call."""


class _Loan:
    """Lends at the outermost `with` of a thread and reclaims at its end. Belongs to one thread, and needs no lock."""

    __slots__ = ("_depth", "_lender")

    def __init__(self, lender: Lender) -> None:
        self._lender = lender
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._lender.lend()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._lender.reclaim()


class _Here(threading.local):
    loan: _Loan | None = None


here = _Here()
_NOTHING = nullcontext()


def lending() -> AbstractContextManager[None]:
    """Lend the slot of the current thread to its pool while the block waits for something.

    Write it around a wait for work that may need a worker of the same executor:

        with lending():
            concurrent.futures.wait(futures)

    On a thread that belongs to no weft executor it does nothing, at the cost of a function call. Blocks may be nested.
    The number of threads is bounded by the depth of nesting and not by `spare`: a cap would be a deadlock.
    """
    return here.loan or _NOTHING


def enlist(lender: Lender) -> None:
    """Make the calling thread one that lends through `lender`."""
    here.loan = _Loan(lender)
