"""Facts about numbers as people read them, and about text that may reach a terminal."""

import argparse
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.cli.output import Style, printable, wants_color
from weft.cli.parsing import at_least, bytes_of, seconds
from weft.cli.words import count, duration, plural, size


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"), (0.0, "0.00 ms"), (0.00041, "0.41 ms"), (0.0123, "12.3 ms"), (0.1234, "123 ms"),
        (0.9994, "999 ms"), (0.9996, "1.00 s"), (12.34, "12.3 s"), (125.0, "2 min 5 s"), (12_000.0, "3 h 20 min"),
    ],
)  # fmt: skip
def test_durations(value, shown):
    """A duration has three digits and the unit that suits it."""
    assert duration(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (12_345, "12.3 kB"), (999_600, "1.00 MB")],
)
def test_sizes(value, shown):
    """A size has three digits and a decimal unit."""
    assert size(value) == shown


@given(st.integers(0, 10**14))
def test_sizes_fit_their_column(value):
    """A size is never wider than 8 characters."""
    assert len(size(value)) <= 8


@given(st.floats(0, 3500))
def test_durations_fit_their_column(value):
    """A duration up to an hour is never wider than 11 characters."""
    assert len(duration(value)) <= 11


def test_counts():
    """Thousands are set apart, and one thing has no plural."""
    assert (count(1234567), plural(1, "site"), plural(0, "site")) == ("1,234,567", "1 site", "0 sites")


def test_control_characters_do_not_reach_the_terminal():
    """An escape sequence in a server's words is made harmless."""
    assert printable("a\x1b[2Jb\r\n\x07é") == "a\ufffd[2Jb\ufffd\ufffd\ufffdé"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "no_color", "environ", "wanted"),
    [
        (Terminal(), False, {"TERM": "xterm"}, True),
        (Terminal(), True, {"TERM": "xterm"}, False),
        (Terminal(), False, {"NO_COLOR": "1"}, False),
        (Terminal(), False, {"NO_COLOR": ""}, True),
        (Terminal(), False, {"TERM": "dumb"}, False),
        (io.StringIO(), False, {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(stream, no_color, environ, wanted):
    """Colour needs a terminal, and gives way to --no-color, to NO_COLOR unless it is empty, and to TERM=dumb."""
    assert wants_color(stream, no_color=no_color, environ=environ) is wanted


def test_without_colour_text_is_left_alone():
    """A style without colour adds nothing; one with colour ends what it begins."""
    assert Style(color=False)("x", "red") == "x"
    assert Style(color=True)("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (at_least(1), "12", 12), (seconds, "2.5", 2.5), (seconds, "3s", 3.0), (seconds, "1e3", 1000.0),
        (bytes_of, "500", 500), (bytes_of, "500k", 500_000), (bytes_of, "10MB", 10_000_000), (bytes_of, "1b", 1),
    ],
)  # fmt: skip
def test_values_that_are_understood(parse, text, value):
    """Numbers, seconds and sizes are read as people write them."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (at_least(1), "0"), (at_least(0), "-1"), (at_least(1), "1.5"), (at_least(1), "²"), (seconds, "0"),
        (seconds, "-1"), (seconds, "nan"), (seconds, "inf"), (seconds, "soon"), (bytes_of, "0"), (bytes_of, "1X"),
        (bytes_of, "k"), (bytes_of, "1kk"), (bytes_of, "-5"),
    ],
)  # fmt: skip
def test_values_that_are_refused(parse, text):
    """What is no such value is refused, with the text that was given."""
    with pytest.raises(argparse.ArgumentTypeError, match="is not a"):
        parse(text)
