"""Fair queueing: whoever asks for much cannot starve whoever asks for little."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["FairQueue"]

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A queue that deals its items round robin between their owners, and first in first out within each owner.

    Deficit round robin (Shreedhar and Varghese, "Efficient Fair Queuing using Deficit Round Robin", 1995) at unit
    cost: every item costs one turn, so there is no deficit to carry. An owner that comes back after its line ran
    empty stands behind the others.

    Items and owners must be hashable; an item may be in the queue once. Each operation takes constant time per item.
    The queue sets itself no bound. Not concurrency safe: the lock of whoever holds the queue guards it.

    Attributes:
        size: the number of items, as `len()` gives it; to read only.
    """

    __slots__ = ("_lines", "size")

    def __init__(self) -> None:
        # Ordered dicts, not deques: they give up an item from their middle in constant time.
        self._lines: OrderedDict[object, OrderedDict[T, None]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def push(self, owner: object, item: T) -> None:
        """Put an item at the end of its owner's line."""
        line = self._lines.get(owner)
        if line is None:
            line = self._lines[owner] = OrderedDict()
        line[item] = None
        self.size += 1

    def push_many(self, owner: object, items: Iterable[T]) -> None:
        """Put items at the end of their owner's line, in their order."""
        for item in items:
            self.push(owner, item)

    def pop(self) -> T:
        """Take the oldest item of the owner whose turn it is.

        Raises:
            IndexError: the queue is empty.
        """
        if not self.size:
            raise IndexError("pop from an empty queue")
        owner, line = self._lines.popitem(last=False)
        item, _ = line.popitem(last=False)
        if line:
            self._lines[owner] = line
        self.size -= 1
        return item

    def remove(self, owner: object, item: T) -> bool:
        """Take an item out from wherever it stands in its owner's line; False when it is not there."""
        line = self._lines.get(owner)
        if line is None or item not in line:
            return False
        del line[item]
        if not line:
            del self._lines[owner]
        self.size -= 1
        return True

    def drain(self) -> list[T]:
        """Take everything, in the order in which it would have been dealt."""
        return [self.pop() for _ in range(self.size)]

    def contended(self, owner: object) -> bool:
        """Whether anybody but this owner is waiting. Without the lock the answer is a hint, and harmless to ask."""
        return len(self._lines) > (owner in self._lines)
