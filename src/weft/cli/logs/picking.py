"""Which entries to show."""

from dataclasses import dataclass

from weft.cli.logs.entries import Entry
from weft.cli.logs.showing import plain

__all__ = ["Wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an entry must be like.

    Attributes:
        severity: at least this; an entry without a level is none of these. None: it does not matter.
        logger: this one, or one below it ("app" is above "app.views"). None: whichever.
        text: must be found in what is shown of it. Empty: whatever it says.
    """

    severity: int | None = None
    logger: str | None = None
    text: str = ""

    def matches(self, entry: Entry) -> bool:
        """Whether this is one of them."""
        return self._severe(entry) and self._from_logger(entry) and (not self.text or self.text in plain(entry))

    def _severe(self, entry: Entry) -> bool:
        if self.severity is None:
            return True
        found = entry.severity
        return found is not None and found >= self.severity

    def _from_logger(self, entry: Entry) -> bool:
        return self.logger is None or entry.logger == self.logger or entry.logger.startswith(f"{self.logger}.")
