"""Show all that is known of a job.

for example:
  weft jobs show 01a2153c-08f6-7359-9b3c-836481f1adbb

exit status: 0 it was found, 1 there is none, 2 wrong usage
"""

import argparse
import json
from datetime import UTC, datetime

from weft.cli.jobs.common import add_store, document, open_named
from weft.cli.output import printable, say, write, write_lines_at_once

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("uid", metavar="ID", help="the job's id")
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """Print it; 1 if there is none."""
    from weft.jobs.errors import JobNotFound  # noqa: PLC0415 - help and mistakes need not wait for it

    try:
        found = document(open_named(args.store).record(args.uid))
    except JobNotFound as error:
        say(f"weft jobs: {error}")
        return 1
    write_lines_at_once()
    if args.json:
        write(json.dumps(found, indent=2))
        return 0
    for name, value in found.items():
        if value not in (None, ""):
            write(f"{name.replace('_', ' '):17} {_shown(name, value)}")
    return 0


def _shown(name: str, value: object) -> str:
    if name.endswith("_at"):
        return datetime.fromtimestamp(float(str(value)), UTC).isoformat(" ", "milliseconds")
    lines = [printable(line) for line in str(value).split("\n")]
    return ("\n" + " " * 18).join(lines)
