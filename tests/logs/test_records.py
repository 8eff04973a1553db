"""The faster loggers: what they make cannot be told from what the standard library makes."""

import copy
import functools
import json
import logging
import logging.handlers
import pickle
import queue
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.logs import records
from weft.logs.handler import Handler
from weft.logs.records import Logger, Record


class Collect(logging.Handler):
    """Any other handler: it keeps the records that it is given."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def collect():
    return Collect()


@pytest.fixture(autouse=True)
def _installed():
    records.install()
    yield
    records.uninstall()


def logger_of(kind, *handlers):
    """A logger that nobody else knows of."""
    made = kind("shop", logging.DEBUG)
    made.manager = logging.Logger.manager
    for handler in handlers:
        made.addHandler(handler)
    return made


CALLS = st.tuples(
    st.sampled_from(["debug", "info", "warning", "error", "critical"]),
    st.sampled_from([
        ("text",), ("%s %d", "a", 1), ("%(a)s", {"a": 1}), ("{}", {}), (["a", "list"],), ("%d", "no number"),
    ]),
    st.sampled_from([
        {}, {"extra": {"user": 1}}, {"stack_info": True}, {"stacklevel": 2}, {"exc_info": ValueError("what")},
    ]),
)  # fmt: skip


def made_by(kind, call):
    method, args, options = call
    collect = Collect()
    getattr(logger_of(kind, collect), method)(*args, **options)
    (record,) = collect.records
    return record


def comparable(record):
    """All attributes but the times, which cannot be the same, and the lines of a stack, which name both calls."""
    different = {"created", "msecs", "relativeCreated", "stack_info"}
    return {name: value for name, value in record.__dict__.items() if name not in different}


@given(CALLS)
def test_a_record_is_what_the_standard_library_makes(call):
    """The same call through either logger gives another handler records of the same type with equal attributes."""
    ours, theirs = made_by(Logger, call), made_by(logging.Logger, call)
    assert type(ours) is type(theirs) is logging.LogRecord
    assert comparable(ours) == comparable(theirs)
    assert set(ours.__dict__) == set(theirs.__dict__)
    assert bool(ours.stack_info) == bool(theirs.stack_info)


def test_the_caller_is_found(collect):
    """File, line and function are those of the code that logs, through an adapter and with `log`, too."""
    logger = logger_of(Logger, collect)
    here = sys._getframe().f_lineno
    logger.info("one")
    logger.log(logging.INFO, "two")
    logging.LoggerAdapter(logger).info("three")
    assert [(each.lineno, each.funcName, each.filename) for each in collect.records] == [
        (here + number, "test_the_caller_is_found", "test_records.py") for number in (1, 2, 3)
    ]


def test_times_belong_together(collect):
    """`msecs` and `relativeCreated` are those of `created`."""
    logger_of(Logger, collect).info("text")
    (record,) = collect.records
    assert record.msecs == int((record.created - int(record.created)) * 1000)
    stock = logging.LogRecord("", 0, "", 0, "", None, None)
    assert record.relativeCreated == pytest.approx(
        stock.relativeCreated - (stock.created - record.created) * 1000, abs=0.01
    )


def test_a_handler_of_wefts_gets_the_lean_record(path, rings):
    """It is for that one that the record is not made complete."""
    seen = []

    class Watching(Handler):
        lean = True

        def emit(self, record):
            seen.append(type(record))
            super().emit(record)

    handler = Watching(
        path, ring=rings, format=logging.Formatter("%(threadName)s %(process)d %(filename)s %(message)s")
    )
    logger_of(Logger, handler).info("text")
    handler.close()
    assert seen == [Record]
    assert path.read_text().split()[0] == "MainThread"
    assert path.read_text().split()[2:] == ["test_records.py", "text"]


def test_a_subclass_of_wefts_handler_gets_complete_records(path, rings):
    """It may look at everything and add to it, unless it says that it does not."""

    class Adding(Handler):
        def emit(self, record):
            record.host = "a1"
            super().emit(record)

    handler = Adding(path, ring=rings, format="json")
    logger_of(Logger, handler).info("text")
    handler.close()
    assert json.loads(path.read_text())["host"] == "a1"


@pytest.mark.parametrize("name", ["callHandlers", "handle", "makeRecord", "findCaller"])
def test_a_subclass_and_a_mock_are_asked(collect, name):
    """A class on top of ours, and a logger with a function of its own, see what they would see of the stock one."""
    seen, plain = [], getattr(logging.Logger, name)

    def own(self, *args, **options):
        seen.append(name)
        return plain(self, *args, **options)

    logger_of(type("Own", (Logger,), {name: own}), collect).info("text")
    logger = logger_of(Logger, collect)
    setattr(logger, name, functools.partial(own, logger))
    logger.info("text")
    assert len(seen) == len(collect.records) == 2


@pytest.mark.parametrize("name", ["logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"])
def test_what_is_turned_off_is_none(monkeypatch, name):
    """The switches of `logging` hold for records of ours, lean or complete."""
    monkeypatch.setattr(logging, name, False, raising=False)
    lean = Record("shop", logging.INFO, sys._getframe(), "text", ())
    stock = logging.LogRecord("shop", logging.INFO, "", 0, "text", (), None)
    for attribute in (
        "thread",
        "threadName",
        "process",
        "processName",
        *(["taskName"] if "taskName" in stock.__dict__ else []),
    ):
        assert getattr(lean, attribute) == getattr(stock, attribute)
    assert comparable(made_by(Logger, CALL)) == comparable(made_by(logging.Logger, CALL))


CALL = "info", ("text",), {}


def test_filters_see_complete_records(path, rings):
    """A filter, of the logger or of the handler, may look at everything and add to it."""
    seen = []

    def look(record):
        seen.append((type(record), "threadName" in record.__dict__))
        record.user = "alice"
        return True

    handler = Handler(path, ring=rings, format=logging.Formatter("%(user)s %(message)s"))
    handler.addFilter(look)
    logger = logger_of(Logger, handler)
    logger.info("one")
    logger.addFilter(look)
    logger.info("two")
    handler.close()
    assert seen == [(logging.LogRecord, True)] * 3
    assert path.read_text() == "alice one\nalice two\n"


@pytest.mark.parametrize("name", ["callHandlers", "handle", "makeRecord"])
def test_what_others_replace_is_called(collect, monkeypatch, name):
    """Sentry and its like put functions of their own into `logging.Logger`: they see every record, complete."""
    seen, plain = [], getattr(logging.Logger, name)

    def replaced(self, *args, **options):
        seen.append(args)
        return plain(self, *args, **options)

    monkeypatch.setattr(logging.Logger, name, replaced)
    logger_of(Logger, collect).info("text")
    assert len(seen) == 1
    assert type(collect.records[0]) is logging.LogRecord


def test_a_record_factory_is_asked(collect):
    """OpenTelemetry and its like set a factory: records are made by it."""

    class Traced(logging.LogRecord):
        trace = "abc"

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Traced)
    try:
        logger_of(Logger, collect).info("text")
    finally:
        logging.setLogRecordFactory(before)
    assert collect.records[0].trace == "abc"


def test_records_travel(collect):
    """A record can be copied, pickled, and sent through a queue by the standard library's handler."""
    line = queue.SimpleQueue()
    logger_of(Logger, collect, logging.handlers.QueueHandler(line)).info("%s", "text")
    assert line.get().getMessage() == "text"
    for record in (copy.copy(collect.records[0]), pickle.loads(pickle.dumps(collect.records[0]))):
        assert record.getMessage() == "text"


