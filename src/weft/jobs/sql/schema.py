"""The tables, and how a store written by an older weft is brought up to date. In SQLite's words."""

from weft.jobs.errors import StoreError
from weft.jobs.lifecycle import STEPS, State, Step, numbers

__all__ = ["VERSION", "missing"]

_FIRST = f"""
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,
    queue TEXT NOT NULL,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    arguments BLOB NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    backoff REAL NOT NULL DEFAULT 2,
    longest_backoff REAL NOT NULL DEFAULT 3600,
    crashes INTEGER NOT NULL DEFAULT 0,
    timeout REAL,
    result_ttl REAL NOT NULL,
    unique_key TEXT,
    idempotency_key TEXT,
    owner TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    progress REAL NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    result BLOB,
    error TEXT,
    created_at REAL NOT NULL,
    scheduled_at REAL,
    started_at REAL,
    finished_at REAL,
    expires_at REAL
);
CREATE INDEX job_available ON job (queue, priority DESC, id) WHERE state = {int(State.AVAILABLE)};
CREATE INDEX job_due ON job (scheduled_at) WHERE state IN ({numbers(STEPS[Step.FALL_DUE].sources)});
CREATE INDEX job_running ON job (owner) WHERE state = {int(State.RUNNING)};
CREATE INDEX job_expired ON job (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX job_unique ON job (unique_key) WHERE unique_key IS NOT NULL;
CREATE UNIQUE INDEX job_idempotent ON job (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE TABLE schedule (
    task TEXT PRIMARY KEY,
    last_tick REAL NOT NULL
);
CREATE TABLE dependency (
    needed TEXT NOT NULL,
    uid TEXT NOT NULL,
    PRIMARY KEY (needed, uid)
) WITHOUT ROWID;
CREATE INDEX dependency_uid ON dependency (uid);
"""
# The partial indexes are what makes a million finished jobs weigh nothing on those that are not: they are in none but
# the one by which they expire.

_DEPARTURES = """
CREATE TABLE departure (
    uid TEXT PRIMARY KEY,
    entry BLOB NOT NULL
);
"""
# What has left for another store, and may not have arrived there.

_RATES = """
CREATE TABLE rate (
    queue TEXT PRIMARY KEY,
    due REAL NOT NULL
);
"""
# When the next job of a queue may start, of those that a rate spaces out.

_MIGRATIONS = (_FIRST, _DEPARTURES, _RATES)
VERSION = len(_MIGRATIONS)
"""What a store says of itself that is up to date."""


def missing(found: int) -> list[str]:
    """The statements that bring a store of this version up to date.

    Raises:
        StoreError: a newer weft has written it.
    """
    if found > VERSION:
        raise StoreError(
            f"the job store has schema {found}, and this weft knows {VERSION} at most: a newer one has written it. "
            "Use that one, or another store"
        )
    return [each for script in _MIGRATIONS[found:] for each in script.split(";") if each.strip()]
