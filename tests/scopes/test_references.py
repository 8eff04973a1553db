"""What a scope leaves behind in memory."""

import gc
import weakref

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
