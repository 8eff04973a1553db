"""Facts about what `weft logs` makes out in the lines of a log, and how it shows them."""

import json
import logging
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.cli.logs.entries import continues, grouped, grouped_backwards, parse
from weft.cli.logs.levels import severity
from weft.cli.logs.picking import Wanted
from weft.cli.logs.showing import as_json, plain, render
from weft.cli.output import Style
from weft.logs.formats.jsonlines import JsonFormatter
from weft.logs.formats.text import TextFormatter

FAILED = "2026-11-25 02:15:24,123 ERROR app.db failed"
TRACE = ["Traceback (most recent call last):", '  File "x.py", line 3, in f', "    boom()", "ValueError: no"]

# Lines as logs have them: indented, blank, with and without a head, parts of tracebacks, JSON.
lines_of_logs = st.lists(
    st.sampled_from([*TRACE, FAILED, "INFO:app:fine", "", "  more", "Name", '{"message": "x"}', "GET / 200"])
)


def record(level=logging.ERROR, message="failed", **extra):
    try:
        raise ValueError("no")
    except ValueError:
        made = logging.LogRecord("app.db", level, "x.py", 3, message, None, sys.exc_info())
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize(
    ("text", "level", "logger"),
    [
        ("2026-11-25T02:15:24.123+0000 INFO     shop.cart added item=3", "INFO", "shop.cart"),
        ("\x1b[2m2026-11-25T02:15:24.123+0000\x1b[0m \x1b[33mWARNING \x1b[0m shop added", "WARNING", "shop"),
        ("2026-11-25 02:15:24,123 ERROR app.db failed", "ERROR", "app.db"),
        ("2026-11-25 02:15:24,123 - app.db - ERROR - failed", "ERROR", "app.db"),
        ("DEBUG:app.db:asking", "DEBUG", "app.db"),
        ("INFO:     127.0.0.1:4 - GET / HTTP/1.1 200 OK", "INFO", ""),
        ("[2026-11-25 02:15:24 +0000] [123] [INFO] Booting worker", "INFO", ""),
        ("[2026-11-25 02:15:24,123: WARNING/MainProcess] ready", "WARNING", ""),
        ("2026-11-25 02:15:24.123 | SUCCESS  | app:f:3 - done", "SUCCESS", ""),
        ("2026-11-25 02:15:24 [warning  ] slow    seconds=3", "warning", ""),
        ('127.0.0.1 - - [25/Nov/2026:02:15:24 +0000] "GET /ERROR HTTP/1.1" 200 5', "", ""),
        ("an INFO that is none", "", ""),
        ("", "", ""),
    ],
)
def test_the_usual_text_formats_are_known(text, level, logger):
    """Level and logger are found in our format, logging's, uvicorn's, gunicorn's, Celery's, loguru's, structlog's."""
    entry = parse(text)
    assert (entry.fields, entry.level, entry.logger) == (None, level, logger)


@pytest.mark.parametrize("formatter", [TextFormatter(), TextFormatter(color=True), JsonFormatter()])
def test_our_own_formats_are_known(formatter):
    """What our formatters write is read again: level, logger, and the traceback as part of the record."""
    text = formatter.format(record(request_id="4f1a"))
    (whole,) = grouped(text.split("\n"))
    entry = parse(whole)
    assert (entry.level, entry.logger) == ("ERROR", "app.db")
    assert "ValueError: no" in plain(entry)
    assert "4f1a" in plain(entry)


def test_json_is_shown_as_text():
    """A JSON line is shown as time, level, logger, request id, message, other fields, and the traceback below."""
    entry = parse(
        '{"time":"2026-11-25T02:15:24.123Z","level":"ERROR","logger":"app","request_id":"4f1a","message":"failed",'
        '"item":3,"who":"a b","in":{"x":[1]},"exception":{"type":"E","message":"no","stack":"Traceback\\n  File"}}'
    )
    assert plain(entry) == (
        '2026-11-25T02:15:24.123Z ERROR    app [4f1a] failed item=3 who="a b" in={"x": [1]}\n  Traceback\n    File'
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"timestamp": "T", "level": "info", "event": "m", "logger": "l"}', "T info     l m"),
        ('{"asctime": "T", "levelname": "INFO", "name": "l", "message": "m"}', "T INFO     l m"),
        ('{"@timestamp": "T", "log.level": "warn", "log.logger": "l", "message": "m"}', "T warn     l m"),
        ('{"ts": 1764037000.2504, "level": 30, "msg": "m"}', "2025-11-25T02:16:40.250Z 30       m"),
        ('{"logger": "l", "name": "n", "message": ["a"]}', 'l ["a"] name=n'),
        ('{"ts": 1e400, "exc_info": true}', "Infinity exc_info=true"),
        ("{}", ""),
    ],
)
def test_json_of_others_is_known(line, shown):
    """The names that other libraries give to time, level, logger and message are known; what is left is shown."""
    assert plain(parse(line)) == shown


@pytest.mark.parametrize(
    "text", ["{", '{"a": ', "{not json}", '["a"]', "[" * 100_000, '{"a":' * 100_000, '{"a": ' + "1" * 9_999 + "}", "}"]
)
def test_what_only_looks_like_json_is_text(text):
    """Half a line of JSON, an array, or JSON that is too deep is text."""
    entry = parse(text)
    assert entry.fields is None
    assert plain(entry) == text


