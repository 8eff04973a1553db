"""How many jobs stand where.

for example:
  weft jobs stats
  weft jobs stats --json

exit status: 0 always, 2 wrong usage
"""

import argparse
import json
import sys

from weft.cli.jobs.common import add_store, open_named
from weft.cli.output import Style, wants_color, write, write_lines_at_once
from weft.cli.words import count

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--no-color", action="store_true", help="no colour (also by NO_COLOR in the environment)")


def run(args: argparse.Namespace) -> int:
    """Print the figures."""
    from weft.jobs.lifecycle import State  # noqa: PLC0415 - help and mistakes need not wait for it

    found = open_named(args.store).counts()
    write_lines_at_once()
    if args.json:
        write(json.dumps({queue: {str(state): n for state, n in states.items()} for queue, states in found.items()}))
        return 0
    if not found:
        write("the store is empty")
        return 0
    style = Style(color=wants_color(sys.stdout, no_color=args.no_color))
    rows = [["queue", *map(str, State)]]
    rows += [[queue, *(count(states.get(state, 0)) for state in State)] for queue, states in found.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        line = "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        write(style(line, "dim") if number == 0 else line)
    return 0
