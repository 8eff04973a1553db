"""How late an event loop is while its coroutines log 5,000 lines a second.

python benchmarks/logging_loop_lag.py [--python OTHER_PYTHON ...]
"""

import asyncio
import threading
import time
from functools import partial

import log_peers
from log_bench import in_turn, quantile, reported, run, version, write_rows

NAMES = ["idle", "FileHandler", "QueueHandler", "loguru", "aiologger", "weft.logs.Handler", "weft.logs.setup"]
SECONDS, LOGGERS, BURST, PERIOD = 2, 5, 5, 0.005  # 5 coroutines log 5 lines each every 5 ms
UNITS = {"p50": "ms", "p99": "ms", "longest": "ms", "lines": "lines/s"}
OURS = "weft.logs.setup"


def one(peer, path, worker):
    over = threading.Event()
    if worker:
        threading.Thread(target=compute, args=(over,), daemon=True).start()
    found = asyncio.run(measure_lag(peer, path))
    over.set()
    return found


def compute(over):
    """A request on a thread, beside the loop: it computes for 2 ms and waits for 8."""
    while not over.wait(0.008):
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass


async def measure_lag(peer, path):
    log, close = await prepared(peer, path)
    over, lags, logged = asyncio.Event(), [], 0
    begun = time.perf_counter()

    async def chatter():
        nonlocal logged
        number, due = 0, begun
        while not over.is_set():
            for _ in range(BURST):
                number += 1
                done = log(number)
                if done is not None:
                    await done
            logged += BURST
            due += PERIOD  # not from now on: who is late catches up, so that all log as much
            await asyncio.sleep(due - time.perf_counter())

    async def tick():
        until = time.perf_counter() + SECONDS
        while (wanted := time.perf_counter() + PERIOD) < until:
            await asyncio.sleep(PERIOD)
            lags.append((time.perf_counter() - wanted) * 1000)
        over.set()

    await asyncio.gather(tick(), *(chatter() for _ in range(LOGGERS)))
    ended = time.perf_counter()
    done = close()
    if done is not None:
        await done
    return {
        "p50": quantile(lags, 0.5),
        "p99": quantile(lags, 0.99),
        "longest": max(lags),
        "lines": logged / (ended - begun),
    }


async def prepared(peer, path):
    if peer == "idle":
        return lambda _number: None, lambda: None
    if peer == "aiologger":
        from aiologger import Logger
        from aiologger.handlers.files import AsyncFileHandler

        logger = Logger(name="shop.views")
        logger.add_handler(AsyncFileHandler(filename=path))
        text = "line {} of request /check-sites took 12 ms for user alice"
        return lambda number: logger.info(text.format(number)), logger.shutdown
    subject = log_peers.PEERS[peer](path)

    def log(number):
        subject.log(number)

    return log, subject.close


def compare(measure, options):
    promise = (
        "How much later than asked a coroutine goes on, while others log 5,000 lines a second in all; alone on the "
        "loop, and beside a thread that computes for 2 ms of every 10."
    )
    with reported("logging_loop_lag", promise, options) as report:
        for python in options.python:
            for worker, where in ((False, "alone"), (True, "beside a thread")):
                case = f"Python {version(python)}, {where}"
                figures = in_turn(partial(measure, python), options, NAMES, worker=worker)
                found = write_rows(report, case, figures, UNITS)
                over = found[OURS]["p99"] - found["idle"]["p99"]
                note = f"FileHandler: {found['FileHandler']['p99'] - found['idle']['p99']:.3g} ms"
                report.ratio(f"{case}: p99 lag of {OURS} over idle, ms", over, "at most 1", met=over <= 1, note=note)


if __name__ == "__main__":
    run(__file__, one, compare)
