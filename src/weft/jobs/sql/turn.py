"""A worker's turn: all that it has to tell and to ask, in one transaction. Runs inside one of the ledger's.

Its changes need not reach the disk at once: what a power cut takes of them is work done, which is then done again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from weft.jobs.lifecycle import STEPS, State, Step, numbers
from weft.jobs.records import KEPT, Claim, Entry, Progress, Settlement
from weft.jobs.schedule import CORRECTION
from weft.jobs.settling import after_crash
from weft.jobs.sql.bounds import Bound, note_starts, startable
from weft.jobs.sql.database import Connection
from weft.jobs.sql.dependencies import ended
from weft.jobs.sql.entering import enter

__all__ = ["Fallen", "Report", "Turn", "take_turn"]


# The states come from the lifecycle's table; nothing else is put into these texts.
_SETTLE = f"""
UPDATE job SET state = ?, attempt = attempt - ?, crashes = crashes + ?, error = coalesce(?, error),
    scheduled_at = coalesce(?, scheduled_at), finished_at = ?, expires_at = ?, owner = NULL
WHERE id = ? AND attempt = ? AND owner = ? AND state = {int(State.RUNNING)}
"""  # noqa: S608
# One for many: between two statements a busy worker waits for the interpreter, and all others for the store.
_COMPLETE = f"""
WITH done (id, attempt, result, expires_at) AS (VALUES %s)
UPDATE job SET state = {int(STEPS[Step.COMPLETE].target)}, result = done.result, finished_at = ?,
    expires_at = done.expires_at, owner = NULL
FROM done WHERE job.id = done.id AND job.attempt = done.attempt AND owner = ? AND state = {int(State.RUNNING)}
"""  # noqa: S608
_AT_ONCE = 100  # of these
_PROGRESS = f"UPDATE job SET progress = ?, note = ? WHERE id = ? AND attempt = ? AND state = {int(State.RUNNING)}"  # noqa: S608
_FALL_DUE = f"""
UPDATE job SET state = {int(STEPS[Step.FALL_DUE].target)}
WHERE state IN ({numbers(STEPS[Step.FALL_DUE].sources)}) AND scheduled_at <= ?
"""  # noqa: S608
_CLAIM = f"""
UPDATE job SET state = {int(STEPS[Step.CLAIM].target)}, owner = ?, attempt = attempt + 1, started_at = ?
WHERE id IN (
    SELECT id FROM job WHERE queue = ? AND state = {int(State.AVAILABLE)} ORDER BY priority DESC, id LIMIT ?
)
RETURNING id, uid, task, queue, arguments, attempt, max_attempts, backoff, longest_backoff, crashes, timeout,
    result_ttl, priority
