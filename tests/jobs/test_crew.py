"""How much a worker takes, and when it asks for more."""

import threading

import chores
import pytest

from weft.jobs import crew
from weft.jobs.ahead import HOARDING
from weft.jobs.crew import Crew
from weft.jobs.records import Claim

SOON = 20


class Nobody:
    """Notes nothing."""

    name = "nobody"

    def begin(self, job):
        """It has begun."""

    def end(self, job):
        """It has ended."""


class Gate:
    """A job that begins, and ends when it is let pass."""

    def __init__(self):
        self.begun, self.passed = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, word):
        self.begun.release()
        assert self.passed.acquire(timeout=SOON)


@pytest.fixture
def gate(monkeypatch):
    """What the jobs of a test do."""
    made = Gate()
    monkeypatch.setattr(chores.note, "fn", made)
    return made


@pytest.fixture
def ten_slots(gate):
    """A crew that has them, and jobs that seem to take 10 ms."""
    made = Crew({"default": 10}, Nobody(), lambda: None)
    made._pace["default"] = 0.01
    yield made
    made.hand_back()
    gate.passed.release(1000)
    made.close()


def claims(count):
    """Of a job that is declared."""
    words = chores.note.signature.encode(("w",), {})
    return [
        Claim(number, str(number), chores.note.name, "default", words, 1, 1, 1, 1, 0, None, 60)
        for number in range(count)
    ]


def test_short_jobs_are_taken_ahead_and_more_are_asked_for_at_half(ten_slots, gate):
    """Fifty beyond ten slots, of jobs of 10 ms; when half of them have begun, the next turn is due."""
    assert ten_slots.room() == {"default": 60}
    ten_slots.take(claims(60))
    for _ in range(25):
        assert gate.begun.acquire(timeout=SOON)
        assert not ten_slots.runs_low.is_set()
        gate.passed.release()
    assert ten_slots.runs_low.wait(SOON)


def test_nothing_is_taken_ahead_of_jobs_behind_which_it_would_be_given_back(ten_slots, gate, monkeypatch):
    """What has been given back, because a job turned out to be long, is not taken again at the next turn."""
    time = 1000.0
    monkeypatch.setattr(crew, "now", lambda: time)
    ten_slots.room()
    ten_slots.take(claims(60))
    for _ in range(10):
        assert gate.begun.acquire(timeout=SOON)
    time += HOARDING + 0.01
    ten_slots.stop_hoarding()
    assert len(ten_slots.news()[0]) == 50
    assert ten_slots.room() == {"default": 0}
