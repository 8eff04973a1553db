"""The handler takes the place of the standard library's, and keeps the application out of its troubles."""

import logging
import logging.config
import subprocess
import sys
import threading

import pytest

from weft.errors import InvalidCall, InvalidValue
from weft.logs.handler import Handler

SOON = 30.0
MESSAGE = logging.Formatter("%(message)s")


@pytest.fixture
def make(path, rings):
    """Make the test's handler; it is closed at the end."""
    made = []

    def make_it(filename=path, **options):
        made.append(Handler(filename, **{"ring": rings, "format": MESSAGE, **options}))
        return made[-1]

    yield make_it
    for handler in made:
        handler.close()


@pytest.fixture
def logger():
    """A logger of this test's own."""
    made = logging.Logger("test", logging.DEBUG)  # noqa: LOG001 - that no other test can have
    yield made
    made.handlers.clear()


def run(code, filename, rings):
    """Run a script in which `handler` is one of weft's, of messages alone."""
    prelude = (
        "import atexit, logging, threading, weft.logs\n"
        'plain = logging.Formatter("%(message)s")\n'
        f"handler = weft.logs.Handler({str(filename)!r}, ring={str(rings)!r}, format=plain)\n"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", prelude + code],
        capture_output=True, text=True, timeout=SOON, check=False,
    )  # fmt: skip


def test_lines_are_in_the_file_after_flush(make, logger, path):
    """`flush` waits until what was logged is in the file."""
    logger.addHandler(make())
    logger.info("%s and %s", "one", "two")
    logger.handlers[0].flush()
    assert path.read_text() == "one and two\n"


def test_dict_config_needs_its_name_alone(path, rings, logger):
    """It stands in `dictConfig` where `FileHandler` stood, with formatters and levels as usual."""
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(levelname)s %(message)s"}},
        "handlers": {
            "file": {
                "class": "weft.logs.Handler", "filename": str(path), "ring": str(rings),
                "formatter": "plain", "level": "WARNING",
            },
        },
        "loggers": {"test_handler": {"handlers": ["file"], "propagate": False}},
    })  # fmt: skip
    made = logging.getLogger("test_handler")
    made.info("too low")
    made.error("high enough")
    (handler,) = made.handlers
    made.removeHandler(handler)
    handler.close()
    assert path.read_text() == "ERROR high enough\n"


def test_a_script_needs_nothing_more(path, rings):
    """A script that logs and ends has all its lines in the file: those of its last moment, of `atexit`, of threads."""
    code = """
logging.basicConfig(level="INFO", handlers=[handler])
logging.info("first")
threading.Thread(target=logging.info, args=("from a thread",)).start()
atexit.register(logging.info, "at the exit")
logging.info("last")
"""
    done = run(code, path, rings)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.read_text().splitlines()) == ["at the exit", "first", "from a thread", "last"]
    assert list(rings.iterdir()) == []


def test_the_first_line_may_come_while_the_interpreter_ends(path, rings):
    """When no thread can be started any more, a line is written by its caller."""
    code = """
class Late:
    def __del__(self, log=logging.Logger("late")):
        log.addHandler(handler)
        log.warning("later than late")
late = Late()
"""
    done = run(code, path, rings)
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_text() == "later than late\n"


def test_an_exception_that_ends_the_process_loses_nothing(path, rings):
    """What was logged before an unhandled exception is in the file."""
    code = """
logging.basicConfig(handlers=[handler])
logging.warning("before")
raise SystemExit(3)
"""
    assert run(code, path, rings).returncode == 3
    assert path.read_text() == "before\n"


class Grim:
    def __str__(self):
        raise RuntimeError("no text")


class Talkative:
    """An object that logs while it is being logged."""

    def __init__(self, logger):
        self.logger = logger

    def __str__(self):
        self.logger.info("meanwhile")
        return "talkative"


