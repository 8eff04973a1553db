"""What a log call costs beside a thread that computes: one line about every 5 ms.

python benchmarks/logging_beside_cpu.py [--python OTHER_PYTHON ...]
"""

import threading
import time
from functools import partial

import log_peers
from log_bench import COSTS, costs, in_turn, reported, run, version, write_rows

NAMES = [
    "article", "FileHandler", "QueueHandler", "loguru", "structlog", "concurrent-log-handler", "weft.logs.Handler",
    "weft.logs.setup",
]  # fmt: skip
CALLS = 400
OURS = "weft.logs.setup"


def one(peer, path):
    subject = log_peers.PEERS[peer](path)
    over, taken = threading.Event(), []

    def compute():
        number = 1
        while not over.is_set():
            for _ in range(10_000):
                number = number * 1_103_515_245 % 2_147_483_647

    computing = threading.Thread(target=compute, daemon=True)
    computing.start()
    for number in range(CALLS + 20):
        time.sleep(0.005)
        before = time.perf_counter_ns()
        subject.log(number)
        if number >= 20:
            taken.append(time.perf_counter_ns() - before)
    over.set()
    computing.join()
    subject.close()
    return costs(taken)


def compare(measure, options):
    promise = f"The cost of each of {CALLS} log calls, one about every 5 ms, beside one thread that computes."
    with reported("logging_beside_cpu", promise, options) as report:
        for python in options.python:
            case = f"Python {version(python)}, beside a computing thread"
            found = write_rows(report, case, in_turn(partial(measure, python), options, NAMES), COSTS)
            ours, theirs = found[OURS]["p99"] / 1000, found["FileHandler"]["p99"] / 1000
            note = f"FileHandler: {theirs:.3g} ms, QueueHandler: {found['QueueHandler']['p99'] / 1000:.3g} ms"
            report.ratio(f"{case}: p99 of {OURS}, ms", ours, "at most 1", met=ours <= 1, note=note)
            report.ratio(f"{case}: p99 of FileHandler there, ms", theirs, "over 30", met=theirs > 30)


if __name__ == "__main__":
    run(__file__, one, compare)
