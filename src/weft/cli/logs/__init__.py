"""Read logs.

commands:
  tail      show the last lines of a log, and those that come
  recover   write what killed processes have left behind
  stats     show how the logs of this machine's processes are doing

Each says its options: weft logs tail --help
"""

import argparse

from weft.cli.parsing import add_group, run_group

__all__ = ["COMMANDS", "add_arguments", "run"]

COMMANDS = {
    "tail": "weft.cli.logs.tail",
    "recover": "weft.cli.logs.recover",
    "stats": "weft.cli.logs.stats",
}
"""Each command and the module that has it. What the help says of them is above."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command and what is left to it."""
    add_group(parser, "logs")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    return run_group("logs", COMMANDS, "weft logs tail FILE", args)
