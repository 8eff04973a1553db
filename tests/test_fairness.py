"""Facts about `weft.fairness`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.fairness import FairQueue


def pop_all(queue):
    return [queue.pop() for _ in range(len(queue))]


def test_owners_are_dealt_to_in_turn():
    """An owner with two items waits for two turns, not for the hundred items that came before."""
    queue = FairQueue()
    queue.push_many("many", [f"many{number}" for number in range(100)])
    queue.push_many("few", ["few0", "few1"])
    assert pop_all(queue)[:5] == ["many0", "few0", "many1", "few1", "many2"]


def test_an_owner_is_served_first_in_first_out():
    """The order within one owner is the order of pushing."""
    queue = FairQueue()
    queue.push_many("one", range(5))
    assert pop_all(queue) == [0, 1, 2, 3, 4]


def test_an_owner_that_comes_back_stands_behind_the_others():
    """Coming again and again with one item does not gain turns."""
    queue = FairQueue()
    queue.push("quick", "q0")
    queue.push_many("slow", ["s0", "s1"])
    assert queue.pop() == "q0"
    queue.push("quick", "q1")
    assert pop_all(queue) == ["s0", "q1", "s1"]


def test_an_item_can_be_taken_out_from_the_middle():
    """remove() tells whether the item was there; the others keep their order."""
    queue = FairQueue()
    queue.push_many("one", range(3))
    assert queue.remove("one", 1)
    assert not queue.remove("one", 1)
    assert not queue.remove("other", 2)
    assert len(queue) == 2
    assert pop_all(queue) == [0, 2]


def test_an_owner_whose_last_item_is_removed_has_no_turn():
    """Nothing stays behind for an owner that is not waiting."""
    queue = FairQueue()
    queue.push("gone", 0)
    queue.push("here", 1)
    assert queue.contended("here")
    assert queue.remove("gone", 0)
    assert not queue.contended("here")
    assert pop_all(queue) == [1]


def test_an_empty_queue_has_nothing_to_pop():
    """pop() raises IndexError, as a list does; the queue is false."""
    queue = FairQueue()
    assert not queue
    with pytest.raises(IndexError):
        queue.pop()


def test_drain_gives_everything_in_the_order_of_dealing():
    """After drain() the queue is empty."""
    queue = FairQueue()
    queue.push_many("a", ["a0", "a1"])
    queue.push("b", "b0")
    assert queue.drain() == ["a0", "b0", "a1"]
    assert len(queue) == 0


def test_contended_means_that_somebody_else_waits():
    """An owner's own items do not count, whether it has any or not."""
    queue = FairQueue()
    assert not queue.contended("me")
    queue.push("me", 1)
    assert not queue.contended("me")
    queue.push("you", 2)
    assert queue.contended("me")
    assert queue.contended("nobody")


class Model:
    """The same queue, slow and plain: a list of owners in the order of their turns, each with a list of items."""

    def __init__(self):
        self.lines = []

    def push(self, owner, item):
        for known, line in self.lines:
            if known == owner:
                line.append(item)
                return
        self.lines.append((owner, [item]))

    def pop(self):
        owner, line = self.lines.pop(0)
        item = line.pop(0)
        if line:
            self.lines.append((owner, line))
        return item

    def remove(self, owner, item):
        for known, line in self.lines:
            if known == owner and item in line:
                line.remove(item)
                self.lines = [(each, rest) for each, rest in self.lines if rest]
                return True
        return False


@given(st.lists(st.tuples(st.sampled_from(["push", "push", "pop", "remove"]), st.integers(0, 3), st.integers(0, 30))))
def test_it_does_what_a_plain_list_of_lists_does(operations):
    """Any sequence of operations gives what the model gives."""
    queue, model, number = FairQueue(), Model(), 0
    for name, owner, item in operations:
        if name == "push":
            queue.push(owner, number)
            model.push(owner, number)
            number += 1
        elif name == "remove":
            assert queue.remove(owner, item) == model.remove(owner, item)
        elif model.lines:
            assert queue.pop() == model.pop()
        assert len(queue) == queue.size == sum(len(line) for _, line in model.lines)
