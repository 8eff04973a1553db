"""The ring takes frames while there is room, and gives them back in their order, each once."""

import pytest

from weft.logs.ring.ring import Ring
from weft.logs.ring.storage import Storage

SIZE = 4096
LINE = b"x" * 1023 + b"\n"  # four fill a segment


@pytest.fixture
def ring():
    made = Ring(Storage.anonymous(SIZE, 4))
    yield made
    made.storage.close(remove=True)


def fill(ring, lines):
    """Put lines until there are so many or no room, and tell how many."""
    for number in range(lines):
        try:
            ring.put(LINE)
        except ValueError:
            if not ring.advance():
                return number
            ring.put(LINE)
    return lines


def drain(ring):
    """Take everything that is pending."""
    taken = []
    while (lot := ring.pending()) is not None:
        taken.append(lot.frames)
        ring.storage.drained(lot.segment, lot.start + len(lot.frames))
        ring.progressed()
    return b"".join(taken)


def test_what_is_put_comes_out_in_order(ring):
    """Frames come out once, in the order in which they were put, across segments and rounds."""
    put = taken = b""
    for number in range(100):
        line = b"%d %s\n" % (number, b"y" * 100)
        try:
            ring.put(line)
        except ValueError:
            assert ring.advance()
            ring.put(line)
        put += line
        if number % 7 == 0:
            taken += drain(ring)
    assert taken + drain(ring) == put
    assert ring.empty


def test_a_full_ring_takes_nothing_more_until_it_is_drained(ring):
    """Four segments of four lines hold sixteen; drained, they hold fifteen or more again."""
    assert fill(ring, 20) == 16
    assert ring.fill == 1.0
    assert drain(ring) == LINE * 16
    assert fill(ring, 12) == 12


def test_a_writer_that_is_late_finds_the_segment_full(ring):
    """A thread that looked `put` up before the ring moved on fills the gap, or is refused; its line is never lost."""
    late = ring.put
    fill(ring, 3)
    assert ring.advance()
    late(b"small\n")  # there still is room in the segment that it knows
    assert drain(ring) == LINE * 3 + b"small\n"
    with pytest.raises(ValueError, match="range"):
        late(b"smaller\n")


def test_memory_is_clean_when_it_is_used_again(ring):
    """A segment that is used again shows nothing of what was in it: its frames end where they end."""
    for _ in range(5):
        fill(ring, 16)
        drain(ring)
    assert ring.advance()
    ring.put(b"short\n")
    assert drain(ring) == b"short\n"


def test_the_oldest_can_be_given_up(ring):
    """Giving the oldest up frees the oldest segment that nobody drains, and tells how many lines it had."""
    fill(ring, 16)
    assert ring.discard_oldest() == 4
    assert ring.discard_oldest() == 4
    assert ring.discard_oldest() == 0  # the first may be on its way out, the last is being filled
    assert len(drain(ring)) == 8 * len(LINE)


def test_a_shut_ring_takes_nothing_and_can_be_drained(ring):
    """After `shut` every put fails, also one that was looked up before; what was in the ring comes out."""
    early = ring.put
    ring.put(b"last\n")
    ring.shut()
    for put in (early, ring.put):
        with pytest.raises(ValueError, match="range"):
            put(b"too late\n")
    assert not ring.advance()
    assert drain(ring) == b"last\n"
    assert ring.empty


def test_a_position_is_passed_when_all_before_it_is_drained(ring):
    """`passed` is false until what was put before `position` has been drained, whatever comes later."""
    fill(ring, 6)
    position = ring.position
    fill(ring, 5)
    assert not ring.passed(position)
    drain(ring)
    assert ring.passed(position)


def test_the_backlog_is_what_waits(ring):
    """The backlog counts the bytes between what was put and what was drained."""
    assert ring.backlog == 0
    fill(ring, 2)
    assert ring.backlog == 2 * len(LINE)
    drain(ring)
    assert ring.backlog == 0
