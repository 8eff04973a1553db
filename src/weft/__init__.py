"""Bounded, observable concurrency for Python web apps.

```python
with weft.scope(deadline=2.0) as scope:                 # async code writes `async with`
    user = scope.start(load_user, 42)                   # a plain function runs on a thread
    feed = scope.start(fetch_feed, 42)                  # an async function runs on the loop
    page = scope.start(weft.http.get, "https://example.org/")
print(user.result(), page.result().status_code)
```
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from weft.calls.call import Call, call, cpu
from weft.calls.limits import Limit
from weft.config import Config
from weft.errors import (
    DeadlineExceeded,
    InvalidCall,
    InvalidValue,
    Overloaded,
    ScopeClosed,
    TaskCancelled,
    WeftError,
    WorkerCrashed,
    WouldBlock,
)
from weft.outcome import Cancelled, Failed, Ok, Outcome, Refused, TimedOut
from weft.policy.rate import Rate
from weft.policy.retry import Retry
from weft.runtime.face import as_completed, first, gather, limit, map, run, scope, statistics, to_thread  # noqa: A004 - the built-in's shape
from weft.runtime.process import close, configure
from weft.scopes.batch import Batch
from weft.scopes.current import remaining
from weft.scopes.join import quorum
from weft.scopes.scope import Scope
from weft.scopes.task import Task

if TYPE_CHECKING:
    from weft import http, jobs, logs, notify, uploads
    from weft.executors.processes import ProcessExecutor
    from weft.executors.threads import ThreadExecutor
    from weft.jobs.declaring import job
    from weft.uploads.records import Upload

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Call",
    "Cancelled",
    "Config",
    "DeadlineExceeded",
    "Failed",
    "InvalidCall",
    "InvalidValue",
    "Limit",
    "Ok",
    "Outcome",
    "Overloaded",
    "ProcessExecutor",
    "Rate",
    "Refused",
    "Retry",
    "Scope",
    "ScopeClosed",
    "Task",
    "TaskCancelled",
    "ThreadExecutor",
    "TimedOut",
    "Upload",
    "WeftError",
    "WorkerCrashed",
    "WouldBlock",
    "as_completed",
    "call",
    "close",
    "configure",
    "cpu",
    "first",
    "gather",
    "http",
    "job",
    "jobs",
    "limit",
    "logs",
    "map",
    "notify",
    "quorum",
    "remaining",
    "run",
    "scope",
    "statistics",
    "to_thread",
    "uploads",
]

# Loaded at their first use: not every program needs an HTTP engine, threads, processes or a job store.
_LATER = {
    "ProcessExecutor": "weft.executors.processes",
    "ThreadExecutor": "weft.executors.threads",
    "Upload": "weft.uploads.records",
    "job": "weft.jobs.declaring",
}


def __getattr__(name: str) -> Any:
    if name in {"http", "jobs", "logs", "notify", "uploads"}:
        return import_module(f"weft.{name}")
    if name not in _LATER:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value
