"""A log that looks like an open file: what is one record, and when it is written."""

import gc
import json
import os
import threading

import pytest

from weft.errors import InvalidCall
from weft.logs.stream import Stream


@pytest.fixture
def open_stream(path, rings):
    """Open the test's log as a stream, with options; it is closed at the end."""
    opened = []

    def open_it(**options):
        opened.append(Stream(path, **{"ring": rings, **options}))
        return opened[-1]

    yield open_it
    for stream in opened:
        stream.close()


def test_print_writes_lines(open_stream, path):
    """`print` writes what it is given and its end one by one; together they are one line."""
    with open_stream() as stream:
        print("added", 3, file=stream)
        print("one", "two", sep="", end="\n", file=stream)
        print(file=stream)
    assert path.read_text() == "added 3\nonetwo\n\n"


def test_bytes_and_text_are_taken(open_stream, path):
    """Either is written as UTF-8, and the length that comes back is that of what was given."""
    with open_stream() as stream:
        assert stream.write("für\n") == 4
        assert stream.write("für\n".encode()) == 5
        assert stream.write(b"\xffno text\n") == 9
    assert path.read_bytes() == "für\nfür\n\\xffno text\n".encode()


def test_lines_within_a_record_cannot_pass_for_others(open_stream, path):
    """One write is one record: its further lines are indented, and control characters are shown."""
    with open_stream() as stream:
        stream.write("signed in\nERROR forged\n")
        stream.write("\x1b[31mred\n")
    assert path.read_text() == "signed in\n  ERROR forged\n\\x1b[31mred\n"


def test_colours_pass_where_they_are_wanted(open_stream, path):
    """With `neutral=False` a stream writes what it is given."""
    with open_stream(neutral=False) as stream:
        stream.write("\x1b[31mred\nand more\n")
    assert path.read_text() == "\x1b[31mred\nand more\n"


def test_threads_do_not_mix_up_what_they_begin(open_stream, path):
    """What a thread writes in pieces is one line, though another one writes in between."""
    begun, done = threading.Event(), threading.Event()

    def slowly():
        stream.write("first ")
        begun.set()
        assert done.wait(20)
        stream.write("part\n")

    with open_stream() as stream:
        thread = threading.Thread(target=slowly)
        thread.start()
        assert begun.wait(20)
        stream.write("whole\n")
        done.set()
        thread.join()
    assert path.read_text() == "whole\nfirst part\n"


def test_closing_writes_what_has_no_end_yet(open_stream, path):
    """Nothing is lost of what was begun, in any thread."""
    with open_stream() as stream:
        thread = threading.Thread(target=stream.write, args=("theirs",))
        thread.start()
        thread.join()
        stream.write("ours")
    assert path.read_text() == "theirs\nours\n"
    stream.close()  # again: nothing comes twice
    assert path.read_text() == "theirs\nours\n"


def test_a_line_that_never_ends_is_written_in_pieces(open_stream, path):
    """Memory is bounded."""
    with open_stream() as stream:
        stream.write("x")
        stream.write("x" * 70_000)
        assert not stream._begun
        stream.write("y\n")
    assert path.read_text() == "x" * 70_001 + "\ny\n"


def test_a_child_does_not_repeat_what_its_parent_began(open_stream, path):
    """The piece stays with the process that wrote it; the child's own are written by the child."""
    stream = open_stream()
    stream.write("parent")
    child = os.fork()
    if not child:
        stream.write("child")
        stream.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    stream.close()
    assert path.read_text() == "child\nparent\n"


def test_a_stream_that_nobody_has_any_more_is_closed(path, rings):
    """It writes what it has, like any file that is forgotten."""
    stream = Stream(path, ring=rings)
    stream.write("last words")
    del stream
    gc.collect()
    assert path.read_text() == "last words\n"
    assert list(rings.iterdir()) == []


def test_a_write_after_the_end_is_written_by_its_caller(open_stream, path):
    """What is logged while the process ends is not lost."""
    stream = open_stream()
    stream.close()
    stream.write("late\n")
    stream._log.target.close()
    assert path.read_text() == "late\n"


def test_what_cannot_be_written_is_told_and_not_raised(tmp_path, rings, capfd):
    """A log call does not fail because of the disk; the operator hears of it."""
    stream = Stream(tmp_path / "gone" / "app.log", ring=rings)
    stream.close()
    (tmp_path / "gone" / "app.log").unlink()
    (tmp_path / "gone").rmdir()
    (tmp_path / "gone").write_text("a file where a folder was")
    stream.write("lost\n")
    stream.close()
    assert "a line of 4 characters could not be written" in capfd.readouterr().err


def test_it_looks_like_a_file_that_is_written_to(open_stream):
    """Whoever asks hears that it can be written, is no terminal, and has no descriptor to write around it."""
    stream = open_stream()
    assert (stream.writable(), stream.readable(), stream.isatty()) == (True, False, False)
    assert not hasattr(stream, "fileno")
    assert stream.flush() is None
    assert "app.log" in repr(stream)


def test_the_log_speaks_the_format_of_its_lines(open_stream, path):
    """What it has to say itself is JSON where the lines are."""
    stream = open_stream(format="json", overload="drop_new", ring_size=256 << 10)
    with stream._log.target.turn():  # nobody can write
        for _ in range(9):
            stream.write("x" * 30_000 + "\n")
    stream.close()
    assert stream.statistics().dropped
    told = json.loads(next(line for line in path.read_text().splitlines() if line.startswith("{")))
    assert (told["logger"], told["level"]) == ("weft.logs", "WARNING")


def test_an_unknown_option_is_a_mistake(path):
    """As for a handler."""
    with pytest.raises(InvalidCall, match="there is no option 'mode': write nothing: weft always appends"):
        Stream(path, mode="a")


# -- as others use it


def test_structlog_writes_to_it(open_stream, path):
    """`WriteLoggerFactory` and `BytesLoggerFactory` take it as their file."""
    import structlog

    with open_stream() as stream:
        for factory in (structlog.WriteLoggerFactory(file=stream), structlog.BytesLoggerFactory(file=stream)):
            render = structlog.processors.JSONRenderer()
            encode = [render] if isinstance(factory, structlog.WriteLoggerFactory) else [render, to_bytes]
            log = structlog.wrap_logger(factory(), processors=encode)
            log.info("added", item=3)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"item": 3, "event": "added"}] * 2


def to_bytes(_logger, _name, event):
    return event.encode()


def test_loguru_writes_to_it(open_stream, path):
    """`logger.add` takes it, and a message of two lines is one record."""
    from loguru import logger

    with open_stream() as stream:
        number = logger.add(stream, format="{level} {message}")
        try:
            logger.info("added {}", 3)
            logger.warning("two\nlines")
        finally:
            logger.remove(number)
    assert path.read_text() == "INFO added 3\nWARNING two\n  lines\n"


def test_loguru_writes_to_a_handler(path, rings):
    """`logger.add` takes `weft.logs.Handler` as it takes any handler."""
    from loguru import logger

    from weft.logs.handler import Handler

    handler = Handler(path, ring=rings, format="json")
    number = logger.add(handler, format="{message}")
    try:
        logger.bind(item=3).info("added")
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            logger.exception("failed")
    finally:
        logger.remove(number)  # closes the handler
    added, failed = (json.loads(line) for line in path.read_text().splitlines())
    assert (added["level"], added["message"], added["extra"]) == ("INFO", "added", {"item": 3})
    assert failed["exception"]["type"] == "ZeroDivisionError"
