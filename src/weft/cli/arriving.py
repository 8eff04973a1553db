"""Checks addresses as they arrive, from an input that may be long in coming: a pipe, a terminal.

`weft.map` pulls its input on the thread that shows the results, so that a result would wait for the next line, and the
deadline, too. Here a thread of its own reads, and what it has read comes through the same queue as what has ended.
"""

import codecs
import os
import threading
from collections.abc import Iterator
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any

from weft.calls.call import Call
from weft.cli.parsing import UsageError
from weft.cli.targets import Target, from_lines
from weft.runtime.face import scope as open_scope
from weft.scopes.scope import Scope
from weft.scopes.task import Task

__all__ = ["Arriving", "lines_of"]

_PIECE = 65536  # bytes read at once, at most

_END = object()  # nothing more will arrive


class Arriving:
    """Targets that come when they come. Iterating them may block; use once.

    Args:
        lines: the input, which another thread will read.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._targets = from_lines(lines)

    def checked(self, call: Call[Any], *, limit: int, deadline: float | None) -> Iterator[Task[Any]]:
        """Call with each target when it comes, `limit` at once, and hand the tasks out as they end.

        At the deadline, in seconds, what is under way is timed out, and what comes later is not begun. No more than
        `limit` lines are read ahead of the results that are handed out.

        Raises:
            UsageError: the input cannot be read.
        """
        inbox: SimpleQueue[Any] = SimpleQueue()
        room = threading.Semaphore(limit)
        # A daemon, because a read that blocks cannot be cancelled and must not keep the process.
        threading.Thread(target=self._read, args=(inbox, room), name="weft-input", daemon=True).start()
        with open_scope(deadline=deadline, join="settled") as scope:
            yield from _serve(scope, call, inbox, room)

    def _read(self, inbox: SimpleQueue[Any], room: threading.Semaphore) -> None:
        try:
            for target in self._targets:
                room.acquire()
                inbox.put(target)
            inbox.put(_END)
        except OSError as error:
            inbox.put(error)


def _serve(scope: Scope, call: Call[Any], inbox: SimpleQueue[Any], room: threading.Semaphore) -> Iterator[Task[Any]]:
    core = scope.core
    core.on_task = lambda task, **_: inbox.put(task)
    reading, under_way = True, 0
    while True:
        reading = reading and scope.remaining != 0.0
        if not reading and not under_way:
            return
        try:
            event = inbox.get(timeout=scope.remaining if reading else None)
        except Empty:
            continue  # the deadline
        match event:
            case Target() if reading:
                under_way += 1
                task = scope.new_task(call.with_args((event,)), keep=False)
                core.loop.post(core.launch, task, copy_context())
            case Task():
                under_way -= 1
                room.release()
                yield event
            case OSError():
                raise UsageError(f"check: standard input: {event.strerror}")
            case _:
                reading = False


def lines_of(descriptor: int) -> Iterator[str]:
    """The lines of an open file, each as soon as it is there.

    Not by way of `sys.stdin`: whoever blocks in that at exit brings the interpreter down.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    rest = ""
    while piece := os.read(descriptor, _PIECE):
        *lines, rest = (rest + decoder.decode(piece)).split("\n")
        yield from lines
    yield rest + decoder.decode(b"", final=True)
