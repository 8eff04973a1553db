"""What a log call costs its caller: on 1, 8 and 64 threads at once, which log as fast as they can.

python benchmarks/logging_cost.py [--python OTHER_PYTHON ...]
"""

import threading
import time
from array import array
from functools import partial

import log_peers
from log_bench import COSTS, costs, in_turn, reported, run, version, write_rows

NAMES = [
    "article", "FileHandler", "QueueHandler", "loguru", "structlog", "concurrent-log-handler", "weft.logs.Handler",
    "weft.logs.setup",
]  # fmt: skip
THREADS = (1, 8, 64)
SECONDS = 1.0  # several turns at the GIL for each of 64 threads, and several times what weft's ring holds
OURS, PLAIN = "weft.logs.setup", "weft.logs.Handler"


def one(peer, path, threads):
    subject = log_peers.PEERS[peer](path)
    for number in range(500):
        subject.log(number)
    taken, start = [], threading.Barrier(threads)

    def work():
        times, log, clock = array("q"), subject.log, time.perf_counter_ns
        start.wait()
        until = clock() + int(SECONDS * 1e9)
        while (before := clock()) < until:
            log(len(times))
            times.append(clock() - before)
        taken.extend(times)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    subject.close()
    return costs(taken)


def compare(measure, options):
    promise = (
        "What a log call costs its caller, by the standard library's calls (loguru and structlog: their own), each "
        "thread logging as fast as it can for a second. For comparison, in other languages and measured on another "
        "day: spdlog's asynchronous logger 0.5 to 0.8 µs, Log4j 2's 1.4 to 1.9 µs."
    )
    with reported("logging_cost", promise, options) as report:
        for python in options.python:
            for threads in THREADS:
                case = f"Python {version(python)}, {threads} thread{'s' if threads > 1 else ''}"
                figures = in_turn(partial(measure, python), options, NAMES, threads=threads)
                ratios(report, case, threads, write_rows(report, case, figures, COSTS))


def ratios(report, case, threads, found):
    for peer, most in (("FileHandler", 0.7), ("QueueHandler", 0.7), ("loguru", 0.35)):
        for ours in (OURS, PLAIN):
            ratio = found[ours]["p50"] / found[peer]["p50"]
            report.ratio(f"{case}: p50 of {ours} against {peer}", ratio, f"at most {most}", met=ratio <= most)
    if threads == max(THREADS):
        best = min(found[peer]["p99"] for peer in NAMES if peer not in {OURS, PLAIN})
        for ours in (OURS, PLAIN):
            ratio, note = best / found[ours]["p99"], f"its longest call: {found[ours]['longest']:,.0f} ms"
            what = f"{case}: p99 of the best other against {ours}"
            report.ratio(what, ratio, "at least 50", met=ratio >= 50, note=note)


if __name__ == "__main__":
    run(__file__, one, compare)
