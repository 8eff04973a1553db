"""PostgreSQL as others have set it up, and as it is on a bad day."""

import threading

import chores
import psycopg
import pytest

from weft.jobs import stores

PLACES = ["postgresql"]


@pytest.fixture
def server(place):
    """A session of somebody else's in the store's database."""
    with psycopg.connect(place, autocommit=True) as connection:
        yield connection


# -- as others have set it up


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_equal_jobs_are_one_whatever_isolation_the_database_has(place, server, level):
    """Four processes store the same hundred unique jobs: none is stored twice, and nobody is refused."""
    name = place.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")
    places = [stores.open_store(place) for _ in range(4)]
    failures = []

    def fill(store):
        job = chores.note.using(unique=True)
        try:
            for number in range(100):
                store.enqueue([job.entry(b'{"word":"%d"}' % number)]).wait()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=fill, args=(each,)) for each in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = len(places[0].records(most=1000))
    for each in places:
        each.close()
    assert (stored, failures) == (100, [])
