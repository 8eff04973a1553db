"""A batch's consumer and its loop, provoked to meet at the head of the line."""

import threading

import weft
from weft.scopes.batch import _Run


def test_a_consumer_may_take_the_last_result_before_the_loop_tells_of_it(monkeypatch):
    """The result is seen at its task before the batch is told; the loop then finds an empty line, and no error."""
    waiting, ended, taken, wrong = threading.Event(), threading.Event(), threading.Event(), []
    must_wait, task_ended, take = _Run._must_wait, _Run._task_ended, _Run._next

    async def quick(x):
        waiting.wait()
        return x

    def must_wait_slowly(run, waiter):
        run._waiter = waiter
        waiting.set()
        ended.wait()
        return must_wait(run, waiter)

    def tell_late(run, task, *, counted):
        ended.set()
        taken.wait()
        try:
            task_ended(run, task, counted=counted)
        except BaseException as error:
            wrong.append(error)
            raise

    def take_and_tell(run):
        task = take(run)
        if task is not None:
            taken.set()
        return task

    monkeypatch.setattr(_Run, "_must_wait", must_wait_slowly)
    monkeypatch.setattr(_Run, "_task_ended", tell_late)
    monkeypatch.setattr(_Run, "_next", take_and_tell)
    assert [outcome.value for outcome in weft.map(quick, [1])] == [1]
    assert wrong == []
