"""What the commands share: the store that is named, jobs as documents, and one change to many jobs."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from weft.cli.output import say
from weft.cli.parsing import UsageError
from weft.errors import InvalidCall, InvalidValue

if TYPE_CHECKING:
    from weft.jobs.engine import Engine
    from weft.jobs.lifecycle import State
    from weft.jobs.records import Record

__all__ = ["add_store", "change", "document", "open_named", "opened", "state_of"]


def add_store(parser: argparse.ArgumentParser) -> None:
    """Declare `--store`."""
    parser.add_argument("--store", metavar="URL", help="sqlite:jobs.db, postgresql://... (else WEFT_JOBS)")


def open_named(url: str | None) -> "Engine":
    """The store that the command line names, or the environment does.

    Raises:
        UsageError: it names none, or one that cannot be used.
    """
    from weft.jobs.stores import store, use  # noqa: PLC0415 - help and mistakes need not wait for it

    return _told(store if url is None else partial(use, url))


def opened(url: str) -> "Engine":
    """The store of this URL, beside that of this process.

    Raises:
        UsageError: it names none, or one that cannot be used.
    """
    from weft.jobs.stores import open_store  # noqa: PLC0415 - as above

    return _told(partial(open_store, url))


def _told(open_it: "Callable[[], Engine]") -> "Engine":
    from weft.jobs.errors import StoreError  # noqa: PLC0415 - as above

    try:
        return open_it()
    except (InvalidCall, InvalidValue, StoreError, ImportError) as error:
        raise UsageError(str(error)) from error


def document(record: "Record") -> dict[str, Any]:
    """A job as JSON has it."""
    found = {**asdict(record), "state": str(record.state)}
    return {**found, "result": None if record.result is None else record.result.decode("utf-8", "replace")}


def state_of(word: str) -> "State":
    """The state of this name.

    Raises:
        UsageError: there is none.
    """
    from weft.jobs.lifecycle import State  # noqa: PLC0415 - as above

    found = {str(state): state for state in State}
    if word not in found:
        raise UsageError(f"jobs: {word!r} is no state: choose from {', '.join(found)}")
    return found[word]


def change(uids: Iterable[str], act: Callable[[str], object], done: str) -> int:
    """Do this to each job, and say what came of it; 1 if one could not be changed."""
    from weft.jobs.errors import JobNotFound  # noqa: PLC0415 - as above
    from weft.jobs.lifecycle import ImpossibleStep  # noqa: PLC0415

    status = 0
    for uid in uids:
        try:
            act(uid)
        except (JobNotFound, ImpossibleStep) as error:
            say(f"{uid}: {error}")
            status = 1
        else:
            say(f"{uid}: {done}")
    return status
