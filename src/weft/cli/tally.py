"""Adds results up as they come, in constant memory, and tells them at the end: as text or as JSON."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from weft.cli.output import Style, printable
from weft.cli.results import PHASES, VERSION, Result, as_dict, span_of
from weft.cli.words import count, duration, plural, size
from weft.telemetry.summary import Slowest, Summary
from weft.telemetry.waterfall import ASCII, UNICODE, Bar, lay_out, runs

__all__ = ["Tally", "report", "summary_line"]

SLOWEST = 10

_COLORS = {"dns": "yellow", "connect": "magenta", "tls": "cyan", "wait": "blue", "body": "green", "run": "dim"}
_MOST_KINDS = 12  # of error, in the text; the JSON has all


@dataclass
class Tally:
    """The running totals of a check. Written by one thread; the plain numbers may be read by others meanwhile.

    Attributes:
        total: how many addresses there are, or None while that is not known.
        stopped: why the run ended early, "deadline" or "interrupt", or None.
        checked: how many results there are.
        fine: how many of them are fine.
        received: bytes of their bodies.
    """

    total: int | None = None
    stopped: str | None = None
    summary: Summary = field(default_factory=Summary)
    slowest: Slowest[Result] = field(default_factory=lambda: Slowest(SLOWEST))
    checked: int = 0
    fine: int = 0
    received: int = 0

    def add(self, result: Result) -> None:
        """Count one result."""
        end = (result.start or 0.0) + (result.seconds or 0.0)
        self.summary.add(result.outcome, result.start, end, result.kind)
        self.checked += 1
        self.fine += result.ok
        self.received += result.reading.size if result.reading else 0
        if result.seconds is not None:
            self.slowest.add(result.seconds, result)

    @property
    def unchecked(self) -> int | None:
        """How many addresses have no result; None where their number is not known."""
        if self.total is not None:
            return max(0, self.total - self.checked)
        return None if self.stopped else 0

    @property
    def all_fine(self) -> bool:
        """Whether everything was checked and is fine."""
        return self.stopped is None and self.fine == self.checked


def summary_line(tally: Tally) -> str:
    """The summary as one line of JSON: the last line of a stream."""
    facts: dict[str, Any] = {
        "type": "summary",
        "version": VERSION,
        "ok": tally.fine,
        "not_ok": tally.checked - tally.fine,
        "unchecked": tally.unchecked,
        "stopped": tally.stopped,
        "bytes": tally.received,
        **tally.summary.as_dict(),
        "slowest": [as_dict(result) for result in tally.slowest.items()],
    }
    return json.dumps(facts, ensure_ascii=False)


def report(tally: Tally, style: Style, *, width: int, unicode: bool) -> str:
    """The summary as text: what came of it, how long it took, and where the slowest spent their time."""
    blocks = [_headline(tally, style), _kinds(tally.summary.errors, style), _times(tally, style)]
    blocks.append(list(_waterfall(tally, style, width=width, unicode=unicode)))
    return "\n" + "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _headline(tally: Tally, style: Style) -> list[str]:
    bad = tally.checked - tally.fine
    words = [style(f"{count(tally.fine)} fine", "green", "bold")]
    words += [style(f"{count(bad)} not", "red", "bold")] if bad else []
    lines = [f"  {plural(tally.checked, 'site')} in {duration(tally.summary.wall)}: {', '.join(words)}"]
    if tally.stopped is not None:
        lines.append("  " + style(_why_stopped(tally), "yellow", "bold"))
    return lines


def _why_stopped(tally: Tally) -> str:
    rest = "" if not tally.unchecked else f": {plural(tally.unchecked, 'site')} not checked"
    return ("interrupted" if tally.stopped == "interrupt" else "the deadline passed") + rest


def _kinds(errors: Counter[str], style: Style) -> list[str]:
    lines = [f"  {style(f'{count(number):>7}', 'red')}  {kind}" for kind, number in errors.most_common(_MOST_KINDS)]
    rest = len(errors) - _MOST_KINDS
    return [*lines, f"           and {plural(rest, 'other kind')} of error"] if rest > 0 else lines


def _times(tally: Tally, style: Style) -> list[str]:
    summary = tally.summary
    if not summary.latency.count:
        return []
    points = [(f"p{round(q * 100)}", summary.latency.quantile(q)) for q in (0.50, 0.95, 0.99)]
    shown = [f"{style(name, 'dim')} {duration(at)}" for name, at in (*points, ("longest", summary.latency.maximum))]
    lines = [f"  {style('time ', 'dim')}  {'   '.join(shown)}"]
    rate = summary.calls / summary.wall if summary.wall else 0.0
    lines.append(f"  {style('speed', 'dim')}  {rate:,.0f} sites/s, {size(tally.received)} received")
    if summary.speed_up is not None and summary.speed_up > 1:  # one after the other, or waiting for input: no gain
        gain = style(f"{summary.speed_up:.1f} times faster", "bold")
        lines.append(f"         up to {gain} than one after the other ({duration(summary.busy)})")
    return lines


def _waterfall(tally: Tally, style: Style, *, width: int, unicode: bool) -> Iterator[str]:
    slowest = tally.slowest.items()
    if not slowest:
        return
    # On the axis of a long run single calls would be specks: then each is drawn from its own start.
    aligned = tally.summary.wall > 4 * (slowest[0].seconds or 0.0)
    chart = lay_out([span_of(result) for result in slowest], aligned=aligned)
    marks = UNICODE if unicode else ASCII
    title = "each from its own start" if aligned else "from the start of the run"
    legend = "  ".join(style(f"{marks[name]} {name}", _COLORS[name]) for name in PHASES)
    yield f"  {style(f'slowest {len(slowest)}', 'bold')}, {title}   {legend}"
    names = min(max(len(bar.name) for bar in chart.bars), max(16, width // 3))
    for bar in chart.bars:
        cells = _cells(bar, max(10, width - names - 18), style, marks)
        yield f"  {_shortened(printable(bar.name), names)}  {cells} {duration(bar.seconds):>10}"


def _cells(bar: Bar, width: int, style: Style, marks: Any) -> str:
    drawn = (
        (marks.get(name, marks["run"]) * cells, name) if name else (" " * cells, "") for name, cells in runs(bar, width)
    )
    return "".join(style(text, *([_COLORS[name]] if name in _COLORS else [])) for text, name in drawn)


def _shortened(name: str, width: int) -> str:
    # The end of an address tells more than its middle.
    if len(name) <= width:
        return f"{name:<{width}}"
    head = (width - 1) // 2
    return f"{name[:head]}~{name[len(name) - (width - 1 - head) :]}"
