"""Facts about the pipeline between input and output, driven by checks that need no network."""

import asyncio
import os
from pathlib import Path

import pytest
from commandline import options

from weft.cli.checking import pump
from weft.cli.results import Reading
from weft.cli.tally import Tally
from weft.cli.targets import from_lines
from weft.cli.views import Lines


class Quick:
    """A check that answers at once, and notes how many are under way."""

    def __init__(self):
        self.now = self.most = 0

    async def __call__(self, target):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return Reading(404 if target.line % 10 == 0 else 200, "1.1", 100)


class Kept:
    def __init__(self):
        self.results = []

    def show(self, result):
        self.results.append(result)


def run(lines, view=None, check=None, **changed):
    tally = Tally()
    pump(check or Quick(), from_lines(lines), tally, view or Kept(), options(**changed))
    return tally


def test_each_target_has_one_result():
    """Whatever order they end in, each line has its result, and the tally has counted each."""
    view = Kept()
    tally = run([f"h{n}.example\n" for n in range(1000)], view)
    assert sorted(result.target.line for result in view.results) == list(range(1, 1001))
    assert (tally.checked, tally.fine, tally.summary.errors) == (1000, 900, {"HTTP 404": 100})


def test_no_more_than_the_limit_are_under_way():
    """--limit bounds the checks under way at once, and is used to the full."""
    check = Quick()
    run([f"h{n}.example\n" for n in range(500)], check=check, limit=7)
    assert check.most == 7


def test_a_malformed_line_does_not_stop_the_run():
    """A malformed line is one failure among the results."""
    view = Kept()
    tally = run(["a.example\n", "ftp://b.example\n", "c.example\n"], view, check=Obedient())
    assert (tally.checked, tally.fine) == (3, 2)
    (bad,) = [result for result in view.results if not result.ok]
    assert (bad.outcome, bad.target.line) == ("invalid", 2)


class Obedient:
    async def __call__(self, target):
        if target.problem is not None:
            raise ValueError(target.problem)
        return Reading(200, "2", 0)


class Stuck:
    async def __call__(self, target):
        await asyncio.Event().wait()


def test_the_deadline_ends_the_run():
    """At the deadline what is under way is timed out, the rest of a stream is not begun, and the run says so."""
    view = Kept()
    tally = run((f"h{n}.example\n" for n in range(100_000)), view, Stuck(), limit=3, deadline=0.05)
    assert tally.stopped == "deadline"
    assert {result.outcome for result in view.results} == {"timed_out"}
    assert tally.checked < 100


def test_a_timeout_ends_one_check(monkeypatch):
    """A check that the engine does not end is ended a second after its timeout; the run itself is not stopped."""
    monkeypatch.setattr("weft.cli.checking._BACKSTOP", 0.0)  # the second, without the wait
    tally = run(["a.example\n", "b.example\n"], check=Stuck(), timeout=0.01)
    assert (tally.summary.outcomes, tally.stopped) == ({"timed_out": 2}, None)


class Flaky:
    def __init__(self):
        self.tries = 0

    async def __call__(self, target):
        self.tries += 1
        if self.tries == 1:
            raise ConnectionError("reset")
        return Reading(200, "2", 0)


def test_retries_try_again_when_there_is_no_answer():
    """With --retries a check that got no answer is tried again, and the result says how often."""
    view = Kept()
    tally = run(["a.example\n"], view, Flaky(), retries=1)
    assert tally.all_fine
    assert view.results[0].attempts == 2


def resident():
    """The bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_a_hundred_thousand_run_in_constant_memory():
    """After the first 20,000, 80,000 more checks take no memory: results are counted, shown and forgotten.

    (A kept result is 400 bytes and more, 80,000 of them 32 MB. The first 20,000 fill the caches.)
    """
    sizes = []

    def lines():
        for n in range(100_000):
            if n % 20_000 == 0:
                sizes.append(resident())
            yield f"h{n % 5000}.example/{n}\n"
        sizes.append(resident())

    tally = run(lines(), Lines(lambda result: None, header=None, ticker=None))
    assert tally.checked == 100_000
    assert sizes[-1] - sizes[1] < 4_000_000
