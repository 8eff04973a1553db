"""Shows the lines of one log: those that are wanted, in the form that is wanted."""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import BinaryIO

from weft.cli.logs.entries import Entry, continues, grouped, grouped_backwards, parse
from weft.cli.logs.picking import Wanted
from weft.cli.logs.reading import Readable, backwards, forwards, text_of
from weft.cli.output import write

__all__ = ["View"]


class View:
    """One log on standard output.

    Args:
        wanted: which entries to show.
        form: the text of one.
        prefix: goes before each of its lines.
    """

    def __init__(self, wanted: Wanted, form: Callable[[Entry], str], prefix: str = "") -> None:
        self._wanted = wanted
        self._form = form
        self._prefix = prefix
        self._last: str | None = None  # the line that came last,
        self._shown = False  # and whether it was shown

    def show_end(self, file: BinaryIO, end: int, count: int) -> None:
        """Show the last so many entries that end at that place in the file."""
        texts = grouped_backwards(map(text_of, backwards(file, end)))
        last = list(islice(filter(self._wanted.matches, map(parse, texts)), count))
        self._write(reversed(last))

    def show_last(self, source: Readable, count: int) -> None:
        """Read a source to its end and show the last so many entries."""
        texts = grouped(text_of(line) for lines in forwards(source) for line in lines)
        self._write(deque(filter(self._wanted.matches, map(parse, texts)), count))

    def show(self, lines: list[bytes]) -> None:
        """Show lines that have come. A line that belongs to the entry before it is shown if that was."""
        self._write([entry for entry in map(parse, grouped(map(text_of, lines))) if self._wants(entry)])

    def _wants(self, entry: Entry) -> bool:
        first, *rest = entry.text.split("\n")
        belongs = self._last is not None and continues(self._last, first)
        self._last = [first, *rest][-1]
        self._shown = (belongs and self._shown) or self._wanted.matches(entry)
        return self._shown

    def _write(self, entries: Iterable[Entry]) -> None:
        lines = [self._prefix + line for entry in entries for line in self._form(entry).split("\n")]
        if lines:
            write("\n".join(lines))
