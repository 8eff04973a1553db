"""What a call in a process costs beyond the call, and how fast it is stopped: weft's executor and its peers, in turn.

python benchmarks/process_executor.py

The contestants take turns within each round, each round beginning with another, so that a slow moment of the machine
hits them all. Only weft and Pebble can stop one call.
"""

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import perf_counter

WARM_ROUNDS = 60
COLD_ROUNDS = 12
WORKERS = 2
MEGABYTE = b"x" * 1_000_000


def nothing():
    return None


def compute_without_end(pipe):
    """Write into the pipe and keep it open: its end is the process's death."""
    descriptor = os.open(pipe, os.O_WRONLY)
    os.write(descriptor, b"x")
    while True:
        pass


class Weft:
    name = "weft.ProcessExecutor"

    def __init__(self):
        from weft.executors.processes import ProcessExecutor

        self.pool = ProcessExecutor(WORKERS)

    def submit(self, fn, *args):
        return self.pool.submit(fn, *args)

    def start_and_cancel(self, pipe):
        from weft.executors.work import Work

        work = Work(compute_without_end, (pipe,), {}, print)
        self.pool.start(work)
        return lambda: self.pool.cancel(work)

    def close(self):
        self.pool.shutdown()


class Standard:
    name = "ProcessPoolExecutor"
    start_and_cancel = None

    def __init__(self):
        self.pool = ProcessPoolExecutor(WORKERS, multiprocessing.get_context("forkserver"))

    def submit(self, fn, *args):
        return self.pool.submit(fn, *args)

    def close(self):
        self.pool.shutdown()


class Loky(Standard):
    name = "loky ProcessPoolExecutor"

    def __init__(self):
        from loky import ProcessPoolExecutor as Pool

        self.pool = Pool(WORKERS)


class Pebble:
    name = "Pebble ProcessPool"

    def __init__(self):
        from pebble import ProcessPool

        self.pool = ProcessPool(WORKERS, context=multiprocessing.get_context("forkserver"))

    def submit(self, fn, *args):
        return self.pool.submit(fn, None, *args)

    def start_and_cancel(self, pipe):
        return self.pool.submit(compute_without_end, None, pipe).cancel

    def close(self):
        self.pool.close()
        self.pool.join()


def timed(call):
    start = perf_counter()
    call()
    return perf_counter() - start


def warm(contestant):
    for future in [contestant.submit(time.sleep, 0.05) for _ in range(WORKERS)]:
        future.result()


def round_trip(contestant):
    """One no-op there and back: the median of 10 in a row."""
    return statistics.median(timed(lambda: contestant.submit(nothing).result()) for _ in range(10))


def three_hundred(contestant):
    """300 no-ops at once, per call."""

    def all_at_once():
        for future in [contestant.submit(nothing) for _ in range(300)]:
            future.result()

    return timed(all_at_once) / 300


def megabyte(contestant):
    """A call with one megabyte of bytes as its argument."""
    return timed(lambda: contestant.submit(len, MEGABYTE).result())


def crash_to_report(contestant):
    """From the start of a call that ends its process until its caller has the error."""
    warm(contestant)

    def crash():
        with suppress(Exception):
            contestant.submit(os._exit, 3).result()

    return timed(crash)


def cancel_to_death(contestant):
    """From the cancellation of a call that computes without end until its process is dead."""
    if contestant.start_and_cancel is None:
        return None
    warm(contestant)
    with tempfile.TemporaryDirectory() as folder:
        pipe = str(Path(folder) / "pipe")
        os.mkfifo(pipe)
        cancel = contestant.start_and_cancel(pipe)
        with Path(pipe).open("rb", buffering=0) as end:
            end.read(1)
            start = perf_counter()
            cancel()
            end.read()
            return perf_counter() - start


def first_call(make):
    """From the making of a pool to its first result, in a fresh interpreter without helper processes yet."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import process_executor as here
if __name__ == "__main__":
    import multiprocessing.forkserver, weft.executors.processes, loky, pebble
    start = here.perf_counter()
    pool = here.{make.__name__}()
    pool.submit(here.nothing).result()
    print(here.perf_counter() - start)
    pool.close()
"""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "first.py"
        script.write_text(code)
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def cold(take):
    """Measure in a pool of its own: what is measured may break it."""

    def measure(make):
        contestant = make()
        try:
            return take(contestant)
        finally:
            contestant.close()

    return in_turn(CONTESTANTS, measure, COLD_ROUNDS)


def warm_pools(take):
    """Measure in pools that stay."""
    contestants = [make() for make in CONTESTANTS]
    for contestant in contestants:
        warm(contestant)
    try:
        return in_turn(contestants, take, WARM_ROUNDS)
    finally:
        for contestant in contestants:
            contestant.close()


def fresh(take):
    """Measure in an interpreter of its own."""
    return in_turn(CONTESTANTS, take, COLD_ROUNDS)


def in_turn(contestants, measure, rounds):
    figures = defaultdict(list)
    for number in range(rounds + 1):
        first = number % len(contestants)
        for contestant in contestants[first:] + contestants[:first]:
            value = measure(contestant)
            if number and value is not None:
                figures[contestant.name].append(value)
    return figures


# case: how to take it, unit, what weft promises: its time in parts of that of the best of the others
CASES = {
    "one call, there and back": (warm_pools, round_trip, "µs", 0.8),
    "300 calls at once, each": (warm_pools, three_hundred, "µs", 1.0),
    "a call with 1 MB": (warm_pools, megabyte, "µs", 1.0),
    "cancelled until dead": (cold, cancel_to_death, "ms", 0.1),
    "crashed until reported": (cold, crash_to_report, "ms", 1.0),
    "first call of a program": (fresh, first_call, "ms", 1.25),
}
NOTES = {
    "first call of a program": "The fork server imports the worker's code first, which every later process is spared.",
}
CONTESTANTS = [Weft, Standard, Loky, Pebble]


def main():
    # Here, because worker processes import this file too, and need none of it.
    from harness import Report

    report = Report(
        "process_executor",
        "Calls in worker processes cost no more than with other pools, and a call can be stopped at once, alone. "
        f"{WORKERS} processes each, forkserver (loky: its own), no-op calls.",
    )
    for case, (where, take, unit, promised) in CASES.items():
        figures = where(take)
        scale = 1e6 if unit == "µs" else 1e3
        medians = {
            name: report.row(case, name, "time", unit, [value * scale for value in taken])
            for name, taken in figures.items()
        }
        ours = medians.pop(Weft.name)
        best = min(medians, key=medians.get)
        ratio = ours / medians[best]
        what = f"{case}: time against {best}, the best of the others"
        report.ratio(what, ratio, f"at most {promised}", met=ratio <= promised, note=NOTES.get(case, ""))
    report.write()


if __name__ == "__main__":
    main()
