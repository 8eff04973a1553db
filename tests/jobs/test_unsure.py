"""A worker that cannot know what the store has written, or that was taken for dead while it lived."""

import chores

from weft import jobs
from weft.clock import wall
from weft.jobs.crew import Crew
from weft.jobs.sql.turn import Turn

SOON = 20
PLACES = ["sqlite", "postgresql"]


def test_a_job_that_comes_back_to_the_worker_it_was_taken_from_costs_no_slot(store, worker):
    """After its session was lost, or the last moments of a database: the earlier attempt is called off."""
    worker({"default": 2})
    handle = chores.wait_for_go.enqueue()
    assert chores.EVENTS["begun"].wait(SOON)
    chores.EVENTS["begun"].clear()
    ((owner,),) = store._read("SELECT owner FROM job")
    store.turn(Turn(owner, wall(), {}, held=frozenset()))  # another worker has taken it for dead
    assert chores.EVENTS["begun"].wait(SOON)
    chores.EVENTS["go"].set()
    assert handle.result(SOON) is False
    pair = chores.meet.enqueue_many([(), ()])
    assert [each.result(SOON) for each in pair] == [None, None]
    assert sorted(chores.seen) == [False, True]


def test_a_job_that_ends_while_its_worker_is_unsure_runs_once(store, worker, monkeypatch):
    """What a worker does not hold after a turn that may have been written is handed back, but not what it has done."""
    monkeypatch.setattr("weft.jobs.sql.worker._HURT", 0.01)
    real_held, real_turn, failing = Crew.held, store.turn, []

    def held(crew):
        chores.EVENTS["go"].set()
        while not crew._settled:
            pass
        return real_held(crew)

    def turn(turn):
        if failing:
            failing.pop()
            raise jobs.StoreError("the connection was lost")
        return real_turn(turn)

    monkeypatch.setattr(Crew, "held", held)
    monkeypatch.setattr(store, "turn", turn)
    worker()
    handle = chores.wait_for_go.enqueue()
    assert chores.EVENTS["begun"].wait(SOON)
    failing.append(True)
    assert handle.result(SOON) is False
    assert chores.note.enqueue("next").result(SOON) == "next"
    assert chores.seen == [False, "next"]
