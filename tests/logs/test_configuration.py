"""The dictionary for `dictConfig`, and what `setup` does with it. What changes a process runs in one of its own."""

import json
import logging
import os
import pty
import subprocess
import sys
import textwrap

import pytest

from weft.errors import InvalidValue
from weft.logs.configuration import config

SOON = 30.0  # seconds for what must happen; not a time that any test waits


@pytest.fixture
def program(tmp_path):
    """Run code in a process of its own, in the test's folder; returns what `app.log` holds, and the process."""

    def run(code, *, status=0, **environ):
        done = subprocess.run(
            [sys.executable, "-c", "import logging, weft.logs\n" + textwrap.dedent(code)],
            cwd=tmp_path, env={**os.environ, **environ}, capture_output=True, text=True, timeout=SOON, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        log = tmp_path / "app.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else [], done

    return run


def messages(lines):
    return [(line["logger"], line["message"]) for line in lines]


# -- the dictionary


def test_a_configuration_can_be_written_to_a_file(tmp_path):
    """What is given as text gives plain text and numbers, so that `uvicorn --log-config log.json` takes it."""
    made = config(tmp_path / "app.log", keep=3, access="access.log")
    assert json.loads(json.dumps(made)) == made


def test_a_mistake_is_told_when_the_dictionary_is_made(monkeypatch):
    """Not later, from inside of a server that hides it."""
    with pytest.raises(InvalidValue, match="format='yaml'"):
        config(format="yaml")
    with pytest.raises(InvalidValue, match="no level 'loud'"):
        config(level="loud")
    with pytest.raises(InvalidValue, match="no level 'loud'"):
        config(loggers={"shop": "loud"})
    monkeypatch.setenv("WEFT_LOG_LEVEL", "loud")
    with pytest.raises(InvalidValue, match="WEFT_LOG_LEVEL='loud'"):
        config(level="INFO")


def test_the_argument_comes_before_the_environment_and_info_is_last(monkeypatch):
    """A level in the code is meant; where there is none, the environment has its say."""
    monkeypatch.delenv("WEFT_LOG_LEVEL", raising=False)
    assert config()["root"]["level"] == "INFO"
    monkeypatch.setenv("WEFT_LOG_LEVEL", "ERROR,urllib3=DEBUG,shop=DEBUG")
    made = config(loggers={"shop": "warning"})
    assert made["root"]["level"] == "ERROR"
    assert (made["loggers"]["urllib3"], made["loggers"]["shop"]) == ({"level": "DEBUG"}, {"level": "WARNING"})
    assert config(level=0)["root"]["level"] == 0


def test_a_level_for_a_server_leaves_the_rest_of_it_alone():
    """Asking for a level says nothing of where the lines go."""
    plain, asked = (config(loggers=loggers)["loggers"]["uvicorn.error"] for loggers in (None, {"uvicorn.error": 10}))
    assert asked == {**plain, "level": 10}


@pytest.mark.parametrize(("level", "django"), [("DEBUG", "INFO"), ("WARNING", "WARNING"), (5, "INFO"), (50, 50)])
def test_debugging_an_app_does_not_debug_django(level, django):
    """Django's own logger is as quiet as the rest, and never more talkative than INFO unless it is named."""
    assert config(level=level)["loggers"]["django"]["level"] == django


def test_json_lines_unless_somebody_watches(tmp_path, monkeypatch):
    """Files and pipes get JSON, a terminal colours, or plain text where it wants none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ours, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as watched, os.fdopen(ours, "rb"), (tmp_path / "plain").open("w") as plain:
        formats = [config(each)["handlers"]["weft"]["format"] for each in (watched, plain, "app.log")]
        assert formats == ["console", "json", "json"]
        monkeypatch.setenv("NO_COLOR", "1")
        assert config(watched)["handlers"]["weft"]["format"] == "text"


# -- what it does


def test_setup_sends_everything_to_the_file(program):
    """The app's lines, levels as asked for, and the servers' lines go there once each, whatever handlers there were."""
    lines, _ = program(
        """
        for name in ("uvicorn.error", "gunicorn.error", "sanic.root", "django", "uvicorn.access"):
            logging.getLogger(name).addHandler(logging.StreamHandler())
            logging.getLogger(name).propagate = False
        weft.logs.setup("app.log", loggers={"quiet": "ERROR"})
        for name in ("uvicorn.error", "gunicorn.error", "sanic.root", "django", "uvicorn.access", "shop", "quiet"):
            logging.getLogger(name).info("line of %s", name)
        logging.getLogger("shop").debug("not asked for")
        """
    )
    names = ["uvicorn.error", "gunicorn.error", "sanic.root", "django", "uvicorn.access", "shop"]
    assert messages(lines) == [(name, f"line of {name}") for name in names]


def test_the_environment_sets_levels(program):
    """An operator can make one logger talk without touching the code."""
    code = """
        weft.logs.setup("app.log")
        logging.getLogger("shop").info("hidden")
        logging.getLogger("shop.cart").debug("shown")
    """
    assert messages(program(code, WEFT_LOG_LEVEL="ERROR,shop.cart=DEBUG")[0]) == [("shop.cart", "shown")]


def test_loggers_that_are_there_keep_working(program):
    """Modules that were imported before have their loggers already; those are not disabled."""
    lines, _ = program('early = logging.getLogger("early")\nweft.logs.setup("app.log")\nearly.info("heard")')
    assert messages(lines) == [("early", "heard")]


def test_setup_again_replaces_what_was_there(program):
    """A second call gives one line for each call, not two, and the hooks are there once."""
    lines, done = program(
        """
        weft.logs.setup("app.log", level="ERROR")
        weft.logs.setup("app.log")
        logging.info("once")
        raise ValueError("once")
        """,
        status=1,
    )
    assert [line["message"] for line in lines] == ["once", "unhandled exception: the program ends"]
    assert done.stderr.count("ValueError: once") == 1


def test_what_is_wrong_is_told_as_weft_tells_it(program, tmp_path):
    """`setup` raises the error itself, not one of `dictConfig`'s around it, nothing is opened, and nothing is left."""
    lines, done = program(
        """
        for mistake in ({"keep": -1}, {"maxBytes": 3}):
            try:
                weft.logs.setup("app.log", **mistake)
            except (ValueError, TypeError) as error:
                print(f"{type(error).__name__}: {error}")
        """
    )
    told = done.stdout.splitlines()
    assert told[0].startswith("InvalidValue: keep=-1")
    assert told[1] == "InvalidCall: there is no option 'maxBytes': write max_bytes="
    assert (lines, done.stderr) == ([], "")
    assert not (tmp_path / "app.log").exists()


def test_loggers_become_the_faster_ones(program):
    """Calls take weft's own way."""
    _, done = program('weft.logs.setup("app.log")\nprint(type(logging.getLogger("shop")).__module__)')
    assert done.stdout == "weft.logs.records\n"


def test_warnings_are_logged(program):
    """What Python warns of is a line of the log."""
    lines, done = program('weft.logs.setup("app.log")\nimport warnings\nwarnings.warn("old ways")')
    assert [(line["logger"], line["level"]) for line in lines] == [("py.warnings", "WARNING")]
    assert "old ways" in lines[0]["message"]
    assert not done.stderr


def test_access_lines_can_be_left_to_weft(program):
    """With `access=False` the servers' own access lines are not written, and uvicorn does not even make them."""
    lines, done = program(
        """
        weft.logs.setup("app.log", access=False)
        for name in ("uvicorn.access", "gunicorn.access", "sanic.access", "weft.access"):
            logging.getLogger(name).info("GET /")
        print(logging.getLogger("uvicorn.access").hasHandlers())
        """
    )
    assert messages(lines) == [("weft.access", "GET /")]
    assert done.stdout == "False\n"


def test_access_lines_can_have_a_file_of_their_own(program, tmp_path):
    """The lines of weft's adapters go there as they are, for tools that read Apache's formats."""
    lines, _ = program(
        """
        weft.logs.setup("app.log", access="access.log")
        logging.getLogger("weft.access").info('1.2.3.4 - - "GET /" 200 5')
        logging.getLogger("shop").info("sold")
        """
    )
    assert messages(lines) == [("shop", "sold")]
    assert (tmp_path / "access.log").read_text() == '1.2.3.4 - - "GET /" 200 5\n'


def test_a_formatter_of_ones_own(program, tmp_path):
    """Any `logging.Formatter` can be given."""
    program(
        """
        weft.logs.setup("own.log", format=logging.Formatter("%(levelname)s: %(message)s"))
        logging.warning("so it is")
        """
    )
    assert (tmp_path / "own.log").read_text() == "WARNING: so it is\n"


# -- the end

TERMINATED = """
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
"""


def test_a_termination_is_waited_for_by_the_log(program, tmp_path):
    """SIGTERM that nobody handles ends the process as ever, after its last line is in the file and its ring gone."""
    code = f"""
    import os, signal
    weft.logs.setup("app.log", ring={str(tmp_path / "rings")!r})
    stream = weft.logs.Stream("other.log", ring={str(tmp_path / "rings")!r})
    logging.info("last words")
    stream.write("others\\n")
    """
    lines, _ = program(code + TERMINATED, status=-15)
    assert [line["message"] for line in lines] == ["last words"]
    assert (tmp_path / "other.log").read_text() == "others\n"
    assert list((tmp_path / "rings").iterdir()) == []


def test_who_handles_a_termination_is_not_disturbed(program):
    """A handler that is there stays; so does the wish to ignore the signal; another thread changes nothing."""
    _, done = program(
        """
        import signal, threading
        thread = threading.Thread(target=weft.logs.setup, args=("app.log",))
        thread.start()
        thread.join()
        print(signal.getsignal(signal.SIGTERM).name)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        weft.logs.setup("app.log")
        print(signal.getsignal(signal.SIGTERM).name)
        """
    )
    assert done.stdout.split() == ["SIG_DFL", "SIG_IGN"]


# -- what nobody handled

THREAD_FAILS = """
    import threading
    thread = threading.Thread(target=lambda: 1 / 0, name="cook")
    thread.start()
    thread.join()
"""


def test_an_exception_that_ends_the_program_is_logged(program):
    """It is a line with its traceback, and Python still prints it where the log is a file."""
    lines, done = program('weft.logs.setup("app.log")\nraise ValueError("boom")', status=1)
    assert [(line["level"], line["exception"]["type"]) for line in lines] == [("CRITICAL", "ValueError")]
    assert done.stderr.endswith("ValueError: boom\n")


def test_an_exception_that_ends_a_thread_is_logged(program):
    """The line names the thread."""
    lines, done = program('weft.logs.setup("app.log")\n' + textwrap.dedent(THREAD_FAILS))
    assert [line["message"] for line in lines] == ["unhandled exception: thread cook ends"]
    assert lines[0]["exception"]["type"] == "ZeroDivisionError"
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_a_log_on_standard_error_has_it_once(program):
    """Python's own report would be the same a second time, in lines that no collector of logs understands."""
    _, done = program('weft.logs.setup("stderr")\n' + textwrap.dedent(THREAD_FAILS) + "raise ValueError", status=1)
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == ["CRITICAL", "CRITICAL"]


def test_the_hooks_of_others_are_called(program):
    """Whoever put hooks there before, or puts them in front later and calls on, is still told."""
    _, done = program(
        """
        import sys, threading
        sys.excepthook = lambda kind, *_: print("before", kind.__name__)
        threading.excepthook = lambda args: print("thread", args.exc_type.__name__)
        weft.logs.setup("stderr")
        ours = sys.excepthook
        sys.excepthook = lambda *args: (print("after"), ours(*args))
        weft.logs.setup("stderr")
        """
        + THREAD_FAILS.replace("\n    ", "\n        ")
        + "\n        raise ValueError",
        status=1,
    )
    assert done.stdout.split("\n") == ["thread ZeroDivisionError", "after", "before ValueError", ""]


def test_an_interrupt_is_no_failure(program):
    """Ctrl-C and a thread's `SystemExit` are left to Python."""
    lines, done = program(
        """
        import threading
        weft.logs.setup("app.log")
        thread = threading.Thread(target=exit)
        thread.start()
        thread.join()
        raise KeyboardInterrupt
        """,
        status=-2,
    )
    assert lines == []
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert "SystemExit" not in done.stderr


def test_what_is_given_is_what_the_logging_module_gets(tmp_path):
    """The options go to the handler under their own names."""
    made = config("app.log", max_bytes=10_000, keep=2, neutral=False)
    assert made["handlers"] == {
        "weft": {
            "()": "weft.logs.configuration.handler", "filename": "app.log", "format": "json",
            "max_bytes": 10_000, "keep": 2, "neutral": False,
        },
    }  # fmt: skip
    assert logging.getLogger("uvicorn").handlers == []  # nothing has been done yet
