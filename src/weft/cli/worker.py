"""Run the jobs that a module declares, until it is told to stop.

for example:
  weft worker shop                               all queues that shop declares, 10 jobs of each at once
  weft worker shop:app --queues mail=10,images=2
  weft worker shop --until-empty                 end when nothing is left to do
  weft worker shop --reload                      while you write it

SIGTERM and Ctrl-C: take no more; jobs under way have their grace, then other workers take over. A second one ends it
at once.

exit status: 0 stopped, or nothing left to do, 2 wrong usage
"""

import argparse
import logging
import os
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING

from weft.cli.jobs.common import add_store, open_named
from weft.cli.output import say
from weft.cli.parsing import UsageError
from weft.cli.reloading import run_reloading
from weft.errors import InvalidValue

if TYPE_CHECKING:
    from weft.jobs.engine import Engine
    from weft.jobs.serving import Worker

__all__ = ["add_arguments", "run"]

_LOOK = 0.1  # seconds between looks whether anything is left


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("module", metavar="MODULE", help="where the jobs are declared, as in shop.jobs or shop:app")
    parser.add_argument("--queues", help="what to serve, and how many at once: images=2,mail=10 (all, 10 of each)")
    add_store(parser)
    parser.add_argument("--grace", type=float, default=10.0, metavar="S", help="seconds for jobs under way (10)")
    parser.add_argument("--reload", action="store_true", help="start again when a Python file here changes")
    parser.add_argument("--until-empty", action="store_true", help="end when no job is left that could run now")


def run(args: argparse.Namespace) -> int:
    """Work until a signal comes, or nothing is left."""
    if args.reload:
        return run_reloading("worker", _without_reload(args))
    from weft.jobs.serving import Worker, queues_to_serve  # noqa: PLC0415 - help and mistakes need not wait for it
    from weft.jobs.signals import stopped_by_signals  # noqa: PLC0415

    _load(args.module)
    store = open_named(args.store)
    try:
        queues = queues_to_serve(args.queues)
    except InvalidValue as error:
        raise UsageError(f"worker: {error}") from error
    if not queues:
        raise UsageError(f"worker: {args.module} declares no job: write @weft.job above a function")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    worker = Worker(queues, store=store, grace=args.grace)
    served = ", ".join(f"{queue}={size}" for queue, size in queues.items())
    say(f"weft worker: {served} from {store.name}. Press Ctrl-C to stop.")
    with stopped_by_signals(worker, lambda: say("weft worker: stopping; again to stop at once")):
        if args.until_empty:
            threading.Thread(target=_stop_when_empty, args=(worker, store, set(queues)), daemon=True).start()
        worker.run()
    store.close()
    return 0


def _without_reload(args: argparse.Namespace) -> list[str]:
    if args.until_empty:
        raise UsageError("worker: --reload runs until it is stopped: leave out --until-empty")
    given = {"--queues": args.queues, "--store": args.store, "--grace": str(args.grace)}
    return [args.module, *(word for name, value in given.items() if value is not None for word in (name, value))]


def _load(words: str) -> None:
    name, _, attribute = words.partition(":")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the path's own form
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise UsageError(f"worker: there is no module {name!r} here: name one that Python can import") from error
        raise
    if attribute and not hasattr(module, attribute):
        raise UsageError(f"worker: {name} has no {attribute!r}")


def _outboxes_have_more() -> bool:
    from weft.jobs.outbox.relays import sweep_all  # noqa: PLC0415 - as above

    try:
        return sweep_all() > 0
    except Exception:  # noqa: BLE001 - whatever the database's library raises; the relay logs it
        return True


def _stop_when_empty(worker: "Worker", store: "Engine", queues: set[str]) -> None:
    pause = threading.Event()
    while store.pending(queues) or _outboxes_have_more():
        pause.wait(_LOOK)
    worker.ask_to_stop()
