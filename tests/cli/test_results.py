"""Facts about one result: what tasks become, and the forms a result is printed in."""

import csv
import json

import pytest
from commandline import dead, fine, missing
from hypothesis import given
from hypothesis import strategies as st

from weft.calls.call import call
from weft.cli.output import Style, printable
from weft.cli.results import Reading, Result, as_csv, as_json, as_row, csv_header, result_of, span_of
from weft.cli.targets import Target
from weft.http.errors import ConnectTimeout, DNSError
from weft.outcome import Cancelled, Failed, Ok, Refused, TimedOut
from weft.scopes.task import Task
from weft.telemetry.waterfall import Phase

PLAIN = Style(color=False)


def ended(outcome, target=None, started=1.0, ended_at=1.5):
    task = Task(call(len, target or Target(7, "https://a.example")), lambda task, fate: None)
    task.settle(outcome)
    task.started_at, task.ended_at, task.attempts = started, ended_at, 1
    return task


@pytest.mark.parametrize(
    ("outcome", "word", "kind", "message"),
    [
        (Ok(Reading(200, "2", 5)), "ok", None, None),
        (Ok(Reading(399, "2", 5)), "ok", None, None),
        (Ok(Reading(404, "2", 5)), "http_error", "HTTP 404", "Not Found"),
        (Ok(Reading(599, "2", 5)), "http_error", "HTTP 599", "an unknown status"),
        (Failed(DNSError("no such host", url="https://a.example")), "failed", "DNSError", "no such host"),
        (Failed(ConnectTimeout("too slow")), "timed_out", "ConnectTimeout", "too slow"),
        (Failed(ValueError()), "failed", "ValueError", "ValueError"),
        (TimedOut(2.0), "timed_out", "TimedOut", "no answer within 2.00 s"),
        (TimedOut(), "timed_out", "TimedOut", "the deadline passed"),
        (Cancelled("by hand"), "cancelled", "Cancelled", "by hand"),
        (Refused("full"), "refused", "Refused", "full"),
    ],
)
def test_each_outcome_is_told(outcome, word, kind, message):
    """Each outcome of a task has its word, and all but "ok" a kind and a message. Fine is a status below 400."""
    result = result_of(ended(outcome))
    assert (result.outcome, result.kind, result.message) == (word, kind, message)
    assert result.ok is (word == "ok")
    assert result.seconds == 0.5


def test_a_malformed_address_was_never_checked():
    """A target with a problem is "invalid" and has no duration, so that it does not count as a fast answer."""
    result = result_of(ended(Failed(ValueError("x")), Target(3, "::", "it is none")))
    assert (result.outcome, result.seconds, result.attempts, result.message) == ("invalid", None, 0, "it is none")


def test_json_form():
    """The JSON form, version 1: these keys, durations in seconds, null where nothing is known."""
    assert json.loads(as_json(fine())) == {
        "type": "result",
        "version": 1,
        "line": 1,
        "url": "https://example.org/",
        "ok": True,
        "outcome": "ok",
        "status": 200,
        "http_version": "2",
        "bytes": 12345,
        "seconds": 1.0,
        "attempts": 1,
        "phases": {"dns": 0.1, "connect": 0.1, "tls": 0.2, "wait": 0.5, "body": 0.1},
        "error": None,
    }
    failed = json.loads(as_json(dead()))
    assert failed["error"] == {"kind": "DNSError", "message": "no such host"}
    assert (failed["status"], failed["http_version"], failed["bytes"], failed["phases"]) == (None, None, None, {})


@given(st.text(), st.text())
def test_each_form_is_one_line(url, message):
    """Whatever an address or a message holds, JSON is one line that reads back, and a row is one line."""
    result = Result(Target(1, url), "failed", 0.0, 1.0, 1, None, "X", message)
    assert "\n" not in as_json(result)
    assert json.loads(as_json(result))["url"] == url
    assert len(as_row(result, PLAIN).splitlines()) == 1


@given(st.text(), st.text())
def test_csv_is_one_line_that_reads_back(url, message):
    """Commas and quotes survive CSV, control characters become U+FFFD, and there is a cell for each title."""
    line = as_csv(Result(Target(1, url), "failed", 0.0, 1.0, 1, None, "X", message))
    assert len(line.splitlines()) == 1
    row = dict(zip(csv_header().split(","), next(csv.reader([line])), strict=True))
    assert (row["url"], row["error_message"]) == (printable(url), printable(message))
    assert (row["ok"], row["status"]) == ("false", "")


def test_rows_stand_in_columns():
    """Rows align whatever came of the check; what went wrong stands last."""
    rows = [as_row(result, PLAIN) for result in (fine(), missing(), dead())]
    assert rows == [
        "✓  200     1.00 s   12.3 kB  h2    https://example.org/",
        "✗  404     500 ms      20 B  h1.1  https://example.org/missing  Not Found",
        "✗    -     250 ms         -  -     https://dead.example/  no such host",
    ]


def test_rows_in_ascii():
    """Where the terminal has no Unicode, a row has none."""
    assert as_row(fine(), PLAIN, unicode=False).isascii()
    assert as_row(dead(), PLAIN, unicode=False).startswith("x ")


def test_what_came_before_the_last_attempt_is_drawn_before_it():
    """In a waterfall the phases of the last attempt end the bar; retries and redirects before them are "run"."""
    result = Result(Target(1, "u"), "ok", 5.0, 3.0, 2, Reading(200, "2", 1, (Phase("wait", 1.0),)))
    span = span_of(result)
    assert span.phases == (Phase("run", 2.0), Phase("wait", 1.0))
    assert (span.start, span.seconds) == (5.0, 3.0)
