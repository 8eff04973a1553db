"""Runs `weft check`: from addresses through `weft.map` to a view and a tally, a bounded number at any time."""

import argparse
import os
import shutil
import stat
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec

from weft.calls.call import call as make_call
from weft.cli.arriving import Arriving, lines_of
from weft.cli.descriptors import make_room_for
from weft.cli.output import Style, say, speaks_unicode, wants_color, write, write_lines_at_once
from weft.cli.probe import Probe
from weft.cli.results import Reading, Result, as_csv, as_json, as_row, csv_header, result_of
from weft.cli.tally import Tally, report, summary_line
from weft.cli.targets import (
    Target,
    count_lines,
    from_arguments,
    from_lines,
    open_lines,
    refuse_unreadable,
    standard_input,
)
from weft.cli.views import Lines, Ticker, View
from weft.clock import now
from weft.runtime.face import map as weft_map
from weft.runtime.process import close, configure
from weft.scopes.task import Task

__all__ = ["check", "pump"]

_INTERRUPTED = 130
_BACKSTOP = 1.0  # seconds


def check(args: argparse.Namespace) -> int:
    """Check what the arguments say; return the exit status.

    Raises:
        UsageError: an address, a file or a limit that cannot be used.
    """
    if args.ca_file is not None:
        refuse_unreadable("--ca-file", args.ca_file)
    with ExitStack() as stack:
        targets, total = _targets(args, stack)
        make_room_for(args.limit)
        configure(
            host_limit=args.per_host or args.limit,
            process_limit=max(10_000, args.limit),
            waiting=max(10_000, args.limit),
        )
        probe = Probe(
            args.method,
            timeout=args.timeout,
            max_body=args.max_body,
            verify=not args.insecure,
            ca_file=args.ca_file,
        )
        tally = Tally(total=total)
        write_lines_at_once()
        try:
            with _view(args, tally) as view:
                pump(probe, targets, tally, view, args)
        except KeyboardInterrupt:
            tally.stopped = "interrupt"
        close(grace=0)
    _tell(args, tally)
    return _INTERRUPTED if tally.stopped == "interrupt" else int(not tally.all_fine)


def pump(
    probe: Callable[[Target], Awaitable[Reading]],
    targets: Iterable[Target] | Arriving,
    tally: Tally,
    view: View,
    args: argparse.Namespace,
) -> None:
    """Check the targets, and count and show each result as it comes. Keeps none of them."""
    began = now()
    # The engine's own timeout comes first, because it knows what was waited for; this one is for all else.
    timeout = args.timeout + _BACKSTOP
    retry = args.retries or None
    tasks: Iterable[Task[Reading]]
    if isinstance(targets, Arriving):
        call = make_call(probe).using(timeout=timeout, retry=retry)
        tasks = targets.checked(call, limit=args.limit, deadline=args.deadline)
    else:
        batch = weft_map(probe, targets, limit=args.limit, deadline=args.deadline, timeout=timeout, retry=retry)
        tasks = batch.as_completed()
    for task in tasks:
        result = result_of(task)
        tally.add(result)
        view.show(result)
    if args.deadline is not None and now() - began >= args.deadline:
        tally.stopped = "deadline"


def _targets(args: argparse.Namespace, stack: ExitStack) -> tuple[Iterable[Target] | Arriving, int | None]:
    if args.urls and args.urls != ["-"]:
        targets = from_arguments(args.urls)
        return targets, len(targets)
    name = args.file or "-"
    if name == "-":
        descriptor = standard_input()
        lines = lines_of(descriptor)
        return (from_lines(lines) if stat.S_ISREG(os.fstat(descriptor).st_mode) else Arriving(lines)), None
    return from_lines(stack.enter_context(open_lines(name))), count_lines(name)


def _view(args: argparse.Namespace, tally: Tally) -> View:
    unicode = speaks_unicode(sys.stdout)
    style = Style(color=wants_color(sys.stdout, no_color=args.no_color))
    plain = args.json or args.csv or args.quiet
    if not plain and sys.stdout.isatty() and find_spec("rich") is not None:
        from weft.cli.live import LiveTable  # noqa: PLC0415 - rich is an extra, and slow to import

        return LiveTable(tally, style, unicode=unicode)
    watched = sys.stderr.isatty() and not args.quiet
    ticker = Ticker(tally, unicode=speaks_unicode(sys.stderr)) if watched else None
    return Lines(_form(args, style, unicode=unicode), header=csv_header() if args.csv else None, ticker=ticker)


def _form(args: argparse.Namespace, style: Style, *, unicode: bool) -> Callable[[Result], str | None]:
    if args.json:
        return as_json
    if args.csv:
        return as_csv
    row = partial(as_row, style=style, unicode=unicode)
    return (lambda result: None if result.ok else row(result)) if args.quiet else row


def _tell(args: argparse.Namespace, tally: Tally) -> None:
    if args.json:
        write(summary_line(tally))
    elif not args.quiet:
        style = Style(color=wants_color(sys.stderr, no_color=args.no_color))
        say(report(tally, style, width=shutil.get_terminal_size().columns, unicode=speaks_unicode(sys.stderr)))
