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
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Logger", "Record", "complete", "install", "uninstall"]

_now = time.time
_thread = threading.get_ident
_frame = sys._getframe  # noqa: SLF001 - as the standard library itself finds the caller
_LOGGING = logging.info.__code__.co_filename

# Others replace these to see every record or to make it: Sentry, OpenTelemetry. Then everything goes their way.
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
        self.thread = _thread()
        self.exc_info = self.exc_text = self.stack_info = None

    def __getattr__(self, name: str) -> Any:
        if name in _LATER:
            value = _LATER[name](self)
            setattr(self, name, value)  # not by `__dict__`, which would have to be made first
            return value
        if name in _ALL:
            complete(self)
            return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


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
    stock.msecs = _milliseconds(record)
    if not logging.logThreads:
        del known["thread"]
    known.update({name: value for name, value in stock.__dict__.items() if name not in known})
    record.__class__ = logging.LogRecord  # type: ignore[assignment]  # of the same layout


def _milliseconds(record: logging.LogRecord) -> float:
    return int((record.created - int(record.created)) * 1000) + 0.0


def _thread_name(_record: logging.LogRecord) -> str | None:
    return threading.current_thread().name if logging.logThreads else None


def _process(_record: logging.LogRecord) -> int | None:
    return os.getpid() if logging.logProcesses else None


# What formats ask for most often, each by itself.
_LATER: dict[str, Callable[[logging.LogRecord], Any]] = {
    "msecs": _milliseconds,
    "threadName": _thread_name,
    "process": _process,
}
_ALL = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__)


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
        if exc_info or extra or stack_info or stacklevel != 1 or self.filters or not _undisturbed():
            # One level more, because this function lies between the caller and the one that looks for it.
            super()._log(level, msg, args, exc_info, extra, stack_info, stacklevel + 1)
            return
        caller = _frame(1)
        while caller.f_code.co_filename == _LOGGING and caller.f_back is not None:
            caller = caller.f_back
        self._deliver(Record(self.name, level, caller, msg, args))

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
                    if not getattr(handler, "lean", False):
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


def _undisturbed() -> bool:
    stock = logging.Logger
    return (
        logging.getLogRecordFactory() is logging.LogRecord
        and (stock.callHandlers, stock.handle, stock.makeRecord, stock.findCaller) == _STOCK
    )
