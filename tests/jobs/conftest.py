"""A store of the test's own, and workers that end with it."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import chores

from weft import jobs
from weft.jobs import stores
from weft.jobs.worker import Worker


@pytest.fixture
def store(tmp_path):
    chores.seen.clear()
    for event in chores.EVENTS.values():
        event.clear()
    yield jobs.use(f"sqlite:{tmp_path / 'jobs.db'}")
    for event in chores.EVENTS.values():
        event.set()
    found, stores._store = stores._store, None
    if found is not None:
        found.close()


@pytest.fixture
def worker(store):
    """Start a worker; it is stopped at the end of the test."""
    with ExitStack() as stack:

        def start(queues=None, **options):
            made = Worker(queues, **options).start()
            stack.callback(made.stop, grace=0)
            return made

        yield start
        for event in chores.EVENTS.values():
            event.set()
