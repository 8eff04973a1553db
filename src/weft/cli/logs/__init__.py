"""Read logs.

commands:
  tail      show the last lines of a log, and those that come
  recover   write what killed processes have left behind
  stats     show how the logs of this machine's processes are doing

Each says its options: weft logs tail --help
"""

import argparse
from importlib import import_module

from weft.cli.parsing import UsageError, nearest, run_command

__all__ = ["COMMANDS", "add_arguments", "run"]

COMMANDS = {
    "tail": "weft.cli.logs.tail",
    "recover": "weft.cli.logs.recover",
    "stats": "weft.cli.logs.stats",
}
"""Each command and the module that has it. What the help says of them is above."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command and what is left to it."""
    parser.usage = "weft logs COMMAND ..."
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="what to do")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="its options")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    if args.command is None:
        raise UsageError("logs: nothing to do: write weft logs tail FILE")
    if args.command not in COMMANDS:
        found = nearest(args.command, COMMANDS) or "tail"
        raise UsageError(f"logs: there is no command {args.command!r}: did you mean 'weft logs {found}'?")
    return run_command(f"weft logs {args.command}", import_module(COMMANDS[args.command]), args.words)
