"""The thread that takes lines from the ring to the target: in batches, again and again where it fails."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from weft.clock import now
from weft.logs.bell import Bell
from weft.logs.complaints import complain
from weft.logs.ring.places import Place
from weft.logs.ring.recovery import Account, recover
from weft.logs.ring.ring import Lot, Ring
from weft.logs.ring.storage import Counters
from weft.logs.targets.protocol import UNKEPT, Target

__all__ = ["Writer"]

_GATHER = 0.02  # seconds in which lines gather before they are written together
_BREATH = 0.001  # seconds instead, in which other processes get their turn, while the ring is filling up:
_FLOOD = 0.25  # the share of it from which on it is
_LOOK_FOR_ORPHANS = 5.0  # seconds between looks, while there is something to write
_FIRST_RETRY, _LAST_RETRY = 0.05, 2.0  # seconds


class Writer:
    """Drains one ring. Sleeps, without waking up in between, while there is nothing to write.

    Args:
        ring: to be drained.
        target: to be written.
        place: where rings of the dead may lie; None: nowhere.
        bell: rung by those who have put something into the ring.
        counters: kept up to date, and noted in the ring's memory for others to see.
        writing: the lock around the target.
        notice: makes a frame of a sentence of the log's own.
        rest: told after each round.
    """

    def __init__(
        self,
        ring: Ring,
        target: Target,
        place: Place | None,
        bell: Bell,
        *,
        counters: Counters,
        writing: threading.RLock,
        notice: Callable[[str], bytes],
        rest: Callable[[Ring], object],
    ) -> None:
        self._ring = ring
        self._target = target
        self._place = place
        self._bell = bell
        self._counters = counters
        self._writing = writing
        self._notice, self._after_round = notice, rest
        self._told = 0  # of the dropped lines
        self._hurried = False
        self._stopping = False
        self._retry = _FIRST_RETRY
        self._looked = now()
        self._thread = threading.Thread(target=self._run, name="weft-logs", daemon=True)
        target.on_unfinished = self._recover

    def start(self) -> bool:
        """Begin; False: the interpreter is ending and takes no new threads."""
        try:
            self._thread.start()
        except RuntimeError:
            return False
        return True

    def hurry(self) -> None:
        """Write now what there is, without waiting for more."""
        self._hurried = True
        self._bell.ring()

    def stop(self, timeout: float) -> bool:
        """Write what there is and end; False: it is stuck in a write after so many seconds."""
        self._stopping = True
        self.hurry()
        if self._thread.ident is not None:  # a signal handler may close a log that is just being opened
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- the thread

    def _run(self) -> None:
        self._rescue()
        while True:
            self._rest()
            stopping = self._stopping  # seen before the attempt: what came until then is part of it
            done = self._attempt()
            if stopping:
                self._rescue()  # those of its children: a server's master is the last one, and nobody may come after it
                self._leave()
                return
            if not done:
                self._bell.wait(self._retry)
                self._retry = min(2 * self._retry, _LAST_RETRY)

    def _rest(self) -> None:
        self._bell.waiting = True
        if self._ring.empty and not self._stopping:
            self._bell.wait()
        self._bell.waiting = False
        if not self._hurried:
            self._bell.wait(_GATHER if self._ring.fill < _FLOOD else _BREATH)
        self._hurried = False

    def _attempt(self) -> bool:
        try:
            if now() - self._looked > _LOOK_FOR_ORPHANS:
                self._rescue()
            if not self._ring.empty or self._news:
                with self._writing, self._target.turn():
                    self._drain()
                    self._tell()
        except Exception as error:  # noqa: BLE001 - whatever it is: a writer that died would take the log with it
            self._failed(error)
            return False
        finally:
            self._counters.rotations = self._target.rotations
            self._ring.storage.count(self._counters)
            self._after_round(self._ring)
        self._retry = _FIRST_RETRY
        return True

    def _drain(self) -> None:
        """Write all that was there when it began: in a flood, other processes want their turn as well."""
        upto = self._ring.position
        while (lot := self._ring.pending()) is not None:
            self._write(lot)
            if self._ring.passed(upto):
                return

    def _write(self, lot: Lot) -> None:
        account = Account(self._ring.storage, lot.segment, lot.start)
        frames = lot.frames
        while frames:
            written = self._target.append(frames, account)
            self._counters.octets += written
            self._counters.lines += frames.count(b"\n", 0, written)
            frames = frames[written:]
        self._ring.progressed()

    def _tell(self) -> None:
        """Say in the log itself what has happened to it. Around the ring, which may be full."""
        told = self._counters.dropped  # more may be given up meanwhile
        for text in self._news:
            self._counters.lines += 1
            self._counters.octets += self._target.append(self._notice(text), UNKEPT)
        self._told, self._counters.troubled = told, 0.0

    @property
    def _news(self) -> list[str]:
        news, lost = [], self._counters.dropped - self._told
        if self._counters.troubled:
            news.append(f"this log could not be written for {time.time() - self._counters.troubled:.1f} s")
        if lost:
            news.append(f"{lost} lines were given up: they came faster than they could be written")
        return news

    # -- those who died

    def _rescue(self) -> None:
        self._looked = now()
        if self._place is not None and self._place.others(self._ring.storage.path):
            with suppress(OSError), self._writing, self._target.turn():
                self._recover()

    def _leave(self) -> None:
        """Take away what the processes of this log share, if we are the last of them."""
        place, ours = self._place, self._ring.storage.path
        if place is not None and self._ring.empty and not place.others(ours):
            with suppress(OSError), self._writing, self._target.turn():
                place.leave(ours)

    def _recover(self, died: int = 0) -> None:
        if self._place is None:
            return
        try:
            self._counters.recovered += recover(partial(self._place.orphans, dying=died), self._target)
        except OSError:
            raise  # of the target: it is tried again
        except Exception as error:  # noqa: BLE001 - somebody else's file must not stop this log
            complain(f"what a dead process left for {self._target.name} cannot be understood: {error!r}")

    # -- when it fails

    def _failed(self, error: Exception) -> None:
        self._counters.errors += 1
        if not self._counters.troubled:
            self._counters.troubled = time.time()
            complain(f"cannot write to {self._target.name}: {error}. Lines are kept in memory until it can be written.")
