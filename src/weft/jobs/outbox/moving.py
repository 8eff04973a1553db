"""One step of a relay: rows of an outbox become jobs. The rows are deleted after that, never before.

A relay that dies in between has its rows moved again. The job's uid is in the row, and a store takes no uid twice.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from weft.clock import wall
from weft.errors import InvalidCall, InvalidValue
from weft.jobs.errors import JobNotFound
from weft.jobs.outbox.rows import entry_of
from weft.jobs.records import Entry
from weft.jobs.stores import store

__all__ = ["Move", "Moved", "Outbox", "Row", "move"]

log = logging.getLogger("weft.jobs")

_PATIENCE = 600.0  # seconds from its making that a job may wait for one that it is to run after

Row = tuple[int, str]
"""The row's number, and its JSON."""


class Moved(NamedTuple):
    """What has become of the rows. Those that are in neither stay as they are, for the next time.

    Attributes:
        done: rows whose jobs are stored.
        faults: rows that no store will ever take, and why: they are kept, for a person to see.
    """

    done: list[int]
    faults: dict[int, str]


Move = Callable[[Sequence[Row]], Moved]


class Outbox(Protocol):
    """A database with the table `weft_outbox`. Used by one thread at a time."""

    name: str

    def drain(self, most: int, move: Move) -> int:
        """Read the oldest rows that have no error, have them moved, delete those that are done; how many were read.

        Where the database can, the rows are locked meanwhile, and other relays take the next ones.

        Raises:
            OutboxMissing: the table is not there.
            Exception: whatever the library raises when the database cannot be had.
        """

    def leave(self) -> None:
        """This thread needs it no longer: let go of what belongs to the thread."""


def move(rows: Sequence[Row]) -> Moved:
    """Store the jobs of these rows.

    Raises:
        StoreError: the store cannot be had at the moment.
    """
    entries: dict[int, Entry] = {}
    faults: dict[int, Exception] = {}
    for number, text in rows:
        try:
            entries[number] = entry_of(text)
        except ValueError as error:
            faults[number] = InvalidValue(f"this row cannot be read: {error}")
    refused = _store(entries)
    faults |= {number: fault for number, fault in refused.items() if not _may_follow(entries[number], fault)}
    for number, fault in faults.items():
        log.error("row %d of weft_outbox is set aside: %s", number, fault)
    told = {number: str(fault) for number, fault in faults.items()}
    return Moved([number for number in entries if number not in refused], told)


def _may_follow(entry: Entry, fault: Exception) -> bool:
    # What it is to run after may be in another relay's hands, and in the store a moment later.
    return isinstance(fault, JobNotFound) and wall() - entry.created_at < _PATIENCE


def _store(entries: dict[int, Entry]) -> dict[int, Exception]:
    """Store them, and tell which the store refuses."""
    if not entries:
        return {}
    try:
        store().enqueue(list(entries.values())).wait()
    except (InvalidCall, InvalidValue, JobNotFound) as error:
        if len(entries) == 1:
            return dict.fromkeys(entries, error)
        each_alone = [_store({number: entry}) for number, entry in entries.items()]
        return {number: fault for found in each_alone for number, fault in found.items()}
    return {}
