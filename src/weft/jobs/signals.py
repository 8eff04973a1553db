"""Signals that end a worker's process as gently as it can be ended."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from weft.jobs.serving import Worker

__all__ = ["stopped_by_signals"]


@contextmanager
def stopped_by_signals(worker: Worker, say: Callable[[], object]) -> Iterator[None]:
    """While the block runs, SIGTERM and Ctrl-C ask the worker to stop, and a second one cuts its grace short.

    `say` is called at the first. For the main thread.
    """

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, lambda *_: worker.ask_to_stop(grace=0))
        worker.ask_to_stop()
        say()  # last: nobody may be there to hear it, and that is an error

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
