"""A log that looks like an open file, for whoever formats lines by himself: structlog, loguru, `print`."""

import logging
import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from weft.logs.complaints import complain
from weft.logs.formats.encoders import encoder_for, notice_of
from weft.logs.formats.escaping import neutral as neutralised
from weft.logs.formats.named import FormatName, formatter_named
from weft.logs.log import Log, LogStatistics
from weft.logs.opening import Destination, Options, open_log
from weft.logs.ring.frame import frame

__all__ = ["Stream"]

_LONGEST = 65_536  # characters of a line without an end; what is longer is written in pieces


class Stream:
    """A file to write to without waiting for it: what is written is in memory at once, and in the file 20 ms later.

    ```python
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=weft.logs.Stream("app.log")))
    loguru.logger.add(weft.logs.Stream("app.log"))
    print("added", item, file=stream)
    ```

    One write that ends with a newline is one record, whatever newlines are in it. A write that does not is kept until
    another one of the same thread brings the newline (`print` writes text and newline one by one). Any thread.

    Args:
        filename: a path (its folder is made if it is missing), "stdout", "stderr", or an open stream.
        neutral: whether control characters are made visible, and lines within a record indented, so that nobody can
            forge a line or steer a terminal. With False, colours pass.
        format: of the lines that the log has to say of itself, such as how many were given up: "text" or "json".
        grace: seconds for which `close` waits for a target that does not take its lines.
        options: see `weft.logs.Options`. `shed_below` has no effect: a write has no level.

    Raises:
        InvalidCall: there is no such option.
        InvalidValue: an impossible value.
        OSError: the file cannot be opened.
    """

    def __init__(
        self,
        filename: Destination,
        *,
        neutral: bool = True,
        format: FormatName | logging.Formatter = "text",  # noqa: A002 - the field's name for it
        grace: float = 5.0,
        **options: Unpack[Options],
    ) -> None:
        self._neutral = neutral
        self._log = open_log(filename, options, _notices(formatter_named(format)))
        self._begun: dict[tuple[int, int], str] = {}  # by process and thread
        self._finish = weakref.finalize(self, _finish, self._log, self._begun, neutral, grace)

    def write(self, data: str | bytes) -> int:
        """Take the text, or the bytes of UTF-8, over. Returns their number at once, unless the log is full.

        What cannot be written at all is told on standard error and never raised.
        """
        text = data if isinstance(data, str) else bytes(data).decode("utf-8", "backslashreplace")
        if self._begun or not text.endswith("\n"):
            text = self._gathered(text)
        if text:
            _write(self._log, text, neutral=self._neutral)
        return len(data)

    def flush(self) -> None:
        """Do nothing: what was written survives the process already. Loguru asks for it after each line."""

    def close(self) -> None:
        """Write what there is, also of lines without an end, and let go of the file. Happens at exit by itself."""
        self._finish()

    def writable(self) -> bool:
        """Yes."""
        return True

    def readable(self) -> bool:
        """No."""
        return False

    def isatty(self) -> bool:
        """No: whoever asks would send colours."""
        return False

    def statistics(self) -> LogStatistics:
        """How the log is doing. Never waits; any thread."""
        return self._log.statistics()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._log.target.name}>"

    def _gathered(self, text: str) -> str:
        """The line that the text completes; "": it has no end yet."""
        here = os.getpid(), threading.get_ident()  # a forked child does not say what its parent began to say
        text = self._begun.pop(here, "") + text
        if text.endswith("\n") or len(text) >= _LONGEST:
            return text
        self._begun[here] = text
        return ""


def _notices(formatter: logging.Formatter) -> Callable[[str], bytes]:
    return partial(notice_of, encoder_for(formatter, neutral=True, on_error=lambda _record: None))


def _write(log: Log, text: str, *, neutral: bool) -> None:
    text = text.removesuffix("\n")
    if neutral and not text.isprintable():
        text = neutralised(text)
    try:
        log.write(frame(text))
    except OSError as error:
        complain(f"a line of {len(text):,} characters could not be written to {log.target.name}: {error}")


def _finish(log: Log, begun: dict[tuple[int, int], str], neutral: bool, grace: float) -> None:
    process = os.getpid()
    for (owner, thread), text in list(begun.items()):
        if owner == process and text:
            _write(log, text, neutral=neutral)
        del begun[owner, thread]
    log.close(grace)
