"""Look at stored jobs, and change what becomes of them.

commands:
  list      show jobs, the youngest first
  show      show all that is known of one
  retry     have one run again, or all that were given up
  cancel    cancel jobs
  prune     forget finished jobs whose time is over
  stats     how many jobs stand where
  move      have what waits go to another store

Each says its options: weft jobs list --help
"""

import argparse

from weft.cli.parsing import add_group, run_group

__all__ = ["COMMANDS", "add_arguments", "run"]

COMMANDS = {
    "list": "weft.cli.jobs.listing",
    "show": "weft.cli.jobs.show",
    "retry": "weft.cli.jobs.retry",
    "cancel": "weft.cli.jobs.cancel",
    "prune": "weft.cli.jobs.prune",
    "stats": "weft.cli.jobs.stats",
    "move": "weft.cli.jobs.move",
}
"""Each command and the module that has it. What the help says of them is above."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command and what is left to it."""
    add_group(parser, "jobs")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    return run_group("jobs", COMMANDS, "weft jobs list", args)
