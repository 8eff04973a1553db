"""How jobs get into the tables. Runs inside a transaction of the ledger's."""

from collections.abc import Sequence

from weft.jobs.lifecycle import FINAL, State, numbers
from weft.jobs.records import Entry
from weft.jobs.sql.database import Connection
from weft.jobs.sql.dependencies import hold_back, over

__all__ = ["enter", "keyed"]

_COLUMNS = (
    "uid", "task", "queue", "state", "priority", "arguments", "max_attempts", "backoff", "longest_backoff", "timeout",
    "result_ttl", "unique_key", "idempotency_key", "created_at", "scheduled_at",
)  # fmt: skip
_INSERT = f"INSERT INTO job ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608 - names of ours
_INSERT += "ON CONFLICT (uid) DO NOTHING"  # the same call may be stored twice by whoever cannot know that it was
_SAME_KEY = (
    f"SELECT uid FROM job WHERE unique_key = ? AND (state IN ({numbers(set(State) - FINAL)}) OR created_at > ?) "  # noqa: S608 - numbers of ours
    "ORDER BY id DESC LIMIT 1"
)
_SAME_IDEMPOTENCY = "SELECT uid FROM job WHERE idempotency_key = ?"


def enter(connection: Connection, entries: Sequence[Entry]) -> list[str]:
    """Store the jobs; the uid of each, or that of the one which stands for it already."""
    if not any(map(keyed, entries)):
        connection.executemany(_INSERT, map(_row, entries))
        return [entry.uid for entry in entries]
    return [_enter_once(connection, entry) for entry in entries]


def keyed(entry: Entry) -> bool:
    """Whether others must be looked at before it is stored."""
    return entry.unique_key is not None or entry.idempotency_key is not None or bool(entry.after)


def _enter_once(connection: Connection, entry: Entry) -> str:
    found = None
    if entry.idempotency_key is not None:
        found = connection.execute(_SAME_IDEMPOTENCY, (entry.idempotency_key,)).fetchone()
    if found is None and entry.unique_key is not None:
        found = connection.execute(_SAME_KEY, (entry.unique_key, entry.created_at - entry.unique_for)).fetchone()
    if found is not None:
        return str(found[0])
    if not connection.execute(_INSERT, _row(entry)).rowcount:
        return entry.uid  # it is there already
    for needed, state in hold_back(connection, entry.uid, entry.after):
        over(connection, needed, state, entry.created_at)
    return entry.uid


def _row(entry: Entry) -> tuple[object, ...]:
    later = bool(entry.after) or (entry.scheduled_at is not None and entry.scheduled_at > entry.created_at)
    return (
        entry.uid, entry.task, entry.queue, int(State.SCHEDULED if later else State.AVAILABLE), entry.priority,
        entry.arguments, entry.max_attempts, entry.backoff, entry.longest_backoff, entry.timeout, entry.result_ttl,
        entry.unique_key, entry.idempotency_key, entry.created_at, entry.scheduled_at,
    )  # fmt: skip
