"""Lines a second from 8 threads that log as fast as they can, until the last is in the file; and the CPU of a line.

python benchmarks/logging_throughput.py [--python OTHER_PYTHON ...]
"""

import threading
import time
from functools import partial
from pathlib import Path

import log_peers
from log_bench import in_turn, reported, run, version, write_rows

NAMES = [
    "article", "FileHandler", "QueueHandler", "loguru", "structlog", "concurrent-log-handler", "weft.logs.Handler",
    "weft.logs.setup",
]  # fmt: skip
THREADS, CALLS = 8, 15_000  # three times what weft's ring holds
UNITS = {"speed": "lines/s", "CPU": "µs/line"}


def one(peer, path):
    subject = log_peers.PEERS[peer](path)
    subject.log(0)
    start = threading.Barrier(THREADS + 1)

    def work():
        start.wait()
        for number in range(CALLS):
            subject.log(number)

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    wall, cpu = time.perf_counter(), time.process_time()  # before: nobody wakes a thread that waits for the GIL
    start.wait()
    for worker in workers:
        worker.join()
    subject.close()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    lines = THREADS * CALLS
    written = Path(path).read_bytes().count(b"\n") - 1
    if written != lines:
        raise RuntimeError(f"{lines - written} of {lines} lines are missing")
    return {"speed": lines / wall, "CPU": cpu / lines * 1e6}


def compare(measure, options):
    promise = (
        f"{THREADS} threads log {CALLS:,} lines each as fast as they can; timed until the last line is in the file. "
        "The CPU is that of the whole process, its writing thread included."
    )
    with reported("logging_throughput", promise, options) as report:
        for python in options.python:
            case = f"Python {version(python)}, {THREADS} threads"
            found = write_rows(report, case, in_turn(partial(measure, python), options, NAMES), UNITS)
            for ours in ("weft.logs.setup", "weft.logs.Handler"):
                speed = found[ours]["speed"] / found["QueueHandler"]["speed"]
                report.ratio(f"{case}: lines/s of {ours} against QueueHandler", speed, "at least 3", met=speed >= 3)
                cpu = found[ours]["CPU"] / found["QueueHandler"]["CPU"]
                report.ratio(f"{case}: CPU of a line, {ours} against QueueHandler", cpu, "at most 0.4", met=cpu <= 0.4)


if __name__ == "__main__":
    run(__file__, one, compare)
