"""When a job that comes again and again is due. Pure: cron expressions, in a time zone, as Debian's cron reads them.

Where clocks are put forward, what falls into the hour that is missing runs at its end; where they are put back, what
falls into the hour that comes twice runs once.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from weft.errors import InvalidValue

__all__ = ["CORRECTION", "Cron"]

CORRECTION = 3 * 3600.0
"""Seconds: a clock that is set back by more was wrong before, and what it said is void (so says Debian's cron, too)."""

_FOLD = 7200.0  # seconds, no less than any clock is ever put back


class Cron:
    """A cron expression of five fields in a time zone. Immutable.

    Raises:
        InvalidValue: it cannot be read, never comes, or there is no such zone.
    """

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        self._expression = expression
        try:
            self._zone = ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise InvalidValue(f"tz={zone!r}: there is no such time zone: write one like Europe/Vienna") from error
        try:
            self.after(0.0)
        except (CronSimError, StopIteration) as error:
            what = str(error) or "it never comes"
            raise InvalidValue(
                f"cron={expression!r}: {what}: write minute, hour, day, month and day of week, as in '0 3 * * 1-5'"
            ) from error

    def after(self, moment: float) -> float:
        """The first time after this one, in seconds since 1970."""
        times = CronSim(self._expression, datetime.fromtimestamp(moment, self._zone))
        # In the hour that has come a second time, CronSim starts from the first.
        return next(found for each in times if (found := each.timestamp()) > moment)

    def before(self, moment: float) -> float:
        """The last time before this one."""
        start = datetime.fromtimestamp(moment, self._zone)
        if start.fold:  # what came the first time, later than it is now
            start = datetime.fromtimestamp(moment + _FOLD, self._zone)
        times = CronSim(self._expression, start, reverse=True)
        return next(found for each in times if (found := each.timestamp()) < moment)
