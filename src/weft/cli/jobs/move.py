"""Move the jobs that wait to another store: when one machine is outgrown, or not needed any more.

for example:
  weft jobs move --to postgresql://shop@db/shop               from the store that WEFT_JOBS names
  weft jobs move --store sqlite:jobs.db --to celery+redis://queue/0

First have the application store its new jobs in the other one. Those that run are not moved, nor those that wait for
others: leave a worker here until weft jobs stats shows none. It may be stopped at any time, and run again.

exit status: 0 moved, 1 some have to stay, or a store could not be written, 2 wrong usage
"""

import argparse

from weft.cli.jobs.common import add_store, open_named, opened
from weft.cli.output import say
from weft.cli.parsing import UsageError
from weft.cli.words import plural
from weft.errors import InvalidCall, InvalidValue

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--to", required=True, metavar="URL", help="the other store")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Move them, and say how many."""
    from weft.jobs.errors import StoreError  # noqa: PLC0415 - help and mistakes need not wait for it
    from weft.jobs.moving import move  # noqa: PLC0415

    source, target = open_named(args.store), opened(args.to)
    if source.name == target.name:
        raise UsageError(f"jobs move: {source.name} is where the jobs are: name another store with --to")
    moved = 0
    try:
        for some in move(source, target):
            moved += some
            say(f"weft jobs: {plural(moved, 'job')} moved to {target.name}")
    except InvalidCall as error:
        raise UsageError(f"jobs move: {error}") from error
    except (InvalidValue, StoreError) as error:
        say(f"weft jobs: {error}")
        return 1
    finally:
        target.close()
    if not moved:
        say(f"weft jobs: nothing waits in {source.name}")
    return 0
