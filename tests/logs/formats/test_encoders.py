"""Frames of records: those of the standard library's formatter byte for byte, and nothing that raises or forges."""

import io
import json
import logging
import sys
import time
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.logs.formats.encoders import encoder_for
from weft.logs.formats.jsonlines import JsonFormatter
from weft.logs.formats.text import TextFormatter
from weft.logs.ring.frame import INNER, records


def record_of(msg="text", args=(), level=logging.INFO, error=None, **more):
    made = logging.LogRecord("shop.cart", level, "/app/cart.py", 7, msg, args, error, "add")
    made.__dict__.update(more)
    return made


def encode(record, formatter=None, *, neutral=True, errors=None):
    seen = [] if errors is None else errors
    return encoder_for(formatter, neutral=neutral, on_error=seen.append)(record)


def by_the_standard_library(record, formatter):
    """What a `StreamHandler` writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.emit(record)
    return stream.getvalue().encode("utf-8", "backslashreplace")


FIELDS = [
    "asctime", "created", "filename", "funcName", "levelname", "levelno", "lineno", "message", "module", "msecs",
    "name", "pathname", "process", "processName", "relativeCreated", "thread", "threadName",
]  # fmt: skip
PIECES = [
    *(f"%({name})s" for name in FIELDS),
    "%(levelname)-8s",
    "%(lineno)05d",
    "%%",
    "%%(x)s",
    " | ",
    "é",
    "%(odd-name)s",
]
TEMPLATES = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@given(
    template=TEMPLATES,
    datefmt=st.sampled_from([None, "%H:%M:%S", "%d/%b/%Y:%H:%M:%S %z"]),
    message=st.text(st.characters(exclude_characters="\0")),
    created=st.floats(0, 4e9),
)
def test_the_stock_formatter_is_done_again_byte_for_byte(template, datefmt, message, created):
    """Whatever the template, the bytes are those of the standard library's handler with the same formatter."""
    formatter = logging.Formatter(template or None, datefmt, validate=False)
    record = record_of("%s", (message,), **{"odd-name": 1})
    record.created, record.msecs = created, float(int((created - int(created)) * 1000))
    ours = records(encode(record, formatter, neutral=False))
    assert ours == by_the_standard_library(record, formatter)


@pytest.mark.parametrize(
    "formatter",
    [
        logging.Formatter("{asctime} {message}", style="{"),
        logging.Formatter("$asctime $message", style="$"),
        logging.Formatter("%(user)s %(message)s", defaults={"user": "nobody"}),
        logging.Formatter("%(asctime)s %(message)s"),
        None,
    ],
)
def test_errors_and_styles_are_those_of_the_standard_library(formatter):
    """Tracebacks, stacks, other styles and defaults come out as the standard library has them."""
    try:
        raise ValueError("what")
    except ValueError:
        record = record_of("failed", error=sys.exc_info(), stack_info="Stack (most recent call last):\n  here")
    assert records(encode(record, formatter, neutral=False)) == by_the_standard_library(record, formatter)


@pytest.mark.parametrize("formatter", [None, TextFormatter(), logging.Formatter("{message}", style="{")])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fine\n2026-11-25 INFO forged", b"fine\xff  2026-11-25 INFO forged"),
        ("a\r\nb\rc", b"a\xff  b\\rc"),
        ("\x1b[2J\x1b]0;title\x07", b"\\x1b[2J\\x1b]0;title\\x07"),
        ("c1 \x9b31m", b"c1 \\x9b31m"),
        ("bidi \u202e\u2066", b"bidi \\u202e\\u2066"),
        ("letter mark \u061c", b"letter mark \\u061c"),
        ("line\u2028sep", b"line\\u2028sep"),
        ("nul\0", b"nul\\x00"),
        ("tab\tstays, as do é and \N{NO-BREAK SPACE}", "tab\tstays, as do é and \N{NO-BREAK SPACE}".encode()),
    ],
)
def test_nothing_forges_a_line_or_steers_a_terminal(formatter, text, shown):
    """Control characters are escapes, and what follows a newline is indented, whatever the formatter."""
    assert encode(record_of("%s", (text,)), formatter).endswith(shown + b"\n")


def test_a_forged_line_in_an_error_is_indented():
    """The text of an exception cannot begin a line either."""
    try:
        raise ValueError("what\n2026-11-25 INFO forged")
    except ValueError:
        record = record_of(error=sys.exc_info())
    lines = encode(record).split(INNER)
    assert len(lines) > 3
    assert all(line.startswith(b"  ") for line in lines[1:])


class Grim:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Endless:
    def __str__(self):
        return str(self)


