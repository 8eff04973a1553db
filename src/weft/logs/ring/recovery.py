"""Writing what dead processes left behind: each frame once, and none that was never acknowledged."""

from collections.abc import Callable, Iterable

from weft.logs.ring.frame import records
from weft.logs.ring.storage import Intent, Mark, Storage
from weft.logs.targets.protocol import Target

__all__ = ["Account", "recover"]


class Account:
    """The ledger of one stretch of a segment: kept in the ring itself, so that it outlives whoever writes."""

    def __init__(self, storage: Storage, index: int, start: int) -> None:
        self.owner = storage.pid
        self._storage = storage
        self._index = index
        self._start = start

    def begin(self, mark: Mark, length: int) -> None:
        """So many bytes are about to be written there."""
        sequence, _ = self._storage.entry(self._index)
        self._storage.intend(Intent(sequence, self._start, self._start + length, mark))

    def commit(self, length: int) -> None:
        """So many bytes have been written."""
        self._start += length
        self._storage.drained(self._index, self._start)
        self._storage.settle()


def recover(orphans: Callable[[], Iterable[Storage]], target: Target) -> int:
    """Write what is left in these rings, remove them, and tell how many lines it was. Only while it is our turn.

    Being killed in the middle of it does no harm: the next one goes on from there. One ring at a time is open, because
    there may be more of them than this process may have descriptors.

    Raises:
        OSError: the target cannot be written; what is left waits for the next one.
    """
    for orphan in orphans():  # all of them first: a line that one of them has begun is to be completed
        try:
            _finish(orphan, target)
        finally:
            orphan.close(remove=False)
    return sum(_write_out(orphan, target) for orphan in orphans())


def _write_out(orphan: Storage, target: Target) -> int:
    done = False
    try:
        _finish(orphan, target)
        lines = _drain(orphan, target)
        done = True
        return lines
    finally:
        orphan.close(remove=done)


def _drain(orphan: Storage, target: Target) -> int:
    lines = 0
    for index, start, end in orphan.left_behind():
        account = Account(orphan, index, start)
        at = start
        while at < end:
            written = target.append(orphan.segments[index][at:end], account)
            lines += orphan.segments[index][at : at + written].count(b"\n")
            at += written
    return lines


def _finish(orphan: Storage, target: Target) -> None:
    """Find out how far the write came that was under way, and complete the frame in which it ended."""
    intent = orphan.intent
    if intent is None:
        return
    index = _index_of(intent.sequence, orphan)
    if index is not None:
        frames = orphan.segments[index][intent.start : intent.end]
        written, at_end = _written(frames, intent, target)
        whole = frames.rfind(b"\n", 0, written) + 1
        if whole < written and at_end:
            last = frames.find(b"\n", written) + 1
            target.resume(frames[written:last])
            whole = last
        orphan.drained(index, intent.start + whole)
    orphan.settle()


def _index_of(sequence: int, orphan: Storage) -> int | None:
    for index in range(len(orphan.segments)):
        found, _ = orphan.entry(index)
        if sequence and found == sequence:
            return index
    return None


def _written(frames: bytes, intent: Intent, target: Target) -> tuple[int, bool]:
    """How many bytes of the frames are in the file, and whether the file ends with them."""
    found, at_end = target.written_since(intent.mark, len(frames))
    expected = records(frames)
    common = _common(expected, found)
    return common, at_end and common == len(found)


def _common(one: bytes, other: bytes) -> int:
    """How many bytes the two have in common from their beginning."""
    least = min(len(one), len(other))
    if one[:least] == other[:least]:
        return least
    low, high = 0, least  # they differ in (low, high]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle)
    return low
