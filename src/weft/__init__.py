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

if TYPE_CHECKING:
    from weft import http as http
    from weft.calls.call import Call as Call
    from weft.calls.call import call as call
    from weft.calls.call import cpu as cpu
    from weft.calls.limits import Limit as Limit
    from weft.config import Config as Config
    from weft.errors import DeadlineExceeded as DeadlineExceeded
    from weft.errors import InvalidCall as InvalidCall
    from weft.errors import InvalidValue as InvalidValue
    from weft.errors import Overloaded as Overloaded
    from weft.errors import ScopeClosed as ScopeClosed
    from weft.errors import TaskCancelled as TaskCancelled
    from weft.errors import WeftError as WeftError
    from weft.errors import WorkerCrashed as WorkerCrashed
    from weft.errors import WouldBlock as WouldBlock
    from weft.executors.processes import ProcessExecutor as ProcessExecutor
    from weft.executors.threads import ThreadExecutor as ThreadExecutor
    from weft.outcome import Cancelled as Cancelled
    from weft.outcome import Failed as Failed
    from weft.outcome import Ok as Ok
    from weft.outcome import Outcome as Outcome
    from weft.outcome import Refused as Refused
    from weft.outcome import TimedOut as TimedOut
    from weft.policy.rate import Rate as Rate
    from weft.policy.retry import Retry as Retry
    from weft.runtime.face import as_completed as as_completed
    from weft.runtime.face import first as first
    from weft.runtime.face import gather as gather
    from weft.runtime.face import limit as limit
    from weft.runtime.face import map as map  # noqa: A004 - the built-in's shape
    from weft.runtime.face import run as run
    from weft.runtime.face import scope as scope
    from weft.runtime.face import statistics as statistics
    from weft.runtime.face import to_thread as to_thread
    from weft.runtime.process import close as close
    from weft.runtime.process import configure as configure
    from weft.scopes.batch import Batch as Batch
    from weft.scopes.current import remaining as remaining
    from weft.scopes.join import quorum as quorum
    from weft.scopes.scope import Scope as Scope
    from weft.scopes.task import Task as Task

__version__ = "0.1.0"

# Each name and the module that has it: `import weft` loads none of them, the first use of a name loads what it needs.
_HOME = {
    "call": "calls.call", "Call": "calls.call", "cpu": "calls.call", "Limit": "calls.limits", "Config": "config",
    "DeadlineExceeded": "errors", "InvalidCall": "errors", "InvalidValue": "errors", "Overloaded": "errors",
    "ScopeClosed": "errors", "TaskCancelled": "errors", "WeftError": "errors", "WorkerCrashed": "errors",
    "WouldBlock": "errors", "ProcessExecutor": "executors.processes", "ThreadExecutor": "executors.threads",
    "Cancelled": "outcome", "Failed": "outcome", "Ok": "outcome", "Outcome": "outcome", "Refused": "outcome",
    "TimedOut": "outcome", "Rate": "policy.rate", "Retry": "policy.retry", "as_completed": "runtime.face",
    "first": "runtime.face", "gather": "runtime.face", "limit": "runtime.face", "map": "runtime.face",
    "run": "runtime.face", "scope": "runtime.face", "statistics": "runtime.face", "to_thread": "runtime.face",
    "close": "runtime.process", "configure": "runtime.process", "Batch": "scopes.batch",
    "remaining": "scopes.current", "quorum": "scopes.join", "Scope": "scopes.scope", "Task": "scopes.task",
}  # fmt: skip

__all__ = [*_HOME, "http"]  # noqa: PLE0604 - the names are the table's


def __getattr__(name: str) -> Any:
    if name == "http":
        return import_module("weft.http")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"weft.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
