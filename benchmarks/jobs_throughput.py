"""Durable jobs: how fast they are stored by many threads, and run by one worker process; peers in turn.

python benchmarks/jobs_throughput.py [--rounds 3]
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Report
from log_bench import quantile

HERE = Path(__file__).parent
STORED = ["weft", "huey SQLite", "raw SQLite", "DBOS SQLite"]
SLOWLY = ["weft", "huey SQLite", "raw SQLite"]
RUN = [
    "weft", "weft PostgreSQL", "huey SQLite", "huey Redis", "Dramatiq Redis", "Celery Redis", "taskiq Redis",
    "PgQueuer", "Procrastinate", "DBOS SQLite",
]  # fmt: skip
PAIR = ("weft", "huey SQLite")
THREADS, EACH, JOBS = 16, 150, 10_000
FEWER = {"Procrastinate": 2_000, "DBOS SQLite": 300, "taskiq Redis": 5_000}  # for those that would take minutes
LOOKS = {"weft", "weft PostgreSQL", "PgQueuer"}


def program(peer, folder, *words, slow=None, **options):
    environ = {**os.environ, "PEER": peer, "FOLDER": str(folder), "PYTHONWARNINGS": "ignore"}
    if slow is not None:
        environ["LD_PRELOAD"] = str(slow)
    return subprocess.Popen([sys.executable, "job_peers.py", *words], cwd=HERE, env=environ, text=True, **options)


def stored(peer, folder, slow=None):
    """THREADS threads of one process store EACH jobs each."""
    with program(peer, folder, "threads", str(THREADS), str(EACH), slow=slow, stdout=subprocess.PIPE) as process:
        found = json.loads(process.stdout.read().splitlines()[-1])
    return figures([found])


def stored_slowly(peer, folder):
    """The same, on a disk that takes 2 ms longer."""
    library = folder / "slow.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, HERE / "slow_disk.c", "-ldl"], check=True)
    return stored(peer, folder, library)


def mixed(peer, folder):
    """Four processes of 4 threads store jobs, while a worker runs them."""
    worker = program(peer, folder, "work", "0", stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.0)
        each = [program(peer, folder, "threads", "4", str(EACH), stdout=subprocess.PIPE) for _ in range(4)]
        return figures([json.loads(process.communicate()[0].splitlines()[-1]) for process in each])
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()


def figures(found):
    calls = [call for one in found for call in one["calls"]]
    return {
        "rate": len(calls) / max(one["seconds"] for one in found),
        "p50": quantile(calls, 0.5) * 1000,
        "p99": quantile(calls, 0.99) * 1000,
        "p99.9": quantile(calls, 0.999) * 1000,
    }


def run(peer, folder):
    """One worker process runs JOBS no-op jobs that are stored before, from the first until all are settled."""
    count = FEWER.get(peer, JOBS)
    subprocess.run(["redis-cli", "flushdb"], check=True, capture_output=True)
    if program(peer, folder, "enqueue", str(count)).wait():
        raise RuntimeError(f"{peer} could not store its jobs")
    worker = program(peer, folder, "work", str(count), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 300
        # The one that looks is there before the work begins: its start is not to be counted.
        looking = program(peer, folder, "settled", str(count), stdout=subprocess.PIPE)
        while not (folder / "ended").exists() or not (folder / "ended").read_text():
            if worker.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{peer} did not run its jobs")
            time.sleep(0.02)
        settled = float(looking.communicate()[0]) if peer in LOOKS else 0.0
        looking.kill()
        began, ended = (float((folder / name).read_text()) for name in ("began", "ended"))
        return {"rate": count / (max(ended, settled) - began)}
    finally:
        worker.kill()
        worker.wait()


def in_turn(measure, peers, rounds):
    found = {peer: [] for peer in peers}
    for number in range(rounds):
        for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
            folder = Path(tempfile.mkdtemp(prefix="weft-jobs-"))
            try:
                found[peer].append(measure(peer, folder))
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    report = Report(
        "jobs_throughput",
        "Durable jobs, peers in turn: 16 threads that store jobs, each call on the disk (fsync) when it returns; four "
        "processes of four threads that store jobs beside a worker; and 10,000 no-op jobs run by one worker process, "
        "from the first until all are settled (2,000 of Procrastinate's, 300 of DBOS's, 5,000 of taskiq's). SQLite and "
        "PostgreSQL are durable; Redis here keeps nothing on disk. The slower disk takes 2 ms longer for each fsync.",
    )
    alone, slowly, beside, drained = (
        in_turn(stored, STORED, rounds),
        in_turn(stored_slowly, SLOWLY, rounds),
        in_turn(mixed, STORED[:2], rounds),
        in_turn(run, RUN, rounds),
    )
    units = {"rate": "jobs/s", "p50": "ms", "p99": "ms", "p99.9": "ms"}
    medians = {}
    cases = {
        "stored by 16 threads": alone,
        "stored on a slower disk": slowly,
        "stored beside a worker": beside,
        "run": drained,
    }
    for case, found in cases.items():
        for peer, measured in found.items():
            for metric in measured[0]:
                values = [one[metric] for one in measured]
                medians[case, peer, metric] = report.row(case, peer, metric, units[metric], values)

    def ratio(what, case, peers, metric, bound):
        one, other = (case[peer] for peer in peers)
        value = statistics.median(a[metric] / b[metric] for a, b in zip(one, other, strict=True))
        word, limit = bound
        report.ratio(what, value, f"{word} {limit}", met=value >= limit if word == "at least" else value <= limit)

    ratio("16 threads: jobs stored per second, weft / huey SQLite", alone, PAIR, "rate", ("at least", 3))
    ratio("16 threads: p99 of a call, weft / huey SQLite", alone, PAIR, "p99", ("at most", 0.33))
    ratio("a slower disk: jobs stored per second, weft / huey SQLite", slowly, PAIR, "rate", ("at least", 3))
    ratio("a slower disk: p99 of a call, weft / huey SQLite", slowly, PAIR, "p99", ("at most", 0.33))
    worst = medians["stored beside a worker", "weft", "p99.9"]
    report.ratio("4 processes and a worker: p99.9 of a call, ms", worst, "at most 50 ms", met=worst <= 50)
    ratio("10,000 jobs: run per second, weft / huey SQLite", drained, PAIR, "rate", ("at least", 6))
    others = [peer for peer in RUN if not peer.startswith("weft")]
    fastest = max(others, key=lambda peer: medians["run", peer, "rate"])
    what = f"10,000 jobs: run per second, weft / {fastest}, the fastest other"
    ratio(what, drained, ("weft", fastest), "rate", ("at least", 3))
    report.write()


if __name__ == "__main__":
    main()
