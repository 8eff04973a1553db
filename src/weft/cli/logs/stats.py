"""Show how the logs of this machine's processes are doing: what they have written, what waits, what was given up.

for example:
  weft logs stats                all logs of this user's processes
  weft logs stats app.log        this one
  weft logs stats --json         one JSON document

exit status: 0 all is well, 1 a log cannot be written, has given lines up, or was left behind, 2 wrong usage
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from weft.cli.output import Style, wants_color, write, write_lines_at_once
from weft.cli.words import count, duration, size

if TYPE_CHECKING:
    from weft.logs.inventory import RingFacts

__all__ = ["add_arguments", "run"]

_HEAD = ("pid", "state", "waiting", "lines", "bytes", "given up", "recovered", "errors", "rotations", "for")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = "weft logs stats [options] [LOG ...]"
    parser.add_argument("logs", nargs="*", metavar="LOG", help="a log (default: all)")
    parser.add_argument("--ring", type=Path, metavar="FOLDER", help="where rings lie, if a handler has ring=FOLDER")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--no-color", action="store_true", help="no colour (also by NO_COLOR in the environment)")


def run(args: argparse.Namespace) -> int:
    """Show the figures; 1 if one of the logs is in trouble."""
    from weft.logs.inventory import inventory  # noqa: PLC0415 - help and mistakes need not wait for it

    write_lines_at_once()
    wanted = {name for log in args.logs for name in (log, str(Path(log).absolute()))}
    found = [ring for ring in inventory(args.ring) if not wanted or ring.name in wanted]
    write(_document(found) if args.json else _page(found, Style(color=wants_color(sys.stdout, no_color=args.no_color))))
    return int(any(_state(ring) != "fine" for ring in found))


def _state(ring: "RingFacts") -> str:
    if not ring.alive:
        return "left behind"
    if ring.counters.troubled:
        return "cannot write"
    return "gave lines up" if ring.counters.dropped else "fine"


def _document(found: "list[RingFacts]") -> str:
    return json.dumps({"version": 1, "rings": [{**asdict(ring), "state": _state(ring)} for ring in found]}, indent=2)


def _page(found: "list[RingFacts]", style: Style) -> str:
    if not found:
        return "no process has a log open"
    lines: list[str] = []
    for name in dict.fromkeys(ring.name for ring in found):
        table = [_HEAD, *(_row(ring) for ring in found if ring.name == name)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        head, *rows = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        lines += [style(name, "bold"), style(head, "dim"), *rows, ""]
    if any(not ring.alive for ring in found):
        lines.append("what was left behind is written by the next process that opens the log, or: weft logs recover")
    return "\n".join(lines).rstrip()


def _row(ring: "RingFacts") -> tuple[str, ...]:
    seen = ring.counters
    return (
        str(ring.pid),
        _state(ring),
        size(ring.waiting),
        count(seen.lines),
        size(seen.octets),
        *map(count, (seen.dropped, seen.recovered, seen.errors, seen.rotations)),
        duration(ring.age),
    )
