"""A reader that stops for 2 s: what 4 threads that log into its pipe notice of it, and whether a line is lost.

python benchmarks/logging_frozen_sink.py [--python OTHER_PYTHON ...]
"""

import os
import subprocess
import sys
import threading
import time
from functools import partial

import log_peers
from log_bench import in_turn, quantile, reported, run, version, write_rows

NAMES = ["FileHandler", "QueueHandler", "loguru", "structlog", "weft.logs.Handler", "weft.logs.setup"]
THREADS, CALLS, PAUSE = 4, 1_200, 0.0025  # about 1,600 lines a second, for 3 seconds
UNITS = {"p99.9": "ms", "longest": "ms", "lost": "lines"}
OURS = "weft.logs.setup"

READER = """
import os, sys, time
pipe = os.open(sys.argv[1], os.O_RDONLY)
lines, begun, rested = 0, time.monotonic(), False
while data := os.read(pipe, 65536):
    lines += data.count(b"\\n")
    if not rested and time.monotonic() - begun > 0.5:
        time.sleep(2); rested = True
print(lines)
"""


def one(peer, path):
    os.mkfifo(path)
    reader = subprocess.Popen([sys.executable, "-c", READER, path], stdout=subprocess.PIPE, text=True)
    held = os.open(path, os.O_WRONLY)  # until all is written: then the reader sees the end
    subject = log_peers.PEERS[peer](path)
    taken = []

    def work():
        times = []
        for number in range(CALLS):
            time.sleep(PAUSE)
            before = time.perf_counter_ns()
            subject.log(number)
            times.append((time.perf_counter_ns() - before) / 1e6)
        taken.extend(times)

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    subject.close()
    os.close(held)
    lines = int(reader.communicate(timeout=60)[0])
    return {"p99.9": quantile(taken, 0.999), "longest": max(taken), "lost": THREADS * CALLS - lines}


def compare(measure, options):
    promise = (
        f"{THREADS} threads log about 1,600 lines a second into a named pipe, whose reader stops for 2 s: the cost of "
        "a call, and the lines that never came."
    )
    with reported("logging_frozen_sink", promise, options) as report:
        for python in options.python:
            case = f"Python {version(python)}, a reader that stops for 2 s"
            found = write_rows(report, case, in_turn(partial(measure, python), options, NAMES), UNITS)
            ours = found[OURS]
            theirs = found["FileHandler"]["longest"]
            note = f"longest: {ours['longest']:.3g} ms, of FileHandler {theirs:,.0f} ms"
            what = f"{case}: p99.9 of {OURS}, ms"
            report.ratio(what, ours["p99.9"], "at most 5", met=ours["p99.9"] <= 5, note=note)
            report.ratio(f"{case}: lines lost by {OURS}", ours["lost"], "0", met=ours["lost"] == 0)


if __name__ == "__main__":
    run(__file__, one, compare)
