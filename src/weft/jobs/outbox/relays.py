"""The relays of this process: one for each database that has an outbox."""

import os
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from weft.executors.exits import at_exit, mind_exit
from weft.jobs.outbox.moving import Outbox
from weft.jobs.outbox.relay import Relay

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["close_all", "relay", "relay_for", "start_all", "sweep_all"]

_lock = threading.Lock()
_relays: dict[Hashable, Relay] = {}


def relay(engine: "Engine | AsyncEngine") -> None:
    """Have this process's workers look after the outbox of this database: beside `create_engine`, at the top level.

    A process that enqueues relays what it commits by itself, at once. Its workers, and those of other processes, move
    what is left behind by processes that died, within some 2 seconds: they must know the database. In Django the
    application `weft.adapters.django_jobs` says so by itself.

    Raises:
        InvalidCall: it is no engine of SQLAlchemy's.
        InvalidValue: no other connection can see the database: it is in memory.
    """
    from weft.jobs.outbox.sqlalchemy import relay_of  # noqa: PLC0415 - the library is an extra

    relay_of(engine)


def relay_for(key: Hashable, make: Callable[[], Outbox]) -> Relay:
    """The relay of the database that is known by this key; made at the first asking."""
    with _lock:
        found = _relays.get(key)
        if found is None:
            found = _relays[key] = Relay(make)
            mind_exit()
        return found


def start_all() -> None:
    """A worker begins: look after all databases that are known here."""
    for each in _all():
        each.start()


def sweep_all() -> int:
    """Move all that is in any outbox that is known here, and return how many rows it was. Blocks.

    Raises:
        Exception: a database or the store cannot be had.
    """
    return sum(each.sweep() for each in _all())


def close_all() -> None:
    """End all relays; they start again when they are needed."""
    for each in _all():
        each.close()


def _all() -> list[Relay]:
    with _lock:
        return list(_relays.values())


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for each in _relays.values():
        each.renew()


at_exit(close_all)
os.register_at_fork(after_in_child=_after_fork)
