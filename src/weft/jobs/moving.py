"""Jobs that wait go from one engine to another: for the day on which one machine is outgrown."""

from collections.abc import Iterator

from weft.errors import InvalidValue
from weft.jobs.engine import Engine
from weft.jobs.errors import JobNotFound
from weft.jobs.records import Entry

__all__ = ["move"]

_AT_ONCE = 500


def move(source: Engine, target: Engine) -> Iterator[int]:
    """Move the jobs that wait, some hundred at a time; after each such step, how many it moved.

    Those that run stay, and those that wait for others or are waited for. Whoever is killed on the way loses nothing:
    the next one finds what had departed and not arrived. A job is stored once, in PostgreSQL and SQLite; through Celery
    it may be run twice if this is killed.

    Raises:
        InvalidCall: nothing can be taken out of the source.
        InvalidValue: a job asks for what the target lacks; such jobs stay, and so do those after them. Or the two are
            the same store under two names.
        StoreError: one of the two could not be written.
    """
    while entries := source.depart(_AT_ONCE):
        fit = [entry for entry in entries if _missed(entry, target) is None]
        misfits = [entry for entry in entries if _missed(entry, target) is not None]
        source.returned(misfits)
        if fit:
            target.enqueue(fit).wait()
            source.arrived([entry.uid for entry in fit])
            if _holds(source, fit[0].uid):
                raise InvalidValue(f"{source.name} and {target.name} are the same store: name another")
        for entry in misfits:
            raise InvalidValue(
                f"job {entry.uid} ({entry.task}) stays in {source.name}: it asks for {_missed(entry, target)}, which "
                f"{target.name} lacks"
            )
        yield len(entries)


def _holds(source: Engine, uid: str) -> bool:
    try:
        source.record(uid)
    except JobNotFound:
        return False
    return True


def _missed(entry: Entry, target: Engine) -> str | None:
    asked = {"priority": entry.priority, "unique": entry.unique_key, "idempotency_key": entry.idempotency_key}
    return next((name for name, value in asked.items() if value and name in target.lacks), None)
