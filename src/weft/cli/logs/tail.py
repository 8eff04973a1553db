"""Show the last lines of a log, and those that come.

for example:
  weft logs tail app.log                        the last 20
  weft logs tail -f app.log                     and what comes, also after the file has been rotated
  weft logs tail -n 5 --level ERROR app.log     the last 5 errors, wherever they are
  weft logs tail -f web.log jobs.log            several, each line behind the name of its file
  docker logs -f web | weft logs tail -f -      standard input
  weft logs tail --json app.log | jq .message   as it stands in the file

JSON lines are shown as text: time, level, logger, [request id], message, other fields, traceback. Other text is shown
as it is. A traceback counts as one line with the record that it belongs to. Files that end with .gz are unpacked.

exit status: 0 all is well, 2 wrong usage, 130 interrupted, 141 nobody reads the output
"""

import argparse

from weft.cli.logs.levels import NAMES, severity
from weft.cli.parsing import UsageError, at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = "weft logs tail [options] FILE... | -"
    parser.add_argument("files", nargs="*", metavar="FILE", help="a log; - is standard input")
    parser.add_argument(
        "-n", "--lines", type=at_least(0), default=20, metavar="N", help="how many lines of each (default: 20)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with the lines that come")
    _add_choice(parser.add_argument_group("which lines"))
    group = parser.add_argument_group("what to print")
    group.add_argument("--json", action="store_true", help='JSON lines as they are, other text as {"message": ...}')
    group.add_argument("--no-color", action="store_true", help="no colour (also by NO_COLOR in the environment)")


def run(args: argparse.Namespace) -> int:
    """Show what is asked for and return the exit status."""
    if not args.files:
        raise UsageError("logs tail: no log to show: write weft logs tail FILE, or weft logs tail - < FILE")
    if args.files != ["-"] and "-" in args.files:
        raise UsageError("logs tail: - reads standard input: give no other log beside it")
    from weft.cli.logs.tailing import tail  # noqa: PLC0415 - help and mistakes need not wait for it

    return tail(args)


def _add_choice(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--level", type=_level, metavar="LEVEL", help="of this level or above, like WARNING or 30")
    group.add_argument("--logger", metavar="NAME", help="of this logger and of those below it")
    group.add_argument("--grep", default="", metavar="TEXT", help="that say this")


def _level(text: str) -> int:
    number = severity(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no level: write {', '.join(NAMES)}, or a number")
    return number
