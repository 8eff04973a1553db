"""Limits of a queue, for all its workers together."""

import chores
import pytest

import weft
from weft.jobs.settling import completed
from weft.jobs.sql.bounds import Bound
from weft.jobs.sql.turn import Turn
from weft.runtime.process import close

PLACES = ["sqlite", "postgresql"]
SOON = 20


@pytest.fixture(autouse=True)
def no_limits():
    """The limits of this test are not those of the next."""
    yield
    close()


@pytest.mark.parametrize(
    ("due", "starts"), [(-1e9, 3), (100.0, 3), (100.5, 2), (101.0, 2), (102.0, 1), (102.1, 0), (200.0, 0)]
)
def test_a_rate_lets_a_burst_through_and_then_spaces(due, starts):
    """At 100 s, with one start a second and three at once after a rest: as many as have come due."""
    assert Bound(10, 1.0, 2.0).starts(due, 100.0) == starts


def test_no_more_run_at_once_than_the_limit_says_whatever_the_workers_have_room_for(store):
    """Two workers with room for ten between them get three; what ends makes room for another."""
    chores.note.enqueue_many([(str(number),) for number in range(10)])
    first, second = store.desk(), store.desk()
    bounds = {"default": Bound(3)}
    claims = store.turn(Turn(first.owner.name, 1.0, {"default": 2}, bounds=bounds)).claims
    assert len(claims) == 2
    assert len(store.turn(Turn(second.owner.name, 1.0, {"default": 8}, bounds=bounds)).claims) == 1
    assert store.turn(Turn(second.owner.name, 1.0, {"default": 7}, bounds=bounds)).claims == []
    settled = [completed(claim, b"null", 2.0) for claim in claims]
    store.turn(Turn(first.owner.name, 2.0, {}, settled))
    assert len(store.turn(Turn(second.owner.name, 2.0, {"default": 7}, bounds=bounds)).claims) == 2
    for desk in (first, second):
        store.leave(desk, settled=True)


def test_a_rate_is_kept_by_all_workers_together(store):
    """Two workers ask: together they start what the rate allows, and are told when the next may."""
    chores.note.enqueue_many([(str(number),) for number in range(10)])
    first, second = store.desk(), store.desk()
    bounds = {"default": Bound(100, 10.0, 10.0)}  # one in ten seconds, two after a rest
    report = store.turn(Turn(first.owner.name, 1000.0, {"default": 1}, bounds=bounds))
    assert (len(report.claims), report.next_due) == (1, None)
    report = store.turn(Turn(second.owner.name, 1000.0, {"default": 9}, bounds=bounds))
    assert (len(report.claims), report.next_due) == (1, 1010.0)
    assert store.turn(Turn(second.owner.name, 1009.0, {"default": 9}, bounds=bounds)).claims == []
    report = store.turn(Turn(first.owner.name, 1010.0, {"default": 9}, bounds=bounds))
    assert (len(report.claims), report.next_due) == (1, 1020.0)
    for desk in (first, second):
        store.leave(desk, settled=True)


def test_a_worker_keeps_the_limit_that_bears_the_name_of_its_queue(store, worker):
    """`weft.limit("queue:default", ...)`: jobs start as its rate says, however many slots there are."""
    weft.limit("queue:default", 50, rate=weft.Rate(20, per=1.0))
    handles = chores.note.enqueue_many([(str(number),) for number in range(5)])
    worker({"default": 10})
    for handle in handles:
        handle.result(SOON)
    started = sorted(handle.record().started_at for handle in handles)
    assert started[-1] - started[0] > 0.19


def test_a_rate_outlives_a_clock_that_was_wrong(store):
    """A machine that starts in the year 2099, before it knows the time, does not hold the queue up until then."""
    chores.note.enqueue_many([("a",), ("b",), ("c",)])
    desk, bounds = store.desk(), {"default": Bound(100, 10.0, 0.0)}
    for now in (4e9, 1000.0, 1010.0):
        assert len(store.turn(Turn(desk.owner.name, now, {"default": 9}, bounds=bounds)).claims) == 1
    store.leave(desk, settled=True)
