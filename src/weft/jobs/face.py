"""What an application says where it starts, and asks by a job's id."""

from typing import Any
from weakref import WeakSet

from weft.executors.exits import at_exit, mind_exit
from weft.jobs.handles import Handle
from weft.jobs.serving import Worker
from weft.jobs.stores import store

__all__ = ["embedded", "handle"]

_EXIT_GRACE = 2.0  # seconds


def handle(uid: str) -> Handle[Any]:
    """The handle of a stored job, by its id. Whether there is one is asked when it is used."""
    return Handle(uid, store())


def embedded(**queues: int) -> Worker:
    """Run jobs in this process, on threads beside its own work: `weft.jobs.embedded(mail=10, images=2)`.

    Every process may have one, as gunicorn's workers: each job goes to one of them. Call it in the process that serves,
    after the fork (in gunicorn's `post_worker_init`, a FastAPI lifespan). When the process ends in order, jobs under
    way have 2 seconds, then others take them over.

    Args:
        queues: queue=jobs at once; none named: default=10.

    Raises:
        InvalidValue: a queue without a slot.
    """
    worker = Worker(queues or None).start()
    _embedded.add(worker)
    mind_exit()
    return worker


def _stop_all() -> None:
    for worker in tuple(_embedded):
        worker.stop(grace=_EXIT_GRACE)


_embedded: WeakSet[Worker] = WeakSet()
at_exit(_stop_all)
