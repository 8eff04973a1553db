"""The runtime of this process: made when first asked for, closed at exit, replaced in a forked child."""

import os
import sys
import threading
from dataclasses import replace
from typing import Any

from weft.config import Config
from weft.errors import InvalidCall, WeftError
from weft.executors.exits import at_exit, mind_exit
from weft.runtime.runtime import Runtime

__all__ = ["close", "configure", "install", "refuse_green_threads", "runtime"]

_lock = threading.RLock()  # guards the two names below
_config = Config()
_runtime: Runtime | None = None


def runtime() -> Runtime:
    """The runtime of this process. Any thread."""
    found = _runtime
    return found if found is not None else _make()


def configure(**settings: Any) -> Config:
    """Change settings of the runtime, before the first call is made; return them all.

    Args:
        settings: any of the attributes of `weft.Config`.

    Raises:
        InvalidCall: there is no such setting, or the runtime is at work already.
        InvalidValue: a value that nothing could run with.
    """
    global _config
    unknown = sorted(set(settings) - set(Config.names()))
    if unknown:
        raise InvalidCall(f"there is no setting {unknown[0]!r}: choose from {', '.join(Config.names())}")
    with _lock:
        if _runtime is not None and settings:
            raise InvalidCall("the runtime is at work already: call weft.configure(...) where the application starts")
        _config = replace(_config, **settings)
        return _config


def refuse_green_threads() -> None:
    """Raise if this process's threads are none: if gevent or eventlet has replaced the module `threading`.

    A loop's thread would be a greenlet among those that it serves, and one blocking call would stop them all.

    Raises:
        WeftError: it is so; the message says what to run instead.
    """
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        patcher = "gevent"
    elif eventlet is not None and eventlet.is_monkey_patched("thread"):
        patcher = "eventlet"
    else:
        return
    raise WeftError(
        f"weft needs real threads, and {patcher} has replaced them in this process: run gunicorn with "
        "--worker-class gthread --threads 32 (or uvicorn), and leave out monkey patching"
    )


def install(new: Runtime | None) -> Runtime | None:
    """Put another runtime in the place of this process's own, and return that one. (For tests.)"""
    global _runtime
    with _lock:
        before, _runtime = _runtime, new
    return before


def close(grace: float | None = None) -> None:
    """Close the runtime: calls under way have `grace` seconds to end (None: as configured), then they are cancelled.

    Called by itself at interpreter exit. The next call after it opens a new runtime.
    """
    before = install(None)
    if before is not None:
        before.close(grace)


def _make() -> Runtime:
    global _runtime
    with _lock:
        if _runtime is None:
            refuse_green_threads()
            _runtime = Runtime(_config)
            mind_exit()
        return _runtime


def _forget() -> None:
    # In a forked child: threads, loops and sockets stayed with the parent; only the settings are worth keeping.
    global _runtime, _lock
    _lock = threading.RLock()
    _runtime = None


at_exit(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
