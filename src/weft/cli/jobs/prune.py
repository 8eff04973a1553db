"""Forget finished jobs whose time is over. Workers do so by themselves, once a minute.

for example:
  weft jobs prune
  weft jobs prune --all             all that are finished, however young

exit status: 0 done, 2 wrong usage
"""

import argparse
import math

from weft.cli.jobs.common import add_store, open_named
from weft.cli.output import say
from weft.cli.words import plural
from weft.clock import wall

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--all", action="store_true", help="all finished jobs, dead letters as well")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Forget them."""
    gone = open_named(args.store).prune(math.inf if args.all else wall())
    say(f"weft jobs: {plural(gone, 'job')} forgotten")
    return 0
