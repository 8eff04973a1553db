"""Facts about the summary of a run."""

import json
import re

from commandline import dead, fine, missing

from weft.cli.output import Style
from weft.cli.tally import SLOWEST, Tally, report, summary_line

PLAIN = Style(color=False)


def tally_of(*results, **settings):
    tally = Tally(**settings)
    for result in results:
        tally.add(result)
    return tally


def text(tally, width=100, *, unicode=True):
    return report(tally, PLAIN, width=width, unicode=unicode)


def test_summary_form():
    """The summary's JSON form, version 1: counts, latency in seconds, speed-up, and the slowest results."""
    facts = json.loads(summary_line(tally_of(fine(), missing(), dead(), total=3)))
    slowest = facts.pop("slowest")
    latency = facts.pop("latency")
    assert facts == {
        "type": "summary",
        "version": 1,
        "ok": 1,
        "not_ok": 2,
        "unchecked": 0,
        "stopped": None,
        "bytes": 12365,
        "calls": 3,
        "outcomes": {"ok": 1, "http_error": 1, "failed": 1},
        "errors": {"HTTP 404": 1, "DNSError": 1},
        "wall": 1.0,
        "busy": 1.75,
        "speed_up": 1.75,
    }
    assert set(latency) == {"min", "mean", "p50", "p95", "p99", "max"}
    assert [result["seconds"] for result in slowest] == [1.0, 0.5, 0.25]


def test_the_report_counts_kinds_of_error():
    """The text names how many are fine, how many are not, and each kind of error."""
    said = text(tally_of(fine(), missing(), missing(), dead()))
    assert "4 sites in 1.00 s: 1 fine, 3 not" in said
    assert re.search(r"^ +2  HTTP 404$", said, re.MULTILINE)
    assert re.search(r"^ +1  DNSError$", said, re.MULTILINE)


def test_the_report_tells_the_gain():
    """Ten checks of 1 s at once are 10 times faster than one after the other, which would have taken 10 s."""
    said = text(tally_of(*[fine(n) for n in range(10)]))
    assert "up to 10.0 times faster than one after the other (10.0 s)" in said
    assert "p50 1.00 s" in said


def test_no_gain_is_told_where_there_is_none():
    """Checks that came one after the other, as lines of a slow pipe do, are not called 0.1 times faster."""
    assert "faster" not in text(tally_of(fine(start=0.0, seconds=0.1), fine(start=1.9, seconds=0.1)))


def test_the_slowest_have_a_waterfall():
    """The slowest are drawn with their phases; there is a legend."""
    said = text(tally_of(fine(), missing(), dead()))
    assert "slowest 3, from the start of the run" in said
    assert "░ dns  ▒ connect  ▓ tls  ─ wait  █ body" in said
    bars = [line for line in said.splitlines() if line.startswith("  https://example.org/ ")]
    assert re.search(r"░+▒+▓+─+█+ +1\.00 s$", bars[0])


def test_calls_of_a_long_run_are_drawn_from_their_own_start():
    """When the run is far longer than its calls, bars on its axis would be specks: each begins at 0 instead."""
    said = text(tally_of(*[fine(n, start=float(n), seconds=0.5) for n in range(30)]))
    assert f"slowest {SLOWEST}, each from its own start" in said


def test_the_report_fits_the_terminal():
    """No line of the waterfall is wider than the terminal, and long addresses keep their end."""
    url = "https://example.org/a/very/long/path/that/goes/on/and/on/and/on/to/the/end"
    said = text(tally_of(fine(url=url)), width=80)
    assert max(map(len, said.splitlines())) <= 80
    assert "to/the/end" in said


def test_the_report_in_ascii():
    """Where the terminal has no Unicode, the report has none."""
    assert text(tally_of(fine(), missing(), dead()), unicode=False).isascii()


def test_a_stopped_run_says_what_was_not_checked():
    """An interrupted run, and one whose deadline passed, say so and count what is missing; neither is all fine."""
    interrupted = tally_of(fine(), total=10, stopped="interrupt")
    late = tally_of(fine(), total=10, stopped="deadline")
    assert "interrupted: 9 sites not checked" in text(interrupted)
    assert "the deadline passed: 9 sites not checked" in text(late)
    assert json.loads(summary_line(late))["unchecked"] == 9
    assert not late.all_fine
    assert not interrupted.all_fine


def test_an_unknown_number_is_not_guessed():
    """A stopped run over a stream cannot know what is missing: null, not 0."""
    assert Tally(stopped="interrupt").unchecked is None
    assert Tally().unchecked == 0


def test_nothing_to_check_is_fine():
    """An empty file is no failure, and has a report without percentiles."""
    assert Tally(total=0).all_fine
    said = text(Tally(total=0))
    assert "0 sites in 0.00 ms: 0 fine" in said
    assert "p50" not in said


def test_control_characters_of_an_address_do_not_reach_the_terminal():
    """What a file holds cannot steer the terminal through the waterfall."""
    assert "\x1b" not in text(tally_of(fine(url="https://a.example/\x1b[2J")))
