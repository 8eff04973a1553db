"""Runs the tests that CPython has of its own `logging`, with weft in the place of parts of it. Run by test_cpython.py.

python cpython_logging.py (loggers | handler)
"""

import logging
import os
import sys
import unittest

from test import test_logging as theirs

from weft.logs import records
from weft.logs.handler import Handler

# Sockets, mail, the event log and files of other shapes are no affair of ours.
SUITES = [
    "BasicConfigTest", "BasicFilterTest", "BufferingFormatterTest", "BuiltinLevelsTest", "ChildLoggerTest",
    "ConfigDictTest", "ConfigFileTest", "CustomLevelsAndFiltersTest", "EncodingTest", "ExceptionTest",
    "FileHandlerTest", "FormatterTest", "HandlerTest", "LastResortTest", "LogRecordFactoryTest",
    "LogRecordTest", "LoggerAdapterTest", "LoggerTest", "ManagerTest", "MemoryHandlerTest",
    "ModuleLevelMiscTest", "QueueHandlerTest", "ShutdownTest", "StreamHandlerTest", "WarningsTest",
]  # fmt: skip

# What a handler without a Python stream does not have, and what weft does not do.
NOT_OURS = {
    "FileHandlerTest": {"test_delay", "test_emit_after_closing_in_write_mode"},  # `.stream`, mode="w"
    "BasicConfigTest": {
        "test_filename", "test_filemode",  # `.stream`
        "test_encoding", "test_encoding_errors", "test_encoding_errors_default",  # UTF-8 alone
        "test_encoding_errors_none",
    },
    "HandlerTest": {"test_builtin_handlers", "test_path_objects", "test_pathlike_objects", "test_race"},  # subclasses
}  # fmt: skip


NOT_OF_LOGGERS = {"": {"ConfigDictTest", "FormatterTest", "HandlerTest"}}  # they take long and use no logger of ours


class FileHandler(Handler):
    """weft's, in the form of the standard library's: the message alone, and in the file when `emit` returns."""

    def __init__(self, filename, mode="a", encoding=None, delay=False, errors=None):
        super().__init__(filename, ring=False, format=logging.Formatter(), neutral=False)
        self.formatter = None
        self.baseFilename = os.path.abspath(filename)  # noqa: PTH100 - as the standard library has it

    def emit(self, record):
        super().emit(record)
        self.flush()


def with_our_loggers():
    before = theirs.BaseTest.setUp

    def set_up(self):
        before(self)
        logging.setLoggerClass(logging.Logger)
        records.install()

    theirs.BaseTest.setUp = set_up


def tests(excluded):
    suite = unittest.TestSuite()
    for name in SUITES:
        if name in excluded.get("", ()):
            continue
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(getattr(theirs, name)):
            if test._testMethodName not in excluded.get(name, ()):
                suite.addTest(test)
    return suite


def main(what):
    excluded = {}
    if what == "loggers":
        with_our_loggers()
        excluded = NOT_OF_LOGGERS
    else:
        logging.FileHandler = FileHandler
        excluded = NOT_OURS
    result = unittest.TextTestRunner(stream=sys.stderr).run(tests(excluded))
    print(result.testsRun)  # noqa: T201 - for the test that runs this
    return int(not result.wasSuccessful())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
