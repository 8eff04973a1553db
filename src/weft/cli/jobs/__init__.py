"""Look at stored jobs, and change what becomes of them.

commands:
  list      show jobs, the youngest first
  show      show all that is known of one
  retry     have one run again, or all that were given up
  cancel    cancel jobs
  prune     forget finished jobs whose time is over
  stats     how many jobs stand where

Each says its options: weft jobs list --help
"""

import argparse
from importlib import import_module

from weft.cli.parsing import UsageError, nearest, run_command

__all__ = ["COMMANDS", "add_arguments", "run"]

COMMANDS = {
    "list": "weft.cli.jobs.listing",
    "show": "weft.cli.jobs.show",
    "retry": "weft.cli.jobs.retry",
    "cancel": "weft.cli.jobs.cancel",
    "prune": "weft.cli.jobs.prune",
    "stats": "weft.cli.jobs.stats",
}
"""Each command and the module that has it. What the help says of them is above."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command and what is left to it."""
    parser.usage = "weft jobs COMMAND ..."
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="what to do")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="its options")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    if args.command is None:
        raise UsageError("jobs: nothing to do: write weft jobs list")
    if args.command not in COMMANDS:
        found = nearest(args.command, COMMANDS) or "list"
        raise UsageError(f"jobs: there is no command {args.command!r}: did you mean 'weft jobs {found}'?")
    return run_command(f"weft jobs {args.command}", import_module(COMMANDS[args.command]), args.words)
