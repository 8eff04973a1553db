"""Jobs with what every engine can do, and no more."""

import asyncio
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import weft
from weft import jobs

seen = []
go_on = threading.Event()
begun = threading.Event()


@dataclass
class Size:
    width: int
    height: int = 0


@weft.job(retries=0)
def note(word: str) -> str:
    seen.append(word)
    return word


@weft.job(retries=0)
async def note_async(word: str) -> str:
    await asyncio.sleep(0)
    return f"async {word}"


@weft.job(retries=0)
def scale(size: Size, by: int) -> Size:
    return Size(size.width * by, size.height * by)


@weft.job(retries=0, cpu=True)
def pid() -> int:
    return os.getpid()


@weft.job(retries=0, cpu=True)
def enqueue_another() -> str:
    return pid.enqueue().uid


@weft.job(retries=2, backoff=0.01)
def fail(word: str) -> None:
    seen.append(word)
    raise LookupError(word)


@weft.job(retries=2, backoff=0.01)
def second_time_lucky() -> int:
    attempt = jobs.current().attempt
    if attempt < 2:
        raise LookupError("not yet")
    return attempt


@weft.job(retries=5)
def give_up() -> None:
    raise jobs.Discard("not worth another try")


@weft.job(retries=0)
def snooze() -> int:
    seen.append("snooze")
    if len(seen) == 1:
        raise jobs.Snooze(0.01)
    return jobs.current().attempt


@weft.job(retries=0)
def tell(fraction: float, note: str) -> bool:
    jobs.current().progress(fraction, note)
    begun.set()
    return go_on.wait(20)


@weft.job(retries=0)
def wait_for_cancel() -> None:
    begun.set()
    while not jobs.current().cancelled:
        go_on.wait(0.01)


@weft.job(retries=0, timeout=0.2)
def too_long() -> None:
    while not jobs.current().cancelled:
        go_on.wait(0.01)


@weft.job(retries=0)
def unspeakable() -> object:
    return object()


@weft.job(retries=0)
def log(path: str, word: str, seconds: float = 0.0) -> None:
    """Write a line, and another after a while."""
    with Path(path).open("a") as file:
        file.write(f"begin {word}\n")
    time.sleep(seconds)
    with Path(path).open("a") as file:
        file.write(f"end {word}\n")


@weft.job(retries=0)
def kill_worker(path: str) -> None:
    with Path(path).open("a") as file:
        file.write("poison\n")
    os.kill(os.getpid(), signal.SIGKILL)