def test_an_incomplete_record_answers_for_everything():
    """Each attribute of an ordinary record can be asked of a lean one; what no record has is an AttributeError."""
    stock = logging.LogRecord("", 0, "", 0, "", None, None)
    for name in stock.__dict__:
        assert hasattr(Record("shop", logging.INFO, sys._getframe(), "text", ()), name), name
    with pytest.raises(AttributeError, match="'user'"):
        _ = Record("shop", logging.INFO, sys._getframe(), "text", ()).user


def test_levels_propagation_and_disabling_hold(collect):
    """What does not pass the logger or the handler is not given to it; a record climbs as far as it may."""
    logger = logger_of(Logger, collect)
    collect.setLevel(logging.ERROR)
    logger.info("too low")
    logger.setLevel(logging.CRITICAL)
    logger.error("too low as well")
    logger.disabled = True
    logger.critical("disabled")
    logger.disabled = False
    child = Logger("shop.cart", logging.DEBUG)
    child.manager, child.parent = logger.manager, logger
    child.error("climbs")
    child.propagate = False
    child.error("stays")
    assert [record.msg for record in collect.records] == ["climbs"]


def test_without_a_handler_there_is_the_last_resort(capsys):
    """A warning that nobody handles is printed, as ever."""
    logger_of(Logger).warning("nobody listens")
    assert capsys.readouterr().err == "nobody listens\n"


def test_loggers_are_exchanged_and_changed_back():
    """Loggers that exist, the root and those to come become fast ones; a class of the user's own stays."""

    class Own(logging.Logger):
        pass

    there = logging.getLogger("test_records.there")
    logging.setLoggerClass(Own)
    own = logging.getLogger("test_records.own")
    records.uninstall()
    assert type(there) is logging.Logger
    assert type(logging.root) is logging.RootLogger
    records.install()
    assert logging.getLoggerClass() is Own
    logging.setLoggerClass(logging.Logger)
    records.install()
    assert [type(each) for each in (there, logging.getLogger("test_records.new"), own)] == [Logger, Logger, Own]
    assert isinstance(logging.root, Logger)
    assert isinstance(logging.root, logging.RootLogger)
