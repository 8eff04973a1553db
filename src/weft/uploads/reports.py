"""What came of the files of a batch, as frozen records: for programs, for people, and for a page that listens."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from weft.errors import DeadlineExceeded, TaskCancelled
from weft.outcome import Ok, Outcome
from weft.uploads.errors import UploadRefused
from weft.uploads.records import Upload

__all__ = ["Processed", "Progress", "Report", "State", "state_of"]

State = Literal["ok", "refused", "failed", "late", "cancelled"]

_MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class Processed:
    """What came of one file.

    Attributes:
        name: what people call it.
        state: "ok"; "refused", the file is to blame; "failed", we are; "late", the deadline came first; "cancelled".
        reason: why it is not "ok", fit for whoever sent it. Of a bug it tells nothing: that is in `error`, and has
            been logged as `weft.uploads`.
        before: bytes of the file.
        made: what was made of it.
        seconds: that it took, from its turn on.
        value: what the function or the conversion gave.
        error: why it is not "ok", for programs.
    """

    name: str
    state: State
    reason: str = ""
    before: int = 0
    made: tuple[Upload, ...] = ()
    seconds: float = 0.0
    value: Any = field(default=None, compare=False, repr=False)
    error: BaseException | None = field(default=None, compare=False, repr=False)

    @property
    def after(self) -> int:
        """Bytes of all that was made."""
        return sum(each.size for each in self.made)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "before": self.before,
            "after": self.after,
            "seconds": round(self.seconds, 3),
            "made": [{"key": each.key, "format": each.format, "size": each.size} for each in self.made],
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch has come.

    Attributes:
        total: files.
        ok, refused, failed: files that have ended so; late and cancelled ones have failed.
        file: the one that ended last; None at the beginning.
    """

    total: int
    ok: int
    refused: int
    failed: int
    file: Processed | None = None

    @property
    def done(self) -> int:
        """Files that have ended."""
        return self.ok + self.refused + self.failed

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        counts = {"done": self.done, "total": self.total}
        states = {"ok": self.ok, "refused": self.refused, "failed": self.failed}
        return {**counts, **states, "file": None if self.file is None else self.file.as_dict()}

    def as_sse(self) -> str:
        """As one server-sent event, "progress"; its id counts the files that have ended."""
        return _event("progress", self.done, self.as_dict())


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all files of a batch. As text: a line for the sum, and one for each that is not "ok".

    Attributes:
        files: each of them, in the order in which they were given.
        seconds: from the first to the last.
    """

    files: tuple[Processed, ...]
    seconds: float

    @property
    def ok(self) -> tuple[Processed, ...]:
        """Those that went well."""
        return tuple(each for each in self.files if each.state == "ok")

    @property
    def refused(self) -> tuple[Processed, ...]:
        """Those that are to blame themselves."""
        return tuple(each for each in self.files if each.state == "refused")

    @property
    def failed(self) -> tuple[Processed, ...]:
        """All others."""
        return tuple(each for each in self.files if each.state not in {"ok", "refused"})

    @property
    def before(self) -> int:
        """Bytes of those that went well."""
        return sum(each.before for each in self.ok)

    @property
    def after(self) -> int:
        """Bytes of what was made of them."""
        return sum(each.after for each in self.ok)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "total": len(self.files),
            "ok": len(self.ok),
            "refused": len(self.refused),
            "failed": len(self.failed),
            "before": self.before,
            "after": self.after,
            "seconds": round(self.seconds, 3),
            "files": [each.as_dict() for each in self.files],
        }

    def as_sse(self) -> str:
        """As one server-sent event, "report"."""
        return _event("report", len(self.files), self.as_dict())

    def __str__(self) -> str:
        counts = f"{len(self.files)} files: {len(self.ok)} ok, {len(self.refused)} refused, {len(self.failed)} failed"
        sizes = f"{self.before / _MEGA:.3g} MB became {self.after / _MEGA:.3g} MB" if self.after else "nothing was made"
        lines = [f"{counts}; {sizes} in {self.seconds:.1f} s"]
        lines += [f"{each.name}: {each.state}: {each.reason}" for each in self.files if each.state != "ok"]
        return "\n".join(lines)


def state_of(outcome: Outcome[Any]) -> State:
    """What an outcome is called here."""
    if isinstance(outcome, Ok):
        return "ok"
    match outcome.as_error():  # a conversion has a scope of its own, which may be the first to notice
        case UploadRefused():
            return "refused"
        case DeadlineExceeded():
            return "late"
        case TaskCancelled():
            return "cancelled"
        case _:
            return "failed"


def _event(kind: str, number: int, data: Mapping[str, Any]) -> str:
    # JSON has no line feeds of its own, which would end the event's data.
    return f"event: {kind}\nid: {number}\ndata: {json.dumps(data)}\n\n"
