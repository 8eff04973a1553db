"""How results are shown while they come: line by line, with a line of progress where somebody watches."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from weft.cli.output import write
from weft.cli.results import Result
from weft.cli.tally import Tally
from weft.cli.words import count, duration
from weft.clock import now

__all__ = ["Lines", "Ticker", "View", "progress"]

_EVERY = 0.1  # seconds between two drawings
_CELLS = 24


class View(Protocol):
    """Shows results as they come. Entered before the first, left after the last or on the way out of an error."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, result: Result) -> None:
        """Show one result, which the tally has counted already."""


class Ticker:
    """One line of progress on standard error, redrawn at most ten times a second. Not concurrency safe."""

    def __init__(self, tally: Tally, *, unicode: bool) -> None:
        self._tally = tally
        self._unicode = unicode
        self._began = now()
        self._due = self._began + _EVERY
        self._shown = False

    def tick(self) -> None:
        """Redraw the line if its time has come."""
        if now() >= self._due:
            self._due = now() + _EVERY
            self._shown = True
            sys.stderr.write("\r" + progress(self._tally, now() - self._began, unicode=self._unicode) + "\x1b[K")
            sys.stderr.flush()

    def hide(self) -> None:
        """Take the line away, before something else is written there."""
        if self._shown:
            self._shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class Lines:
    """One line for each result on standard output.

    Args:
        form: makes the line; None: this result is not shown.
        header: a line to begin with, or None.
        ticker: shows progress beside, or None.
    """

    def __init__(self, form: Callable[[Result], str | None], *, header: str | None, ticker: Ticker | None) -> None:
        self._form = form
        self._header = header
        self._ticker = ticker

    def __enter__(self) -> Self:
        if self._header is not None:
            write(self._header)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ticker is not None:
            self._ticker.hide()

    def show(self, result: Result) -> None:
        """Write the line."""
        line = self._form(result)
        if line is not None:
            if self._ticker is not None and sys.stdout.isatty():
                self._ticker.hide()
            write(line)
        if self._ticker is not None:
            self._ticker.tick()


def progress(tally: Tally, elapsed: float, *, unicode: bool) -> str:
    """One line: a bar where the end is known, how many are done, how many failed, how fast, how long still."""
    done, total = tally.checked, tally.total
    rate = done / elapsed if elapsed else 0.0
    words = [
        f"{count(done)}/{count(total)}" if total else f"{count(done)} checked",
        f"{count(done - tally.fine)} not fine",
    ]
    words.append(f"{rate:,.0f}/s")
    if not total:
        return "  ".join((*words, duration(elapsed)))
    left = f"{duration((total - done) / rate)} left" if rate and done < total else ""
    return "  ".join((bar(done / total, unicode=unicode), *words, left)).rstrip()


def bar(share: float, *, unicode: bool) -> str:
    """A bar of fixed width, filled up to the share (0 to 1)."""
    full = min(_CELLS, int(share * _CELLS))
    return ("━" * full + "─" * (_CELLS - full)) if unicode else f"[{'#' * full}{'.' * (_CELLS - full)}]"
