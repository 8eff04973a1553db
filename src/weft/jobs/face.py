"""What an application says where it starts, and asks by a job's id."""

from typing import Any

from weft.jobs.handles import Handle
from weft.jobs.stores import store
from weft.jobs.worker import Worker

__all__ = ["embedded", "handle"]


def handle(uid: str) -> Handle[Any]:
    """The handle of a stored job, by its id. Whether there is one is asked when it is used."""
    return Handle(uid, store())


def embedded(**queues: int) -> Worker:
    """Run jobs in this process, on threads beside its own work: `weft.jobs.embedded(mail=10, images=2)`.

    Every process may have one, as gunicorn's workers: each job goes to one of them. Call it in the process that serves,
    after the fork (in gunicorn's `post_worker_init`, a FastAPI lifespan). At the process's end, `stop()` it.

    Args:
        queues: queue=jobs at once; none named: default=10.

    Raises:
        InvalidValue: a queue without a slot.
    """
    return Worker(queues or None).start()
