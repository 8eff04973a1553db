"""Limits are shared by every request of the process, on whatever thread or loop it runs."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import weft
from weft.calls.limits import Limits
from weft.clock import now
from weft.executors.loop import LoopExecutor
from weft.outcome import Ok, Refused, TimedOut
from weft.testing.clock import run_virtual


def using(limit, fn, *args):
    return weft.call(fn, *args).using(limit=limit)


def test_a_named_limit_bounds_what_runs_at_once_across_scopes():
    """Three scopes at once, one limit: never more than its size inside."""
    inside, most = 0, 0

    async def visit():
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1

    async def request():
        async with weft.scope() as scope:
            for _ in range(10):
                scope.start(using("db", visit))

    async def main():
        weft.limit("db", 4)
        async with weft.scope() as scope:
            for _ in range(3):
                scope.start(request)

    run_virtual(main())
    assert most == 4


def test_the_wait_for_a_place_is_bounded_by_the_deadline():
    """Who waits in the waiting room is timed out with the rest, and its seat is free again."""

    async def main():
        limit = weft.limit("db", 1)
        async with weft.scope(deadline=1, join="settled") as scope:
            scope.start(using("db", asyncio.sleep, 60))
            waiting = scope.start(using("db", asyncio.sleep, 0))
        return waiting.outcome, limit.statistics()

    outcome, statistics = run_virtual(main())
    assert outcome == TimedOut(1.0)
    assert (statistics.inside, statistics.queued) == (0, 0)


def test_a_full_waiting_room_refuses_with_the_reason():
    """One inside, one waiting, and the third is told so at once."""

    async def main():
        weft.limit("db", 1, waiting=1)
        async with weft.scope(join="settled") as scope:
            tasks = [scope.start(using("db", asyncio.sleep, 1)) for _ in range(3)]
        return [task.outcome for task in tasks]

    outcomes = run_virtual(main())
    assert outcomes == [Ok(None), Ok(None), Refused("limit 'db' is full: 1 running, 1 waiting")]


def test_a_request_with_many_calls_does_not_starve_one_with_few():
    """The waiting room deals round robin between scopes: two calls beside five hundred wait two turns."""
    ended = []

    async def visit(who):
        await asyncio.sleep(1)
        ended.append(who)

    async def request(who, calls):
        async with weft.scope() as scope:
            for _ in range(calls):
                scope.start(using("api", visit, who))

    async def main():
        weft.limit("api", 1)
        async with weft.scope() as scope:
            scope.start(request, "big", 500)
            await asyncio.sleep(0.5)
            scope.start(request, "small", 2)

    run_virtual(main())
    assert [place for place, who in enumerate(ended) if who == "small"][-1] <= 5


def test_a_rate_spaces_the_calls_of_all_requests():
    """Ten a second: eleven calls take one second."""

    async def main():
        weft.limit("api", 100, rate=weft.Rate(10))
        started = now()
        async with weft.scope() as scope:
            for _ in range(11):
                scope.start(using("api", asyncio.sleep, 0))
        return now() - started

    assert run_virtual(main()) == pytest.approx(1.0)


def test_a_rate_that_the_deadline_cannot_wait_for_refuses_at_once():
    """The refusal says when the next slot comes; nobody waits for nothing."""

    async def main():
        weft.limit("api", 100, rate=weft.Rate(1, per=10))
        async with weft.scope(deadline=5, join="settled") as scope:
            tasks = [scope.start(using("api", asyncio.sleep, 0)) for _ in range(2)]
        return [task.outcome for task in tasks]

    ok, refused = run_virtual(main())
    assert ok == Ok(None)
    assert refused.retry_after == pytest.approx(10)


def test_the_host_of_a_call_is_limited_without_being_asked():
    """A function that can tell its host passes that host's limit; others are not held up."""
    inside = {"a:80": 0, "b:80": 0}
    most = dict(inside)

    async def fetch(host):
        inside[host] += 1
        most[host] = max(most[host], inside[host])
        await asyncio.sleep(1)
        inside[host] -= 1

    fetch.__weft_host__ = lambda args, kwargs: args[0]

    async def main():
        weft.limit("host:a:80", 2)
        await weft.map(fetch, ["a:80"] * 10 + ["b:80"] * 10, limit=None)

    run_virtual(main(), host_limit=5)
    assert most == {"a:80": 2, "b:80": 5}


def test_the_process_limit_bounds_everything():
    """All calls of the process together, whatever they are."""
    inside, most = 0, 0

    async def visit(_):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(1)
        inside -= 1

    async def main():
        await weft.map(visit, range(30), limit=None)

    run_virtual(main(), process_limit=7)
    assert most == 7


def test_hosts_without_calls_are_forgotten():
    """A crawl of ever new hosts does not grow the table for ever; a limit set by hand stays."""
    limits = Limits(per_host=1, process=1, waiting=0)
    mine = limits.define("host:mine:80", 3)
    for n in range(10_000):
        limits.host(f"{n}:80")
    assert len(list(limits)) < 4200
    assert limits.host("mine:80") is mine


def test_hosts_with_calls_are_not_searched_again_for_each_new_one(monkeypatch):
    """Where nothing can be forgotten, twenty thousand hosts cost a handful of searches, not one for each."""
    searches = []
    forget = Limits._forget_idle_hosts
    monkeypatch.setattr(Limits, "_forget_idle_hosts", lambda limits: searches.append(True) or forget(limits))
    limits = Limits(per_host=1, process=1, waiting=0)
    for n in range(20_000):
        limits.host(f"{n}:80").enter_nowait()
    assert len(searches) < 5
    assert len(list(limits)) == 20_001


def test_a_limit_nobody_has_defined_is_told_with_the_known_ones():
    """A typing mistake fails that call, with the cure."""
    weft.limit("database", 1)
    with weft.scope(join="settled") as scope:
        task = scope.start(using("databsae", print))
    with pytest.raises(weft.InvalidCall, match=r"weft\.limit\('databsae', 10\)"):
        task.result()


def test_places_are_never_lost_between_loops_and_cancellations():
    """Four loops on four threads fight for two places, and half of the waiters give up: all places come back."""
    limits = Limits(per_host=2, process=2, waiting=1000)
    limit = limits.host("x")
    start = threading.Barrier(4)

    async def visit(loop, n):
        await limit.enter(loop, n % 3, float("inf"))
        try:
            await asyncio.sleep(0)
        finally:
            limit.leave()

    async def worker():
        loop = LoopExecutor(asyncio.get_running_loop())
        start.wait()
        for n in range(150):
            tasks = [asyncio.create_task(visit(loop, n + k)) for k in range(4)]
            await asyncio.sleep(0)
            tasks[n % 4].cancel()
            tasks[(n + 1) % 4].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: asyncio.run(worker()), range(4)))
    statistics = limit.statistics()
    assert (statistics.inside, statistics.queued) == (0, 0)


def test_who_has_waited_for_its_place_books_no_slot_beyond_its_deadline():
    """The time spent in the waiting room counts: the call is refused at once, and the slot stays free for others."""

    async def main():
        weft.limit("api", 1, rate=weft.Rate(1, per=10))
        async with weft.scope(join="settled") as around:
            around.start(using("api", asyncio.sleep, 5))
            await asyncio.sleep(1)
            async with weft.scope(deadline=8, join="settled") as scope:
                late = scope.start(using("api", asyncio.sleep, 0))
            began = now()
            await around.start(using("api", asyncio.sleep, 0))
        return late, now() - began

    late, waited = run_virtual(main())
    assert isinstance(late.outcome, Refused)
    assert waited == pytest.approx(5)
