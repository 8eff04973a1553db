"""Facts about waterfalls: how calls become bars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.calls.call import call
from weft.outcome import Ok, Refused
from weft.scopes.task import Task
from weft.telemetry.waterfall import ASCII, Bar, Part, Phase, Span, draw, lay_out, runs, span_of


def test_bars_lie_on_one_axis():
    """The axis begins with the earliest call and ends with the latest; bars are fractions of it."""
    chart = lay_out([Span("a", 10.0, 2.0), Span("b", 11.0, 3.0)])
    assert chart.seconds == 4.0
    assert [(bar.offset, bar.width) for bar in chart.bars] == [(0.0, 0.5), (0.25, 0.75)]


def test_aligned_bars_begin_at_zero():
    """Aligned bars show durations alone: each begins at 0, and the longest fills the axis."""
    chart = lay_out([Span("a", 10.0, 2.0), Span("b", 99.0, 4.0)], aligned=True)
    assert chart.seconds == 4.0
    assert [(bar.offset, bar.width) for bar in chart.bars] == [(0.0, 0.5), (0.0, 1.0)]


def test_phases_follow_one_another_and_the_rest_is_run():
    """Phases stand side by side from the start; what they leave of the duration is "run"."""
    chart = lay_out([Span("a", 0.0, 4.0, (Phase("dns", 1.0), Phase("wait", 1.0)))])
    assert chart.bars[0].parts == (Part("dns", 0.0, 0.25), Part("wait", 0.25, 0.25), Part("run", 0.5, 0.5))


def test_no_spans_make_an_empty_chart():
    """Nothing gives an empty chart, not an error."""
    assert lay_out([]).bars == ()


def test_an_instant_has_a_bar():
    """A call that took no measurable time is placed, and drawn without error."""
    chart = lay_out([Span("a", 5.0, 0.0)])
    assert draw(chart.bars[0], 10) == " " * 10


def test_a_short_call_takes_one_cell():
    """A call too short for the axis still shows as one cell, in its longest phase's mark."""
    chart = lay_out([Span("long", 0.0, 100.0), Span("short", 50.0, 0.02, (Phase("dns", 0.005), Phase("tls", 0.015)))])
    assert draw(chart.bars[1], 20, ASCII) == " " * 10 + "t" + " " * 9


def test_phases_have_marks_of_their_own():
    """Without colour the phases are told apart by their characters; an unknown one is drawn as "run"."""
    bar = Bar("a", "ok", 1.0, 0.0, 1.0, (Part("dns", 0.0, 0.25), Part("wait", 0.25, 0.25), Part("cook", 0.5, 0.5)))
    assert draw(bar, 8, ASCII) == "dd--####"
    assert draw(bar, 8) == "░░──████"


SPANS = st.lists(
    st.builds(
        lambda start, seconds, names: Span(
            "x", start, seconds, tuple(Phase(n, seconds / 4) for n in names[:4])
        ),
        st.floats(0, 1e5), st.floats(0, 1e5), st.lists(st.sampled_from(["dns", "wait"])),
    ),
    max_size=6,
)  # fmt: skip


@given(SPANS, st.integers(1, 80), st.booleans())
def test_drawings_always_fit(spans, width, aligned):
    """Whatever the spans, each bar fills its width exactly, and no part leaves the axis."""
    for bar in lay_out(spans, aligned=aligned).bars:
        assert sum(count for _, count in runs(bar, width)) == width == len(draw(bar, width))
        assert all(part.offset + part.width <= 1 + 1e-9 for part in bar.parts)


def ended(outcome, started):
    task = Task(call(len, "x"), lambda task, fate: None)
    task.settle(outcome)
    task.created_at, task.started_at, task.ended_at = 1.0, started, 4.0
    return task


def test_a_task_waits_then_runs():
    """The span of a task shows how long it queued and how long it ran."""
    span = span_of(ended(Ok(1), started=2.0))
    assert span == Span("len", 1.0, 3.0, (Phase("queued", 1.0), Phase("run", 2.0)), "ok")


def test_a_task_that_never_ran_has_only_queued():
    """A refused task's span is waiting alone."""
    span = span_of(ended(Refused("full"), started=None))
    assert span.phases == (Phase("queued", 3.0), Phase("run", 0.0))
    assert span.outcome == "refused"


def test_a_task_under_way_has_no_span():
    """While a task is under way there is nothing to draw."""
    assert span_of(Task(call(len, "x"), lambda task, fate: None)) is None


@pytest.mark.parametrize("width", [1, 7])
def test_phases_longer_than_the_call_are_cut(width):
    """Measured phases that add up to more than the call (clocks differ) end where the axis ends."""
    chart = lay_out([Span("a", 0.0, 1.0, (Phase("wait", 0.9), Phase("body", 0.4)))])
    assert len(draw(chart.bars[0], width)) == width
    assert sum(part.width for part in chart.bars[0].parts) == pytest.approx(1.0)
