"""The measured tables say what the result files say."""

import importlib.util
import json

import pytest
from blocks import ROOT

_spec = importlib.util.spec_from_file_location("report", ROOT / "benchmarks" / "report.py")
report = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(report)

RESULT = {
    "name": "Fan-out",
    "promise": "Twenty calls take as long as one.",
    "date": "2026-11-23",
    "machine": "2 cores",
    "python": "3.11.7",
    "rows": [
        {
            "case": "20 x 100 ms",
            "peer": "weft",
            "metric": "time",
            "unit": "ms",
            "median": 103.5,
            "min": 101,
            "max": 120,
            "runs": 5,
        }
    ],
    "ratios": [{"what": "over one call", "value": 1.035, "target": "at most 1.1", "met": True, "note": ""}],
}


def test_the_tables_are_what_the_results_say():
    """`measured.md` and the README's table are exactly what the recorded results make of them."""
    assert report.main(["--check"]) == 0


def test_a_result_becomes_a_table():
    """Median, range, number of runs and verdict of a result are all shown."""
    text = report.page([RESULT])
    assert "| 20 x 100 ms | weft | time | 104 ms | 101 to 120 | 5 |" in text
    assert "| over one call | 1.03 | at most 1.1 | yes |  |" in text


def test_a_broken_promise_is_shown():
    """A ratio that missed its target says so, in the page and in the README's table."""
    missed = {**RESULT, "ratios": [{**RESULT["ratios"][0], "met": False}]}
    assert "| **no** |" in report.page([missed])
    assert "| **no** |" in report.summary([missed])


def test_the_readme_counts_what_it_does_not_show():
    """The README shows a file's first ratio and the headlines, and says how many promises were kept in all."""
    kept = RESULT["ratios"][0]
    others = [{**kept, "what": "a headline", "headline": True}, {**kept, "what": "a detail", "met": False}]
    text = report.summary([{**RESULT, "ratios": [kept, *others]}])
    assert "over one call" in text
    assert "a headline" in text
    assert "a detail" not in text
    assert "2 of 3 promises were kept" in text


@pytest.mark.parametrize("field", ["name", "promise", "date", "machine", "python", "rows", "ratios"])
def test_a_result_without_a_field_is_refused(tmp_path, field):
    """A result file of another shape stops the report, and the message names the file and the field."""
    broken = {key: value for key, value in RESULT.items() if key != field}
    (tmp_path / "fan-out.json").write_text(json.dumps(broken))
    with pytest.raises(ValueError, match=f"fan-out.json: '{field}' is missing"):
        report.load(tmp_path)


def test_an_impossible_figure_is_refused(tmp_path):
    """A median outside its own range is a mistake of the script that measured."""
    broken = {**RESULT, "rows": [{**RESULT["rows"][0], "median": 99}]}
    (tmp_path / "fan-out.json").write_text(json.dumps(broken))
    with pytest.raises(ValueError, match="median 99 is not between"):
        report.load(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0123, "0.0123"), (1.2345, "1.23"), (2.0, "2"), (99.94, "99.9"), (12345.6, "12,346")],
)
def test_figures_have_three_digits(value, text):
    """More digits than three would claim a precision that no shared machine has."""
    assert report.figure(value) == text