@given(st.text())
def test_any_text_is_an_entry(text):
    """Whatever stands in a log can be parsed and shown, and wrapped as JSON that says the same."""
    entry = parse(text)
    plain(entry)
    assert json.loads(as_json(entry)) == ({"message": entry.text} if entry.fields is None else entry.fields)


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists)))
def test_json_says_the_same_when_it_is_made_safe(fields):
    """--json hands a JSON line on with the same values, and without a character that could steer a terminal."""
    shown = as_json(parse(json.dumps(fields, ensure_ascii=False)))
    assert json.loads(shown) == fields
    assert shown.isprintable()


def test_blanks_between_values_are_safe_too():
    """Tabs and carriage returns, which JSON allows between values, become spaces."""
    assert as_json(parse('{"a":\t1,\r"b": "\x7f\u202e"}')) == r'{"a": 1, "b": "\u007f\u202e"}'


@given(st.text(), st.booleans(), st.booleans())
def test_nothing_in_a_log_steers_the_terminal(text, in_json, color):
    """Control characters of a log reach the terminal neither from text nor from JSON; only our own colours do."""
    line = json.dumps({"level": text, "message": text, text: text, "exc": text}) if in_json else text
    shown = re.sub(r"\x1b\[[0-9;]+m", "", render(parse(line), Style(color=color)))
    assert all(part.isprintable() for part in shown.split("\n"))


def test_a_message_cannot_forge_a_line():
    """The further lines of a message in JSON are indented."""
    assert plain(parse('{"message": "a\\nERROR:root:forged"}')) == "a\n  ERROR:root:forged"


@pytest.mark.parametrize(
    ("line", "colored"),
    [
        ('{"level": "ERROR", "message": "m", "a": 1}', "\x1b[31mERROR   \x1b[0m m \x1b[2ma=\x1b[0m1"),
        ('{"level": "odd", "message": "m"}', "\x1b[2modd     \x1b[0m m"),
        ("CRITICAL:app:m", "\x1b[31;1mCRITICAL\x1b[0m:app:m"),
        ("INFO:     \x1b[1mm\x1b[0m", "\x1b[32mINFO\x1b[0m:     m"),
        ("no level", "no level"),
    ],
)
def test_levels_have_colors(line, colored):
    """A level is in colour, in JSON and in text; the colours that text came with are taken off."""
    assert render(parse(line), Style(color=True)) == colored


@pytest.mark.parametrize(
    ("level", "number"),
    [("WARNING", 30), ("warn", 30), ("Fatal", 50), ("35", 35), ("Level 15", 15), ("loud", None), ("", None)],
)
def test_levels(level, number):
    """A level is known by its name in any case, by its number, and as logging shows one without a name."""
    assert severity(level) == number


@pytest.mark.parametrize(
    ("wanted", "line", "matches"),
    [
        (Wanted(), "anything", True),
        (Wanted(severity=30), "WARNING:app:m", True),
        (Wanted(severity=30), "INFO:app:m", False),
        (Wanted(severity=30), "no level", False),
        (Wanted(severity=30), '{"level": "error"}', True),
        (Wanted(severity=30), '{"level": 20}', False),
        (Wanted(logger="app"), "INFO:app:m", True),
        (Wanted(logger="app"), "INFO:app.db:m", True),
        (Wanted(logger="app"), "INFO:apple:m", False),
        (Wanted(logger="app"), '{"logger": "app.db"}', True),
        (Wanted(text="wörld"), '{"message": "w\\u00f6rld"}', True),
        (Wanted(text="item=3"), '{"message": "m", "item": 3}', True),
        (Wanted(text="ValueError"), "\n".join([FAILED, *TRACE]), True),
        (Wanted(text="other"), "INFO:app:m", False),
        (Wanted(30, "app", "m"), "ERROR:app:m", True),
        (Wanted(30, "app", "m"), "ERROR:app:n", False),
    ],
)
def test_what_is_wanted(wanted, line, matches):
    """Entries are chosen by level, by logger and those below it, and by what is shown of them; all must hold."""
    assert wanted.matches(parse(line)) is matches


def test_a_traceback_belongs_to_its_record():
    """The lines of a traceback, indented or not, are one entry with the line before; what follows is another."""
    chained = [*TRACE, "", "The above exception was the direct cause of the following exception:", "", *TRACE]
    lines = ["INFO:app:before", FAILED, *chained, "INFO:app:after", "plain"]
    assert list(grouped(lines)) == ["INFO:app:before", "\n".join([FAILED, *chained]), "INFO:app:after", "plain"]


@pytest.mark.parametrize(
    ("before", "line", "belongs"),
    [
        ("    boom()", "ValueError: no", True),
        ("    boom()", "KeyboardInterrupt", True),
        ("    boom()", "socket.timeout", True),
        ("    boom()", "INFO:app:after", False),
        ("    boom()", "2026-11-25 02:15:24,123 INFO app after", False),
        ("    boom()", "plain", False),
        ("plain", "ValueError: no", False),
    ],
)
def test_what_ends_a_traceback(before, line, belongs):
    """Behind an indented line the name of an error belongs to the traceback; a record, or any other text, does not."""
    assert continues(before, line) is belongs


def test_nothing_continues_json():
    """A line of JSON is whole: what is indented behind it stands alone."""
    assert not continues('{"message": "x"}', "  indented")


def test_entries_are_bounded():
    """A file of nothing but indented lines is cut into entries of 1,000 lines."""
    assert [text.count("\n") + 1 for text in grouped(["  x"] * 2500)] == [1000, 1000, 500]


@given(lines_of_logs)
def test_backwards_is_the_same(lines):
    """Read backwards, a log has the same entries in the opposite order."""
    assert list(grouped_backwards(reversed(lines)))[::-1] == list(grouped(lines))
