"""What tests share: a runtime that ends with the test, and a guard against leaks."""

import gc
import logging
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import pytest

# Every test in these folders is checked for threads, descriptors and asyncio tasks that it leaves behind.
_GUARDED = {"adapters", "calls", "executors", "http", "jobs", "logs", "runtime", "scopes", "testing", "uploads"}
_PATIENCE = 5.0  # seconds that what has been told to end may take to do so


@pytest.fixture(autouse=True)
def _fresh_runtime() -> Iterator[None]:
    """End the runtime with the test that opened it, and take its settings back."""
    yield
    process = sys.modules.get("weft.runtime.process")
    if process is not None:
        process.close(grace=0)
        process._config = type(process._config)()


@pytest.fixture
def runtime(_fresh_runtime):
    """This test's own runtime."""
    from weft.runtime.process import runtime as current

    return current()


@pytest.fixture(scope="session")
def _libuv() -> None:
    """Let libuv open the one pipe for signals that it keeps for the life of the process."""
    from weft.runtime.background import new_loop

    new_loop(uvloop=True).close()


@pytest.fixture
def no_leaks(request, _libuv) -> Iterator[None]:
    """Fail a test that leaves a thread, a file descriptor or an unfinished asyncio task behind.

    The test's runtime is closed first. A test that abandons a call on purpose lets the call end before it ends itself.
    """
    complaints = _Complaints()
    logging.getLogger("asyncio").addHandler(complaints)
    threads, descriptors = set(threading.enumerate()), _descriptors()
    yield
    try:
        process = sys.modules.get("weft.runtime.process")
        if process is not None:
            process.close(grace=0)
        left = [thread.name for thread in set(threading.enumerate()) - threads if not _ends(thread)]
        assert not left, f"threads left behind: {left}"
        gc.collect()
        assert not complaints.heard, f"asyncio tasks left behind: {complaints.heard}"
        end = time.monotonic() + _PATIENCE  # a library's thread may be about to close one
        while (opened := _descriptors().items() - descriptors.items()) and time.monotonic() < end:
            time.sleep(0.01)
        assert not opened, f"file descriptors left open: {opened}"
    finally:
        logging.getLogger("asyncio").removeHandler(complaints)


@pytest.fixture(scope="module", autouse=True)
def _set_aside() -> None:
    """What is there when a module begins need not be looked through after each of its tests: that takes the longest."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _guard(request) -> None:
    if request.node.path.parent.name in _GUARDED:
        request.getfixturevalue("no_leaks")


class _Complaints(logging.Handler):
    """What asyncio has to say about tasks that were forgotten."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "destroyed but it is pending" in message or "never retrieved" in message:
            self.heard.append(message)


def _ends(thread: threading.Thread) -> bool:
    if isinstance(thread, threading._DummyThread):  # a library's own, which has called Python once
        return True
    thread.join(_PATIENCE)
    return not thread.is_alive()


def _descriptors() -> dict[int, str]:
    """The open descriptors of this process and what they are; those of multiprocessing's own helpers are its affair."""
    found = {}
    folder = Path("/proc/self/fd")
    theirs = {forkserver._forkserver._forkserver_alive_fd, resource_tracker._resource_tracker._fd}
    for entry in folder.iterdir() if folder.exists() else ():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except OSError:  # the descriptor by which the folder itself is read
            continue
    return {fd: target for fd, target in found.items() if fd not in theirs}
