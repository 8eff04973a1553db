"""A store of the test's own, in each database where the module asks for that, and workers that end with it."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import chores
import databases

from weft import jobs
from weft.jobs import stores


def pytest_generate_tests(metafunc):
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", getattr(metafunc.module, "PLACES", ["sqlite"]), indirect=True)


@pytest.fixture
def place(request, tmp_path):
    """The URL of a store that nobody has used."""
    with databases.PLACES[request.param](tmp_path) as url:
        yield url


@pytest.fixture
def store(place):
    chores.seen.clear()
    for event in chores.EVENTS.values():
        event.clear()
    yield jobs.use(place)
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
            made = jobs.Worker(queues, **options).start()
            stack.callback(made.stop, grace=0)
            return made

        yield start
        for event in chores.EVENTS.values():
            event.set()
