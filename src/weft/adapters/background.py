"""FastAPI's and Starlette's background tasks as durable jobs: what is added survives the process.

```python
from weft.adapters.background import BackgroundTasks   # instead of FastAPI's own

@app.post("/orders")
async def order(tasks: BackgroundTasks):
    tasks.add_task(send_receipt, 42)                   # send_receipt has @weft.job above it
```
"""

from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar

from weft.adapters.asgi import BEFORE_ANSWER
from weft.errors import InvalidCall
from weft.executors.loop import running_loop
from weft.jobs.declaring import Job
from weft.jobs.handles import Handle

try:
    from fastapi import Depends
    from starlette.requests import Request
except ImportError as missing:  # pragma: no cover - the extra is not installed
    raise ImportError("weft.adapters.background needs FastAPI: run pip install 'weft[fastapi]'") from missing

__all__ = ["BackgroundTasks", "DurableTasks"]

P = ParamSpec("P")
T = TypeVar("T")


class DurableTasks:
    """The jobs that one request asks for. Belongs to the request.

    They are run by a worker: `weft.jobs.embedded()`, or `weft worker`. In Starlette make one: `DurableTasks(request)`;
    it may be given to a response as its `background`.

    A plain `def` endpoint has stored a job when `add_task` returns. An async one has when the answer begins, if weft's
    middleware is there; else when what `add_task` returns is awaited, or in any case after the answer.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._pending: list[Handle[Any]] = []

    def add_task(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """Store a call of a job, as `Job.enqueue` does; its handle, which async code may await.

        Raises:
            InvalidCall: the function is no job: nothing would be left of it if the process died.
            TypeError, NotSerializable, StoreError: as `enqueue` does.
        """
        if not isinstance(func, Job):
            name = getattr(func, "__qualname__", repr(func))
            raise InvalidCall(f"{name} is no job, and would die with the process: write @weft.job above it")
        handle: Handle[T] = func.enqueue(*args, **kwargs)
        if running_loop() is not None:
            self._request.scope.setdefault(BEFORE_ANSWER, []).append(handle)
            self._pending.append(handle)
        return handle

    async def __call__(self) -> None:
        """After the answer: all are stored, even where no middleware has waited for it."""
        for handle in self._pending:
            await handle


BackgroundTasks = Annotated[DurableTasks, Depends()]
"""`DurableTasks` as a parameter of an endpoint of FastAPI's."""
