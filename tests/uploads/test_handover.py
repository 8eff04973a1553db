"""Handing over what a loop has received, to a thread."""

import asyncio
import sys
import threading

import pytest

from weft.uploads.arriving import handover
from weft.uploads.arriving.handover import Handover

SOON = 10.0


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A thread is woken for 4 bytes, and 8 wait at most."""
    monkeypatch.setattr(handover, "_BATCH", 4)
    monkeypatch.setattr(handover, "_WAITING", 8)


@pytest.fixture
def hurried():
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_all_pieces_are_taken_in_their_order_by_one_thread_at_a_time():
    """Whenever a thread comes and goes: nothing is left over, and nothing overtakes."""

    async def hand_over(count):
        taken = []
        busy = threading.Lock()

        def take(pieces):
            assert busy.acquire(blocking=False), "two threads take at once"
            taken.extend(pieces)
            busy.release()

        box = Handover(take)
        for number in range(count):
            await box.put(bytes([number % 256] * (number % 5 + 1)))
            if number % 7 == 0:
                await asyncio.sleep(0)
        await box.flush()
        box.close()
        return taken

    for count in (0, 1, 3, *[500] * 20):
        taken = asyncio.run(asyncio.wait_for(hand_over(count), SOON))
        assert taken == [bytes([number % 256] * (number % 5 + 1)) for number in range(count)]


def test_it_waits_while_much_is_waiting():
    """A disk that is slow slows the client down, instead of filling the memory."""

    async def hand_over():
        begun, go_on = threading.Event(), threading.Event()

        def take(_pieces):
            begun.set()
            go_on.wait(SOON)

        box = Handover(take)
        await box.put(b"1234")
        await asyncio.to_thread(begun.wait, SOON)
        await box.put(b"1234567")
        full = asyncio.create_task(box.put(b"8"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not full.done()
        go_on.set()
        await full
        await box.flush()
        box.close()

    asyncio.run(asyncio.wait_for(hand_over(), SOON))


@pytest.mark.parametrize("wait", ["at the next piece", "for room", "at the end"])
def test_what_the_thread_refuses_is_told(wait):
    """At the next piece at the latest, and to one who waits; and nothing more is taken."""

    async def hand_over():
        begun, go_on = threading.Event(), threading.Event()
        calls = []

        def take(pieces):
            calls.append(pieces)
            begun.set()
            go_on.wait(SOON)
            raise ValueError("refused")

        box = Handover(take)
        await box.put(b"1234")
        await asyncio.to_thread(begun.wait, SOON)
        if wait == "for room":
            full = asyncio.create_task(box.put(b"12345678"))
            await asyncio.sleep(0)
            go_on.set()
            await full
        elif wait == "at the end":
            go_on.set()
            await box.flush()
        else:
            go_on.set()
            while True:
                await box.put(b"1")
                await asyncio.sleep(0)
        pytest.fail("nothing was told")

    with pytest.raises(ValueError, match="refused"):
        asyncio.run(asyncio.wait_for(hand_over(), SOON))
