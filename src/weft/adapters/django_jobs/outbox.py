"""The outbox in a database of Django's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import DatabaseError, connections, transaction

from weft.adapters.django_jobs.models import OutboxRow
from weft.errors import InvalidValue
from weft.jobs.errors import OutboxMissing
from weft.jobs.outbox.moving import Move, Moved, Row
from weft.jobs.outbox.relay import Relay
from weft.jobs.outbox.relays import relay_for

__all__ = ["look_after", "put_rows"]


def put_rows(database: str, texts: Sequence[str]) -> None:
    """Write rows in this database's transaction, if there is one; once it is committed, they are moved.

    Raises:
        InvalidValue: no other connection can see the database: it is in memory.
        OutboxMissing: it has no table for them.
    """
    relay = look_after(database)
    if connections[database].settings_dict["NAME"] == ":memory:":
        raise InvalidValue(f"database {database!r} is in memory, where no relay sees what is put: use a file")
    with _telling(database):
        OutboxRow.objects.using(database).bulk_create([OutboxRow(entry=text) for text in texts])
    transaction.on_commit(partial(relay.expect, len(texts)), using=database)


def look_after(database: str) -> Relay:
    """The relay of this database."""
    return relay_for(("django", database), partial(_DjangoOutbox, database))


class _DjangoOutbox:
    """The table. For one thread at a time: a connection of Django's belongs to its thread."""

    def __init__(self, database: str) -> None:
        self.name = f"Django's database {database!r}"
        self._database = database

    def drain(self, most: int, move: Move) -> int:
        """See `Outbox.drain`."""
        connection: Any = connections[self._database]
        connection.close_if_unusable_or_obsolete()
        with _telling(self._database):
            if not connection.features.has_select_for_update_skip_locked:
                rows = self._read(most)
                return self._settle(move(rows)) if rows else 0
            with transaction.atomic(using=self._database):
                return self._settle(move(self._read(most, skip_locked=True)))

    def leave(self) -> None:
        """See `Outbox.leave`."""
        connections[self._database].close()

    def _read(self, most: int, *, skip_locked: bool = False) -> list[Row]:
        rows = OutboxRow.objects.using(self._database).filter(error=None).order_by("pk")
        if skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        return list(rows.values_list("pk", "entry")[:most])

    def _settle(self, moved: Moved) -> int:
        rows = OutboxRow.objects.using(self._database)
        if moved.done:
            rows.filter(pk__in=moved.done).delete()
        for number, fault in moved.faults.items():
            rows.filter(pk=number).update(error=fault)
        return len(moved.done) + len(moved.faults)


@contextmanager
def _telling(database: str) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if "weft_outbox" in str(error) and ("no such table" in str(error) or "does not exist" in str(error)):
            raise OutboxMissing(
                f"database {database!r} has no table weft_outbox: run manage.py migrate --database {database}"
            ) from error
        raise