def test_nothing_is_raised_into_the_application(make, logger, path, monkeypatch):
    """Arguments that do not fit or that raise cost a line that says so, and no exception."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = make()
    logger.addHandler(handler)
    logger.info("%d", "x")
    logger.info("%s", Grim())
    handler.flush()
    assert path.read_text().count("could not be formatted") == 2


def test_the_developer_is_told_what_is_wrong(make, logger, capsys):
    """As with every handler, `logging.raiseExceptions` prints where the mistake is."""
    logger.addHandler(make())
    logger.info("%d", "x")
    said = capsys.readouterr().err
    assert "--- Logging error ---" in said
    assert "test_handler.py" in said


def test_logging_inside_of_a_log_call(make, logger, path):
    """An argument that logs while it is formatted is no deadlock: its line comes first."""
    handler = make()
    logger.addHandler(handler)
    logger.info("%s", Talkative(logger))
    handler.flush()
    assert path.read_text() == "meanwhile\ntalkative\n"


def test_logging_of_itself_for_ever_ends(make, logger, path, monkeypatch):
    """An argument that logs itself ends at the depth that Python allows, with a line that says so."""
    monkeypatch.setattr(logging, "raiseExceptions", False)

    class Endless:
        def __str__(self):
            logger.info("%s", self)
            return "end"

    handler = make()
    logger.addHandler(handler)
    logger.info("%s", Endless())
    handler.flush()
    lines = path.read_text().splitlines()
    assert lines[-1] == "end"
    assert "RecursionError" in path.read_text()


def test_records_below_the_floor_are_shed(make, logger, monkeypatch):
    """Under load, records below `shed_below` are given up and counted; the others are not."""
    handler = make(shed_below="WARNING")
    logger.addHandler(handler)
    handler._log.floor = logging.WARNING
    logger.info("given up")
    logger.warning("kept")
    handler.flush()
    assert (handler.statistics().dropped, handler.statistics().lines) == (1, 2)  # with the line that tells of it


def test_huge_and_odd_texts(make, logger, path):
    """10 MB in one message, surrogates and NULs are written, as far as UTF-8 can carry them."""
    handler = make()
    logger.addHandler(handler)
    logger.info("h" * 10_000_000)
    logger.info("\udcff and \0")
    handler.flush()
    lines = path.read_text().splitlines()
    assert [len(lines[0]), lines[1]] == [10_000_000, "\\udcff and \\x00"]


def test_a_clock_that_jumps_loses_nothing(make, logger, path, monkeypatch):
    """Time that goes back an hour, and forward a year, changes what is shown and nothing else."""
    handler = make(format=logging.Formatter("%(asctime)s %(message)s", datefmt="%Y"), every="month")
    logger.addHandler(handler)
    for offset in (0, -3600, 400 * 86400, -400 * 86400):
        record = logger.makeRecord("test", 20, "p", 1, f"at {offset}", (), None)
        record.created += offset
        logger.handle(record)
    handler.flush()
    assert [line.split(" ", 1)[1] for line in path.read_text().splitlines()] == [
        "at 0", "at -3600", "at 34560000", "at -34560000",
    ]  # fmt: skip


def test_there_is_no_lock_to_wait_for(make, logger):
    """A thread that holds what is held around any other handler's `emit` keeps nobody from logging."""
    handler = make()
    logger.addHandler(handler)
    handler.acquire()  # nothing
    writing = threading.Thread(target=logger.info, args=("text",))
    writing.start()
    writing.join(SOON)
    assert not writing.is_alive()
    assert handler.lock is None


@pytest.mark.parametrize(
    ("options", "error", "instead"),
    [
        ({"maxBytes": 10}, InvalidCall, "write max_bytes="),
        ({"backupCount": 3}, InvalidCall, "write keep="),
        ({"encoding": "latin-1"}, InvalidCall, "always writes UTF-8"),
        ({"colour": True}, InvalidCall, "one of overload"),
        ({"format": "xml"}, InvalidValue, "'text', 'json', 'console'"),
        ({"overload": "ignore"}, InvalidValue, "'block', 'drop_new', 'drop_old'"),
        ({"shed_below": "LOUD"}, InvalidValue, "shed_below='WARNING'"),
        ({"ring_size": 5}, InvalidValue, "ring_size=8 << 20"),
        ({"keep": 3}, InvalidValue, "max_bytes= or every="),
    ],
)
def test_mistakes_are_told_before_anything_is_opened(make, path, options, error, instead):
    """A wrong option says what to write instead, and no file is made."""
    with pytest.raises(error, match=instead):
        make(**options)
    assert not path.exists()


def test_a_stream_cannot_be_rotated(make):
    """What makes sense for files alone is refused for standard output."""
    with pytest.raises(InvalidValue, match="leave max_bytes="):
        make("stdout", max_bytes=10)


def test_what_is_no_stream_is_refused(make):
    """An object without a descriptor says what can be written instead."""
    with pytest.raises(InvalidCall, match='"stdout" or "stderr"'):
        make(object())


def test_a_file_that_cannot_be_opened_says_so_at_once(make, tmp_path):
    """As with `FileHandler`, the mistake is told where the handler is made."""
    with pytest.raises(IsADirectoryError):
        make(tmp_path)


def test_without_a_place_for_the_ring_there_is_a_warning(make, logger, path, tmp_path, capsys):
    """A folder that cannot be used costs the lines of a kill, not the log; and it is said once."""
    (tmp_path / "file").write_text("")
    handler = make(ring=tmp_path / "file")
    logger.addHandler(handler)
    logger.info("text")
    handler.flush()
    assert path.read_text() == "text\n"
    assert not handler.statistics().survives
    assert capsys.readouterr().err.count("a kill would lose") == 1


def test_standard_output_is_written(rings):
    """The name stdout stands for the process's own, in order with itself, also through a pipe."""
    code = """
logging.basicConfig(level="INFO", handlers=[handler])
for number in range(1000): logging.info("%d", number)
"""
    done = run(code, "stdout", rings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(number) for number in range(1000)]
    assert [each for each in rings.iterdir() if each.suffix == ".ring"] == []


def test_standard_output_in_a_file_goes_well_with_print(rings, tmp_path):
    """Where standard output is redirected into a file, neither `print` nor the log overwrites the other's lines."""
    code = f"""
import logging, weft.logs
handler = weft.logs.Handler("stdout", ring={str(rings)!r}, format=logging.Formatter("%(message)s"))
logging.basicConfig(level="INFO", handlers=[handler])
for number in range(100):
    logging.info("log %d", number); handler.flush(); print("print", number, flush=True)
"""
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, timeout=SOON, check=True)
    assert (tmp_path / "out").read_text() == "".join(f"log {n}\nprint {n}\n" for n in range(100))


def test_an_open_stream_stays_open(make, logger, tmp_path):
    """A stream that nobody else keeps is not closed under the log, which would write to what is opened next."""
    logger.addHandler(make((tmp_path / "given.log").open("a")))
    with (tmp_path / "other").open("a"):
        logger.info("one")
        logger.handlers[0].flush()
    assert (tmp_path / "other").read_text() == ""
    assert (tmp_path / "given.log").read_text() == "one\n"
    logger.handlers[0]._log.target.keep.close()
