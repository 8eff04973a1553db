"""A reader that stops for 2 s: what 4 threads that log into its pipe notice of it, and whether a line is lost.

python benchmarks/logging_frozen_sink.py [--python OTHER_PYTHON ...]
"""

import math
import os
import re
import subprocess
import sys
import threading
import time
from functools import partial

import log_peers
from log_bench import in_turn, quantile, reported, run, version, write_rows

NAMES = ["FileHandler", "QueueHandler", "loguru", "structlog", "weft.logs.Handler", "weft.logs.setup"]
THREADS, CALLS, PAUSE = 4, 1_200, 0.0025  # about 1,600 lines a second, for 3 seconds
UNITS = {"p99.9": "ms", "longest": "ms", "lost": "lines", "twice": "lines"}
OURS = "weft.logs.setup"

READER = """
import os, sys, time
pipe = os.open(sys.argv[1], os.O_RDONLY)
came, begun, rested = b"", time.monotonic(), False
while data := os.read(pipe, 65536):
    came += data
    if not rested and time.monotonic() - begun > 0.5:
        time.sleep(2); rested = True
print(came.decode())
"""


def one(peer, path):
    os.mkfifo(path)
    reader = subprocess.Popen([sys.executable, "-c", READER, path], stdout=subprocess.PIPE, text=True)
    held = os.open(path, os.O_WRONLY)  # until all is written: then the reader sees the end
    subject = log_peers.PEERS[peer](path)
    taken = []

    def work(thread):
        times = []
        for number in range(CALLS):
            time.sleep(PAUSE)
            before = time.perf_counter_ns()
            subject.log(f"<{thread}-{number}>")
            times.append((time.perf_counter_ns() - before) / 1e6)
        taken.extend(times)

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    subject.close()
    os.close(held)
    taken = with_those_held_up(taken)
    marks = re.findall(r"<(\d+-\d+)>", reader.communicate(timeout=60)[0])
    return {
        "p99.9": quantile(taken, 0.999),
        "longest": max(taken),
        "lost": THREADS * CALLS - len(set(marks)),
        "twice": len(marks) - len(set(marks)),
    }


def with_those_held_up(taken):
    """A stall counts for each call that its thread would have made meanwhile, not once."""
    return [each - since for each in taken for since in held_up(each)]


def held_up(milliseconds):
    step = PAUSE * 1000
    return [number * step for number in range(max(1, math.ceil(milliseconds / step)))]


def compare(measure, options):
    promise = (
        f"{THREADS} threads log about 1,600 lines a second into a named pipe, whose reader stops for 2 s: the cost of "
        "a call, and the lines that never came. A call that was held up counts for all that its thread would have "
        "made meanwhile."
    )
    with reported("logging_frozen_sink", promise, options) as report:
        for python in options.python:
            case = f"Python {version(python)}, a reader that stops for 2 s"
            figures = in_turn(partial(measure, python), options, NAMES)
            found = write_rows(report, case, figures, UNITS)
            ours = found[OURS]
            theirs, queued = found["FileHandler"]["longest"], found["QueueHandler"]["longest"]
            note = (
                f"longest: {ours['longest']:.3g} ms, of FileHandler {theirs:,.0f} ms, of QueueHandler {queued:.3g} ms"
            )
            what = f"{case}: p99.9 of {OURS}, ms"
            report.ratio(what, ours["p99.9"], "at most 5", met=ours["p99.9"] <= 5, note=note)
            lost = max(figures[OURS]["lost"])
            report.ratio(f"{case}: lines lost by {OURS}", lost, "0", met=lost == 0)


if __name__ == "__main__":
    run(__file__, one, compare)
