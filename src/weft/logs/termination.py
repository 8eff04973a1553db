"""What is logged right before SIGTERM is written by this process, and not left for the next one to find.

Servers that end in order do that by themselves. uvicorn ends in order, and then sends itself the signal again, without
a handler; Django's development server and most scripts have none to begin with.
"""

import os
import signal
import threading
from types import FrameType

from weft.logs.log import close_all

__all__ = ["write_on_termination"]


def write_on_termination() -> None:
    """Where SIGTERM would end this process at once, let it end it when its logs are written: 5 s for each at most.

    Whoever handles the signal himself, before or after this call, is not disturbed. Only the main thread can do it.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    # The kernel keeps signals without a handler from a container's first process: there is nothing to prepare for.
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and os.getpid() != 1:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, _frame: FrameType | None) -> None:
    close_all()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
