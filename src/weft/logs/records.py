"""Log records and loggers at half the cost, behind the standard library's own calls and with the same content.

Most of what `logger.info(...)` costs is spent on the 22 attributes of its record, of which a format shows five. A
`Record` works the others out when somebody asks for them. Whoever might look at all of them at once is given a
complete one, an ordinary `LogRecord`: handlers other than weft's, filters, and formatters of the user's.
"""

import collections.abc
import logging
import os
import sys
import threading
import time
from types import FrameType
from typing import Any

__all__ = ["Logger", "Record", "complete", "install", "uninstall"]

_now = time.time
_frame = sys._getframe  # noqa: SLF001 - as the standard library itself finds the caller
_LOGGING = logging.info.__code__.co_filename

# Others replace these to see every record or to make it: Sentry, tests with mocks, subclasses. Then all goes their way.
_STOCK = (logging.Logger.callHandlers, logging.Logger.handle, logging.Logger.makeRecord, logging.Logger.findCaller)


class Record(logging.LogRecord):
    """What has to be noted when something is logged; all else is found out when it is asked for, in the same thread."""

    def __init__(self, name: str, level: int, caller: FrameType, msg: object, args: Any) -> None:
        # Not `super().__init__`: leaving its work undone is the point.
        code = caller.f_code
        if args and len(args) == 1 and isinstance(args[0], collections.abc.Mapping) and args[0]:
            args = args[0]  # as the standard library has it, for `%(name)s`
        self.name = name
        self.msg = msg
        self.args = args
        self.levelname = logging.getLevelName(level)
        self.levelno = level
        self.pathname = code.co_filename
        self.lineno = caller.f_lineno
        self.funcName = code.co_name
        self.created = _now()
        self.exc_info = self.exc_text = self.stack_info = None

    # What formats ask for most often, each by itself: a property takes a third of the time of `__getattr__`.

    @property
    def msecs(self) -> float:  # type: ignore[override]
        """The milliseconds of `created`."""
        return int((self.created - int(self.created)) * 1000) + 0.0

    @property
    def thread(self) -> int | None:  # type: ignore[override]
        """The identifier of the thread."""
        return threading.get_ident() if logging.logThreads else None

    @property
    def threadName(self) -> str | None:  # type: ignore[override]  # noqa: N802 - the standard library's name
        """The name of the thread."""
        return threading.current_thread().name if logging.logThreads else None

    @property
    def process(self) -> int | None:  # type: ignore[override]
        """The identifier of the process."""
        return os.getpid() if logging.logProcesses else None

    def __getattr__(self, name: str) -> Any:
        if name in _REST:
            complete(self)
            return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


_REST = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__)


def complete(record: logging.LogRecord) -> None:
    """Make an ordinary record of one that is not complete, with all the attributes that this Python gives them."""
    if type(record) is not Record:
        return
    known = record.__dict__
    stock = logging.LogRecord(
        record.name, record.levelno, record.pathname, record.lineno, record.msg, (), None, record.funcName
    )
    later = stock.created - record.created
    stock.relativeCreated -= later * 1000
    stock.msecs = record.msecs
    known.update({name: value for name, value in stock.__dict__.items() if name not in known})
    record.__class__ = logging.LogRecord  # type: ignore[assignment]  # of the same layout


class Logger(logging.Logger):
    """A logger whose calls cost half as much. `install` makes it the class of all ordinary loggers."""

    def _log(  # noqa: PLR0917 - the standard library's signature
        self,
        level: int,
        msg: object,
        args: Any,
        exc_info: Any = None,
        extra: Any = None,
        stack_info: bool = False,
        stacklevel: int = 1,
    ) -> None:
        if exc_info or extra or stack_info or stacklevel != 1 or self.filters or not self._is_stock():
            # One level more, because this function lies between the caller and the one that looks for it.
            super()._log(level, msg, args, exc_info, extra, stack_info, stacklevel + 1)
            return
        caller = _frame(1)
        while caller.f_code.co_filename == _LOGGING and caller.f_back is not None:
            caller = caller.f_back
        self._deliver(Record(self.name, level, caller, msg, args))

    def _is_stock(self) -> bool:
        """Whether nobody has put anything of their own in the way of records."""
        kind, own = type(self), self.__dict__
        return (
            logging.getLogRecordFactory() is logging.LogRecord
            and (kind.callHandlers, kind.handle, kind.makeRecord, kind.findCaller) == _STOCK
            and not ("handle" in own or "makeRecord" in own or "callHandlers" in own or "findCaller" in own)
        )

    def _deliver(self, record: logging.LogRecord) -> None:
        """As `callHandlers`, completing the record for the first handler that is not weft's."""
        if self.disabled:
            return
        level, found = record.levelno, False
        at: logging.Logger | None = self
        while at is not None:
            for handler in at.handlers:
                found = True
                if level >= handler.level:
                    if "lean" not in type(handler).__dict__:  # said by a class for itself: a subclass may look closer
                        complete(record)
                    handler.handle(record)
            at = at.parent if at.propagate else None
        if not found:
            complete(record)
            self.callHandlers(record)  # which knows what to do where there is no handler at all


class _RootLogger(Logger, logging.RootLogger):
    """The same for the root."""


def install() -> None:
    """Give loggers this class: those to come, and those there are. Loggers of classes of their own stay as they are."""
    if logging.getLoggerClass() is logging.Logger:
        logging.setLoggerClass(Logger)
    _exchange(logging.Logger, Logger, logging.RootLogger, _RootLogger)


def uninstall() -> None:
    """Take `install` back."""
    if logging.getLoggerClass() is Logger:
        logging.setLoggerClass(logging.Logger)
    _exchange(Logger, logging.Logger, _RootLogger, logging.RootLogger)


def _exchange(
    before: type[logging.Logger], after: type[logging.Logger], root_before: type[Any], root_after: type[Any]
) -> None:
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if type(logger) is before:
            logger.__class__ = after
    if type(logging.root) is root_before:
        logging.root.__class__ = root_after
