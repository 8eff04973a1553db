"""The handler for the standard library's logging: formats the record and hands it to the log."""

import logging
from typing import Unpack

from weft.logs.formats.encoders import Encoder, encoder_for, notice_of
from weft.logs.formats.named import FormatName, formatter_named
from weft.logs.levels import Level, level_named
from weft.logs.log import LogStatistics
from weft.logs.opening import Destination, Options, open_log
from weft.logs.records import complete

__all__ = ["Handler"]


class Handler(logging.Handler):
    """Writes records to a file or a stream without making the thread that logs wait for it. Any thread may log.

    A call formats its record, copies it into memory and returns: no lock, no system call. A thread writes what has
    gathered, 20 ms later. Lines of one thread stay in order; lines of several processes are never mixed up, nor lost
    at a rotation. What a killed process had not yet written is written by the next one that opens the same file.

    It takes the place of `FileHandler`, `RotatingFileHandler`, `StreamHandler` and of `QueueHandler` in front of them,
    also in `dictConfig`: `{"class": "weft.logs.Handler", "filename": "app.log"}`.

    Args:
        filename: a path (its folder is made if it is missing), "stdout", "stderr", or an open stream.
        level: records below it are ignored.
        format: "text", "json", "console", or any `logging.Formatter`. None: text, until a formatter is set, as
            `logging.basicConfig` does.
        neutral: whether control characters are made visible, and lines within a record indented, so that nobody can
            forge a line or steer a terminal. With False, a stock formatter's output is that of `FileHandler`, byte for
            byte (but for NUL).
        grace: seconds for which `flush` and `close` wait for a target that does not take its lines.
        options: see `weft.logs.Options`.

    Raises:
        InvalidCall: there is no such option.
        InvalidValue: an impossible value.
        OSError: the file cannot be opened.
    """

    lean = True  # takes records of `weft.logs.records` as they are

    def __init__(
        self,
        filename: Destination,
        *,
        level: Level = logging.NOTSET,
        format: FormatName | logging.Formatter | None = None,  # noqa: A002 - the field's name for it
        neutral: bool = True,
        grace: float = 5.0,
        **options: Unpack[Options],
    ) -> None:
        number, formatter = level_named(level), formatter_named(format or "text")
        self._neutral = neutral
        self._grace = grace
        # Before `logging` knows of the handler: it flushes all that it knows at exit, and one that failed here as well.
        self._log = open_log(filename, options, self._notice)
        super().__init__(number)
        self.formatter = None if format is None else formatter
        self._encode = self._encoder(formatter)

    def createLock(self) -> None:  # noqa: N802 - the standard library's name
        """There is none: nothing that a handler does needs one."""
        self.lock = None

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802
        """Format records with this one from now on; None: the standard library's default, the message alone."""
        super().setFormatter(fmt)
        self._encode = self._encoder(fmt)

    def _encoder(self, formatter: logging.Formatter | None) -> Encoder:
        return encoder_for(formatter, neutral=self._neutral, on_error=self.handleError)

    def handle(self, record: logging.LogRecord) -> bool:
        """Write the record, if the filters let it pass."""
        if self.filters:
            complete(record)
            passed = self.filter(record)
            if not passed:
                return False
            if isinstance(passed, logging.LogRecord):  # from Python 3.12 on, a filter may put another in its place
                record = passed
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record. What goes wrong is told by `handleError` and never raised."""
        log = self._log
        if record.levelno < log.floor:
            log.shed()
            return
        try:
            log.write(self._encode(record))
        except OSError:
            self.handleError(record)

    def flush(self) -> None:
        """Wait until what was logged so far is in the file, for `grace` seconds at most."""
        self._log.drain(self._grace)

    def close(self) -> None:
        """Write what there is and let go of the file. `logging.shutdown` does it at the end of the process."""
        super().close()
        self._log.close(self._grace)

    def statistics(self) -> LogStatistics:
        """How the log is doing. Never waits; any thread."""
        return self._log.statistics()

    def _notice(self, text: str) -> bytes:
        return notice_of(self._encode, text)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._log.target.name} ({logging.getLevelName(self.level)})>"
