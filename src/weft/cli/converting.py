"""Runs `weft convert`: from files through `weft.map` to a view and a sum, as many at once as there are CPUs."""

import argparse
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from weft.cli.output import Style, printable, say, speaks_unicode, wants_color, write, write_lines_at_once
from weft.cli.parsing import UsageError
from weft.cli.words import duration, plural, size
from weft.clock import now
from weft.errors import InvalidValue
from weft.executors.sizing import usable_cpus
from weft.outcome import Ok
from weft.runtime.face import limit
from weft.runtime.face import map as weft_map
from weft.runtime.process import close, configure, runtime
from weft.scopes.task import Task
from weft.uploads.converting.carrying import convert_file
from weft.uploads.images.recipes import Image
from weft.uploads.limits import Limits
from weft.uploads.records import Upload

__all__ = ["Done", "Sum", "View", "convert", "row"]

_INTERRUPTED = 130
_PATIENCE = 2.0  # seconds that conversions under way have to clear up behind them
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one file."""

    source: Path
    before: int
    seconds: float
    made: Upload | None
    error: BaseException | None


@dataclass(slots=True)
class Sum:
    """The running totals: files, bytes of what was converted before and after, and why the run ended early."""

    total: int
    ok: int = 0
    not_ok: int = 0
    before: int = 0
    after: int = 0
    stopped: str | None = None

    def add(self, done: Done) -> None:
        """Count one."""
        if done.made is None:
            self.not_ok += 1
        else:
            self.ok += 1
            self.before += done.before
            self.after += done.made.size


class View(Protocol):
    """Shows results as they come."""

    def show(self, done: Done) -> None:
        """Show one result, which has been counted already."""


def convert(args: argparse.Namespace) -> int:
    """Convert what the arguments say; return the exit status.

    Raises:
        UsageError: something that cannot be made, or two files that would get one name.
    """
    recipe = _recipe(args)
    files = [Path(name) for name in args.files]
    _refuse_clashes(files, args.out)
    if args.out is not None:
        _make_folder(Path(args.out))
    jobs = args.jobs or usable_cpus().chosen
    configure(process_limit=max(10_000, len(files)), waiting=max(10_000, len(files)))
    limit("conversions", jobs)
    totals, began = Sum(len(files)), now()
    write_lines_at_once()
    try:
        with _view(args, totals) as view:
            for task in weft_map(_converter(recipe, args), files, limit=2 * jobs).as_completed():
                done = _done(task)
                totals.add(done)
                view.show(done)
    except KeyboardInterrupt:
        totals.stopped = "interrupt"
        runtime().threads.drain(_PATIENCE)
    close(grace=0)
    _tell(args, totals, now() - began)
    return _INTERRUPTED if totals.stopped else int(totals.not_ok > 0)


def _converter(recipe: Image, args: argparse.Namespace) -> Callable[[Path], Awaitable[Upload]]:
    limits = Limits(size=args.max_size, megapixels=args.megapixels, frames=1_000, seconds=args.timeout)

    async def convert_one(source: Path) -> Upload:
        target = source.parent if args.out is None else Path(args.out)
        made: Upload = await convert_file(source, recipe, target, limits, overwrite=args.overwrite)
        return made

    return convert_one


def _recipe(args: argparse.Namespace) -> Image:
    try:
        return Image(
            args.width,
            args.height,
            "cover" if args.cover else "inside",
            args.format,
            args.quality,
            metadata=args.metadata,
            animation=args.animation,
        )
    except InvalidValue as error:
        raise UsageError(f"convert: {error}") from error


def _refuse_clashes(files: list[Path], out: str | None) -> None:
    known: dict[Path, Path] = {}
    for file in files:
        name = (file.parent if out is None else Path(out)) / file.stem
        if name in known:
            raise UsageError(
                f"convert: {known[name]} and {file} would get one name: convert them into different folders"
            )
        known[name] = file


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"convert: --out {folder}: {error.strerror}") from error


def _done(task: Task[Upload]) -> Done:
    source: Path = task.call.args[0]
    took = (task.ended_at or 0.0) - (task.started_at or task.created_at)
    outcome = task.outcome
    if isinstance(outcome, Ok):
        return Done(source, source.stat().st_size, sum(outcome.value.seconds.values()), outcome.value, None)
    assert outcome is not None  # it has ended
    return Done(source, 0, took, None, outcome.as_error())


@contextmanager
def _view(args: argparse.Namespace, totals: Sum) -> Iterator[View]:
    if not args.json and not args.quiet and sys.stdout.isatty() and find_spec("rich") is not None:
        from weft.cli.converting_live import Bar  # noqa: PLC0415 - rich is an extra, and slow to import

        bar: AbstractContextManager[View] = Bar(totals, Style(color=wants_color(sys.stdout, no_color=args.no_color)))
        with bar as view:
            yield view
    else:
        yield _Lines(args)


class _Lines:
    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._style = Style(color=wants_color(sys.stdout, no_color=args.no_color))

    def show(self, done: Done) -> None:
        if self._args.json:
            write(_as_json(done))
        elif done.error is not None or not self._args.quiet:
            write(row(done, self._style, unicode=speaks_unicode(sys.stdout)))


def row(done: Done, style: Style, *, unicode: bool) -> str:
    """One line for a person."""
    name = printable(str(done.source))
    if done.made is None:
        return f"{style('✗' if unicode else 'x', 'red')} {name}  {style(printable(_message(done.error)), 'red')}"
    tick, arrow = ("✓", "→") if unicode else ("+", "->")
    sizes = f"{size(done.before):>8} {arrow} {size(done.made.size):>8}  {_saved(done.before, done.made.size):>6}"
    return f"{style(tick, 'green')} {sizes}  {duration(done.seconds):>8}  {printable(done.made.key)}"


def _as_json(done: Done) -> str:
    made = done.made
    error = None if done.error is None else {"kind": type(done.error).__name__, "message": _message(done.error)}
    facts = {
        "type": "result",
        "version": _VERSION,
        "source": str(done.source),
        "ok": made is not None,
        "target": made and made.key,
        "format": made and made.format,
        "before": made and done.before,
        "after": made and made.size,
        "seconds": round(done.seconds, 6),
        "error": error,
    }
    return json.dumps(facts, ensure_ascii=False)


def _message(error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.strerror is not None and error.errno is not None:
        return error.strerror
    return str(error) or type(error).__name__


def _saved(before: int, after: int) -> str:
    return f"{100 * (after - before) / before:+.0f} %" if before else ""


def _tell(args: argparse.Namespace, totals: Sum, wall: float) -> None:
    undone = totals.total - totals.ok - totals.not_ok
    if args.json:
        facts = {
            "type": "summary",
            "version": _VERSION,
            "ok": totals.ok,
            "not_ok": totals.not_ok,
            "undone": undone,
            "stopped": totals.stopped,
            "before": totals.before,
            "after": totals.after,
            "seconds": round(wall, 6),
        }
        write(json.dumps(facts))
    elif not args.quiet:
        style = Style(color=wants_color(sys.stderr, no_color=args.no_color))
        say("\n".join(f"  {line}" for line in _report(totals, undone, wall, style)))


def _report(totals: Sum, undone: int, wall: float, style: Style) -> Iterator[str]:
    bad = f", {style(f'{totals.not_ok} not', 'red', 'bold')}" if totals.not_ok else ""
    yield f"{plural(totals.ok, 'picture')} converted in {duration(wall)}{bad}"
    if totals.before:
        saved = style(_saved(totals.before, totals.after), "bold")
        yield f"{size(totals.before)} became {size(totals.after)} ({saved})"
    if totals.stopped:
        yield style(f"interrupted: {plural(undone, 'picture')} not done", "yellow", "bold")
