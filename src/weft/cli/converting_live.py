"""The bar of `weft convert` on a terminal, below the results. Imports rich, and is imported only when it draws."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from weft.cli.converting import Done, Sum, row
from weft.cli.output import Style
from weft.cli.words import size

__all__ = ["Bar"]


class Bar:
    """A line for each result, above a bar that says how many are done, what is saved, and how long it still takes."""

    def __init__(self, totals: Sum, style: Style) -> None:
        self._totals = totals
        self._style = style
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            console=Console(highlight=False, no_color=not style.color),
            transient=True,
        )
        self._task = self._progress.add_task("", total=totals.total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, done: Done) -> None:
        """Print the line, and move the bar."""
        self._progress.console.print(
            Text.from_ansi(row(done, self._style, unicode=True)), overflow="ignore", crop=False
        )
        saved = self._totals.before - self._totals.after
        self._progress.update(self._task, advance=1, description=f"{size(max(0, saved))} saved")
