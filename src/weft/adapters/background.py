"""FastAPI's and Starlette's background tasks as durable jobs: what is added survives the process.

```python
from weft.adapters.background import BackgroundTasks   # instead of FastAPI's own

@app.post("/orders")
async def order(tasks: BackgroundTasks):
    tasks.add_task(send_receipt, 42)                   # send_receipt has @weft.job above it
```
"""

from collections.abc import AsyncIterator, Callable
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

    A plain `def` endpoint has stored a job when `add_task` returns. An async one of FastAPI's has when the answer
    begins; one of Starlette's, too, if weft's middleware is there, else when what `add_task` returns is awaited, or in
    any case after the answer. A job that has been added is stored also if the endpoint raises after that.
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
        """Wait until all are stored, where nothing else has.

        Raises:
            StoreError: one could not be.
        """
        for handle in self._pending:
            await handle


async def _of_endpoint(request: Request) -> AsyncIterator[DurableTasks]:
    tasks = DurableTasks(request)
    yield tasks
    await tasks()


BackgroundTasks = Annotated[DurableTasks, Depends(_of_endpoint, scope="function")]  # it ends before the answer begins
"""`DurableTasks` as a parameter of an endpoint of FastAPI's."""
