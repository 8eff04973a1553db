"""A command that runs anew whenever a Python file changes. For development."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from weft.cli.output import say
from weft.cli.parsing import UsageError

__all__ = ["run_reloading"]


def run_reloading(command: str, arguments: Sequence[str]) -> int:
    """Run a command of ours in a process of its own, and again after each change below this folder.

    A signal that ends this ends it, too, as gently as it can be ended. One that has failed waits for the next change.

    Raises:
        UsageError: what watches files is not installed.
    """
    try:
        from watchfiles import PythonFilter, watch  # noqa: PLC0415 - for development alone
    except ImportError as missing:
        raise UsageError(f"{command} --reload needs watchfiles: run pip install 'weft[reload]'") from missing

    stop = threading.Event()
    with _stopped_by_signals(stop):
        child = _start(command, arguments)
        for changes in watch(
            Path.cwd(), watch_filter=PythonFilter(), stop_event=stop, rust_timeout=500, yield_on_timeout=True,
            raise_interrupt=False,
        ):  # fmt: skip
            if changes:
                names = sorted({Path(path).name for _, path in changes})
                say(f"weft {command}: {', '.join(names)} changed, starting again")
                _end(child)
                child = _start(command, arguments)
        return _end(child)


def _start(command: str, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    # In a group of its own: Ctrl-C comes to us alone, and we pass it on once.
    return subprocess.Popen([sys.executable, "-m", "weft.cli", command, *arguments], process_group=0)  # noqa: S603


def _end(child: "subprocess.Popen[bytes]") -> int:
    if child.poll() is None:
        child.terminate()
    return child.wait()


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
