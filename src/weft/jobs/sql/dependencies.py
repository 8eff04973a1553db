"""Jobs that wait for others. Runs inside a transaction of the ledger's."""

from collections.abc import Iterable, Sequence

from weft.jobs.errors import JobNotFound
from weft.jobs.lifecycle import FINAL, STEPS, State, Step, numbers
from weft.jobs.records import KEPT
from weft.jobs.sql.database import Connection

__all__ = ["ended", "hold_back", "over"]

_NEEDED = (
    f"SELECT uid, state FROM job WHERE id = ? AND state IN ({numbers(FINAL)}) "  # noqa: S608 - numbers of ours
    "AND uid IN (SELECT needed FROM dependency)"
)
_WAITING = "SELECT uid FROM dependency WHERE needed = ?"
_WAITS = f"uid = ? AND state = {int(State.SCHEDULED)}"
_RELEASE = f"UPDATE job SET scheduled_at = ? WHERE {_WAITS} AND uid NOT IN (SELECT uid FROM dependency)"  # noqa: S608
_DROP = (
    f"UPDATE job SET state = {int(STEPS[Step.CANCEL].target)}, error = ?, finished_at = ?, expires_at = ? "  # noqa: S608
    f"WHERE {_WAITS}"
)


def hold_back(connection: Connection, uid: str, needs: Sequence[str]) -> list[tuple[str, State]]:
    """Note what a job waits for; those of them that are finished already, and how.

    Raises:
        JobNotFound: one of them is not there.
    """
    over = []
    for needed in needs:
        row = connection.execute("SELECT state FROM job WHERE uid = ?", (needed,)).fetchone()
        if row is None:
            raise JobNotFound(f"there is no job {needed!r} that another could run after: it was pruned, or never was")
        connection.execute("INSERT INTO dependency (needed, uid) VALUES (?, ?) ON CONFLICT DO NOTHING", (needed, uid))
        if State(row[0]) in FINAL:
            over.append((needed, State(row[0])))
    return over


def ended(connection: Connection, jobs: Iterable[int], now: float) -> None:
    """These jobs may have ended: let go of those that waited for them, or drop them."""
    if connection.execute("SELECT 1 FROM dependency LIMIT 1").fetchone() is None:
        return
    for job in jobs:
        row = connection.execute(_NEEDED, (job,)).fetchone()
        if row is not None:
            over(connection, row[0], State(row[1]), now)


def over(connection: Connection, needed: str, state: State, now: float) -> None:
    """This job has ended so: the last one that was waited for lets go; one that was not done drops all that follow."""
    pending = [(needed, state)]
    while pending:  # a chain may be longer than Python's stack
        uid, how = pending.pop()
        waiting = [row[0] for row in connection.execute(_WAITING, (uid,)).fetchall()]
        connection.execute("DELETE FROM dependency WHERE needed = ?", (uid,))
        for dependent in waiting:
            if how is State.COMPLETED:
                connection.execute(_RELEASE, (now, dependent))
                continue
            connection.execute("DELETE FROM dependency WHERE uid = ?", (dependent,))
            why = f"job {uid}, after which it was to run, was {how}"
            if connection.execute(_DROP, (why, now, now + KEPT, dependent)).rowcount:
                pending.append((dependent, State.CANCELLED))
