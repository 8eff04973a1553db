"""What one check came to, and its three forms: a row for people, an object of JSON, a line of CSV.

The JSON and CSV forms are stable within `VERSION`: keys may be added, none is renamed or removed.
"""

import csv
import io
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from weft.cli.output import Style, printable
from weft.cli.targets import Target
from weft.cli.words import duration, size
from weft.outcome import Cancelled, Failed, Ok, Refused, TimedOut
from weft.scopes.task import Task
from weft.telemetry.summary import error_kind, outcome_name
from weft.telemetry.waterfall import Phase, Span

__all__ = [
    "PHASES",
    "VERSION",
    "Reading",
    "Result",
    "as_csv",
    "as_json",
    "as_row",
    "csv_header",
    "result_of",
    "span_of",
]

VERSION = 1
PHASES = ("dns", "connect", "tls", "wait", "body")
_FIRST_FAILURE = 400


@dataclass(frozen=True, slots=True)
class Reading:
    """What a site answered.

    Attributes:
        status: the HTTP status.
        http_version: "1.1", "2" or "3".
        size: bytes of the body after decompression; 0 for a HEAD request.
        phases: how the time was spent, as far as it is known.
    """

    status: int
    http_version: str
    size: int
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report.

    Attributes:
        target: what was to be checked.
        outcome: "ok", "http_error" (a status of 400 or more), "failed", "timed_out", "cancelled", "refused" or
            "invalid" (no web address).
        start: when the check began, on `weft.clock`; None: it never did.
        seconds: how long it took, retries included; None: it never began.
        attempts: how often it was tried.
        reading: what the site answered, or None.
        kind: the kind of error: a class name, or "HTTP 404".
        message: what went wrong, in words.
    """

    target: Target
    outcome: str
    start: float | None
    seconds: float | None
    attempts: int
    reading: Reading | None = None
    kind: str | None = None
    message: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the site answered with a status below 400."""
        return self.outcome == "ok"


def result_of(task: Task[Reading]) -> Result:
    """The result of a task that has ended and whose first argument is the target."""
    target: Target = task.args[0]
    if target.problem is not None:
        return Result(target, "invalid", None, None, 0, None, "InvalidURL", target.problem)
    start, end = task.started_at, task.ended_at
    seconds = None if start is None or end is None else end - start
    outcome, reading, kind, message = _verdict(task)
    return Result(target, outcome, start, seconds, task.attempts, reading, kind, message)


def span_of(result: Result) -> Span:
    """The result as a bar of a waterfall. Phases are of the last attempt; what came before them is "run"."""
    seconds = result.seconds or 0.0
    phases = result.reading.phases if result.reading else ()
    before = seconds - sum(phase.seconds for phase in phases)
    if phases and result.attempts > 1 and before > 0:
        phases = (Phase("run", before), *phases)
    return Span(result.target.url, result.start or 0.0, seconds, phases, result.outcome)


def as_json(result: Result) -> str:
    """One line of JSON."""
    return json.dumps({"type": "result", "version": VERSION, **as_dict(result)}, ensure_ascii=False)


def as_dict(result: Result) -> dict[str, Any]:
    """The result as plain data; durations in seconds, None where nothing is known."""
    reading = result.reading
    return {
        "line": result.target.line,
        "url": result.target.url,
        "ok": result.ok,
        "outcome": result.outcome,
        "status": reading and reading.status,
        "http_version": reading and reading.http_version,
        "bytes": reading and reading.size,
        "seconds": _rounded(result.seconds),
        "attempts": result.attempts,
        "phases": {phase.name: _rounded(phase.seconds) for phase in reading.phases} if reading else {},
        "error": None if result.kind is None else {"kind": result.kind, "message": result.message},
    }


_COLUMNS = ("line", "url", "ok", "outcome", "status", "http_version", "bytes", "seconds", "attempts")


def csv_header() -> str:
    """The names of the columns."""
    return ",".join((*_COLUMNS, "error_kind", "error_message", *PHASES))


def as_csv(result: Result) -> str:
    """One line of CSV (RFC 4180), without its line end; durations in seconds, empty where nothing is known.

    Control characters become U+FFFD, so that a record is one line in any tool.
    """
    facts = as_dict(result)
    phases = facts["phases"]
    cells = [facts[name] for name in _COLUMNS]
    cells[1:3] = printable(result.target.url), "true" if result.ok else "false"
    rest = (result.kind, result.message and printable(result.message), *(phases.get(name) for name in PHASES))
    buffer = io.StringIO()
    csv.writer(buffer).writerow([*cells, *rest])
    return buffer.getvalue().rstrip("\r\n")


def as_row(result: Result, style: Style, *, unicode: bool = True) -> str:
    """One line for people, in columns: mark, status, time, size, HTTP version, address, what went wrong."""
    reading = result.reading
    color = "green" if result.ok else "red"
    mark = ("✓" if result.ok else "✗") if unicode else ("+" if result.ok else "x")
    cells = (
        style(mark, color),
        style(f"{reading.status if reading else '-':>3}", color),
        f"{duration(result.seconds):>9}",
        style(f"{size(reading.size if reading else None):>8}  {_version(reading):<4}", "dim"),
        printable(result.target.url),
        style(printable(_complaint(result)), "red"),
    )
    return "  ".join(cells).rstrip()


def _verdict(task: Task[Reading]) -> tuple[str, Reading | None, str | None, str | None]:
    match task.outcome:
        case Ok(reading) if reading.status < _FIRST_FAILURE:
            return "ok", reading, None, None
        case Ok(reading):
            return "http_error", reading, f"HTTP {reading.status}", _phrase(reading.status)
        case Failed(error) as outcome:
            word = "timed_out" if isinstance(error, TimeoutError) else "failed"
            return word, None, error_kind(outcome), _sentence(error)
        case TimedOut(after) as outcome:
            allowed = "the deadline passed" if after is None else f"no answer within {duration(after)}"
            return outcome_name(outcome), None, "TimedOut", allowed
        case Cancelled(reason) | Refused(reason) as outcome:
            return outcome_name(outcome), None, type(outcome).__name__, reason
        case None:  # pragma: no cover - a batch hands out what has ended
            raise AssertionError


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "an unknown status"


def _sentence(error: BaseException) -> str:
    # The first argument: an error of weft.http repeats the address after it, which has a column of its own.
    lines = str(error.args[0] if error.args else error).splitlines()
    return lines[0] if lines else type(error).__name__


def _complaint(result: Result) -> str:
    if result.outcome == "invalid":
        return f"(line {result.target.line}) {result.message}"
    return result.message or ""


def _version(reading: Reading | None) -> str:
    return f"h{reading.http_version}" if reading else "-"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
