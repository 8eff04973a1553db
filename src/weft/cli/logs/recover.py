"""Write what killed processes have left behind. (The next process that opens the same log does it by itself.)

for example:
  weft logs recover                             for all logs of this user on this machine
  weft logs recover app.log                     for this one
  weft logs recover --to rest.log stdout        into another file; for a stream it is the only way
  weft logs recover --json                      one line of JSON for each log

exit status: 0 all is written, 1 something could not be written and is still there, 2 wrong usage
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from weft.cli.output import say, write, write_lines_at_once
from weft.cli.parsing import UsageError
from weft.cli.words import plural

if TYPE_CHECKING:
    from weft.logs.inventory import RingFacts

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = "weft logs recover [options] [LOG ...]"
    parser.add_argument("logs", nargs="*", metavar="LOG", help="a log, or stdout, stderr (default: all files)")
    parser.add_argument("--to", type=Path, metavar="FILE", help="write to this file instead")
    parser.add_argument("--ring", type=Path, metavar="FOLDER", help="where rings lie, if a handler has ring=FOLDER")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each log")


def run(args: argparse.Namespace) -> int:
    """Recover, say what, and return the exit status."""
    from weft.logs.inventory import inventory  # noqa: PLC0415 - help and mistakes need not wait for it

    write_lines_at_once()
    dead = [ring for ring in inventory(args.ring) if not ring.alive]
    wanted = {ring.target: ring.name for ring in dead if _is_wanted(ring, args)}
    done = [_recovered(target, name, args) for target, name in wanted.items()]
    if not args.json:
        _tell_the_rest([ring for ring in dead if ring.target not in wanted], nothing=not wanted)
    return int(not all(done))


def _is_wanted(ring: "RingFacts", args: argparse.Namespace) -> bool:
    if args.logs and ring.name not in {name for log in args.logs for name in (log, str(Path(log).absolute()))}:
        return False
    if ring.is_file or args.to is not None:
        return True
    if args.logs:
        raise UsageError(f"logs recover: {ring.name} is gone with its process: write --to FILE")
    return False


def _recovered(target: str, name: str, args: argparse.Namespace) -> bool:
    from weft.logs.inventory import rescue  # noqa: PLC0415 - as above

    lines, error = 0, None
    try:
        lines = rescue(target, args.ring, to=args.to)
    except OSError as trouble:
        error = str(trouble)
    if args.json:
        write(json.dumps({"version": 1, "log": name, "recovered": lines, "error": error}))
    elif error is None:
        write(f"{name}: {plural(lines, 'line')} recovered")
    else:
        say(f"weft: {name} cannot be written, and its lines are kept: {error}")
    return error is None


def _tell_the_rest(left: "list[RingFacts]", *, nothing: bool) -> None:
    for name in sorted({ring.name for ring in left if not ring.is_file}):
        say(f"weft: there are lines for {name}, whose process is gone: weft logs recover --to FILE {name}")
    if nothing and not left:
        write("nothing was left behind")
