"""What a call leaves behind in memory."""

import gc
import weakref

import pytest

import weft


class Page:
    def render(self):
        return "page"

    async def send(self):
        return "sent"


@pytest.mark.parametrize("how", ["closure", "method", "async method"])
def test_what_a_function_holds_is_free_when_its_call_has_been_made(how):
    """Nothing remembers the function itself: neither the page in its closure nor the one it is a method of."""

    def make_a_call():
        page = Page()
        weft.run({"closure": lambda: [page], "method": page.render, "async method": page.send}[how])
        return weakref.ref(page)

    page = make_a_call()
    weft.run(int)  # the worker has let go of the call before
    gc.collect()
    assert page() is None
