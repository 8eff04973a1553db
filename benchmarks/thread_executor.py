"""What a call on a thread costs beyond the call: no-op calls through weft's executor and its peers, in turn.

python benchmarks/thread_executor.py
"""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.to_thread
from asgiref.sync import sync_to_async
from pebble import ThreadPool

from harness import Report, cpus
from weft.executors.threads import ThreadExecutor

WORKERS = 8
ROUNDS = 101
ONE_BY_ONE = "one call after another"
BATCHES = {("20 calls as a batch", 20): 1.8, ("1,000 calls as a batch", 1000): 8.0}
MOVING = "Where a thread wakes decides more than what it runs: an idle CPU takes 25 µs or more to wake."


def no_op(number):
    return number


class Executor:
    """Whatever has `submit` and `map` of concurrent.futures."""

    def __init__(self, name, make):
        self.name = name
        self.pool = make(WORKERS)
        list(self.pool.map(time.sleep, [0.05] * WORKERS))

    def one_by_one(self, calls):
        for number in range(calls):
            self.pool.submit(no_op, number).result()

    def batch(self, calls):
        return list(self.pool.map(no_op, range(calls)))


class Pebble:
    name = "Pebble ThreadPool"

    def __init__(self):
        self.pool = ThreadPool(max_workers=WORKERS)
        self.batch(WORKERS)

    def one_by_one(self, calls):
        for number in range(calls):
            self.pool.schedule(no_op, args=(number,)).result()

    def batch(self, calls):
        return list(self.pool.map(no_op, range(calls)).result())


class Async:
    """A library that brings threads to an event loop: measured inside its running loop."""

    def __init__(self, name, call):
        self.name = name
        self.call = call
        self.runner = asyncio.Runner()

    def one_by_one(self, calls):
        async def main():
            for number in range(calls):
                await self.call(number)

        self.runner.run(main())

    def batch(self, calls):
        async def main():
            return await asyncio.gather(*[self.call(number) for number in range(calls)])

        return self.runner.run(main())


def peers():
    pool = ThreadPoolExecutor(WORKERS)
    in_thread = sync_to_async(no_op, thread_sensitive=False, executor=pool)
    limiter = anyio.CapacityLimiter(WORKERS)
    return [
        Executor("weft.ThreadExecutor", ThreadExecutor),
        Executor("ThreadPoolExecutor", ThreadPoolExecutor),
        Pebble(),
        Async("anyio.to_thread", lambda number: anyio.to_thread.run_sync(no_op, number, limiter=limiter)),
        Async("asgiref.sync_to_async", in_thread),
    ]


def timed(run, calls):
    """Microseconds of the wall clock and of the process's CPU time for each call; short runs are repeated."""
    times = max(1, 200 // calls)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        run(calls)
    number = calls * times
    return (time.perf_counter() - wall) / number * 1e6, (time.process_time() - cpu) / number * 1e6


def in_turn(peers, measure, rounds=ROUNDS):
    """Every peer once a round, each round beginning with another; the first three rounds warm up."""
    figures = {peer.name: [] for peer in peers}
    for number in range(rounds + 3):
        first = number % len(peers)
        for peer in peers[first:] + peers[:first]:
            taken = measure(peer)
            if number >= 3:
                figures[peer.name].append(taken)
    return figures


def write_down(report, case, figures):
    """Rows of one case; returns the median times of weft and of the standard library."""
    medians = {}
    for name, taken in figures.items():
        medians[name] = report.row(case, name, "time for each call", "µs", [wall for wall, _ in taken])
        report.row(case, name, "CPU for each call", "µs", [cpu for _, cpu in taken])
    return medians["weft.ThreadExecutor"], medians["ThreadPoolExecutor"]


def batches(report, everyone, where):
    for (case, calls), least in BATCHES.items():
        ours, theirs = write_down(report, case + where, in_turn(everyone, lambda peer, n=calls: timed(peer.batch, n)))
        ratio = theirs / ours
        what = f"{case}{where}: times as fast as ThreadPoolExecutor.map"
        report.ratio(what, ratio, f"at least {least}", met=ratio >= least)


def one_by_one(report, everyone, where, note):
    case = ONE_BY_ONE + where
    ours, theirs = write_down(report, case, in_turn(everyone, lambda peer: timed(peer.one_by_one, 50)))
    what = f"{case}: time against ThreadPoolExecutor.submit"
    report.ratio(what, ours / theirs, "at most 1", met=ours <= theirs, note=note)


def main():
    report = Report(
        "thread_executor",
        f"What a no-op call on one of {WORKERS} threads costs, from handing it over to holding its result. All peers "
        "are in one process and are asked in turn; batches go through the peer's own map or gather.",
    )
    free = os.sched_getaffinity(0)
    for where, usable, note in (", on one CPU", {cpus()[0]}, ""), ("", free, MOVING):
        os.sched_setaffinity(0, usable)  # threads inherit it, hence the peers are made afresh
        everyone = peers()
        batches(report, everyone, where)
        one_by_one(report, everyone, where, note)
    report.write()


if __name__ == "__main__":
    main()
