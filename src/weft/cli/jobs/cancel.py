"""Cancel jobs: at once if they have not begun, else as soon as their workers can.

for example:
  weft jobs cancel 01a2153c-08f6-7359-9b3c-836481f1adbb

exit status: 0 all are, or will be, 1 one of them has ended before, 2 wrong usage
"""

import argparse

from weft.cli.jobs.common import add_store, change, open_named

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("uids", nargs="+", metavar="ID", help="a job's id")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Cancel them."""
    return change(args.uids, open_named(args.store).cancel, "cancelled")
