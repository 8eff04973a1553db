"""What the views of the contract do, whatever their framework.

Most return a batch that has not begun: a plain view asks it for its `result()`, an async one awaits it.
"""

import asyncio
import itertools
import os
import threading
from pathlib import Path

import weft
from weft.runtime.process import runtime

UPSTREAM = os.environ["UPSTREAM"]
PADDING = "x" * 65_536
VERSION = 1  # the tests of reloads change it

STARTED = os.getpid()
used_before_fork = None
if "USED_BEFORE_FORK" in os.environ:
    weft.run(weft.http.get, UPSTREAM + "/ok")
    used_before_fork = runtime()


class Busy(weft.Overloaded):
    """One that the application has a handler of its own for, which answers 418."""


def fan(path, count=20):
    """Make many calls; their answers."""
    return weft.map(weft.http.get, [UPSTREAM + path] * count, join="all")


def full():
    """Make more calls than a limit lets through or wait."""
    weft.limit("narrow", 1, waiting=0)
    call = weft.call(weft.http.get, UPSTREAM + "/delay/0.2").using(limit="narrow")
    return weft.gather(call, call)


def both(see):
    """What two tasks of one request see, at the same time, each on a thread."""
    together = threading.Barrier(2)

    def look():
        together.wait(20)
        return see()

    return weft.gather(look, look)


def endless():
    """Calls without an end, each outcome as a line of a body too long for any buffer."""
    return weft.map(weft.http.get, itertools.repeat(UPSTREAM + "/ok"), limit=2)


def line(outcome):
    """An outcome of `endless`, as a piece of the body."""
    return f"{outcome.ok} {PADDING}\n".encode()


def leak():
    """Start a call in a scope that nobody leaves. (Plain views.)"""
    weft.scope().__enter__().start(weft.http.get, UPSTREAM + "/silence")


async def leak_async():
    """The same. (Async views.)"""
    scope = await weft.scope().__aenter__()
    scope.start(weft.http.get, UPSTREAM + "/silence")


def debug():
    """What this process holds."""
    try:
        tasks = len(asyncio.all_tasks())
    except RuntimeError:  # no loop runs here
        tasks = 0
    return {
        "pid": os.getpid(),
        "version": VERSION,
        "fresh": runtime() is not used_before_fork,
        "forked": os.getpid() != STARTED,
        "fds": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "tasks": tasks,
    }
