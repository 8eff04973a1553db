"""A worker's place at a store in PostgreSQL: a session whose lock says that it lives, and which listens for the bell.

The lock ends with the session, and the session with the process: the server sees its socket close. A worker that is
merely slow keeps both. So nobody has to renew anything, and nobody is taken for dead because he is late.
"""

import math
import os
import secrets
import selectors
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from weft.clock import now
from weft.jobs.errors import StoreError
from weft.jobs.postgresql.driver import Failure, Raw, connect, disown
from weft.jobs.sql.database import Fallen

__all__ = ["CHANNEL", "CLASS", "PostgreSQLDesk"]

CHANNEL = "weft_jobs"
CLASS = 2003131508
"""The first of the two numbers of each of our advisory locks: "weft" in ASCII, with the top bit off."""

_ENROLL = "INSERT INTO owner (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id"
_LIVES = f"""EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = {CLASS} AND objid = owner.id::oid
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)"""  # noqa: S608 - a number of ours
_OWNERS = f"SELECT name, id, {_LIVES} FROM owner"  # noqa: S608 - the same
_BURY = f"DELETE FROM owner WHERE id = %s AND NOT {_LIVES}"  # noqa: S608 - the same
_UPTIME = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())"

_MISSING = 0.9  # seconds for which an owner has to be without its lock
_COMING_BACK = 30.0  # seconds in which sessions come back after the server's start, and after we have lost our own


class PostgreSQLDesk:
    """A worker's place at the store. Belongs to the worker's thread, but for its bell.

    Raises:
        StoreError: the server cannot be reached.
    """

    def __init__(self, url: str, place: str) -> None:
        self._url = url
        self._place = place
        self._missing: dict[str, float] = {}  # owners without a lock, and since when, on `weft.clock`
        self.owner = _Owner()
        self.bell = _Bell(self._enroll)
        self._session: Raw | None = None
        self._returned = -math.inf  # when it came back, on `weft.clock`
        self._enroll()

    def fallen(self, owners: Sequence[str]) -> list[Fallen]:
        """Those whose lock is free, for a while, and those unheard of.

        None where many may be without their session, and on their way back: the server has just started, or we have
        lost our own session, perhaps because another server has taken over.

        Raises:
            StoreError: the server cannot be reached.
        """
        session, numbers, uptime = self._look()
        if self.owner.name not in numbers:  # buried, and back in the same moment; or somebody has cleared the table
            session.close()
            session = self._enroll()
            numbers[self.owner.name] = None
        missing = {name for name, number in numbers.items() if number is not None} | (set(owners) - numbers.keys())
        self._missing = {name: self._missing.get(name, now()) for name in missing}
        if uptime < _COMING_BACK or now() - self._returned < _COMING_BACK:
            return []
        return [
            _Gone(session, name, numbers.get(name)) for name, since in self._missing.items() if now() - since > _MISSING
        ]

    def abandon(self) -> None:
        """Leave without having settled all."""
        if self._session is not None:
            self._session.close()
        self.bell.close()

    def close(self) -> None:
        """Leave in good order."""
        if self._session is not None:
            with suppress(Failure):
                self._session.execute("DELETE FROM owner WHERE name = %s", (self.owner.name,))
        self.abandon()

    def disown(self) -> None:
        """In a forked child: the session is the parent's. The server sees it end when nobody has its socket."""
        if self._session is not None:
            disown(self._session)

    def _look(self, *, again: bool = True) -> tuple[Raw, dict[str, int | None], float]:
        """Our session, all owners with the numbers of those without their lock, and since when the server runs."""
        session = self._enroll()
        try:
            found = session.execute(_OWNERS).fetchall()
            (uptime,) = session.execute(_UPTIME).fetchall()[0]
        except Failure as error:
            if again and session.closed:  # the server has ended it
                return self._look(again=False)
            raise StoreError(f"the job store {self._place} could not be read: {error}") from error
        return session, {name: None if locked else number for name, number, locked in found}, float(uptime)

    def _enroll(self) -> Raw:
        # Also after the session was lost. An owner that was buried meanwhile comes back under its name: what it held is
        # in other hands, and its word on it does not count.
        if self._session is not None and not self._session.closed:
            return self._session
        session = connect(self._url, self._place)
        try:
            row = session.execute(_ENROLL, (self.owner.name,)).fetchone()
            session.execute("SELECT pg_advisory_lock(%s, %s)", (CLASS, row[0] if row else 0))
            session.add_notify_handler(_heard)
            session.execute(f"LISTEN {CHANNEL}")
        except Failure as error:
            session.close()
            raise StoreError(f"the job store {self._place} could not be used: {error}") from error
        if self._session is not None:
            self._returned = now()
        self._session = self.bell.session = session
        return session


class _Owner:
    """Its name. What has begun is not written down: what a dead owner held may all have begun."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(6)}"

    def begin(self, job: int) -> None:
        """Nothing is noted."""

    def end(self, job: int) -> None:
        """Nothing was."""


class _Gone:
    """An owner whose lock is free."""

    begun = None

    def __init__(self, session: Raw, name: str, number: int | None) -> None:
        self._session = session
        self.name = name
        self._number = number

    def bury(self) -> None:
        """Strike it out."""
        if self._number is not None:
            with suppress(Failure):  # another does it
                self._session.execute(_BURY, (self._number,))  # unless it has come back meanwhile

    def leave(self) -> None:
        """It is found again."""


def _heard(_notify: object) -> None:
    """To have rung is all that it says; without this, psycopg keeps what comes while a statement runs, for ever."""


class _Bell:
    """Rung by the server's notifications, and by hand.

    Args:
        renew: called at once when the session is found lost: until then its worker seems dead.
    """

    def __init__(self, renew: Callable[[], object]) -> None:
        self._renew = renew
        self.session: Raw | None = None
        self._ear, self._hand = socket.socketpair()
        self._ear.setblocking(False)
        self._hand.setblocking(False)

    def ring_here(self) -> None:
        """Wake the worker of this bell."""
        with suppress(OSError):  # rung enough, or closed
            self._hand.send(b"!")

    def wait(self, seconds: float) -> None:
        """Sleep until it rings, or for so long."""
        session = self.session
        with selectors.DefaultSelector() as watched:  # `select` itself knows 1,024 descriptors
            watched.register(self._ear, selectors.EVENT_READ)
            if session is not None and not session.closed:
                watched.register(session.fileno(), selectors.EVENT_READ, session)
            heard = [key.data for key, _ in watched.select(max(0.0, seconds)) if key.data is not None]
        with suppress(OSError):
            while self._ear.recv(64):
                pass
        for each in heard:
            self._hear(each)

    def _hear(self, session: Raw) -> None:
        rung = False
        try:
            session.pgconn.consume_input()
            while session.pgconn.notifies() is not None:
                rung = True
            if not rung:  # it has something else to say: good-bye, most likely
                session.execute("SELECT 1")
        except Failure:
            session.close()
            with suppress(StoreError):  # the next look for dead owners tries again
                self._renew()

    def close(self) -> None:
        """Take it away."""
        self._ear.close()
        self._hand.close()
