"""A backend for Django's tasks (of Django 6, or the package django-tasks before): each of them is a job of weft's.

```python
TASKS = {"default": {"BACKEND": "weft.adapters.django_tasks.WeftBackend", "QUEUES": ["default", "mail"]}}
```
"""

import builtins
import inspect
import re
from datetime import UTC, datetime
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from weft.clock import wall
from weft.jobs import context
from weft.jobs.codec import decode_json
from weft.jobs.declaring import job
from weft.jobs.errors import JobNotFound
from weft.jobs.lifecycle import State
from weft.jobs.records import Record
from weft.jobs.stores import store

try:
    from django.tasks import TaskContext, TaskResult, TaskResultStatus, task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import TaskError
    from django.tasks.exceptions import TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
except ImportError:
    try:
        from django_tasks import TaskResult, TaskResultStatus, task_backends
        from django_tasks.backends.base import BaseTaskBackend
        from django_tasks.base import TaskContext, TaskError
        from django_tasks.exceptions import TaskResultDoesNotExist
        from django_tasks.signals import task_enqueued, task_finished, task_started
    except ImportError as missing:
        raise ImportError("Django before 6.0 has no tasks: run pip install django-tasks") from missing

__all__ = ["WeftBackend", "queues_of_tasks"]

_OPTIONS = {"retries", "backoff", "longest_backoff", "timeout", "result_ttl"}
_FRAME = '\n  File "'
_CLASS = re.compile(r"^([^\W\d][\w.]*)(?=:|$)", re.MULTILINE)
_STATUS = {
    State.RUNNING: TaskResultStatus.RUNNING,
    State.COMPLETED: TaskResultStatus.SUCCESSFUL,
    State.DISCARDED: TaskResultStatus.FAILED,
    State.CANCELLED: TaskResultStatus.FAILED,
}


class WeftBackend(BaseTaskBackend):  # type: ignore[misc]
    """Django's tasks as weft's jobs, durable where those are. Run them by `manage.py weft_worker`.

    `OPTIONS` may have `retries` (0, as Django's tasks know none), `backoff`, `longest_backoff`, `timeout` and
    `result_ttl` of `weft.job`; and `outbox`, the name of a database in whose transaction tasks are enqueued.

    Raises:
        ValueError: `OPTIONS` has something else.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        given = dict(self.options)
        self._outbox = given.pop("outbox", None)
        if given.keys() - _OPTIONS:
            wrong = min(given.keys() - _OPTIONS)
            raise ValueError(f"TASKS has no option {wrong!r}: choose from {', '.join(sorted(_OPTIONS))}, outbox")
        self._options = given

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Store the task; its result, which is to come."""
        self.validate_task(task)
        later = 0.0 if task.run_after is None else max(0.0, task.run_after.timestamp() - wall())
        call = _run.using(**self._options, queue=task.queue_name, priority=task.priority, delay=later)
        result = self._result(task, "", list(args), dict(kwargs), datetime.now(tz=UTC))  # refuses what is no JSON
        given = (self.alias, task.module_path, result.args, result.kwargs)
        handle = call.enqueue(*given) if self._outbox is None else call.enqueue_in(self._outbox, *given)
        object.__setattr__(result, "id", handle.uid)
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """The result of this id.

        Raises:
            TaskResultDoesNotExist: there is none.
        """
        try:
            record = store().record(result_id)
        except JobNotFound as error:
            raise TaskResultDoesNotExist(result_id) from error
        if record.task != _run.name:
            raise TaskResultDoesNotExist(f"{result_id} is a job, and none of Django's tasks")
        return self.result_of(record)

    def result_of(self, record: Record) -> Any:
        """What is known of a job, as Django has it."""
        given = decode_json(record.arguments.encode())
        task = import_string(given["path"])
        result = self._result(task, record.uid, given["args"], given["kwargs"], _time(record.created_at))
        changes = {
            "status": _STATUS.get(record.state, TaskResultStatus.READY),
            "started_at": _time(record.started_at),
            "last_attempted_at": _time(record.started_at),
            "finished_at": _time(record.finished_at),
            "worker_ids": ["weft"] * record.attempt,  # one for each attempt: Django counts them
            "errors": [] if record.error is None else [_error(record.error)],
            "_return_value": None if record.result is None else decode_json(record.result),
        }
        for name, value in changes.items():
            object.__setattr__(result, name, value)
        return result

    def _result(self, task: Any, uid: str, args: list[Any], kwargs: dict[str, Any], enqueued: datetime | None) -> Any:
        return TaskResult(
            task=task, id=uid, status=TaskResultStatus.READY, enqueued_at=enqueued, started_at=None, finished_at=None,
            last_attempted_at=None, args=args, kwargs=kwargs, backend=self.alias, errors=[], worker_ids=[],
        )  # fmt: skip


def queues_of_tasks() -> set[str]:
    """The queues of all backends of this kind."""
    found = (task_backends[alias] for alias in getattr(settings, "TASKS", ()))
    return {queue for backend in found if isinstance(backend, WeftBackend) for queue in backend.queues}


def _run_task(alias: str, path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if not apps.ready:  # a process of its own, for a task that may have killed its worker
        django.setup()
    task, backend = import_string(path), task_backends[alias]
    result = backend.result_of(store().record(context.current().uid))
    object.__setattr__(result, "status", TaskResultStatus.RUNNING)
    task_started.send(type(backend), task_result=result)
    try:
        value = task.call(*_leading(task, result), *args, **kwargs)
    except BaseException:
        object.__setattr__(result, "status", TaskResultStatus.FAILED)
        raise
    else:
        object.__setattr__(result, "status", TaskResultStatus.SUCCESSFUL)
        object.__setattr__(result, "_return_value", value)
        return value
    finally:
        task_finished.send(type(backend), task_result=result)


_run: Any = job(_run_task, name="weft.django_task", retries=0)


def _leading(task: Any, result: Any) -> list[Any]:
    return [TaskContext(task_result=result)] if task.takes_context else []


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _error(words: str) -> Any:
    """The error. Its class is named by the first line after the innermost frame, as tracebacks have it."""
    after = words[words.rfind(_FRAME) + 1 :].split("\n", 1)[-1] if _FRAME in words else words
    found = _CLASS.search(after)
    name = "" if found is None else found[1]
    if inspect.isclass(getattr(builtins, name, None)):
        name = f"builtins.{name}"
    elif "." not in name:
        name = "weft.jobs.errors.JobFailed"  # its worker died, or somebody cancelled it
    return TaskError(exception_class_path=name, traceback=words)
