"""Have jobs run again, or sooner, with all their attempts.

for example:
  weft jobs retry 01a2153c-08f6-7359-9b3c-836481f1adbb
  weft jobs retry --discarded                 all that were given up

exit status: 0 all will run, 1 one of them cannot, 2 wrong usage
"""

import argparse

from weft.cli.jobs.common import add_store, change, open_named
from weft.cli.parsing import UsageError

__all__ = ["add_arguments", "run"]

_ALL = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("uids", nargs="*", metavar="ID", help="a job's id")
    parser.add_argument("--discarded", action="store_true", help="all jobs that were given up")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Revive them."""
    from weft.jobs.lifecycle import State  # noqa: PLC0415 - help and mistakes need not wait for it

    if bool(args.uids) == args.discarded:
        raise UsageError("jobs retry: name jobs by their ids, or write --discarded for all that were given up")
    store = open_named(args.store)
    given_up = [record.uid for record in store.records(state=State.DISCARDED, most=_ALL)] if args.discarded else []
    return change([*args.uids, *given_up], store.retry, "will run again")
