"""A scope that the one around it cancels does not pass off half of its work as the whole."""

import asyncio
import threading

import pytest

import weft


def test_values_are_all_there_or_an_error_is_raised():
    """A batch on a thread, cut down with the scope around it, does not return the values it happens to have."""
    started, told, over = threading.Event(), [], threading.Event()

    async def forever(_):
        started.set()
        await asyncio.Event().wait()

    def collect():
        try:
            told.append(weft.map(forever, [1, 2]).values())
        except weft.TaskCancelled as error:
            told.append(error)
        finally:
            over.set()

    def fail():
        started.wait()
        raise KeyError

    with pytest.raises(ExceptionGroup), weft.scope() as scope:
        scope.start(collect)
        scope.start(fail)
    assert over.wait(5)
    assert [type(answer) for answer in told] == [weft.TaskCancelled]
