"""Show jobs, the youngest first.

for example:
  weft jobs list                              the last 20
  weft jobs list --state discarded --queue mail
  weft jobs list --json | jq .error           one line of JSON for each
  weft jobs list --state discarded --ids      their ids, for weft jobs retry

exit status: 0 always, 2 wrong usage
"""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from weft.cli.jobs.common import add_store, document, open_named, state_of
from weft.cli.output import Style, printable, wants_color, write, write_lines_at_once
from weft.cli.parsing import at_least
from weft.cli.words import duration
from weft.clock import wall

if TYPE_CHECKING:
    from weft.jobs.records import Record

__all__ = ["add_arguments", "run"]

_HEAD = ("id", "state", "queue", "task", "attempt", "age", "")
_WIDEST = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_store(parser)
    parser.add_argument("--state", help="those that stand here: available, running, discarded ...")
    parser.add_argument("--queue", help="those of this queue")
    parser.add_argument("--task", help="those of this function")
    parser.add_argument("-n", "--limit", type=at_least(1), default=20, metavar="N", help="so many at most (20)")
    parser.add_argument("--ids", action="store_true", help="their ids alone")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each")
    parser.add_argument("--no-color", action="store_true", help="no colour (also by NO_COLOR in the environment)")


def run(args: argparse.Namespace) -> int:
    """Print them."""
    state = None if args.state is None else state_of(args.state)
    found = open_named(args.store).records(state=state, queue=args.queue, task=args.task, most=args.limit)
    write_lines_at_once()
    if args.ids:
        for record in found:
            write(record.uid)
    elif args.json:
        for record in found:
            write(json.dumps(document(record)))
    else:
        write(_table(found, Style(color=wants_color(sys.stdout, no_color=args.no_color))))
    return 0


def _table(found: "list[Record]", style: Style) -> str:
    if not found:
        return "no job fits"
    rows = [_HEAD, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([style(lines[0], "dim"), *lines[1:]])


def _row(record: "Record") -> tuple[str, ...]:
    last = (record.error or record.note or "").rstrip().rpartition("\n")[2]
    tried = f"{record.attempt} of {record.max_attempts}"
    age = duration(max(0.0, wall() - record.created_at))
    return record.uid, str(record.state), record.queue, record.task, tried, age, printable(last)[:_WIDEST]
