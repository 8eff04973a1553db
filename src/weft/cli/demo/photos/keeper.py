"""The worker of the photos: a process of its own, which the command starts, starts again when it has died, and ends.

The application asks the command for it, through a socket whose address is in the environment: what may be killed is
known for certain to whoever has started it, and to nobody else.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Client, Listener
from types import TracebackType
from typing import Any, Self

from weft.executors.sizing import usable_cpus

__all__ = ["KEEPER", "Keeper", "kill", "look"]

KEEPER = "WEFT_DEMO_KEEPER"
"""The environment variable by which the command tells the application where it can be asked for the worker."""

_LOOK, _KILL, _END = b"look", b"kill", b"end"
_AT_ONCE = min(4, max(2, usable_cpus().chosen))  # photos; what a kill has interrupted is done again one by one
_GRACE = 2.0  # seconds for photos under way when the demo ends
_FAREWELL = 5.0  # seconds from SIGTERM to SIGKILL
_PAUSE = 0.2  # seconds before another worker is started, and twice as many for each that ends without having worked
_LONGEST_PAUSE = 5.0


class Keeper:
    """Has one worker run. Use with `with`; afterwards it and all that it has started are gone.

    Args:
        environ: environment variables of the worker, besides those of this process: they name its store.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {**os.environ, **environ}
        self._listener = Listener(family="AF_UNIX")  # in a folder that is ours alone
        self._ending = threading.Event()
        self._lock = threading.Lock()  # guards the two below
        self._worker: subprocess.Popen[bytes] | None = None
        self._kills = 0
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._keep, self._listen)]

    @property
    def environ(self) -> dict[str, str]:
        """What the application has to know to ask for the worker."""
        return {KEEPER: str(self._listener.address)}

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._lock:
            self._ending.set()
            worker = self._worker
        if worker is not None:
            worker.terminate()
            with suppress(subprocess.TimeoutExpired):
                worker.wait(_FAREWELL)
            _end_group(worker)
        _ask(str(self._listener.address), _END)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _keep(self) -> None:
        pause = _PAUSE
        while (worker := self._start()) is not None:
            status = worker.wait()
            _end_group(worker)  # a photo that ran alone, in a process of the worker's own
            pause = _PAUSE if status == -signal.SIGKILL else min(2 * pause, _LONGEST_PAUSE)
            self._ending.wait(pause)

    def _start(self) -> "subprocess.Popen[bytes] | None":
        words = ["worker", "weft.cli.demo.photos.jobs", "--queues", f"photos={_AT_ONCE}", "--grace", str(_GRACE)]
        with self._lock:
            if self._ending.is_set():
                return None
            # A group of its own: Ctrl-C reaches us alone, and we end the worker in order.
            self._worker = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", "weft.cli", *words], env=self._environ, start_new_session=True
            )
            return self._worker

    def _listen(self) -> None:
        while True:
            with suppress(OSError, EOFError), self._listener.accept() as asking:
                word = asking.recv_bytes(100)
                if word == _END:
                    return
                asking.send_bytes(json.dumps(self._answer(kill=word == _KILL)).encode())

    def _answer(self, *, kill: bool) -> dict[str, Any]:
        with self._lock:
            worker = self._worker
            if worker is not None and kill:
                worker.kill()
                self._kills += 1
                self._worker = worker = None  # until there is another
            return {"pid": worker.pid if worker is not None and worker.poll() is None else None, "kills": self._kills}


def look() -> dict[str, Any] | None:
    """The worker's `pid`, which is None between two, and how often it has been killed; None: there is no keeper."""
    return _asked(_LOOK)


def kill() -> None:
    """Kill the worker, with SIGKILL: it has no time for anything. Nothing happens if there is none."""
    _asked(_KILL)


def _asked(word: bytes) -> dict[str, Any] | None:
    address = os.environ.get(KEEPER)
    if not address:
        return None
    answer = _ask(address, word)
    found: dict[str, Any] | None = json.loads(answer) if answer else None
    return found


def _ask(address: str, word: bytes) -> bytes:
    with suppress(OSError, EOFError), Client(address, family="AF_UNIX") as keeper:
        keeper.send_bytes(word)
        return b"" if word == _END else keeper.recv_bytes(1000)
    return b""


def _end_group(worker: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):  # all of the group have gone, as they should
        os.killpg(worker.pid, signal.SIGKILL)
