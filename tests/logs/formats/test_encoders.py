"""Frames of records: those of the standard library's formatter byte for byte, and nothing that raises or forges."""

import io
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.logs.formats.encoders import encoder_for
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
PIECES = [*(f"%({name})s" for name in FIELDS), "%(levelname)-8s", "%(lineno)05d", "%%", "%%(x)s", " | ", "é"]
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
    record = record_of("%s", (message,))
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
    assert b"shop.cart (could not be formatted: " in made
    assert told in made
    assert len(made) < 3000


def test_named_secrets_are_masked():
    """A named argument whose name is that of a secret is not shown; with neutral=False it is, as ever."""
    args = ({"user": "alice", "password": "hunter2"},)
    assert encode(record_of("%(user)s %(password)s", args)) == b"alice [masked]\n"
    assert encode(record_of("%(user)s %(password)s", args), neutral=False) == b"alice hunter2\n"


def test_a_formatter_of_the_users_own_is_asked():
    """A subclass that overrides anything is called, with a record that has every attribute."""

    class Own(logging.Formatter):
        def format(self, record):
            return f"own {sorted(record.__dict__)[:2]}"

    assert encode(record_of(), Own()) == b"own ['args', 'created']\n"
