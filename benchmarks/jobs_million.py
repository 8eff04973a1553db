"""A store with a million finished jobs against one with a thousand: jobs per second, and what pruning does to callers.

python benchmarks/jobs_million.py [--finished 1000000]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness import Report
from log_bench import quantile

HERE = Path(__file__).parent
JOBS, ROUNDS = 10_000, 3

FILL = """
import sqlite3, sys, time
from weft.jobs.lifecycle import State
from weft.jobs import stores
folder, count = sys.argv[1], int(sys.argv[2])
stores.open_store(f"sqlite:{folder}/jobs.db").close()
connection = sqlite3.connect(f"{folder}/jobs.db")
connection.execute("PRAGMA synchronous = OFF")
now = time.time()
rows = ((f"old-{n}", now - 60, now, now + 3600) for n in range(count))
connection.executemany(
    "INSERT INTO job (uid, task, queue, state, priority, arguments, attempt, max_attempts, result_ttl, result, "
    "created_at, finished_at, expires_at) "
    f"VALUES (?, 'old', 'default', {int(State.COMPLETED)}, 0, '{{}}', 1, 1, 60, 'null', ?, ?, ?)",
    rows,
)
connection.commit()
"""
SETTLED = """
import sys, time
from weft.jobs.stores import open_store
store = open_store(f"sqlite:{sys.argv[1]}/jobs.db")
while store.pending({"default"}):
    time.sleep(0.002)
print(time.time())
"""


def python(*words, **options):
    return subprocess.run([sys.executable, *words], cwd=HERE, check=True, text=True, capture_output=True, **options)


def rate(folder):
    """Jobs per second of one worker, in a store that has so many finished ones already."""
    environ = {**os.environ, "PEER": "weft", "FOLDER": str(folder)}
    (folder / "began").unlink(missing_ok=True)
    python("job_peers.py", "enqueue", str(JOBS), env=environ)
    worker = subprocess.Popen(
        [sys.executable, "job_peers.py", "work", str(JOBS)], cwd=HERE, env=environ, stderr=subprocess.DEVNULL
    )
    try:
        while not (folder / "began").exists():
            time.sleep(0.002)
        ended = float(python("-c", SETTLED, str(folder)).stdout)
        return JOBS / (ended - float((folder / "began").read_text()))
    finally:
        worker.kill()
        worker.wait()


def pruned(folder):
    """What calls that store jobs take while all finished ones are forgotten; milliseconds."""
    from weft.jobs.stores import open_store

    store = open_store(f"sqlite:{folder / 'jobs.db'}")
    from weft.jobs.records import Entry

    taken, over = [], threading.Event()

    def call():
        n = 0
        while not over.is_set():
            began = time.perf_counter()
            store.enqueue([Entry(f"new-{n}", "new", "other", b"{}", time.time())]).wait()
            taken.append((time.perf_counter() - began) * 1000)
            n += 1
            time.sleep(0.001)

    thread = threading.Thread(target=call)
    thread.start()
    began = time.perf_counter()
    gone = store.prune(time.time() + 7200)
    seconds = time.perf_counter() - began
    over.set()
    thread.join()
    store.close()
    return gone, seconds, taken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--finished", type=int, default=1_000_000)
    finished = parser.parse_args().finished
    report = Report(
        "jobs_million",
        "A store with a million finished jobs against one with a thousand, in turn: no-op jobs per second of one "
        "worker; and what a call that stores a job takes while all the finished ones are pruned.",
    )
    folders = {count: Path(tempfile.mkdtemp(prefix="weft-jobs-")) for count in (1000, finished)}
    try:
        for count, folder in folders.items():
            python("-c", FILL, str(folder), str(count))
        rates = {count: [] for count in folders}
        for _ in range(ROUNDS):
            for count, folder in folders.items():
                rates[count].append(rate(folder))
        few, many = (report.row(f"{n:,} finished", "weft", "rate", "jobs/s", found) for n, found in rates.items())
        gone, seconds, taken = pruned(folders[finished])
        report.row(f"pruning {gone:,}", "weft", "seconds", "s", [seconds])
        report.row(f"pruning {gone:,}", "weft", "p99 of a call", "ms", [quantile(taken, 0.99)])
        longest = report.row(f"pruning {gone:,}", "weft", "longest call", "ms", [max(taken)])
        ratio = many / few
        report.ratio("jobs per second with 1,000,000 finished / with 1,000", ratio, "at least 0.8", met=ratio >= 0.8)
        report.ratio("the longest call while pruning, ms", longest, "at most 50 ms", met=longest <= 50)
        report.write()
    finally:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
