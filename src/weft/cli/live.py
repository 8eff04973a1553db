"""The table that lives while a check runs on a terminal. Imports rich, and is imported only when it draws."""

import threading
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from weft.cli.output import Style
from weft.cli.results import Result, as_row
from weft.cli.tally import Tally
from weft.cli.views import progress
from weft.clock import now

__all__ = ["LiveTable"]

_TITLES = f"   {'':>3}  {'time':>9}  {'size':>8}  http  site"
_BELOW = 4  # lines that the titles, the progress and the prompt need
_LEAST_ROWS = 5
_REFRESHES = 10  # per second


class LiveTable:
    """The latest results, as many as the terminal is high, above a line of progress.

    What leaves the table at its top stays on the terminal if it failed, and is only counted if it is fine: so a run of
    any length leaves all its failures to be read, and costs the terminal no more than a short one.

    Rich redraws from a thread of its own; the lock guards the rows against being changed meanwhile.
    """

    def __init__(self, tally: Tally, style: Style, *, unicode: bool) -> None:
        self._tally = tally
        self._style = style
        self._unicode = unicode
        self._console = Console(highlight=False, no_color=not style.color)
        self._lock = threading.Lock()
        self._rows: deque[Result] = deque()
        self._height = max(_LEAST_ROWS, self._console.height - _BELOW)
        self._failures: list[Result] = []  # that have left the table and are not printed yet
        self._began = self._due = now()
        self._ended = False
        self._live = Live(
            get_renderable=self._draw, console=self._console, refresh_per_second=_REFRESHES, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._print_failures()
        self._ended = True
        self._live.stop()

    def show(self, result: Result) -> None:
        """Add a row; the oldest gives way."""
        with self._lock:
            self._rows.append(result)
            leaving = self._rows.popleft() if len(self._rows) > self._height else None
        if leaving is not None and not leaving.ok:
            self._failures.append(leaving)
        if self._failures and now() >= self._due:
            self._print_failures()

    def _print_failures(self) -> None:
        # Together, because each print redraws the whole table, which takes longer than a check.
        if self._failures:
            lines = Text("\n").join(self._line(result) for result in self._failures)
            self._console.print(lines, no_wrap=True, overflow="ellipsis")
            self._failures.clear()
        self._due = now() + 1 / _REFRESHES

    def _draw(self) -> Text:
        with self._lock:
            rows = list(self._rows)
        lines = [Text(_TITLES, style="dim"), *(self._line(result) for result in rows)]
        if not self._ended:
            lines.append(
                Text(f"\n   {progress(self._tally, now() - self._began, unicode=self._unicode)}", style="cyan")
            )
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)

    def _line(self, result: Result) -> Text:
        return Text.from_ansi(as_row(result, self._style, unicode=self._unicode))
