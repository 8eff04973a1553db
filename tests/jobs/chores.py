"""Jobs for the tests of jobs, in a module of their own, so that worker processes find them.

What a test wants to see is written to files; what is to wait, opens a named pipe.
"""

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import weft
from weft import jobs

EVENTS = {name: threading.Event() for name in ("begun", "go")}
seen = []


@dataclass
class Size:
    width: int
    height: int = 0


@weft.job
def note(word: str) -> str:
    """Remember the word."""
    seen.append(word)
    return word


PAIR = threading.Barrier(2, timeout=10)


@weft.job(retries=0)
def meet() -> None:
    """Two of it run at once, or both fail."""
    PAIR.wait()


@weft.job
async def note_async(word: str) -> str:
    seen.append(word)
    return f"async {word}"


@weft.job(queue="clock", cron="0 * * * *")
def hourly() -> None:
    seen.append("hourly")


@weft.job(queue="clock", cron="0 * * * *", missed="run")
def hourly_or_later() -> None:
    seen.append("hourly or later")


@weft.job(cpu=True)
def pid() -> int:
    return os.getpid()


@weft.job
def scale(size: Size, by: int = 2, *more: int, **named: float) -> Size:
    return Size(size.width * by + sum(more), int(sum(named.values())))


@weft.job(retries=2, backoff=0)
def fail(word: str) -> None:
    seen.append(word)
    raise LookupError(word)


@weft.job(retries=9)
def discard() -> None:
    seen.append("once")
    raise jobs.Discard("not worth another try")


@weft.job(retries=0)
def snooze() -> int:
    if len(seen) < 2:
        seen.append("early")
        raise jobs.Snooze(0)
    return jobs.current().attempt


@weft.job(retries=0)
def returns_a_lock() -> object:
    return threading.Lock()


@weft.job(retries=0)
def wait_for_go() -> bool:
    """Begin, and wait; whether it was called off meanwhile."""
    EVENTS["begun"].set()
    EVENTS["go"].wait(20)
    seen.append(jobs.current().cancelled)
    return jobs.current().cancelled


@weft.job(retries=0)
async def wait_for_ever() -> None:
    EVENTS["begun"].set()
    await jobs_never()


async def jobs_never() -> None:
    import asyncio

    try:
        await asyncio.Event().wait()
    finally:
        seen.append("cancelled")


@weft.job(cpu=True, timeout=0.3, retries=0)
def compute_for_ever() -> None:
    while True:
        pass


@weft.job(timeout=0.05, retries=0)
def sleep_beyond_its_time() -> None:
    EVENTS["go"].wait(20)


@weft.job(retries=1, backoff=0, timeout=0.1)
def late_then_good(gate: str) -> int:
    """Be late the first time, and end while the second attempt runs."""
    attempt = jobs.current().attempt
    seen.append(attempt)
    if attempt == 1:
        EVENTS["go"].wait(20)
        EVENTS["begun"].set()
    else:
        EVENTS["go"].set()
        EVENTS["begun"].wait(20)
    return attempt


@weft.job(retries=0)
def fail_with_odd_words() -> None:
    raise FileNotFoundError("no file \udcff")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@weft.job(retries=0)
def fail_with_nul() -> None:
    jobs.current().progress(0.5, "half\0way")
    raise LookupError("a\0b")


@weft.job(retries=0)
def fail_without_words() -> None:
    raise Unspeakable


@weft.job(retries=0)
def return_odd_text() -> str:
    return "\udcff"


@weft.job(retries=0)
def return_a_circle() -> list[object]:
    circle: list[object] = []
    circle.append(circle)
    return circle


@weft.job(retries=0)
def say_odd_things() -> None:
    jobs.current().progress(float("nan"), {"a": "\udcff"})


@weft.job(retries=0)
async def hold_async(folder: str) -> str:
    """Leave a trace, wait for the gate, and tell who it is."""
    import asyncio

    touch(folder, "async")
    gate = Path(folder, "gate")
    while not await asyncio.to_thread(gate.exists):
        await asyncio.sleep(0.005)
    jobs.current().progress(1.0)
    return jobs.current().uid


@weft.job(retries=0, cpu=True, timeout=5)
def compute_a_little() -> int:
    return sum(range(3_000_000))


@weft.job(retries=0)
def half_way() -> str:
    jobs.current().progress(0.5, "half of it")
    EVENTS["begun"].set()
    EVENTS["go"].wait(20)
    return "all"


@weft.job(retries=3)
def touch(folder: str, name: str) -> None:
    """Leave a trace of each run: a line."""
    with Path(folder, name).open("a") as file:
        file.write(f"{os.getpid()}\n")


@weft.job(retries=3)
def touch_slowly(folder: str, name: str) -> None:
    with Path(folder, name).open("a") as file:
        file.write(f"{os.getpid()}\n")
    threading.Event().wait(0.02)


@weft.job(retries=9)
def poison(folder: str) -> None:
    """Kill the process that runs it."""
    with Path(folder, "poison").open("a") as file:
        file.write(f"{os.getpid()}\n")
    os.kill(os.getpid(), signal.SIGKILL)


@weft.job(retries=0)
def hold(folder: str, name: str) -> None:
    """Run until the file `gate` is there."""
    with Path(folder, name).open("a") as file:
        file.write(f"{os.getpid()}\n")
    while not Path(folder, "gate").exists():
        threading.Event().wait(0.005)


@weft.job(retries=0)
def fork() -> int:
    """Fork, and have the child leave at once."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return os.getpid()


@weft.job(retries=0)
def leave() -> None:
    raise SystemExit(3)


@weft.job(retries=0)
def append(path: str) -> None:
    """Write down that it ran, in one system call."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (jobs.current().uid + "\n").encode())
    os.close(file)


def plain() -> str:
    """No job itself, but made one below."""
    return "plain"


made_of_plain = weft.job(plain, retries=0)
