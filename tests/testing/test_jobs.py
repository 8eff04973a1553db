"""A store for tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "jobs"))

import chores

from weft import jobs
from weft.jobs import stores
from weft.jobs.lifecycle import State
from weft.testing.jobs import job_store


@pytest.fixture(autouse=True)
def _clean():
    chores.seen.clear()
    for event in chores.EVENTS.values():
        event.clear()


def test_what_was_enqueued_is_seen_and_done():
    """Jobs are stored, seen in order, and done when the test says so, with all that they need and enqueue."""
    before = stores._store
    with job_store() as store:
        first = chores.note.enqueue("a")
        chores.note_async.using(queue="other", after=first).enqueue("b")
        assert [record.arguments for record in store.enqueued(chores.note)] == ['{"word":"a"}']
        assert chores.seen == []
        store.drain()
        assert chores.seen == ["a", "b"]
        assert [record.state for record in store.enqueued()] == [State.COMPLETED] * 2
        assert store.enqueued(state=State.DISCARDED) == []
    assert stores._store is before


def test_time_passes_when_the_test_says_so():
    """Delays and backoffs are over after `advance`, and nobody sleeps."""
    with job_store() as store:
        later = chores.note.using(delay=3600).enqueue("later")
        failing = chores.fail.using(backoff=3600, longest_backoff=3600).enqueue("x")
        store.drain()
        assert chores.seen == ["x"]
        assert later.status() is State.SCHEDULED
        for _ in range(2):
            store.advance(3601)
            store.drain()
        assert sorted(chores.seen) == ["later", "x", "x", "x"]
        assert failing.status() is State.DISCARDED


def test_what_does_not_end_is_told():
    """A job that hangs fails the test, and is left behind with the store."""
    with job_store() as store:
        chores.wait_for_go.enqueue()
        with pytest.raises(jobs.ResultTimeout, match=r"still running or waiting after 0.1 s"):
            store.drain(timeout=0.1)
        chores.EVENTS["go"].set()
    with job_store() as store:
        store.drain()


def test_jobs_can_be_done_where_they_are_enqueued():
    """`inline=True`: its result is there when `enqueue` returns; what is for later waits, and what fails shows why."""
    with job_store(inline=True) as jobs:
        assert chores.note.enqueue("a").status() is State.COMPLETED
        assert chores.note.using(delay=60).enqueue("b").status() is State.SCHEDULED
        jobs.advance(61)
        assert chores.note.enqueue("c").result() == "c"
        assert [record.state for record in jobs.enqueued(chores.note)] == [State.COMPLETED] * 3