@pytest.mark.parametrize(
    ("msg", "args", "told"),
    [
        ("%d of %s", ("x",), b"'%d of %s' with ('x',)"),
        ("%s %s", ("one",), b"with ('one',)"),
        ("no place", ("surplus",), b"'no place' with ('surplus',)"),
        ("%s", (Grim(),), b"<Grim instance at"),
        (Grim(), (), b"<Grim instance at"),
        ("%s", (Endless(),), b"Endless"),
        ("%(key)s", ({"other": 1},), b"'%(key)s' with {'other': 1}"),
        ("%s %s", ("y" * 100_000,), b"yyy...yyy"),
    ],
)
@pytest.mark.parametrize("formatter", [None, TextFormatter(), logging.Formatter("{message}", style="{")])
def test_what_cannot_be_formatted_is_shown_as_far_as_it_can(formatter, msg, args, told):
    """Arguments that do not fit, or that raise: nothing is raised, and the line says what there is to say, briefly."""
    errors, record = [], record_of(msg, args)
    made = encode(record, formatter, errors=errors)
    assert errors == [record]
    assert b"INFO" in made
    assert b"shop.cart (could not be formatted: " in made
    assert told in made
    assert len(made) < 3000


def test_json_stays_json_where_a_record_cannot_be_formatted():
    """A machine that reads the log finds an object in this line as well, with its level and its logger."""
    errors = []
    found = json.loads(encode(record_of("%d", ("x",)), JsonFormatter(), errors=errors))
    assert (found["level"], found["logger"]) == ("INFO", "shop.cart")
    assert found["message"] == "(could not be formatted: TypeError) '%d' with ('x',)"
    assert len(errors) == 1


@pytest.mark.parametrize("formatter", [None, TextFormatter(), JsonFormatter(), logging.Formatter("%(asctime)s")])
@pytest.mark.parametrize("wrong", [{"created": float("inf")}, {"created": "now"}, {"levelname": Grim(), "args": (1,)}])
def test_a_record_that_is_broken_itself_raises_nothing(formatter, wrong):
    """Records come from other libraries, too: not even one without a time that can be shown does any harm."""
    assert encode(record_of(**wrong), formatter).endswith(b"\n")


def failed(*args):
    try:
        raise ValueError("what")
    except ValueError:
        return record_of(*args, error=sys.exc_info())


@pytest.mark.parametrize("style", ["%(message)s", "{message}"])
@pytest.mark.parametrize("make", [record_of, failed])
@pytest.mark.parametrize(
    ("msg", "args"),
    [
        ("%(password)s", ({"password": "hunter2"},)),
        ("%s", ({"user": {"password": "hunter2"}},)),
        ("%s of %s", (1, {"password": "hunter2"})),
        ("%s of %s", (1, [("authorization", "hunter2")])),
        ("%d", ({"password": "hunter2"},)),  # which cannot be formatted
    ],
)
def test_secrets_in_arguments_are_masked(style, make, msg, args):
    """Arguments with named parts do not show secrets, with a traceback or without; with neutral=False they do."""
    formatter = logging.Formatter(style, style=style[0])
    assert b"hunter2" not in encode(make(msg, args), formatter)
    assert b"[masked]" in encode(make(msg, args), formatter)
    if msg != "%d":
        assert b"hunter2" in encode(make(msg, args), formatter, neutral=False)


def test_arguments_without_secrets_are_left_alone():
    """They are the very objects that were given, so their own formatting and missing keys work."""
    assert encode(record_of("%(price).2f", ({"price": 1.5},))) == b"1.50\n"
    assert encode(record_of("%(any)s", (defaultdict(int, a=1),))) == b"0\n"
    assert encode(record_of("%s %s", (Circle(), [1]))) == b"round [1]\n"


class Circle:
    def __str__(self):
        return "round"


def test_a_converter_that_is_set_late_is_used():
    """`formatter.converter = time.gmtime` works after the handler was made, from the next second on."""
    formatter = logging.Formatter("%(asctime)s", "%H")
    make = encoder_for(formatter, neutral=False, on_error=pytest.fail)
    assert make(record_of(created=0.0))
    formatter.converter = lambda second: time.gmtime(second + 5 * 3600)
    assert make(record_of(created=1.0)) == b"05\n"


def test_a_method_that_was_replaced_is_called():
    """A formatter whose `formatTime` is somebody's own is not done again."""
    formatter = logging.Formatter("%(asctime)s")
    formatter.formatTime = lambda record, datefmt=None: "then"
    assert encode(record_of(), formatter) == b"then\n"


def test_a_formatter_of_the_users_own_is_asked():
    """A subclass that overrides anything is called, with a record that has every attribute."""

    class Own(logging.Formatter):
        def format(self, record):
            return f"own {sorted(record.__dict__)[:2]}"

    assert encode(record_of(), Own()) == b"own ['args', 'created']\n"
