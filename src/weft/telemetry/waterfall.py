"""Calls as bars on one time axis: when each began, how long it took, and on what.

Pure layout: `lay_out` gives fractions of the axis for HTML or JSON, `runs` and `draw` turn them into character cells.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from weft.scopes.task import Task
from weft.telemetry.summary import outcome_name

__all__ = ["ASCII", "UNICODE", "Bar", "Chart", "Part", "Phase", "Span", "draw", "lay_out", "runs", "span_of"]

# Told apart without colour, in the order in which a call goes through them.
UNICODE: Mapping[str, str] = {
    "queued": "·", "dns": "░", "connect": "▒", "tls": "▓", "wait": "─", "body": "█", "run": "█",
}  # fmt: skip
ASCII: Mapping[str, str] = {
    "queued": ".", "dns": "d", "connect": "c", "tls": "t", "wait": "-", "body": "#", "run": "#",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of a call: what it was spent on, and for how many seconds."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Span:
    """A call as it was measured.

    Attributes:
        name: what to show it as.
        start: when it began, in seconds on any clock that all spans of a chart share.
        seconds: how long it took in all.
        phases: what it went through, one after the other from its start; what they leave of `seconds` is "run".
        outcome: what it came to, in one word.
    """

    name: str
    start: float
    seconds: float
    phases: tuple[Phase, ...] = ()
    outcome: str = "ok"


@dataclass(frozen=True, slots=True)
class Part:
    """A phase on the axis; `offset` and `width` are fractions of its length, from 0 to 1."""

    name: str
    offset: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A call on the axis; `offset` and `width` are fractions of its length, from 0 to 1."""

    name: str
    outcome: str
    seconds: float
    offset: float
    width: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, in the order of their spans, on an axis of `seconds`."""

    seconds: float
    bars: tuple[Bar, ...]


def span_of(task: Task[Any]) -> Span | None:
    """The span of a task that has ended: "queued" until it began, then "run". None while it is under way."""
    if task.outcome is None or task.ended_at is None:
        return None
    began = task.ended_at if task.started_at is None else task.started_at
    phases = (Phase("queued", began - task.created_at), Phase("run", task.ended_at - began))
    return Span(task.name, task.created_at, task.ended_at - task.created_at, phases, outcome_name(task.outcome))


def lay_out(spans: Sequence[Span], *, aligned: bool = False) -> Chart:
    """Place the spans on one axis, which begins with the earliest and ends with the latest.

    Args:
        spans: the calls; none gives an empty chart.
        aligned: begin each bar at 0, to compare durations rather than to see what ran at the same time.
    """
    zero = min((span.start for span in spans), default=0.0)
    starts = [0.0 if aligned else span.start - zero for span in spans]
    length = max((start + span.seconds for start, span in zip(starts, spans, strict=True)), default=0.0)
    return Chart(length, tuple(_bar(span, start, length or 1.0) for start, span in zip(starts, spans, strict=True)))


def runs(bar: Bar, width: int) -> list[tuple[str, int]]:
    """The bar as character cells: pairs of a phase's name ("" for empty space) and a number of cells, `width` in all.

    A phase shorter than half a cell may not show; the bar as a whole takes at least one cell.
    """
    cells = [""] * width
    for part in bar.parts:
        first, end = round(part.offset * width), round((part.offset + part.width) * width)
        cells[first:end] = [part.name] * (min(end, width) - first)
    if bar.parts and not any(cells):
        longest = max(bar.parts, key=lambda part: part.width)
        cells[min(int(longest.offset * width), width - 1)] = longest.name
    return [(name, len(list(group))) for name, group in groupby(cells)]


def draw(bar: Bar, width: int, marks: Mapping[str, str] = UNICODE) -> str:
    """The bar as `width` characters of text.

    Args:
        bar: one of a chart's.
        width: characters, at least 1.
        marks: a character for each phase, `UNICODE` or `ASCII`; a phase without one is drawn as "run".
    """
    return "".join((marks.get(name, marks["run"]) if name else " ") * count for name, count in runs(bar, width))


def _bar(span: Span, start: float, length: float) -> Bar:
    parts = tuple(_parts(_complete(span), start / length, length))
    return Bar(span.name, span.outcome, span.seconds, start / length, span.seconds / length, parts)


def _complete(span: Span) -> tuple[Phase, ...]:
    rest = span.seconds - sum(phase.seconds for phase in span.phases)
    return (*span.phases, Phase("run", rest)) if rest > 0 else span.phases


def _parts(phases: Iterable[Phase], offset: float, length: float) -> Iterable[Part]:
    for phase in phases:
        width = min(phase.seconds / length, max(0.0, 1.0 - offset))
        if width > 0:
            yield Part(phase.name, offset, width)
        offset += width
