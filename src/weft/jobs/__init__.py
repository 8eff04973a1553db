"""Durable jobs: work that nobody waits for, stored before the answer is sent, and done whatever dies meanwhile.

```python
@weft.job(queue="mail", retries=5)
def send_welcome(user: int) -> None: ...

send_welcome.enqueue(42)             # stored when this returns; in async code, when it has been awaited
weft.jobs.embedded(mail=10)          # run them here; or in a process of its own: weft worker app --queues mail=10
```

**At least once.** A job is run again if its worker dies, so it may have done its work already, or half of it: make the
second time harmless (an upsert, an idempotency key of the service that you call). A job that has been stored is not
lost, and only those that were running when a worker died are run again.
"""

from typing import TYPE_CHECKING

from weft.later import later

if TYPE_CHECKING:
    from weft.jobs.context import CurrentJob as CurrentJob
    from weft.jobs.context import current as current
    from weft.jobs.declaring import Job as Job
    from weft.jobs.declaring import job as job
    from weft.jobs.errors import Discard as Discard
    from weft.jobs.errors import JobCancelled as JobCancelled
    from weft.jobs.errors import JobFailed as JobFailed
    from weft.jobs.errors import JobNotFound as JobNotFound
    from weft.jobs.errors import NotSerializable as NotSerializable
    from weft.jobs.errors import OutboxMissing as OutboxMissing
    from weft.jobs.errors import ResultTimeout as ResultTimeout
    from weft.jobs.errors import Snooze as Snooze
    from weft.jobs.errors import StoreError as StoreError
    from weft.jobs.errors import UnknownTask as UnknownTask
    from weft.jobs.errors import UnsuitablePlace as UnsuitablePlace
    from weft.jobs.face import embedded as embedded
    from weft.jobs.face import handle as handle
    from weft.jobs.handles import Handle as Handle
    from weft.jobs.lifecycle import ImpossibleStep as ImpossibleStep
    from weft.jobs.lifecycle import State as State
    from weft.jobs.outbox.relays import relay as relay
    from weft.jobs.outbox.sqlalchemy import outbox_table as outbox_table
    from weft.jobs.records import Record as Record
    from weft.jobs.serving import Worker as Worker
    from weft.jobs.stores import use as use

# Each name and the module that has it. No module here may bear the name of a function: importing it would hide it.
_HOME = {
    "CurrentJob": "context", "Discard": "errors", "Handle": "handles", "ImpossibleStep": "lifecycle", "Job":
    "declaring", "JobCancelled": "errors", "JobFailed": "errors", "JobNotFound": "errors", "NotSerializable":
    "errors", "Record": "records", "ResultTimeout": "errors", "Snooze": "errors", "State": "lifecycle",
    "StoreError": "errors", "UnknownTask": "errors", "UnsuitablePlace": "errors", "Worker": "serving", "current":
    "context", "embedded": "face", "handle": "face", "job": "declaring", "use": "stores", "OutboxMissing": "errors",
    "outbox_table": "outbox.sqlalchemy", "relay": "outbox.relays",
}  # fmt: skip

__all__ = [*_HOME]  # noqa: PLE0604 - the names are the table's


__getattr__ = later(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
