"""Jobs that leave for another store. Runs inside a transaction of the ledger's.

What leaves is taken out of the jobs and put down as departed in one transaction, then stored in the other place, where
the same id is not stored twice, then forgotten here. Whoever dies in between is followed by another who finds it.
"""

from collections.abc import Iterable
from typing import Any

from weft.jobs.codec import decode_json, encode_json
from weft.jobs.lifecycle import State, numbers
from weft.jobs.records import Entry
from weft.jobs.sql.database import Connection

__all__ = ["arrived", "depart"]

_COLUMNS = (
    "uid", "task", "queue", "arguments", "created_at", "priority", "scheduled_at", "max_attempts", "backoff",
    "longest_backoff", "timeout", "result_ttl", "unique_key", "idempotency_key",
)  # fmt: skip
_WAITING = f"""
SELECT id, attempt, {", ".join(_COLUMNS)} FROM job
WHERE state IN ({numbers({State.SCHEDULED, State.AVAILABLE, State.RETRYABLE})})
    AND uid NOT IN (SELECT uid FROM dependency) AND uid NOT IN (SELECT needed FROM dependency)
ORDER BY id LIMIT ?
"""  # noqa: S608 - names of ours


def depart(connection: Connection, most: int) -> list[Entry]:
    """Take jobs that wait out of the store; those first that have departed before, and have not arrived.

    Those that run stay, and those that wait for others, or are waited for.
    """
    before = connection.execute("SELECT entry FROM departure ORDER BY uid LIMIT ?", (most,)).fetchall()
    if before:
        return [decode_json(bytes(row[0]), Entry) for row in before]
    rows = connection.execute(_WAITING, (most,)).fetchall()
    entries = [_entry(dict(zip(_COLUMNS, row[2:], strict=True)), attempt=row[1]) for row in rows]
    connection.executemany(
        "INSERT INTO departure (uid, entry) VALUES (?, ?)", [(entry.uid, encode_json(entry)) for entry in entries]
    )
    connection.executemany("DELETE FROM job WHERE id = ?", [(row[0],) for row in rows])
    return entries


def arrived(connection: Connection, uids: Iterable[str]) -> None:
    """They are stored elsewhere: forget them."""
    connection.executemany("DELETE FROM departure WHERE uid = ?", [(uid,) for uid in uids])


def _entry(found: dict[str, Any], *, attempt: int) -> Entry:
    entry = Entry(**found)
    return entry._replace(arguments=bytes(entry.arguments), max_attempts=max(1, entry.max_attempts - attempt))
