"""What a scope leaves behind in memory."""

import asyncio
import gc
import weakref

import pytest

import weft


def fail():
    raise KeyError("on purpose")


def test_the_group_that_a_scope_raises_is_freed_when_it_has_been_dealt_with():
    """It stands in no circle with the frame that raised it, and waits for no garbage collection."""

    def deal_with_it():
        try:
            with weft.scope() as scope:
                scope.start(fail)
        except ExceptionGroup as error:
            return weakref.ref(error)

    gc.collect()
    gc.disable()
    try:
        assert deal_with_it()() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("uvloop", [True, False])
def test_the_scope_that_opened_the_runtime_is_freed_like_any_other(uvloop):
    """The background loop outlives it, and remembers nothing of the context in which it was made."""
    weft.configure(uvloop=uvloop)

    def open_it():
        with weft.scope() as scope:
            scope.start(asyncio.sleep, 0)
        return weakref.ref(scope)

    scope = open_it()
    weft.run(asyncio.sleep, 0)
    gc.collect()
    assert scope() is None