"""  # noqa: S608
_UNWANTED = f"FROM job WHERE owner = ? AND state = {int(State.RUNNING)} AND cancel_requested = 1"
_CANCELLED = f"SELECT id, attempt {_UNWANTED}"
_TO_COME = (
    f"SELECT min(scheduled_at), (SELECT count(*) {_UNWANTED}) FROM job "  # noqa: S608
    f"WHERE state IN ({numbers(STEPS[Step.FALL_DUE].sources)})"
)
_LEFT_BEHIND = f"SELECT id, attempt, crashes FROM job WHERE owner = ? AND state = {int(State.RUNNING)}"  # noqa: S608

_TICKED = (
    "INSERT INTO schedule (task, last_tick) VALUES (?, ?) "
    "ON CONFLICT (task) DO UPDATE SET last_tick = excluded.last_tick"
)

_FINAL_STEPS = {Step.COMPLETE, Step.GIVE_UP, Step.CANCEL}


@dataclass(frozen=True, slots=True)
class Fallen:
    """An owner that has died, and the jobs that it had begun; None: nobody knows."""

    name: str
    begun: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Turn:
    """What a worker has to say.

    Attributes:
        owner: who it is.
        now: the time.
        room: queue -> jobs that it can take.
        settled, progress: what its jobs have come to, and how far they are.
        fallen: owners that it has found dead.
        ticks: times that schedules have come to, and the jobs to store for them.
        held: after a turn of which nobody knows whether it was written, the jobs that it holds: what else is its own
            goes to other workers.
        bounds: queue -> what its limit allows all workers together.
    """

    owner: str
    now: float
    room: Mapping[str, int]
    settled: Sequence[Settlement] = ()
    progress: Sequence[Progress] = ()
    fallen: Sequence[Fallen] = ()
    ticks: Sequence[tuple[float, Entry]] = ()
    held: frozenset[int] | None = None
    bounds: Mapping[str, Bound] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """What it is told.

    Attributes:
        claims: jobs that are its own now, the most urgent first.
        cancelled: ids and attempts of those of its jobs that somebody wants cancelled.
        next_due: when the next job falls due, of those that are for later, or that a rate holds back.
    """

    claims: list[Claim] = field(default_factory=list)
    cancelled: list[tuple[int, int]] = field(default_factory=list)
    next_due: float | None = None


def take_turn(connection: Connection, turn: Turn) -> Report:
    """Write what the worker has to say, and give it what it can take."""
    _settle(connection, turn.settled, turn)
    if turn.progress:
        rows = [(each.fraction, each.note, each.id, each.attempt) for each in turn.progress]
        connection.executemany(_PROGRESS, rows)
    for fallen in turn.fallen:
        _bury(connection, fallen, turn)
    if turn.held is not None:
        _bury(connection, Fallen(turn.owner, frozenset()), turn, turn.held)
    for due, entry in turn.ticks:
        _tick(connection, due, entry, turn.now)
    report = Report()
    report.next_due, unwanted = connection.execute(_TO_COME, (turn.owner,)).fetchone()
    if report.next_due is not None and report.next_due <= turn.now:
        connection.execute(_FALL_DUE, (turn.now,))
        report.next_due, unwanted = connection.execute(_TO_COME, (turn.owner,)).fetchone()
    for queue, room in turn.room.items():
        if queue in turn.bounds:
            _claim_bounded(connection, turn, queue, room, report)
        else:
            report.claims += _claim(connection, turn, queue, room)
    if unwanted:
        report.cancelled = connection.execute(_CANCELLED, (turn.owner,)).fetchall()
    return report


def _claim(connection: Connection, turn: Turn, queue: str, room: int) -> list[Claim]:
    if room <= 0:
        return []
    rows = connection.execute(_CLAIM, (turn.owner, turn.now, queue, room)).fetchall()
    rows.sort(key=lambda row: (-row[-1], row[0]))  # RETURNING promises no order
    return [Claim(*row[:-1]) for row in rows]


def _claim_bounded(connection: Connection, turn: Turn, queue: str, room: int, report: Report) -> None:
    bound = turn.bounds[queue]
    startable_now, due = startable(connection, queue, bound, turn.now)
    claims = _claim(connection, turn, queue, min(room, startable_now))
    again = note_starts(connection, queue, bound, due, len(claims))
    report.claims += claims
    if len(claims) < room and again > turn.now:
        report.next_due = again if report.next_due is None else min(report.next_due, again)


def _settle(connection: Connection, settled: Sequence[Settlement], turn: Turn) -> None:
    done = [each for each in settled if each.step is Step.COMPLETE]
    for first in range(0, len(done), _AT_ONCE):
        _complete(connection, done[first : first + _AT_ONCE], turn)
    others = [_settling(each, turn) for each in settled if each.step is not Step.COMPLETE]
    if others:
        connection.executemany(_SETTLE, others)
    final = [each.id for each in settled if each.step in _FINAL_STEPS]
    if final:
        ended(connection, final, turn.now)


def _complete(connection: Connection, done: Sequence[Settlement], turn: Turn) -> None:
    rows = ", ".join(["(?, ?, ?, ?)"] * len(done))
    values = [value for each in done for value in (each.id, each.attempt, each.result, each.expires_at)]
    connection.execute(_COMPLETE.replace("%s", rows), (*values, turn.now, turn.owner))


def _settling(settled: Settlement, turn: Turn) -> tuple[object, ...]:
    final = settled.step in _FINAL_STEPS
    return (
        int(STEPS[settled.step].target), int(settled.uncharged), int(settled.crashed), settled.error, settled.again_at,
        turn.now if final else None, turn.now + KEPT if final else None, settled.id, settled.attempt, turn.owner,
    )  # fmt: skip


def _tick(connection: Connection, due: float, entry: Entry, now: float) -> None:
    row = connection.execute("SELECT last_tick FROM schedule WHERE task = ?", (entry.task,)).fetchone()
    if row is not None and due <= row[0] <= now + CORRECTION:
        return  # another worker was first, or the clock has been set back a little
    connection.execute(_TICKED, (entry.task, due))
    enter(connection, [entry])


def _bury(connection: Connection, fallen: Fallen, turn: Turn, held: frozenset[int] = frozenset()) -> None:
    """Hand on what a dead owner has left: what it had not begun is not charged for it.

    What had begun is suspect, each of them, because one of them may have been the cause; but not what was suspect
    before: that ran alone, in a process whose end tells of it.
    """
    settled = []
    for job, attempt, crashes in connection.execute(_LEFT_BEHIND, (fallen.name,)).fetchall():
        if job in held:
            continue
        if not crashes if fallen.begun is None else job in fallen.begun:
            settled.append(after_crash(job, attempt, crashes, "its worker died while it ran"))
        else:
            settled.append(Settlement(job, attempt, Step.HAND_BACK, uncharged=True))
    _settle(connection, settled, Turn(fallen.name, turn.now, {}))
