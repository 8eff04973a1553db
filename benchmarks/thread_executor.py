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
GENERATIONS = 7
ROUNDS = 15
WARM_UP = 3
ONE_BY_ONE = "one call after another"
BATCHES = {("20 calls as a batch", 20): 1.8, ("1,000 calls as a batch", 1000): 8.0}
MOVING = (
    "It varies from run to run: where a thread wakes decides more than what it runs (an idle CPU takes 25 µs to wake)."
)


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

    def close(self):
        self.pool.shutdown()


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

    def close(self):
        self.pool.close()
        self.pool.join()


class Async:
    """A library that brings threads to an event loop: measured inside its running loop."""

    def __init__(self, name, call, close=None):
        self.name = name
        self.call = call
        self.close_pool = close
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

    def close(self):
        self.runner.close()
        if self.close_pool is not None:
            self.close_pool()


def peers():
    pool = ThreadPoolExecutor(WORKERS)
    in_thread = sync_to_async(no_op, thread_sensitive=False, executor=pool)
    limiter = anyio.CapacityLimiter(WORKERS)
    return [
        Executor("weft.ThreadExecutor", ThreadExecutor),
        Executor("ThreadPoolExecutor", ThreadPoolExecutor),
        Pebble(),
        Async("anyio.to_thread", lambda number: anyio.to_thread.run_sync(no_op, number, limiter=limiter)),
        Async("asgiref.sync_to_async", in_thread, pool.shutdown),
    ]


def timed(run, calls):
    """Microseconds of the wall clock and of the process's CPU time for each call; short runs are repeated."""
    times = max(1, 200 // calls)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        run(calls)
    number = calls * times
    return (time.perf_counter() - wall) / number * 1e6, (time.process_time() - cpu) / number * 1e6


def in_turn(measure):
    """Every peer once a round, each round beginning with another.

    All are made afresh a few times, because a thread tends to stay on the CPU on which it happens to begin.
    """
    figures = {}
    for _ in range(GENERATIONS):
        made = peers()
        for number in range(-WARM_UP, ROUNDS):
            first = number % len(made)
            for peer in made[first:] + made[:first]:
                taken = measure(peer)
                if number >= 0:
                    figures.setdefault(peer.name, []).append(taken)
        for peer in made:
            peer.close()
    return figures


def write_down(report, case, figures):
    """Rows of one case; returns the median times of weft and of the standard library."""
    medians = {}
    for name, taken in figures.items():
        medians[name] = report.row(case, name, "time for each call", "µs", [wall for wall, _ in taken])
        report.row(case, name, "CPU for each call", "µs", [cpu for _, cpu in taken])
    return medians["weft.ThreadExecutor"], medians["ThreadPoolExecutor"]


def batches(report, where):
    for (case, calls), least in BATCHES.items():
        ours, theirs = write_down(report, case + where, in_turn(lambda peer, n=calls: timed(peer.batch, n)))
        ratio = theirs / ours
        what = f"{case}{where}: times as fast as ThreadPoolExecutor.map"
        report.ratio(what, ratio, f"at least {least}", met=ratio >= least)


def one_by_one(report, where, note):
    case = ONE_BY_ONE + where
    ours, theirs = write_down(report, case, in_turn(lambda peer: timed(peer.one_by_one, 50)))
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
        os.sched_setaffinity(0, usable)  # the peers' threads inherit it
        batches(report, where)
        one_by_one(report, where, note)
    report.write()


if __name__ == "__main__":
    main()
